//! `logs`: what the nodes of a cluster, or the operator, have written.

use std::time::Duration;

use casskop_common::{
    names,
    operations::{ClusterValue, Target},
};
use clap::Args;
use futures::{AsyncBufRead, AsyncBufReadExt, future::try_join_all};
use kube::{ResourceExt, api::LogParams, core::Request};

use super::validators::{SHORT_EXIT_CODES, help, object_name};
use crate::{
    client::{
        clusters::Clusters,
        connect,
        connection::Connection,
        failure::Call,
        objects,
        resource::{POD_LOGS, PODS},
    },
    completer::Completer,
    error::{CliError, Kind, Result},
    model::{install::OPERATOR_SELECTOR, targets, topology},
    runtime::block_on,
    terminal::Ui,
    text::PROGRAM,
    time::parse_duration,
};

/// Lines of each of several pods without `--tail`.
const TAIL: i64 = 20;
/// Container of the operator.
const OPERATOR_CONTAINER: &str = "operator";

/// Print the logs of the nodes, or of the operator
#[derive(Args, Debug)]
#[command(after_help = help(HELP, SHORT_EXIT_CODES))]
pub struct Logs {
    /// Name of the CassandraCluster
    #[arg(value_name = "CLUSTER", value_parser = object_name, add = Completer::Cluster)]
    name: String,
    /// Only this pod; repeatable (default: every node)
    #[arg(long, value_name = "POD", value_parser = object_name, add = ClusterValue::Pod)]
    pod: Vec<String>,
    /// The operator's log instead
    #[arg(long, conflicts_with = "pod")]
    operator: bool,
    /// Follow the log until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only the last N lines of each log (default: all lines of one pod, 20 lines of each of several)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    tail: Option<i64>,
    /// Only entries newer than a duration such as 5m or 2h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    since: Option<Duration>,
}

impl Logs {
    /// Prints the logs.
    ///
    /// # Errors
    /// When none of them can be read.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        block_on(async {
            let clusters = Clusters::connect(flags)?;
            let pods = if self.operator {
                operators(&clusters).await?
            } else {
                nodes(&clusters, &self).await?
            };
            let reader = Reader {
                clusters: &clusters,
                params: params(&self, pods.len()),
                prefixed: pods.len() > 1,
                limit: connect::limit(flags).filter(|_| !self.follow),
                ui,
            };
            let mut ends = Vec::new();
            if self.follow {
                ends = try_join_all(pods.iter().map(|pod| reader.print_or_error(pod))).await?;
            } else {
                for pod in &pods {
                    ends.push(reader.print_or_error(pod).await?);
                }
            }
            let errors = ends.into_iter().flatten().collect();
            report(errors, pods.len(), ui)
        })
    }
}

/// A log that cannot be read does not stop the others.
fn report(mut errors: Vec<CliError>, pods: usize, ui: &Ui) -> Result<()> {
    if errors.len() == pods {
        return errors.drain(..).next().map_or(Ok(()), Err);
    }
    for error in errors {
        ui.warn(&error.to_string());
    }
    Ok(())
}

async fn nodes(clusters: &Clusters, arguments: &Logs) -> Result<Vec<String>> {
    let cluster = clusters.get(&arguments.name).await?;
    let target = Target {
        pod: arguments.pod.clone(),
        ..Target::default()
    };
    targets::check(&cluster, &target, &clusters.target.connection_args)?;
    if !arguments.pod.is_empty() {
        return Ok(arguments.pod.clone());
    }
    let racks = topology::nodes(&cluster);
    let reported = racks
        .values()
        .flatten()
        .filter(|node| node.status.is_some());
    let pods: Vec<String> = reported.map(|node| node.pod.clone()).collect();
    if pods.is_empty() {
        let name = &arguments.name;
        return Err(
            CliError::failed(format!("the status of cluster {name} knows no pod yet")).hint(
                format!(
                    "find the cause: {} explain {name}{}",
                    PROGRAM, clusters.target.connection_args
                ),
            ),
        );
    }
    Ok(pods)
}

async fn operators(clusters: &Clusters) -> Result<Vec<String>> {
    let pods = objects::list(clusters, &PODS, OPERATOR_SELECTOR).await?;
    if pods.items.is_empty() {
        return Err(CliError::failed(format!(
            "there is no pod of the operator in namespace {}",
            clusters.target.namespace
        ))
        .hint(format!(
            "search all namespaces: kubectl get pods -A -l {OPERATOR_SELECTOR}"
        )));
    }
    Ok(pods.items.iter().map(ResourceExt::name_any).collect())
}

fn params(arguments: &Logs, pods: usize) -> LogParams {
    let container = if arguments.operator {
        OPERATOR_CONTAINER
    } else {
        names::CASSANDRA_CONTAINER
    };
    let since = arguments.since.map(|since| since.as_secs().max(1));
    let default = (pods > 1 && since.is_none()).then_some(TAIL);
    LogParams {
        container: Some(container.into()),
        follow: arguments.follow,
        tail_lines: arguments.tail.or(default),
        since_seconds: since.and_then(|since| i64::try_from(since).ok()),
        ..LogParams::default()
    }
}

/// Reads logs line by line: a log may be larger than the memory.
struct Reader<'a> {
    clusters: &'a Clusters,
    params: LogParams,
    prefixed: bool,
    /// Longest wait for the next line; none with `--follow`.
    limit: Option<Duration>,
    ui: &'a Ui,
}

impl Reader<'_> {
    /// The error of one log; it is returned as such only if stdout is closed.
    async fn print_or_error(&self, pod: &str) -> Result<Option<CliError>> {
        match self.print(pod).await {
            Err(error) if error.kind == Kind::BrokenPipe => Err(error),
            end => Ok(end.err()),
        }
    }

    async fn print(&self, pod: &str) -> Result<()> {
        let namespace = &self.clusters.target.namespace;
        let call = Call {
            verb: "get",
            resource: &POD_LOGS,
            name: Some(pod),
            namespace: Some(namespace),
        };
        let request = Request::new(format!("/api/v1/namespaces/{namespace}/pods"))
            .logs(pod, &self.params)
            .map_err(|error| {
                CliError::failed(format!("cannot request the log of {pod}: {error}"))
            })?;
        let opened = self.clusters.client().request_stream(request);
        let log = self.clusters.ask(&call, opened).await?;
        self.lines(pod, log).await
    }

    async fn lines(&self, pod: &str, log: impl AsyncBufRead) -> Result<()> {
        let mut log = std::pin::pin!(log);
        let prefix = if self.prefixed {
            format!("[{pod}] ")
        } else {
            String::new()
        };
        let mut line = Vec::new();
        loop {
            line.clear();
            let next = log.read_until(b'\n', &mut line);
            let read = match self.limit {
                None => next.await,
                Some(limit) => tokio::time::timeout(limit, next).await.map_err(|_| {
                    CliError::failed(format!(
                        "the log of {pod} breaks off: no answer within {}s",
                        limit.as_secs()
                    ))
                })?,
            };
            match read {
                Ok(0) => return Ok(()),
                Ok(_) => self.ui.data(&format!("{prefix}{}", printable(&line)))?,
                Err(error) => {
                    return Err(CliError::failed(format!(
                        "the log of {pod} breaks off: {error}"
                    )));
                }
            }
        }
    }
}

/// A line without control characters except tabs, which stack traces have.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let kept = text.trim_end_matches(['\n', '\r']).chars();
    kept.map(|c| if c.is_control() && c != '\t' { ' ' } else { c })
        .collect()
}

const HELP: &str = "Examples:
  kubectl casskop logs demo                                   the last lines of every node
  kubectl casskop logs demo --pod demo-dc1-rack1-0 -f         one node, as it goes on
  kubectl casskop logs demo --operator --since 10m

The lines of several pods begin with the name of theirs.";
