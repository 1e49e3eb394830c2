//! Controls: one annotation beside a request that was made.

use std::time::Duration;

use casskop_common::api::CassandraCluster;
use clap::Args;

use super::{
    arguments::{Edit, RequestArgs},
    edit::{Written, print, taken_from},
    validators::SHORT_EXIT_CODES,
};
use crate::{
    client::{
        annotations,
        clusters::Clusters,
        connection::Connection,
        watch::{Change, ClusterWatch},
    },
    error::{CliError, Kind, Result},
    model::{
        control::{
            self, Control,
            request_ref::{CurrentRequest, RequestRef},
        },
        request::refuse_deleted,
    },
    runtime::block_on,
    terminal::Ui,
    text::PROGRAM,
};

/// Longest wait until the operator has observed that an annotation was removed.
const NOTICE: Duration = Duration::from_secs(30);

/// A request, and the way in which its control is written.
#[derive(Args, Debug)]
pub struct ControlArgs {
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    edit: Edit,
}

impl ControlArgs {
    /// Writes `control` for the request.
    ///
    /// # Errors
    /// When there is no such request, the control does not fit it, or the annotation is not written.
    pub fn run(self, control: Control, flags: &Connection, ui: &Ui) -> Result<()> {
        let RequestArgs { name, kind, id } = self.request;
        let order = Order {
            cluster: name,
            kind,
            id,
            control,
            edit: self.edit,
        };
        block_on(execute(order, flags, ui))
    }
}

/// Help of a control: examples, and its `effect` on the annotations.
pub fn help(name: &str, effect: &str) -> String {
    format!(
        "Examples:
  {PROGRAM} {name} demo                                      the one that comes into question
  {PROGRAM} {name} demo cleanup                              the cleanup
  {PROGRAM} {name} demo cleanup --dry-run=client -o yaml     print what to commit to Git

{effect}
{SHORT_EXIT_CODES}"
    )
}

/// A control, and the request it is meant for.
pub struct Order {
    /// Name of the cluster.
    pub cluster: String,
    /// Kind of the request.
    pub kind: Option<String>,
    /// Id of the request.
    pub id: Option<String>,
    /// The control.
    pub control: Control,
    /// The way in which it is written.
    pub edit: Edit,
}

/// Writes a control.
///
/// # Errors
/// When there is no such request, the control does not fit it, or the annotation is not written.
pub async fn execute(order: Order, flags: &Connection, ui: &Ui) -> Result<()> {
    let clusters = Clusters::connect(flags)?;
    let connection_args = flags.connection_args();
    let name = &order.cluster;
    let dry_run = order.edit.dry_run.is_some();
    let mut done: Option<(CurrentRequest, control::Change)> = None;
    let mut from = None;
    // The operator must observe the removal of an executed retry before the next one.
    let mut remove_retry = order.control == Control::Retry && !dry_run;
    loop {
        let decide = |cluster: &CassandraCluster| {
            refuse_deleted(cluster)?;
            let current = resolve(&order, cluster, &connection_args)?;
            if let Some((before, _)) = &done
                && before.id != current.id
            {
                return Err(replaced(name, before, &current));
            }
            let mut change = order
                .control
                .evaluate(&current, cluster, &connection_args)?;
            remove_retry &= control::was_retried(&current);
            if remove_retry {
                change.annotations = control::removed_retry(&current, cluster);
            }
            let annotations = change.annotations.clone();
            from = taken_from(cluster, &annotations);
            done = Some((current, change));
            Ok(annotations)
        };
        if dry_run {
            let mut decide = decide;
            decide(&clusters.get(name).await?)?;
            break;
        }
        let cluster = annotations::write(&clusters, name, decide).await?;
        if !std::mem::take(&mut remove_retry) {
            break;
        }
        observe_removal(&order, &clusters, cluster, &connection_args).await?;
    }
    let Some((current, change)) = done else {
        return Ok(());
    };
    let written = Written {
        name,
        namespace: Some(clusters.target.namespace.clone()),
        annotations: change.annotations,
        taken_from: from,
        effect: change.effect,
        next: next(&order, &current, &connection_args),
        connection_args,
    };
    print(&written, &order.edit, ui)
}

fn replaced(name: &str, before: &CurrentRequest, now: &CurrentRequest) -> CliError {
    CliError::failed(format!(
        "{} {} on cluster {name} was replaced by {} just now; nothing was written",
        before.kind, before.id, now.id
    ))
}

fn resolve(
    order: &Order,
    cluster: &CassandraCluster,
    connection_args: &str,
) -> Result<CurrentRequest> {
    let request = RequestRef {
        kind: order.kind.as_deref(),
        id: order.id.as_deref(),
        verb: order.control.verb(),
        connection_args,
    };
    request.resolve(cluster, |current| order.control.fits(current, cluster))
}

/// The command that comes next.
fn next(order: &Order, current: &CurrentRequest, connection_args: &str) -> String {
    let name = &order.cluster;
    let CurrentRequest { kind, id, .. } = current;
    match order.control {
        Control::Pause => format!("go on with it: {PROGRAM} resume {name} {kind}{connection_args}"),
        _ => format!("wait for its end: {PROGRAM} wait {name} {kind} --id {id}{connection_args}"),
    }
}

/// Waits until the operator has observed that the previous retry was removed.
async fn observe_removal(
    order: &Order,
    clusters: &Clusters,
    mut cluster: Box<CassandraCluster>,
    connection_args: &str,
) -> Result<()> {
    let mut watch = ClusterWatch::after(clusters, &cluster);
    let observation = tokio::time::timeout(NOTICE, async {
        while control::was_retried(&resolve(order, &cluster, connection_args)?) {
            match watch.next().await? {
                Change::Updated(updated) => cluster = updated,
                Change::Disconnected(_) => {}
                Change::Deleted => {
                    return Err(CliError::failed(format!(
                        "cassandracluster {} was deleted; nothing is retried",
                        order.cluster
                    )));
                }
            }
        }
        Ok(())
    });
    observation.await.unwrap_or_else(|_| {
        Err(CliError::new(Kind::TimedOut, format!(
            "the previous retry was removed, but the operator has not observed the removal within {}s; nothing is retried yet",
            NOTICE.as_secs()
        ))
        .hint(format!("check that it runs: {} explain {}{connection_args}", PROGRAM, order.cluster))
        .hint("then run the command again"))
    })
}
