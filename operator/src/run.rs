//! Setup of the controller: the watched resources, and the shared state.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use casskop_common::{api::CassandraCluster, names, readable::Readable};
use futures::{FutureExt, StreamExt, TryStreamExt, channel::mpsc};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{Pod, Service},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, Config, Resource, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        Controller, Predicate, PredicateConfig, WatchStreamExt, controller,
        events::Reporter,
        predicates,
        reflector::{self, ObjectRef},
        watcher,
    },
};
use tokio::sync::Semaphore;

use crate::{
    cluster,
    context::Context,
    effects::Effects,
    executor::Executor,
    kubernetes::{Kube, gate, lists::Versions, status_store::StatusStore, warnings::Warnings},
    leader::{self, Election, Stop},
    leadership::Leadership,
    metrics::Metrics,
    node_api::{Measured, Nodes, cql},
    server,
    telemetry::{self, LogFormat},
};

/// Settings of the controller.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Namespace to watch; empty is all of them
    #[arg(long, env = "WATCH_NAMESPACE", default_value = "")]
    pub namespace: String,
    /// Image of the bootstrap init container: the image of the operator
    #[arg(long, env = "BOOTSTRAP_IMAGE", default_value = concat!("casskop/casskop-operator:", env!("CARGO_PKG_VERSION")))]
    pub bootstrap_image: String,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Clusters that are reconciled at the same time; a cluster whose nodes hang delays each of its reconciliations
    /// by seconds
    #[arg(long, env = "CONCURRENCY", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// Leader election.
    #[command(flatten)]
    pub leader: leader::Args,
    /// Log format
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
    /// Log filter, such as `info` or `casskop_operator=debug`
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}

/// Deadline of a request that is not a watch.
const REQUEST: Duration = Duration::from_secs(30);
/// Idle time after which threads that waited for nodes end.
const IDLE_THREADS: Duration = Duration::from_secs(2);
/// Threads that read from nodes at the same time: two for each cluster that is reconciled concurrently. The threads
/// exist only while nodes hang; a healthy node responds in milliseconds.
const READERS: usize = 48;

/// The reason why the controller cannot run.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The logging options are invalid.
    #[error("{0}")]
    Telemetry(String),
    /// No connection to the API server is configured.
    #[error("find the API server: {0}; run in a pod, or set KUBECONFIG")]
    Config(#[from] kube::config::InferConfigError),
    /// The configuration of the client is invalid.
    #[error("set up the client: {0}")]
    Client(#[from] kube::Error),
    /// The election cannot be held, or the leadership is lost.
    #[error(transparent)]
    Leader(#[from] leader::Error),
    /// The runtime does not start.
    #[error("start: {0}")]
    Runtime(#[from] std::io::Error),
}

/// Runs the controller until the process receives a termination signal.
///
/// # Errors
/// The controller cannot start.
pub fn main(args: Args) -> Result<(), Error> {
    telemetry::init(args.log_format, &args.log_level).map_err(Error::Telemetry)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(READERS)
        .thread_keep_alive(IDLE_THREADS)
        .thread_stack_size(512 * 1024)
        .build()?;
    let outcome = runtime.block_on(run(args));
    // A node that hangs must not block the end of the process: work in progress is recorded in the status.
    runtime.shutdown_background();
    outcome
}

async fn run(args: Args) -> Result<(), Error> {
    let mut config = Config::infer().await?;
    // A watch is never idle for longer than this: it requests bookmarks and ends earlier by itself.
    config.read_timeout = Some(Duration::from_secs(300));
    config.connect_timeout = Some(REQUEST);
    let (leadership, election) = election(&args.leader, names::OPERATOR_MANAGER, &config)?;
    let client = gate::client(config, &leadership)?;
    let (wake, woken) = mpsc::unbounded();
    let reporter = Reporter {
        controller: names::OPERATOR_MANAGER.into(),
        instance: std::env::var("POD_NAME").ok(),
    };
    let metrics = Metrics::default();
    let nodes = Measured::new(Nodes::new(leadership.clone()), metrics.node_requests());
    let ctx = Arc::new(Context {
        effects: Arc::new(Effects {
            kube: Kube {
                client: client.clone(),
                versions: Versions::default(),
                warnings: Warnings::default(),
                reporter,
            },
            nodes: Box::new(nodes),
            cql: cql::Client::new(leadership),
            store: StatusStore::new(client.clone()),
        }),
        executor: Executor::new(wake),
        metrics,
        turns: Arc::new(Semaphore::new(args.concurrency.into())),
        bootstrap_image: args.bootstrap_image.clone(),
    });
    let ready = Arc::new(AtomicBool::new(false));
    tracing::info!(
        namespace = args.namespace,
        version = env!("CARGO_PKG_VERSION"),
        "casskop-operator starts"
    );
    let stop = stop();
    let work = async || {
        work(
            &client,
            &args,
            ctx.clone(),
            woken,
            (ready.clone(), stop.clone()),
        )
        .await;
    };
    let leads = |leads| ctx.metrics.leads(leads);
    let metrics = ctx.clone();
    tokio::select! {
        outcome = server::serve(args.listen, ready.clone(), move || metrics.metrics.text()) => outcome.map_err(|error| {
            Error::Runtime(std::io::Error::new(error.kind(), format!("listen on {}: {error}", args.listen)))
        }),
        outcome = leader::run(election, stop.clone(), &ready, leads, work) => Ok(outcome?),
    }
}

/// The right to act, and the candidate for it. Without an election there is no candidate.
///
/// # Errors
/// The settings are invalid.
pub fn election(
    args: &leader::Args,
    name: &str,
    config: &Config,
) -> Result<(Leadership, Option<Election>), leader::Error> {
    if !args.leader_election {
        return Ok((Leadership::unelected(), None));
    }
    let leadership = Leadership::candidate();
    let election = Election::new(args, name, config.clone(), leadership.clone())?;
    Ok((leadership, Some(election)))
}

/// The work of a leader. When it ends, no task works on a node any more: the Lease is released next.
async fn work(
    client: &Client,
    args: &Args,
    ctx: Arc<Context>,
    woken: mpsc::UnboundedReceiver<ObjectRef<CassandraCluster>>,
    (ready, stop): (Arc<AtomicBool>, Stop),
) {
    let controller = control(client, args, ctx.clone(), woken, (ready, stop.clone()));
    leader::bounded(stop, controller).await;
    ctx.executor.end().await;
}

/// Watches clusters and their objects, and reconciles until the process receives a termination signal.
async fn control(
    client: &Client,
    args: &Args,
    ctx: Arc<Context>,
    woken: mpsc::UnboundedReceiver<ObjectRef<CassandraCluster>>,
    (ready, stop): (Arc<AtomicBool>, Stop),
) {
    let ours = watcher::Config::default()
        .labels(&format!("{}={}", names::APP_LABEL.0, names::APP_LABEL.1))
        .page_size(100);
    let clusters: Api<Readable<CassandraCluster>> = scoped(client, &args.namespace);
    let (reader, writer) = reflector::store();
    // The operator's status writes change neither generation nor annotations and trigger no reconciliation.
    let watched = watcher(clusters, watcher::Config::default().page_size(100)).default_backoff();
    let journal = ctx.clone();
    let stream = reflector::reflector(writer, watched.modify(forget_bulk))
        .inspect_ok(move |event| {
            journal.metrics.watched(event);
            match event {
                // The store cannot signal readiness: it wakes only one waiting task, and the controller waits as well.
                watcher::Event::InitDone => ready.store(true, Ordering::Relaxed),
                watcher::Event::Delete(cluster) => {
                    journal
                        .effects
                        .store
                        .forget(&cluster.uid().unwrap_or_default());
                }
                _ => {}
            }
        })
        .applied_objects()
        .predicate_filter(
            predicates::generation.combine(predicates::annotations),
            PredicateConfig::default(),
        );
    // The limit of the controller does not keep an order: with more work than it gets done, some clusters would never
    // have their turn.
    let turns = ctx.turns.clone();
    let stop = stop.inspect(move |()| turns.close());
    Controller::for_stream(stream, reader)
        .watches(scoped::<PartialObjectMeta<StatefulSet>>(client, &args.namespace), ours.clone(), owner(&ctx))
        .watches(scoped::<PartialObjectMeta<Pod>>(client, &args.namespace), ours.clone(), owner(&ctx))
        .watches(scoped::<PartialObjectMeta<Service>>(client, &args.namespace), ours.clone(), owner(&ctx))
        .watches(scoped::<PartialObjectMeta<PodDisruptionBudget>>(client, &args.namespace), ours.clone(), owner(&ctx))
        .reconcile_on(woken.map(|cluster| ObjectRef::new(&cluster.name).within(&cluster.namespace.unwrap_or_default())))
        .graceful_shutdown_on(stop)
        .run(cluster::reconcile, cluster::after_failure, ctx)
        .for_each(|outcome| async move {
            // Failed reconciliations are logged where they fail; the remaining errors are failed watches.
            match outcome {
                // The version of an idle watch expired in the API server: the watch is restarted, which is normal.
                Err(controller::Error::QueueError(watcher::Error::WatchError(status)))
                    if status.code == 410 =>
                {
                    tracing::debug!(%status, "a watch expired and is restarted");
                }
                Err(controller::Error::QueueError(error)) => {
                    tracing::warn!(%error, "a watch failed and is restarted; check that the CRDs are installed and the permissions are granted");
                }
                _ => {}
            }
        })
        .await;
}

/// The cluster that an object belongs to, by its label, because pods are owned by their StatefulSet. Only metadata is
/// transferred, and only its version is stored: the next observation must not be older.
fn owner<K: Resource<DynamicType = ()>>(
    ctx: &Arc<Context>,
) -> impl Fn(PartialObjectMeta<K>) -> Option<ObjectRef<Readable<CassandraCluster>>> + use<K> {
    let ctx = ctx.clone();
    move |object| {
        ctx.effects.kube.versions.note(&object);
        let cluster = object.labels().get(names::CLUSTER_LABEL)?;
        Some(ObjectRef::new(cluster).within(&object.namespace()?))
    }
}

/// The store of clusters is used only to find them; status and managed fields would take most of its memory.
fn forget_bulk(cluster: &mut Readable<CassandraCluster>) {
    cluster.managed_fields_mut().clear();
    if let Ok(cluster) = &mut cluster.0 {
        cluster.status = None;
    }
}

/// The objects of one namespace, or of all.
pub fn scoped<K>(client: &Client, namespace: &str) -> Api<K>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    if namespace.is_empty() {
        Api::all(client.clone())
    } else {
        Api::namespaced(client.clone(), namespace)
    }
}

/// A termination signal of the process, from now on.
pub fn stop() -> Stop {
    termination().boxed().shared()
}

/// Waits until the process receives a termination signal.
async fn termination() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("termination signal received");
}

#[cfg(test)]
mod tests;
