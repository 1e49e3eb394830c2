//! Setup of the controller: the resources in the home cluster, the clusters in every site, and added and removed
//! sites.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use casskop_common::{
    api::{CassandraCluster, MultiCasskop},
    names,
    readable::Readable,
};
use futures::{StreamExt, TryStreamExt, channel::mpsc};
use kube::{
    Api, Client, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        Controller, WatchStreamExt, controller,
        events::Reporter,
        predicates,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};

use crate::{
    kubernetes::gate,
    leader::{self, Stop},
    metrics::Metrics,
    multi::{
        context::Context,
        sites::{Site, Sites, within},
        sources::Sources,
    },
    run::{Error, election, scoped, stop},
    server,
    telemetry::{self, LogFormat},
};

/// Settings of the controller.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The sources of sites.
    #[command(flatten)]
    pub sources: Sources,
    /// Namespace to watch, in every site; empty is all of them
    #[arg(long, env = "WATCH_NAMESPACE", default_value = "")]
    pub namespace: String,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
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

/// Time between two checks for added, changed or removed sites.
const SITES_AGAIN: Duration = Duration::from_secs(5);
/// Delay that combines several changes into one reconciliation: the status of clusters changes often during an
/// operation.
const GATHER: Duration = Duration::from_millis(300);

type Wake = mpsc::UnboundedSender<ObjectRef<MultiCasskop>>;

/// Runs the controller until the process receives a termination signal.
///
/// # Errors
/// The controller cannot start.
pub fn main(args: Args) -> Result<(), Error> {
    telemetry::init(args.log_format, &args.log_level).map_err(Error::Telemetry)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(run(args));
    runtime.shutdown_background();
    outcome
}

async fn run(args: Args) -> Result<(), Error> {
    let sources = args.sources.read().await;
    // A name without a connection is a configuration error to correct now; a site that does not respond is not.
    if let Some((name, why)) = sources
        .iter()
        .find_map(|source| Some((&source.name, source.config.as_ref().err()?)))
        .filter(|(name, _)| args.sources.is_given(name))
    {
        return Err(Error::Telemetry(format!("site {name}: {why}")));
    }
    let (wake, woken) = mpsc::unbounded();
    let home = sources.first().map_or_else(
        || Err("there is no site".to_owned()),
        |home| home.config.clone(),
    );
    let home = home.map_err(Error::Telemetry)?;
    let (leadership, election) = election(&args.leader, names::MULTI_MANAGER, &home)?;
    let ctx = Arc::new(Context {
        home: gate::client(within(home), &leadership)?,
        sites: Sites::new(leadership),
        reporter: Reporter {
            controller: names::MULTI_MANAGER.into(),
            instance: std::env::var("POD_NAME").ok(),
        },
        metrics: Metrics::default(),
    });
    let ready = Arc::new(AtomicBool::new(false));
    let names: Vec<String> = sources.into_iter().map(|source| source.name).collect();
    tracing::info!(
        namespace = args.namespace,
        sites = names.join(","),
        version = env!("CARGO_PKG_VERSION"),
        "casskop-operator multi starts"
    );
    let stop = stop();
    let work = async || {
        let controller = control(
            &args,
            ctx.clone(),
            (wake, woken),
            ready.clone(),
            stop.clone(),
        );
        leader::bounded(stop.clone(), controller).await;
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

/// Watches the resources and reconciles until the process receives a termination signal.
async fn control(
    args: &Args,
    ctx: Arc<Context>,
    (wake, woken): (Wake, mpsc::UnboundedReceiver<ObjectRef<MultiCasskop>>),
    ready: Arc<AtomicBool>,
    stop: Stop,
) {
    let sources = args.sources.read().await;
    ctx.sites
        .update(sources, |site| watch(site, &args.namespace, wake.clone()));
    let all: Api<Readable<MultiCasskop>> = scoped(&ctx.home, &args.namespace);
    let (reader, writer) = reflector::store();
    let context = ctx.clone();
    let stream = reflector::reflector(
        writer,
        watcher(all, watcher::Config::default()).default_backoff(),
    )
    .inspect_ok(move |event| {
        context.metrics.watched(event);
        if matches!(event, watcher::Event::InitDone) {
            ready.store(true, Ordering::Relaxed);
        }
    })
    .applied_objects()
    .predicate_filter(
        // The operator's status writes change neither generation nor annotations and trigger no reconciliation; a
        // deletion changes the generation.
        kube::runtime::Predicate::combine(predicates::generation, predicates::annotations),
        kube::runtime::PredicateConfig::default(),
    );
    let controller = Controller::for_stream(stream, reader.clone())
        .with_config(controller::Config::default().debounce(GATHER))
        .reconcile_on(woken.map(|multi| {
            ObjectRef::new(&multi.name).within(&multi.namespace.unwrap_or_default())
        }))
        .graceful_shutdown_on(stop)
        .run(crate::multi::reconcile, crate::multi::after_failure, ctx.clone())
        .for_each(|outcome| async move {
            if let Err(controller::Error::QueueError(error)) = outcome {
                tracing::warn!(%error, "a watch failed and is restarted; check that the CRDs are installed and the permissions are granted");
            }
        });
    tokio::select! {
        () = controller => {}
        () = follow_sites(args, &ctx, &wake, &reader) => {}
    }
}

/// Applies added, changed and removed sites, in an endless loop.
async fn follow_sites(
    args: &Args,
    ctx: &Context,
    wake: &Wake,
    known: &Store<Readable<MultiCasskop>>,
) {
    loop {
        tokio::time::sleep(SITES_AGAIN).await;
        let sources = args.sources.read().await;
        let changed = ctx
            .sites
            .update(sources, |site| watch(site, &args.namespace, wake.clone()));
        if changed {
            for multi in known.state() {
                let namespace = multi.namespace().unwrap_or_default();
                let _ = wake.unbounded_send(ObjectRef::new(&multi.name_any()).within(&namespace));
            }
        }
    }
}

/// Watches the clusters of a site, and triggers a reconciliation of the resource that a change belongs to.
fn watch(site: Arc<Site>, namespace: &str, wake: Wake) -> tokio::task::JoinHandle<()> {
    let namespace = namespace.to_owned();
    tokio::spawn(async move {
        let Ok(client) = site.client() else { return };
        let clusters: Api<Readable<PartialObjectMeta<CassandraCluster>>> =
            scoped(client, &namespace);
        let ours = watcher::Config::default().labels(names::MULTI_LABEL);
        let mut events = pin!(watcher(clusters, ours).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(
                    watcher::Event::Apply(cluster)
                    | watcher::Event::InitApply(cluster)
                    | watcher::Event::Delete(cluster),
                ) => {
                    let Some(multi) = cluster.labels().get(names::MULTI_LABEL) else {
                        continue;
                    };
                    let namespace = cluster.namespace().unwrap_or_default();
                    let _ = wake.unbounded_send(ObjectRef::new(multi).within(&namespace));
                }
                Ok(_) => {}
                // Reconciliations report a site that cannot be reached.
                Err(error) => tracing::debug!(site = site.name, %error, "a watch is restarted"),
            }
        }
    })
}

/// Reads a resource from the API server; nothing if it is gone.
///
/// # Errors
/// The API server does not respond.
pub async fn read(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<MultiCasskop>, kube::Error> {
    let api: Api<MultiCasskop> = Api::namespaced(client.clone(), namespace);
    crate::kubernetes::objects::in_time(api.get_opt(name)).await
}

#[cfg(test)]
mod tests;
