//! `wait`: comes back to a request.

use casskop_common::{
    api::CassandraCluster,
    intent::{Intents, Request},
    operations::{Arguments, DryRun},
};
use clap::{ArgMatches, FromArgMatches};
use kube::ResourceExt;

use super::{live, usage};
use crate::{
    cli::{Connection, Wait},
    client,
    clusters::Clusters,
    control::subject::{Subject, Which},
    error::Result,
    request::{self, Submitted},
    ui::Ui,
    wait::{self, Awaited},
};

/// Waits for the end of a request that stands.
///
/// # Errors
/// When there is no such request; when it failed, was refused or taken back; after the timeout; on Ctrl-C.
pub fn run(matches: &ArgMatches, ui: &Ui) -> Result<()> {
    let flags = Connection::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let arguments = Wait::from_arg_matches(matches).map_err(|error| usage(&error))?;
    live(async {
        let clusters = Clusters::connect(&flags)?;
        let again = client::again(&flags);
        let name = arguments.subject.name.clone();
        let cluster = clusters.get(&name).await?;
        let subject = subject(&cluster, &arguments, &again)?;
        let awaited = Awaited {
            dry_run: is_dry_run(&cluster, &subject),
            cluster: name,
            kind: subject.kind,
            id: subject.id,
            output: arguments.output,
            again,
        };
        let submitted = Submitted {
            cluster: Box::new(cluster),
            known: true,
            notes: Vec::new(),
        };
        let timeout = arguments.timeout.filter(|timeout| !timeout.is_zero());
        wait::run(&clusters, submitted, &awaited, timeout, ui).await
    })
}

/// The request that is meant.
fn subject(cluster: &CassandraCluster, arguments: &Wait, again: &str) -> Result<Subject> {
    let which = Which {
        kind: arguments.subject.kind.as_deref(),
        id: arguments.subject.id.as_deref(),
        verb: "wait",
        again,
    };
    let found = which.pick(cluster, Subject::is_unfinished)?;
    Ok(match which.id {
        Some(_) => found,
        None => newest(cluster, found),
    })
}

/// Behind a running operation another of its kind may be asked for already: that is the newest.
fn newest(cluster: &CassandraCluster, found: Subject) -> Subject {
    let asked = Intents::parse(cluster.annotations()).requests;
    match asked.get(&found.kind) {
        Some(asked) if request::find(cluster, &asked.kind, &asked.id).is_none() => Subject {
            kind: found.kind,
            id: asked.id.clone(),
            operation: None,
        },
        _ => found,
    }
}

/// Whether the plan is all that was asked for.
fn is_dry_run(cluster: &CassandraCluster, subject: &Subject) -> bool {
    let Some(operation) = &subject.operation else {
        let asked = Intents::parse(cluster.annotations()).requests;
        return asked.get(&subject.kind).is_some_and(Request::is_dry_run);
    };
    let words = shlex::split(&operation.arguments).unwrap_or_default();
    Arguments::parse(&operation.kind, &words)
        .is_ok_and(|arguments| arguments.shared.dry_run == Some(DryRun::Server))
}
