//! The Job of a step, as it is to be made now: what the spec, the status, the pod and the node say.

use casskop_common::{
    api::{CassandraClusterStatus, LoginStep, OperationStatus},
    names::{self, RackId},
};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Pod},
};
use kube::{Api, ResourceExt};
use serde::Serialize;

use super::{operation, pod, status, unreachable};
use crate::{
    effects::Effects,
    executor::{NodeTask, node},
    kubernetes::objects::in_time,
};
use casskop_core::{
    node::NodeError,
    objects::{
        backup_job::{self, BackupCommand, BackupWork, NodeFacts, Parts},
        data_job::{Beside, NoJob},
    },
    observed::NodePod,
    operations::backup,
    pod_config::{RackConfig, cassandra_yaml::all_data_directories},
};

/// The Job as it is to be made now.
pub(super) async fn wanted(
    effects: &Effects,
    task: &NodeTask,
    work: &BackupWork,
) -> Result<Job, NodeError> {
    let pod = pod(effects, task).await?;
    let pod = pod.ok_or_else(|| NodeError::Unreachable("its pod does not exist".into()))?;
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let node =
        node.ok_or_else(|| NodeError::Unreachable("its pod is on no Kubernetes node".into()))?;
    let status = status(effects, task).await?;
    let operation = operation(&status, task).ok_or(NodeError::Stopped)?;
    let cluster = (task.cluster.name.as_str(), task.cluster.uid.as_str());
    let description = match work.command {
        BackupCommand::Upload => upload(effects, task, work, (&pod, &status, operation)).await?,
        BackupCommand::Complete => {
            let (endpoint, _) = node::endpoint(effects, task).await?;
            let reading = effects.nodes.read(endpoint).await?;
            let left_out = backup::left_out(&status, operation, reading.host_ids.values());
            let described = backup_job::complete(cluster, operation, work, &left_out);
            json(described)?
        }
        BackupCommand::Purge => {
            let store = work.store.iter();
            let known: Vec<&str> = store
                .flat_map(|store| backup::known(&status, store))
                .collect();
            let over: Vec<&str> = backup::over(&status).collect();
            let described = backup_job::purge(cluster, work, &known, &over);
            json(described)?
        }
        BackupCommand::Verify { .. } | BackupCommand::Delete => {
            let described = backup_job::stored(cluster, work);
            json(described)?
        }
    };
    let parts = Parts {
        cluster: (&task.cluster.namespace, cluster.0, cluster.1),
        id: &task.start.id,
        work,
        image: &task.image,
        description,
    };
    let beside = Beside {
        pod: &pod,
        node: &node,
    };
    backup_job::build(&parts, &beside).map_err(lasting)
}

/// The description of the work of one node. The node has to be the one that the operation was planned for.
async fn upload(
    effects: &Effects,
    task: &NodeTask,
    work: &BackupWork,
    (pod, status, operation): (&Pod, &CassandraClusterStatus, &OperationStatus),
) -> Result<String, NodeError> {
    let (endpoint, _) = node::endpoint(effects, task).await?;
    let reading = effects.nodes.read(endpoint.clone()).await?;
    if reading.local_host_id != task.start.host_id {
        return Err(NodeError::JobFailed(format!(
            "{} runs the node with host id {} now, and the snapshot is that of {}: request the backup again with a new id",
            task.start.pod, reading.local_host_id, task.start.host_id
        )));
    }
    let tokens = effects.nodes.tokens(endpoint).await?;
    let rack = rack(pod).ok_or_else(|| NodeError::Unreachable("its pod has no rack".into()))?;
    let facts = NodeFacts {
        pod: &task.start.pod,
        rack: &rack,
        logins: NodePod::of(pod).logins == LoginStep::Required,
        reading: &reading,
        tokens,
        data_directories: folders(effects, task, &rack).await?,
        taken: backup::taken(operation).map(str::to_owned).collect(),
    };
    let cluster = (task.cluster.name.as_str(), task.cluster.uid.as_str());
    let store = work.store.as_ref();
    let previous = store.and_then(|store| backup::previous(status, store));
    let described = backup_job::upload(cluster, operation, work, &facts, previous);
    json(described)
}

fn json<T: Serialize>(described: Result<T, NoJob>) -> Result<String, NodeError> {
    let described = described.map_err(lasting)?;
    serde_json::to_string(&described).map_err(lasting)
}

fn lasting(error: impl std::fmt::Display) -> NodeError {
    NodeError::JobFailed(error.to_string())
}

fn rack(pod: &Pod) -> Option<RackId> {
    let label = |key: &str| pod.labels().get(key).cloned();
    let (dc, rack) = label(names::DC_LABEL).zip(label(names::RACK_LABEL))?;
    Some(RackId { dc, rack })
}

/// The folders in which the node keeps its data, as the configuration of its rack says.
async fn folders(
    effects: &Effects,
    task: &NodeTask,
    rack: &RackId,
) -> Result<Vec<String>, NodeError> {
    let name = names::stateful_set(&task.cluster.name, rack);
    let api: Api<ConfigMap> = Api::namespaced(effects.kube.client.clone(), &task.cluster.namespace);
    let read = in_time(api.get_opt(&name)).await;
    let map = read.map_err(unreachable("read ConfigMap", &name))?;
    // Not the default folders: those that the node has may be others, and be left out of the backup.
    let config = map.as_ref().and_then(RackConfig::of).ok_or_else(|| {
        NodeError::JobFailedForNow(format!(
            "ConfigMap {name} does not say where the node keeps its data"
        ))
    })?;
    Ok(all_data_directories(&config))
}
