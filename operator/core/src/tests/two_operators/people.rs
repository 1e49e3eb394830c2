//! Changes by people and machines: another spec, a lost volume, a request that gives a node up.

use casskop_common::{api::Rack, names, operations::OperationKind};

use super::history::{Event, History};
use crate::{
    objects::config_map,
    simulation::{Node, World},
    tests::node_api_change::{set_image, turn},
};

/// Changes the spec.
pub(super) fn edit(world: &mut World, event: &Event) {
    world.edit(|cluster| match *event {
        Event::Nodes(nodes) => cluster.spec.nodes_per_racks = Some(nodes),
        Event::Image(number) => set_image(cluster, number),
        Event::NodeApi(kind) => turn(cluster, kind),
        Event::Racks(racks) => {
            let dc = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
            let rack = |number| Rack {
                name: format!("rack{number}"),
                ..Rack::default()
            };
            dc.rack = (1..=racks).map(rack).collect();
        }
        _ => {}
    });
}

/// Requests that a lost node is replaced, or removed, by a person who has looked.
pub(super) fn give_up(world: &mut World, kind: OperationKind, id: &str, pod: &str) {
    let waived = format!("{id} replicas-remain nodes-up");
    world.annotate(&format!("{kind}.waive"), Some(&waived));
    let uid = world.cluster.metadata.uid.clone().unwrap_or_default();
    let value = format!("{id} --pod {pod} --cluster-uid {uid}");
    world.annotate(kind.as_str(), Some(&value));
}

impl History {
    pub(super) fn lose_volume(&mut self, index: usize) {
        let world = &mut self.world;
        let leaves = |pod: &String| {
            let operations = world.status().operations.into_iter();
            let mut leaving = operations.filter(|known| known.kind == OperationKind::Decommission);
            leaving.any(|known| known.nodes.iter().any(|node| node.pod == *pod))
        };
        let members = world.pods.iter().filter(|(name, pod)| {
            let set = names::stateful_set("demo", &pod.rack);
            let told = world.live.config_maps.get(&set).map(config_map::nodes);
            let is_known = told.is_some_and(|told| told.members.contains_key(*name));
            pod.node == Node::Normal && is_known
        });
        let members: Vec<String> = members.map(|(name, _)| name.clone()).collect();
        let Some(name) = members.get(index % members.len().max(1)) else {
            return;
        };
        let stays = |other: &&String| *other != name && !leaves(other);
        if world.lost.is_empty() && members.iter().any(|other| stays(&other)) {
            world.lose(name);
        }
    }
}
