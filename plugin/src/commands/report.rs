//! `report`: all that support needs to know about a cluster, in one file.

mod bundle;
mod collect;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint};
use serde_json::Value;

use super::{
    report::collect::{Scope, collect},
    validators::{namespace, object_name},
};
use crate::{
    client::{
        clusters::Clusters, connect, connection::Connection, reader::Reader, resource::CLUSTERS,
    },
    completer::Completer,
    error::{CliError, Result},
    model::report::{
        Entry, ReadFailure,
        summary::{self, Summary},
    },
    runtime::block_on,
    terminal::Ui,
    text, time,
};

/// Write a support bundle of a cluster into one file
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Report {
    /// Name of the CassandraCluster
    #[arg(value_name = "CLUSTER", value_parser = object_name, add = Completer::Cluster)]
    name: String,
    /// Archive (.tar.gz) or new folder to write (default: casskop-report-CLUSTER-TIME.tar.gz)
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    file: Option<PathBuf>,
    /// Lines from the end of each log; 0 leaves the logs out
    #[arg(long, value_name = "LINES", default_value_t = 2000, value_parser = clap::value_parser!(u32))]
    tail: u32,
    /// Namespace of the operator (default: that of the cluster, else the first one found)
    #[arg(long, value_name = "NAMESPACE", value_parser = namespace, add = Completer::Namespace)]
    operator_namespace: Option<String>,
}

impl Report {
    /// Reads and writes it.
    ///
    /// # Errors
    /// When the cluster is not there, the API server cannot be reached, or the file cannot be written. An object that
    /// the user may not read is no error: it is reported and left out.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let time = time::now();
        let top = format!(
            "casskop-report-{}-{}",
            self.name,
            time.strftime("%Y%m%dT%H%M%SZ")
        );
        let path = output_path(&self, &top)?;
        let (entries, failures) = block_on(read(flags, &self, &time.to_string()))?;
        let seconds = u64::try_from(time.as_second()).unwrap_or_default();
        bundle::write(&path, &top, &entries, seconds).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => exists(&path),
            _ => CliError::failed(format!("cannot write {}: {error}", path.display()))
                .hint("choose another place with -f"),
        })?;
        warn(&failures, ui);
        ui.data(&path.display().to_string())
    }
}

/// The path to write. Errors that are known in advance come before any read.
fn output_path(arguments: &Report, top: &str) -> Result<PathBuf> {
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
) -> Result<(Vec<Entry>, Vec<ReadFailure>)> {
    let clusters = Clusters::connect(flags)?;
    let reader = Reader::new(clusters.client().clone(), connect::limit(flags));
    let (name, namespace) = (arguments.name.as_str(), clusters.target.namespace.as_str());
    let cluster = cluster(&clusters, &reader, name).await?;
    let scope = Scope {
        name,
        namespace,
        operator: arguments.operator_namespace.as_deref(),
        tail: arguments.tail,
        cluster,
    };
    let mut entries = collect(&reader, &scope).await?;
    let server = reader.version().await;
    let failures = reader.failures();
    let summary = Summary {
        name,
        namespace,
        time,
        server,
        cluster: scope.cluster.as_ref(),
        entries: &entries,
        failures: &failures,
    };
    let summary = Entry::new("report.txt", summary::text(&summary));
    entries.insert(0, summary);
    Ok((entries, failures))
}

/// The cluster. One that may not be read leaves a gap; one that is not there, or a server that does not answer, ends
/// it as in every command.
async fn cluster(clusters: &Clusters, reader: &Reader, name: &str) -> Result<Option<Value>> {
    let namespace = &clusters.target.namespace;
    let found = reader.get(&CLUSTERS, namespace, name).await;
    if found.is_some() || reader.failures().iter().any(ReadFailure::is_forbidden) {
        return Ok(found);
    }
    let found = clusters.get(name).await?;
    Ok(serde_json::to_value(found).ok())
}

fn exists(path: &Path) -> CliError {
    CliError::failed(format!("{} is there already", path.display()))
        .hint("choose another name with -f")
}

fn warn(failures: &[ReadFailure], ui: &Ui) {
    let forbidden = failures.iter().filter(|failure| failure.is_forbidden());
    let mut resources: Vec<&str> = forbidden
        .map(|failure| failure.permission.resource.as_str())
        .collect();
    resources.dedup();
    if !resources.is_empty() {
        let resources = text::list(resources);
        ui.warn(&format!(
            "left out resources that you may not read: {resources} (report.txt in the bundle names the permissions)"
        ));
    }
    let others = failures
        .iter()
        .filter(|failure| !failure.is_forbidden())
        .count();
    if others > 0 {
        let things = text::count(others, "thing");
        ui.warn(&format!(
            "{things} could not be read: report.txt in it says why"
        ));
    }
}

const HELP: &str = "In it: the CassandraCluster and its status, the objects made for it, events, logs of operator and nodes, versions.
Not in it: values of Secrets (only their keys are named), passwords and tokens in variables, configuration and logs
as far as they can be told by their names. Look through it before you hand it on.
What you may not read is left out; report.txt in it, and stderr, say which right is missing.

Examples:
  kubectl casskop report demo
  kubectl casskop report demo -f demo.tar.gz --tail 10000
  kubectl casskop report demo -f /tmp/demo            as a folder

Exit codes: 0 written, 1 failed, 2 wrong usage.";
