//! The operator dies after any of its effects, and before it hears the answer of a node: every kind ends as if it had not.
//! Those that discard nodes are in `lost`, those of the spec in `histories`.

use std::collections::BTreeMap;

use casskop_common::{
    api::OperationPhase,
    operations::{OperationKind, kinds},
};

use crate::{
    node::Replication,
    simulation::{THREE_RACKS, World},
    tests::backup::store,
};

/// Lives of the operator, each of which is short.
const LIVES: usize = 6;

#[test]
fn every_kind_ends_the_same_wherever_the_operator_dies() {
    for kind in kinds() {
        let arguments = match kind {
            // They need a lost node, or a spec that asks for fewer nodes.
            "remove" | "replace" | "decommission" => continue,
            "rebuild" => "--dc dc2 --from-dc dc1",
            "snapshot" | "clearsnapshot" => "--name kept --keyspace orders",
            "refresh" => "--keyspace orders --table t",
            "restart" => "--drain",
            "backup" => "--to s3",
            "verifybackup" | "deletebackup" => "--from s3 --backup b1",
            "drain" => "",
            _ => "--keyspace orders --keyspace users",
        };
        for effects in 0..4 {
            let mut world = ring_of_two_dcs();
            world.annotate(kind, Some(&format!("a {arguments}")));
            for life in 0..LIVES {
                if !world.pass_until(effects) {
                    world.kill_operator();
                }
                world.tick();
                world.work(0, life % 2 == 0, false);
            }
            world.settle();
            as_if_nothing_happened(&world, kind, effects);
        }
    }
}

/// Keyspaces are replicated in both.
fn ring_of_two_dcs() -> World {
    let mut world = World::new(THREE_RACKS);
    let everywhere: BTreeMap<String, usize> = ["dc1", "dc2"].map(|dc| (dc.to_owned(), 1)).into();
    for replication in world.replication.values_mut() {
        *replication = Replication::Topology(everywhere.clone());
    }
    world.edit(|cluster| {
        cluster.spec.backup = Some(store());
        let dcs = &mut cluster.spec.topology.as_mut().expect("a topology").dc;
        dcs[0].rack.truncate(2);
        let mut second = dcs[0].clone();
        second.name = "dc2".into();
        dcs.push(second);
    });
    world.settle();
    world
}

fn as_if_nothing_happened(world: &World, kind: &str, effects: usize) {
    let operation = world.operation(kind);
    assert_eq!(
        operation.phase,
        OperationPhase::Succeeded,
        "{kind} {effects}"
    );
    let plan = operation.plan.expect("a plan");
    let planned = plan.waves.concat().into_iter().flat_map(|pod| {
        let steps = plan.steps.iter();
        steps.map(move |step| (pod.clone(), step.clone()))
    });
    let mut planned: Vec<(String, String)> = planned.collect();
    let mut called: Vec<(String, String)> = world
        .calls
        .iter()
        .map(|(_, _, pod, step)| (pod.clone(), step.clone()))
        .collect();
    // All nodes of a backup begin at once.
    if operation.kind == OperationKind::Backup {
        called.sort();
        planned.sort();
    }
    // Twice in a row is the same step, called again after a death.
    called.dedup();
    assert_eq!(called, planned, "{kind} killed after {effects} effects");
}
