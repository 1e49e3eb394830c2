//! `wait`: waits for the end of a request.

mod end;
pub mod poll;
mod progress;

use std::time::Duration;

use casskop_common::{
    api::CassandraCluster,
    intent::{Intents, Request},
    operations::{Arguments, DryRun},
};
use clap::Args;
use kube::ResourceExt;

use super::{
    arguments::{Output, RequestArgs},
    validators::{EXIT_CODES, help},
};
use crate::{
    client::{clusters::Clusters, connection::Connection, submit::Submitted},
    error::Result,
    model::{
        control::request_ref::{CurrentRequest, RequestRef},
        request,
        wait::Awaited,
    },
    runtime::block_on,
    terminal::Ui,
    time::parse_duration,
};

/// Wait for the end of a request, show its progress, end with its exit code
#[derive(Args, Debug)]
#[command(after_help = help(HELP, EXIT_CODES))]
pub struct Wait {
    #[command(flatten)]
    request: RequestArgs,
    /// Longest wait, such as 30m or 2h; the operation itself continues (default: none)
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// text, yaml, json or name: the operation as the status has it
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    output: Output,
}

impl Wait {
    /// Waits for the end of a request.
    ///
    /// # Errors
    /// When there is no such request; when it failed, was refused or taken back; after the timeout; on Ctrl-C.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let connection_args = flags.connection_args();
        block_on(async {
            let clusters = Clusters::connect(flags)?;
            let cluster = clusters.get(&self.request.name).await?;
            let current = resolve(&cluster, &self.request, &connection_args)?;
            let awaited = Awaited {
                dry_run: is_dry_run(&cluster, &current),
                cluster: self.request.name,
                kind: current.kind,
                id: current.id,
                connection_args,
            };
            let submitted = Submitted {
                cluster: Box::new(cluster),
                known: true,
                notes: Vec::new(),
            };
            let timeout = self.timeout.filter(|timeout| !timeout.is_zero());
            poll::run(&clusters, submitted, &awaited, self.output, timeout, ui).await
        })
    }
}

/// The request that the arguments refer to.
fn resolve(
    cluster: &CassandraCluster,
    request: &RequestArgs,
    connection_args: &str,
) -> Result<CurrentRequest> {
    let request = RequestRef {
        kind: request.kind.as_deref(),
        id: request.id.as_deref(),
        verb: "wait",
        connection_args,
    };
    let found = request.resolve(cluster, CurrentRequest::is_unfinished)?;
    Ok(match request.id {
        Some(_) => found,
        None => newest(cluster, found),
    })
}

/// The newest request of the kind: one may be requested already behind a running operation.
fn newest(cluster: &CassandraCluster, found: CurrentRequest) -> CurrentRequest {
    let asked = Intents::parse(cluster.annotations()).requests;
    match asked
        .values()
        .find(|asked| asked.kind.as_str() == found.kind)
    {
        Some(asked) if request::find(cluster, &found.kind, &asked.id).is_none() => CurrentRequest {
            kind: found.kind,
            id: asked.id.clone(),
            operation: None,
        },
        _ => found,
    }
}

/// Whether only the plan was requested.
fn is_dry_run(cluster: &CassandraCluster, current: &CurrentRequest) -> bool {
    let Some(operation) = &current.operation else {
        let asked = Intents::parse(cluster.annotations()).requests;
        let mut asked = asked.values();
        let asked = asked.find(|asked| asked.kind.as_str() == current.kind);
        return asked.is_some_and(Request::is_dry_run);
    };
    Arguments::recorded(&operation.kind, &operation.arguments)
        .is_some_and(|arguments| arguments.shared.dry_run == Some(DryRun::Server))
}

const HELP: &str = "Examples:
  kubectl casskop wait demo                               the one that is not finished
  kubectl casskop wait demo cleanup --timeout 2h          the newest cleanup
  kubectl casskop wait demo cleanup --id 2026-11-22a      this one, also when it has ended

Ctrl-C and --timeout end the waiting, never the operation.";
