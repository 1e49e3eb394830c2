//! Operations on all sites: one after the other, with the same id.

use casskop_common::{
    api::{MultiOperation, OperationPhase},
    names,
};
use kube_core::ResourceExt;

use crate::multi::simulation::{Denies, TWO_SITES, World};

fn operation(world: &World, kind: &str) -> MultiOperation {
    let operations = world.status().operations;
    let found = operations
        .into_iter()
        .find(|operation| operation.kind.as_str() == kind);
    found.expect("the operation is recorded")
}

fn annotation(world: &World, site: &str, key: &str) -> Option<String> {
    let key = format!("{}{key}", names::OPERATIONS_PREFIX);
    world.cluster(site).annotations().get(&key).cloned()
}

#[test]
fn a_request_reaches_one_site_after_the_other_with_the_same_id() {
    let mut world = World::formed(TWO_SITES);
    world.request("cleanup", Some("1 --jobs 2"));
    world.pass();
    assert_eq!(
        annotation(&world, "a", "cleanup").as_deref(),
        Some("1 --jobs 2")
    );
    assert_eq!(annotation(&world, "b", "cleanup"), None);
    assert_eq!(operation(&world, "cleanup").phase, OperationPhase::Running);
    insta::assert_snapshot!(operation(&world, "cleanup").message);
    world.settle();
    assert_eq!(
        annotation(&world, "b", "cleanup").as_deref(),
        Some("1 --jobs 2")
    );
    assert_eq!(
        operation(&world, "cleanup").phase,
        OperationPhase::Succeeded
    );
    // The same id again is nothing new; another one is.
    world.request("cleanup", Some("2"));
    world.settle();
    world.request("cleanup", Some("1"));
    world.settle();
    assert_eq!(operation(&world, "cleanup").id, "2");
    insta::assert_snapshot!(world.condition("IntentsAccepted"));
}

#[test]
fn a_ring_of_one_site_is_told_in_the_singular() {
    let one: Vec<&str> = TWO_SITES
        .lines()
        .filter(|line| !line.starts_with("    b:"))
        .collect();
    let mut world = World::new(&one.join("\n"));
    world.order.retain(|site| site == "a");
    world.sites.retain(|site, _| site == "a");
    world.settle();
    assert_eq!(
        world.condition("Available"),
        "True AllSitesAvailable: the nodes of the site are up"
    );
    world.request("cleanup", Some("1"));
    world.pass();
    let mut told = vec![operation(&world, "cleanup").message];
    world.settle();
    told.push(operation(&world, "cleanup").message);
    assert_eq!(
        told,
        [
            "0 of 1 site done; a: the operator of the site to observe the request",
            "done in 1 site"
        ]
    );
}

#[test]
fn a_request_that_may_have_run_is_recorded_and_not_run() {
    let mut world = World::formed(TWO_SITES);
    world.multi.status = None;
    world.request("clearsnapshot", Some("1 --name old"));
    world.settle();
    let told = operation(&world, "clearsnapshot");
    assert_eq!(told.phase, OperationPhase::Refused, "{}", told.message);
    assert_eq!(annotation(&world, "a", "clearsnapshot"), None);
    world.request("clearsnapshot", Some("2 --name old"));
    world.settle();
    let told = operation(&world, "clearsnapshot");
    assert_eq!(told.phase, OperationPhase::Succeeded, "{}", told.message);
}

/// A change of the sites, and a part of the message.
type Case<'a> = (&'a dyn Fn(&mut World), &'a str);

/// The clusters were deleted and their volumes kept; or the site does not tell.
#[test]
fn a_request_of_a_resource_that_is_created_again_over_kept_volumes_is_not_run() {
    let anew = |change: &dyn Fn(&mut World)| {
        let mut world = World::formed(TWO_SITES);
        for site in ["a", "b"] {
            world.site(site).lose_cluster();
        }
        world.multi.status = None;
        world.multi.metadata.uid = Some("m-2".into());
        change(&mut world);
        for kind in ["clearsnapshot", "flush"] {
            world.request(kind, Some("1 --name old"));
        }
        world.request("flush", Some("1"));
        world.pass();
        ["clearsnapshot", "flush"].map(|kind| operation(&world, kind))
    };
    let no_members = |world: &mut World| {
        for site in ["a", "b"] {
            world.site(site).has_members = false;
        }
    };
    let hidden = |world: &mut World| {
        no_members(world);
        world.site("b").hides_mark = true;
    };
    let cut = |world: &mut World| {
        no_members(world);
        world.site("b").is_cut = true;
    };
    let whole = |_: &mut World| {};
    let changes: [Case<'_>; 3] = [
        (&whole, "the ring existed"),
        (&hidden, "may not read ConfigMap demo-ring"),
        (
            &cut,
            "site b may have a ring: its API server did not answer",
        ),
    ];
    for (change, word) in changes {
        for told in anew(change) {
            assert_eq!(told.phase, OperationPhase::Refused, "{}", told.message);
            assert!(told.message.contains(word), "{}", told.message);
        }
    }
    for told in anew(&no_members) {
        assert!(!told.phase.is_final(), "the ring is new: {}", told.message);
    }
}

#[test]
fn a_data_center_of_a_site_that_does_not_answer_is_known() {
    let mut world = World::formed(TWO_SITES);
    world.edit(|multi| multi.spec.base["metadata"]["namespace"] = "elsewhere".into());
    world.site("b").is_cut = true;
    world.request("flush", Some("1 --dc dc2"));
    world.pass();
    let told = operation(&world, "flush");
    assert!(!told.phase.is_final(), "{}", told.message);
    world.request("repair", Some("1 --dc dc9"));
    world.pass();
    assert_eq!(operation(&world, "repair").phase, OperationPhase::Refused);
}

#[test]
fn arguments_are_those_of_each_site() {
    let mut world = World::formed(TWO_SITES);
    world.request("flush", Some("1 --dc dc2"));
    world.request(
        "compact",
        Some("1 --pod demo-dc1-rack1-0 --pod demo-dc2-rack1-0"),
    );
    world.request("rebuild", Some("1 --from-dc dc1"));
    world.request("repair", Some("1 --dc dc9"));
    world.settle();
    assert_eq!(annotation(&world, "a", "flush"), None);
    assert_eq!(
        annotation(&world, "b", "flush").as_deref(),
        Some("1 --dc dc2")
    );
    assert_eq!(
        annotation(&world, "a", "compact").as_deref(),
        Some("1 --pod demo-dc1-rack1-0")
    );
    assert_eq!(
        annotation(&world, "b", "compact").as_deref(),
        Some("1 --pod demo-dc2-rack1-0")
    );
    assert_eq!(annotation(&world, "a", "rebuild"), None, "it has the data");
    assert_eq!(
        annotation(&world, "b", "rebuild").as_deref(),
        Some("1 --from-dc dc1")
    );
    insta::assert_snapshot!(operation(&world, "repair").message);
}

#[test]
fn what_discards_data_names_the_resource_and_carries_the_uid_of_the_cluster() {
    let mut world = World::formed(TWO_SITES);
    world.request(
        "replace",
        Some("1 --pod demo-dc2-rack1-0 --cluster-uid 00000000-0000-0000-0000-000000000000"),
    );
    world.settle();
    assert_eq!(operation(&world, "replace").phase, OperationPhase::Refused);
    world.multi.metadata.uid = Some("11111111-0000-0000-0000-000000000000".into());
    world.annotate(names::ADOPT, Some("m-1"));
    let child = "22222222-0000-0000-0000-000000000000";
    world
        .site("b")
        .cluster
        .as_mut()
        .expect("a cluster")
        .metadata
        .uid = Some(child.into());
    world.settle();
    world.request(
        "replace",
        Some("2 --pod demo-dc2-rack1-0 --cluster-uid 11111111-0000-0000-0000-000000000000"),
    );
    world.settle();
    let handed = annotation(&world, "b", "replace").expect("it was handed");
    assert_eq!(
        handed,
        format!("2 --cluster-uid {child} --pod demo-dc2-rack1-0")
    );
    assert_eq!(annotation(&world, "a", "replace"), None);
}

#[test]
fn a_site_that_failed_stops_the_rest_until_it_is_retried() {
    let mut world = World::formed(TWO_SITES);
    world.request("cleanup", Some("1 --keyspace fails"));
    world.settle();
    assert_eq!(operation(&world, "cleanup").phase, OperationPhase::Failed);
    assert_eq!(annotation(&world, "b", "cleanup"), None);
    insta::assert_snapshot!(operation(&world, "cleanup").message);
    world.request("cleanup.retry", Some("1"));
    world.settle();
    assert_eq!(
        annotation(&world, "a", "cleanup.retry").as_deref(),
        Some("1")
    );
    assert_eq!(
        operation(&world, "cleanup").phase,
        OperationPhase::Succeeded
    );
    world.request("cleanup.retry", None);
    world.settle();
    assert_eq!(annotation(&world, "a", "cleanup.retry"), None);
}

#[test]
fn pause_and_cancel_hold_what_was_not_begun() {
    let mut world = World::formed(TWO_SITES);
    world.request("cleanup", Some("1"));
    world.request("cleanup.pause", Some("1"));
    world.settle();
    assert_eq!(annotation(&world, "a", "cleanup"), None);
    assert_eq!(operation(&world, "cleanup").phase, OperationPhase::Paused);
    world.request("cleanup.pause", None);
    world.pass();
    assert_eq!(annotation(&world, "a", "cleanup").as_deref(), Some("1"));
    world.request("cleanup.cancel", Some("1"));
    world.settle();
    assert_eq!(
        operation(&world, "cleanup").phase,
        OperationPhase::Cancelled
    );
    assert_eq!(annotation(&world, "b", "cleanup"), None);
}

#[test]
fn a_request_that_is_taken_back_is_withdrawn_and_a_pause_of_all_is_handed_on() {
    let mut world = World::formed(TWO_SITES);
    world.request("reconcile", Some("paused"));
    world.request("cleanup", Some("1"));
    world.settle();
    assert_eq!(
        annotation(&world, "b", "reconcile").as_deref(),
        Some("paused")
    );
    assert_eq!(annotation(&world, "a", "cleanup"), None);
    world.request("cleanup", None);
    world.request("reconcile", None);
    world.settle();
    assert_eq!(
        operation(&world, "cleanup").phase,
        OperationPhase::Withdrawn
    );
    assert_eq!(annotation(&world, "b", "reconcile"), None);
}

/// A control or a pause that is taken back is remembered until the site was seen without it.
#[test]
fn what_is_taken_back_goes_in_the_end_whatever_keeps_it() {
    type Failure = fn(&mut World, bool);
    let failures: [(&str, Failure); 4] = [
        ("the site is cut off", |world, fails| {
            world.site("b").is_cut = fails;
        }),
        ("a webhook denies each change", |world, fails| {
            world.site("b").denies = if fails { Denies::All } else { Denies::Nothing };
        }),
        ("a webhook denies the new spec", |world, fails| {
            world.site("b").denies = if fails {
                Denies::Specs
            } else {
                Denies::Nothing
            };
            world
                .edit(|multi| multi.spec.base["spec"]["cassandraImage"] = "cassandra:5.0.9".into());
        }),
        ("the operator is killed after the status", |world, fails| {
            if fails {
                world.pass_until(1);
            }
        }),
    ];
    for (what, failure) in failures {
        let mut world = World::formed(TWO_SITES);
        world.request("cleanup", Some("1"));
        world.pass();
        world.request("cleanup.pause", Some("1"));
        world.request("reconcile", Some("paused"));
        world.settle();
        let keys = ["reconcile", "cleanup.pause"];
        for site in ["a", "b"] {
            let has = keys.map(|key| annotation(&world, site, key).is_some());
            assert!(has[0], "{what}: {site} is paused");
        }
        assert!(annotation(&world, "a", "cleanup.pause").is_some());
        world.request("cleanup.pause", None);
        world.request("reconcile", None);
        failure(&mut world, true);
        world.pass();
        world.pass();
        failure(&mut world, false);
        world.settle();
        for (site, key) in ["a", "b"]
            .iter()
            .flat_map(|site| keys.map(|key| (site, key)))
        {
            assert_eq!(annotation(&world, site, key), None, "{what}: {site} {key}");
        }
        let status = world.status();
        assert!(status.sites.iter().all(|site| !site.paused), "{what}");
    }
}

/// The pause of a site by its own user is not that of this resource.
#[test]
fn a_pause_that_was_not_handed_over_stays() {
    let mut world = World::formed(TWO_SITES);
    let key = format!("{}reconcile", names::OPERATIONS_PREFIX);
    let cluster = world.site("b").cluster.as_mut().expect("a cluster");
    cluster.annotations_mut().insert(key, "paused".to_owned());
    world.settle();
    assert_eq!(
        annotation(&world, "b", "reconcile").as_deref(),
        Some("paused")
    );
}

/// A commit may have both.
#[test]
fn a_pause_reaches_sites_whose_spec_changes_at_the_same_time() {
    let mut world = World::formed(TWO_SITES);
    let before = world.cluster("a").spec.clone();
    world.edit(|multi| multi.spec.base["spec"]["cassandraImage"] = "cassandra:5.0.9".into());
    world.request("reconcile", Some("paused"));
    world.settle();
    for site in ["a", "b"] {
        assert_eq!(
            annotation(&world, site, "reconcile").as_deref(),
            Some("paused")
        );
    }
    assert_eq!(world.cluster("a").spec, before);
}

#[test]
fn a_site_that_has_begun_is_waited_for_and_one_that_has_not_is_left_for_later() {
    let mut world = World::formed(TWO_SITES);
    world.site("a").is_cut = true;
    world.request("cleanup", Some("1"));
    world.settle();
    assert_eq!(
        annotation(&world, "b", "cleanup").as_deref(),
        Some("1"),
        "the other goes on"
    );
    assert_eq!(operation(&world, "cleanup").phase, OperationPhase::Running);
    insta::assert_snapshot!(operation(&world, "cleanup").message);
    world.site("a").is_cut = false;
    world.settle();
    assert_eq!(
        operation(&world, "cleanup").phase,
        OperationPhase::Succeeded
    );
    world.request("cleanup", Some("2"));
    world.pass();
    world.site("a").is_cut = true;
    world.settle();
    assert_eq!(
        annotation(&world, "b", "cleanup").as_deref(),
        Some("1"),
        "nobody knows whether a has ended"
    );
}

#[test]
fn plans_are_made_everywhere_and_kinds_wait_for_each_other() {
    let mut world = World::formed(TWO_SITES);
    world.request("restart", Some("1 --dry-run"));
    world.settle();
    assert_eq!(operation(&world, "restart").phase, OperationPhase::Planned);
    world.request("cleanup", Some("1"));
    world.pass();
    world.request("flush", Some("1"));
    world.pass();
    assert_eq!(annotation(&world, "a", "flush"), None);
    insta::assert_snapshot!(operation(&world, "flush").message);
    world.settle();
    assert_eq!(operation(&world, "flush").phase, OperationPhase::Succeeded);
}
