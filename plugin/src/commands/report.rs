//! `report`: all that support needs to know about a cluster, in one file.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, FromArgMatches};
use serde_json::Value;

use super::{live, usage};
use crate::{
    cli::{Connection, Report},
    client::resource::CLUSTERS,
    clusters::Clusters,
    error::{CliError, Result},
    report::{
        Entry, Gap, bundle,
        collect::{Scope, collect},
        source::Source,
        summary::{self, Summary},
    },
    text, time,
    ui::Ui,
};

/// Reads and writes it.
///
/// # Errors
/// When the cluster is not there, the API server cannot be reached, or the file cannot be written. What the user may
/// not read is no error: it is told and left out.
pub fn run(matches: &ArgMatches, ui: &Ui) -> Result<()> {
    let flags = Connection::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let arguments = Report::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let time = time::now();
    let top = format!(
        "casskop-report-{}-{}",
        arguments.name,
        time.strftime("%Y%m%dT%H%M%SZ")
    );
    let path = place(&arguments, &top)?;
    let (entries, gaps) = live(read(&flags, &arguments, &time.to_string()))?;
    let seconds = u64::try_from(time.as_second()).unwrap_or_default();
    bundle::write(&path, &top, &entries, seconds).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(&path),
        _ => CliError::failed(format!("cannot write {}: {error}", path.display()))
            .hint("choose another place with -f"),
    })?;
    tell(&gaps, ui);
    ui.data(&path.display().to_string())
}

/// Where to write; what can be known to fail fails before anything is read.
fn place(arguments: &Report, top: &str) -> Result<PathBuf> {
    let path = arguments.file.clone();
    let path = path.unwrap_or_else(|| format!("{top}.tar.gz").into());
    if path.extension().is_some_and(|extension| extension == "zip") {
        return Err(
            CliError::usage(format!("{} would be a zip", path.display()))
                .hint("the bundle is a .tar.gz or a folder, as the name says"),
        );
    }
    if path.exists() {
        return Err(exists(&path));
    }
    match path.parent() {
        Some(parent) if parent != Path::new("") && !parent.is_dir() => {
            Err(CliError::failed(format!(
                "cannot write {}: there is no folder {}",
                path.display(),
                parent.display()
            ))
            .hint("make it, or choose another place with -f"))
        }
        _ => Ok(path),
    }
}

async fn read(
    flags: &Connection,
    arguments: &Report,
    time: &str,
) -> Result<(Vec<Entry>, Vec<Gap>)> {
    let clusters = Clusters::connect(flags)?;
    let source = clusters.source();
    let (name, namespace) = (arguments.name.as_str(), clusters.place.namespace.as_str());
    let cluster = cluster(&clusters, &source, name).await?;
    let scope = Scope {
        name,
        namespace,
        operator: arguments.operator_namespace.as_deref(),
        tail: arguments.tail,
        cluster,
    };
    let mut entries = collect(&source, &scope).await?;
    let server = source.version().await;
    let gaps = source.gaps();
    let summary = Summary {
        name,
        namespace,
        time,
        server,
        cluster: scope.cluster.as_ref(),
        entries: &entries,
        gaps: &gaps,
    };
    let summary = Entry::new("report.txt", summary::text(&summary));
    entries.insert(0, summary);
    Ok((entries, gaps))
}

/// The cluster. One that may not be read leaves a gap; one that is not there, or a server that does not answer, ends
/// it as in every command.
async fn cluster(clusters: &Clusters, source: &Source, name: &str) -> Result<Option<Value>> {
    let namespace = &clusters.place.namespace;
    let found = source.get(&CLUSTERS, namespace, name).await;
    if found.is_some() || source.gaps().iter().any(Gap::is_forbidden) {
        return Ok(found);
    }
    let found = clusters.get(name).await?;
    Ok(serde_json::to_value(found).ok())
}

fn exists(path: &Path) -> CliError {
    CliError::failed(format!("{} is there already", path.display()))
        .hint("choose another name with -f")
}

fn tell(gaps: &[Gap], ui: &Ui) {
    let forbidden = gaps.iter().filter(|gap| gap.is_forbidden());
    let mut resources: Vec<&str> = forbidden.map(|gap| gap.right.resource.as_str()).collect();
    resources.dedup();
    if !resources.is_empty() {
        let resources = text::list(resources);
        ui.warn(&format!(
            "left out what you may not read: {resources} (report.txt in it names the rights)"
        ));
    }
    let others = gaps.iter().filter(|gap| !gap.is_forbidden()).count();
    if others > 0 {
        let things = text::count(others, "thing");
        ui.warn(&format!(
            "{things} could not be read: report.txt in it says why"
        ));
    }
}
