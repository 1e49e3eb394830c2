//! Encryption between the nodes of several sites: they are nodes of one ring.

use std::collections::BTreeSet;

use casskop_common::api::InternodeMode::{self, Disabled, Optional, Preferred, Required};
use serde_json::{Value, json};

use crate::multi::simulation::{TWO_SITES, World, of_b};

fn ask(world: &mut World, mode: InternodeMode) {
    let tls = json!({ "internode": { "mode": mode, "secretName": "demo-ring" } });
    world.edit(|multi| multi.spec.base["spec"]["tls"] = tls);
}

fn modes(world: &World) -> BTreeSet<InternodeMode> {
    let clusters = world
        .sites
        .values()
        .filter_map(|site| site.cluster.as_ref());
    let nodes = clusters.flat_map(|cluster| {
        let status = cluster.status.iter();
        status.flat_map(|status| status.cassandra_node_status.values())
    });
    nodes
        .map(|node| node.internode_tls.unwrap_or_default())
        .collect()
}

/// Goes on until all nodes have a mode, and returns the sets of modes in between.
fn go_to(world: &mut World, mode: InternodeMode) -> Vec<Vec<InternodeMode>> {
    let mut seen: Vec<Vec<InternodeMode>> = Vec::new();
    for _ in 0..60 {
        let now: Vec<InternodeMode> = modes(world).into_iter().collect();
        if let [one, other] = now[..] {
            assert_eq!(one.towards(other), other, "{now:?}");
        }
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        if modes(world) == [mode].into() {
            world.settle();
            return seen;
        }
        world.pass();
        world.tick();
    }
    unreachable!("{seen:?}: {}", world.condition("Progressing"))
}

#[test]
fn all_sites_take_a_step_before_any_takes_the_next_one() {
    let mut world = World::formed(TWO_SITES);
    ask(&mut world, Required);
    let seen = go_to(&mut world, Required);
    let alone = seen.iter().filter(|modes| modes.len() == 1).flatten();
    let alone: Vec<&InternodeMode> = alone.collect();
    assert_eq!(alone, [&Disabled, &Optional, &Preferred, &Required]);
    // The word is taken out: the Secret stays named until no node encrypts.
    world.edit(|multi| multi.spec.base["spec"]["tls"] = Value::Null);
    world.pass();
    let told = world.cluster("b").spec.internode_tls().cloned();
    let told = told.expect("it is told the next step");
    assert_eq!(told.mode, Preferred);
    assert_eq!(told.secret_name.as_deref(), Some("demo-ring"));
    go_to(&mut world, Disabled);
    assert_eq!(world.cluster("a").spec.tls, None);
}

#[test]
fn a_site_that_is_cut_off_holds_the_next_step() {
    for ticks in 0..6 {
        let mut world = World::formed(TWO_SITES);
        ask(&mut world, Required);
        for _ in 0..ticks {
            world.pass();
            world.tick();
        }
        let of_b = |world: &World| {
            let nodes = &world
                .cluster("b")
                .status
                .as_ref()
                .expect("a status")
                .cassandra_node_status;
            nodes
                .values()
                .map(|node| node.internode_tls.unwrap_or_default())
                .collect::<Vec<_>>()
        };
        world.site("b").is_cut = true;
        for _ in 0..10 {
            world.pass();
            world.tick();
            let others = modes(&world);
            let b = of_b(&world);
            assert!(
                others
                    .iter()
                    .all(|mode| b.iter().all(|b| b.towards(*mode) == *mode)),
                "{others:?} {b:?}"
            );
        }
        world.site("b").is_cut = false;
        go_to(&mut world, Required);
    }
}

fn told(world: &World) -> [InternodeMode; 2] {
    ["a", "b"].map(|site| world.cluster(site).spec.internode_mode())
}

/// The row of a pod that is gone has no mode.
#[test]
fn a_pod_that_is_gone_holds_a_change_in_both_directions() {
    let mut world = World::formed(TWO_SITES);
    ask(&mut world, Required);
    go_to(&mut world, Required);
    let cluster = world.site("b").cluster.as_mut().expect("a cluster");
    let rows = &mut cluster
        .status
        .as_mut()
        .expect("a status")
        .cassandra_node_status;
    let node = rows.values_mut().next().expect("a node");
    node.ready = false;
    node.internode_tls = None;
    for mode in [Disabled, Optional] {
        ask(&mut world, mode);
        for _ in 0..3 {
            world.pass();
            assert_eq!(told(&world), [Required; 2]);
        }
    }
}

#[test]
fn another_secret_holds_the_next_step_until_all_sites_have_it() {
    let mut world = World::formed(TWO_SITES);
    ask(&mut world, Optional);
    go_to(&mut world, Optional);
    world.site("b").is_cut = true;
    let tls = json!({ "internode": { "mode": "Required", "secretName": "another" } });
    world.edit(|multi| multi.spec.base["spec"]["tls"] = tls);
    for _ in 0..3 {
        world.pass();
        world.tick();
        assert_eq!(told(&world)[0], Optional);
    }
    world.site("b").is_cut = false;
    world.pass();
    assert_eq!(told(&world), [Optional; 2], "b is told the Secret first");
    go_to(&mut world, Required);
}

#[test]
fn what_the_sites_cannot_have_together_is_refused() {
    let refused = |change: fn(&mut World)| {
        let mut world = World::formed(TWO_SITES);
        change(&mut world);
        world.pass();
        assert!(modes(&world).iter().all(|mode| *mode == Disabled));
        world.condition("SpecAccepted")
    };
    let told = [
        refused(|world| {
            world.edit(|multi| {
                multi.spec.base["spec"]["tls"] = json!({ "internode": { "mode": "Required" } });
            });
        }),
        refused(|world| {
            ask(world, Required);
            world.edit(|multi| {
                of_b(multi)["spec"]["tls"] = json!({ "internode": { "mode": "Optional" } });
            });
        }),
    ];
    insta::assert_snapshot!(told.join("\n"));
}
