//! The targets of a request: the pods that match its flags.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::{
    api::OperationReason,
    intent::Request,
    names::{self, RackId},
    operations::Target,
};

use crate::{
    desired::required_racks,
    observed::ObservedState,
    operations::{Behaviour, Refusal},
};

/// The pods that a request is about.
///
/// # Errors
/// When the cluster has none that it names, or is not the one that is meant.
pub(crate) fn target(
    request: &Request,
    behaviour: &dyn Behaviour,
    state: &ObservedState,
) -> Result<Vec<(String, RackId)>, Refusal> {
    right_cluster(request, state)?;
    match behaviour.host_id() {
        Some(host_id) => Ok(vec![by_host_id(host_id, state)?]),
        None => targets(&request.arguments.shared.target, state),
    }
}

/// A request that discards data holds for the cluster that it names.
fn right_cluster(request: &Request, state: &ObservedState) -> Result<(), Refusal> {
    let uid = state.cluster.metadata.uid.as_deref().unwrap_or_default();
    match request.arguments.cluster_uid.as_deref() {
        Some(meant) if meant != uid => Err(Refusal {
            reason: OperationReason::WrongCluster,
            message: format!(
                "the request is for the cluster with uid {meant}, and this cluster has uid {uid}: if it is for this cluster, request it again with a new id"
            ),
        }),
        _ => Ok(()),
    }
}

/// The pod that runs a node, or one that can be called about it.
fn by_host_id(host_id: &str, state: &ObservedState) -> Result<(String, RackId), Refusal> {
    let pods = state.expected_pods();
    let own = pods
        .iter()
        .find(|(pod, _)| state.host_id(pod) == Some(host_id));
    let member = || {
        let normal = |pod: &str| state.members().any(|(member, _)| member == pod);
        pods.iter().find(|(pod, _)| normal(pod))
    };
    own.or_else(member).cloned().ok_or_else(|| Refusal {
        reason: OperationReason::NoMemberAnswers,
        message: "waits for a node that answers and can be called".into(),
    })
}

/// The pods that match every flag, rack by rack. A StatefulSet may be missing for a time: a name is refused only if
/// neither the StatefulSets nor the spec nor the status have it.
fn targets(target: &Target, state: &ObservedState) -> Result<Vec<(String, RackId)>, Refusal> {
    let pods = state.expected_pods();
    if let Ok(chosen) = pods_by_flags(target, &pods, state.name()) {
        return Ok(chosen);
    }
    let chosen = pods_by_flags(target, &known_pods(&pods, state), state.name())?;
    let (pod, rack) = &chosen[0];
    Err(Refusal {
        reason: OperationReason::TargetMissing,
        message: match chosen.len() {
            1 => format!("waits for pod {pod} of rack {rack}, which its StatefulSet does not have"),
            more => format!(
                "waits for pod {pod} of rack {rack} and {} more, which their StatefulSets do not have",
                more - 1
            ),
        },
    })
}

/// Pods that the StatefulSets, the spec or the status have.
fn known_pods(expected: &[(String, RackId)], state: &ObservedState) -> Vec<(String, RackId)> {
    let cluster = state.name();
    let required = required_racks(&state.cluster.spec).flat_map(|(rack, nodes)| {
        (0..nodes).map(move |ordinal| (names::pod(cluster, &rack, ordinal), rack.clone()))
    });
    let status = state.cluster.status.iter();
    let reported = status
        .flat_map(|status| &status.cassandra_node_status)
        .map(|(pod, node)| (pod.clone(), RackId::new(&node.dc, &node.rack)));
    let all: BTreeMap<String, RackId> = reported
        .chain(required)
        .chain(expected.iter().cloned())
        .collect();
    all.into_iter().collect()
}

fn pods_by_flags(
    target: &Target,
    pods: &[(String, RackId)],
    cluster: &str,
) -> Result<Vec<(String, RackId)>, Refusal> {
    let racks: BTreeSet<&RackId> = pods.iter().map(|(_, rack)| rack).collect();
    let dcs: BTreeSet<&str> = racks.iter().map(|rack| rack.dc.as_str()).collect();
    refuse_unknown(
        "data center",
        &target.dc,
        cluster,
        &dcs.iter().map(ToString::to_string).collect(),
        |dc| dcs.contains(dc),
    )?;
    refuse_unknown(
        "rack",
        &target.rack,
        cluster,
        &racks.iter().map(ToString::to_string).collect(),
        |name| racks.iter().any(|rack| is_named(rack, name)),
    )?;
    let names = pods.iter().map(|(pod, _)| pod.clone()).collect();
    refuse_unknown("pod", &target.pod, cluster, &names, |name| {
        names.contains(name)
    })?;
    let matches = |(pod, rack): &(String, RackId)| {
        (target.dc.is_empty() || target.dc.contains(&rack.dc))
            && (target.rack.is_empty() || target.rack.iter().any(|name| is_named(rack, name)))
            && (target.pod.is_empty() || target.pod.contains(pod))
    };
    let mut chosen: Vec<(String, RackId)> =
        pods.iter().filter(|pod| matches(pod)).cloned().collect();
    chosen.sort_by_key(|(pod, rack)| (rack.clone(), names::ordinal(pod)));
    if chosen.is_empty() {
        let message = format!(
            "no node of cluster {cluster} matches all flags: relax the flags and request it again with a new id"
        );
        return Err(Refusal {
            reason: OperationReason::NoTarget,
            message,
        });
    }
    Ok(chosen)
}

/// A rack is named alone or with its data center, as `<dc>.<rack>`.
fn is_named(rack: &RackId, name: &str) -> bool {
    rack.rack == name || rack.to_string() == name
}

fn refuse_unknown(
    what: &str,
    asked: &[String],
    cluster: &str,
    known: &BTreeSet<String>,
    is_known: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let Some(unknown) = asked.iter().find(|name| !is_known(name)) else {
        return Ok(());
    };
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Err(Refusal {
        reason: OperationReason::UnknownTarget,
        message: format!(
            "cluster {cluster} has no {what} {unknown}; it has {}. Request it again with a new id",
            known.join(", ")
        ),
    })
}
