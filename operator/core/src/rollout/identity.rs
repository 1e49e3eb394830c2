//! The identity of a ring: its name, and the settings of `cassandra.yaml` that it keeps for life. Nodes of two rings with
//! the same name and partitioner merge when one finds the other at an address of its own, so a new ring has a name that
//! is unique among the namespaces.

use casskop_common::{api::Phase, conditions::Reason, names};
use kube_core::ResourceExt;
use serde_json::Value;

use crate::{
    desired::{Desired, DesiredRack},
    objects::config_map,
    observed::ObservedState,
    pod_config::RackConfig,
    refusal::Refusal,
    rollout::from_backup,
};

/// Settings that a ring keeps for life, and their default values.
const FOR_LIFE: [(&str, &str); 3] = [
    ("partitioner", "Murmur3Partitioner"),
    ("endpoint_snitch", "GossipingPropertyFileSnitch"),
    ("num_tokens", "16"),
];

/// Name of the ring: the recorded one, or that of a new ring. A ring that may exist without a record, one over several
/// sites and one that is joined through `spec.seeds` have the name of the resource, as in the Go `CassKop`.
pub(crate) fn ring_name(desired: &Desired, state: &ObservedState) -> String {
    let live = &state.live;
    let mark = live.config_maps.get(&names::ring_mark(&desired.name));
    if let Some(name) = mark.and_then(config_map::marked_name) {
        return name.clone();
    }
    let mut racks = live.config_maps.values().filter_map(RackConfig::of);
    if let Some(rack) = racks.next() {
        return rack.ring_name().to_owned();
    }
    let mut users = desired.racks.iter().filter_map(users_name);
    if let Some(name) = users.next() {
        return name.to_owned();
    }
    let status = state.cluster.status.as_ref();
    let is_formed = status.is_some_and(|status| status.phase.is_some_and(Phase::is_formed));
    let is_shared = !desired.spec.seeds.is_empty()
        || state.cluster.annotations().contains_key(names::MULTI_OWNER);
    let may_exist =
        mark.is_some() || is_formed || !live.stateful_sets.is_empty() || !live.volumes.is_empty();
    if is_shared || may_exist {
        desired.name.clone()
    } else {
        format!("{}.{}", desired.name, desired.namespace)
    }
}

/// Refuses racks that would not be of the ring, and other settings than those that the nodes of a rack have.
pub(crate) fn refuse_another(
    desired: &Desired,
    state: &ObservedState,
    ring_name: &str,
) -> Result<(), Refusal> {
    // No node has tokens yet, and those that come are of the backup.
    let may_have_other_tokens = from_backup::is_fetching(state);
    for rack in &desired.racks {
        let name = users_name(rack).unwrap_or(ring_name);
        if name != ring_name {
            return refuse(rack, "cluster_name", ring_name, name);
        }
        let set = names::stateful_set(&desired.name, &rack.id);
        let has_nodes = state.live.stateful_sets.contains_key(&set);
        let live = state.live.config_maps.get(&set).filter(|_| has_nodes);
        let live = live.and_then(RackConfig::of);
        let first = &desired.racks[0];
        for (key, default) in FOR_LIFE {
            let wanted = setting(&rack.config, key, default);
            // A new rack has the partitioner of the ring; its number of tokens is its own.
            let before = match &live {
                _ if key == "num_tokens" && may_have_other_tokens => continue,
                Some(RackConfig { config, .. }) => setting(config, key, default),
                None if key == "num_tokens" => continue,
                None => setting(&first.config, key, default),
            };
            if wanted != before {
                return refuse(rack, key, &before, &wanted);
            }
        }
    }
    Ok(())
}

fn refuse(rack: &DesiredRack, key: &str, before: &str, wanted: &str) -> Result<(), Refusal> {
    Err(Refusal {
        reason: Reason::RingChanged,
        message: format!(
            "config of {}: cassandra-yaml.{key} is {wanted}, and the ring has {before}, which it keeps for life: nodes with another value do not start, or form another ring. Set it back",
            rack.id
        ),
    })
}

fn users_name(rack: &DesiredRack) -> Option<&str> {
    rack.config["cassandra-yaml"]["cluster_name"].as_str()
}

/// A setting of `cassandra.yaml`. A class may be written with its package or without.
fn setting(config: &Value, key: &str, default: &str) -> String {
    let written = match &config["cassandra-yaml"][key] {
        Value::Null => default.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let class = written.strip_prefix("org.apache.cassandra.");
    let class = class.and_then(|class| class.rsplit_once('.'));
    class.map_or(written.clone(), |(_, class)| class.to_owned())
}
