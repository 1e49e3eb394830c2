//! Conditions in Kubernetes that a step waits for. The status reports the wait periodically; a cancel ends it.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use crate::{
    effects::Effects,
    executor::{
        NodeTask, StepEvent, node, place, pod, progress::Meter, record::record_event, volume,
    },
    kubernetes::{objects::in_time, status_store},
};
use casskop_core::{node::NodeError, objects::config_map, operations, pod_config::Nodes};

/// Time between two polls of a condition.
const POLL_EVERY: Duration = Duration::from_millis(500);
/// Polls between two reports about a condition.
const REPORT_EVERY: u32 = 20;
/// Polls before the wait times out: two hours. A node may replay a large commit log, and an administrator may first
/// have to delete the Kubernetes node of a lost machine.
const POLLS: u32 = 14_400;

/// The condition that a step waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Awaited {
    /// The ConfigMap of the rack specifies that the pod joins as a new node.
    MayJoin,
    /// The ConfigMap of the rack specifies which node the pod replaces.
    Replaces,
    /// The pod and its volumes are gone.
    Gone,
    /// The successor of the pod that was recorded at the start of the operation serves clients.
    ComesBack,
    /// The pod serves clients, whether or not it is the recorded one.
    Serves,
}

/// Waits until the condition is met.
pub(super) async fn wait(
    effects: &Effects,
    task: &NodeTask,
    awaited: Awaited,
) -> Result<Result<(), NodeError>, status_store::Error> {
    let mut waits_for = String::new();
    let mut still = 0;
    let mut meter = Meter::default();
    for poll in 0_u32.. {
        waits_for = match awaited.missing(effects, task).await {
            Ok(None) => return Ok(Ok(())),
            Ok(Some(what)) => what,
            Err(_) => "the API server".to_owned(),
        };
        // A node that responds makes progress, however much it has to stream, and whether its answer can be used or
        // not. Its activity is polled rarely, to keep the load low.
        still += 1;
        if matches!(awaited, Awaited::ComesBack) && poll % REPORT_EVERY == 0 {
            match node::activity(effects, task).await {
                Ok(activity) => {
                    still = 0;
                    let received = operations::received(&activity);
                    meter.record_event(effects, task, received).await;
                }
                Err(error) if error.is_unreadable() => {
                    still = 0;
                    tracing::debug!(pod = task.start.pod, %error, "the progress cannot be read");
                }
                Err(_) => {}
            }
        }
        if still >= POLLS {
            break;
        }
        // The ConfigMap lets no pod join whose node is a member again.
        if matches!(awaited, Awaited::MayJoin)
            && poll % REPORT_EVERY == 0
            && let Err(error) = place::stays_removed(effects, task).await
        {
            return Ok(Err(error));
        }
        let waits = || StepEvent::Retrying(format!("waits for {waits_for}"));
        if poll % REPORT_EVERY == REPORT_EVERY - 1 && !record_event(effects, task, waits()).await? {
            return Ok(Err(NodeError::Unreachable("cancelled".into())));
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
    let why = format!("waited in vain for {waits_for}");
    Ok(Err(NodeError::Unreachable(why)))
}

impl Awaited {
    /// Text of the missing part of the condition.
    async fn missing(
        self,
        effects: &Effects,
        task: &NodeTask,
    ) -> Result<Option<String>, kube::Error> {
        match self {
            Self::MayJoin | Self::Replaces => {
                let pod = &task.start.pod;
                let is_specified = match (self, nodes(effects, task).await?) {
                    (_, None) => false,
                    (Self::Replaces, Some(nodes)) => nodes.replaces(pod),
                    (_, Some(nodes)) => nodes.lets_join_after(pod, &task.start.host_id),
                };
                let missing = "the ConfigMap of its rack to say how the next pod starts";
                Ok((!is_specified).then(|| missing.to_owned()))
            }
            Self::Gone => what_is_left(effects, task).await,
            Self::ComesBack => what_is_not_back(effects, task, Some(&task.start.pod_uid)).await,
            Self::Serves => what_is_not_back(effects, task, None).await,
        }
    }
}

async fn what_is_left(effects: &Effects, task: &NodeTask) -> Result<Option<String>, kube::Error> {
    if pod::live(effects, task)
        .await?
        .is_some_and(|(uid, _)| uid == task.start.pod_uid)
    {
        let ends = "the old pod to end; if its machine is gone for good, delete that Node";
        return Ok(Some(ends.to_owned()));
    }
    for volume in &task.start.volumes {
        if volume::is_there(effects, task, volume).await? {
            return Ok(Some(format!("volume {} to go", volume.name)));
        }
    }
    Ok(None)
}

async fn what_is_not_back(
    effects: &Effects,
    task: &NodeTask,
    old: Option<&str>,
) -> Result<Option<String>, kube::Error> {
    Ok(match pod::live(effects, task).await? {
        None => Some("the new pod".to_owned()),
        Some((uid, _)) if Some(uid.as_str()) == old => Some("the old pod to end".to_owned()),
        Some((_, live)) if live.ready && node::is_serving(effects, task).await => None,
        Some((_, live)) => Some(
            live.problem
                .unwrap_or_else(|| "the new pod to be Ready".into()),
        ),
    })
}

/// The configuration of nodes that the pods of the rack read at their start.
async fn nodes(effects: &Effects, task: &NodeTask) -> Result<Option<Nodes>, kube::Error> {
    let api: Api<ConfigMap> = Api::namespaced(effects.kube.client.clone(), &task.cluster.namespace);
    let Some((rack, _)) = task.start.pod.rsplit_once('-') else {
        return Ok(None);
    };
    let map = in_time(api.get_opt(rack)).await?;
    Ok(map.map(|map| config_map::nodes(&map)))
}
