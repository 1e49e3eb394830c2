//! A platform that assigns the user and group ids of pods and refuses all others, as `OpenShift` does with `restricted-v2`:
//! here two admission policies act like it.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{Kubectl, Space, cluster, fresh_id, policies::Policies, wait::until};
use serde_json::json;

/// The first id of the range of a namespace. The image has no user with it.
const ID: u32 = 1_000_680_000;
const POD: &str = "demo-dc1-rack1-0";

/// The policies of the platform, in force in one namespace until they are dropped.
fn platform(kubectl: &Kubectl) -> Policies {
    let assigns = format!(
        "Object{{spec: Object.spec{{securityContext: Object.spec.securityContext{{runAsUser: {ID}, fsGroup: {ID}}}}}}}"
    );
    let has_no_id = "!has(object.spec.securityContext) || (!has(object.spec.securityContext.runAsUser) && \
                     !has(object.spec.securityContext.fsGroup))";
    let is_assigned = format!(
        "object.spec.securityContext.runAsUser == {ID} && object.spec.securityContext.fsGroup == {ID} && \
         (object.spec.containers + object.spec.?initContainers.orValue([])).all(container, \
         !has(container.securityContext) || !has(container.securityContext.runAsUser))"
    );
    let policies = Policies::new(kubectl);
    policies.changes_pods(has_no_id, &assigns);
    let message = format!("the ids of a pod must be in the range {ID}/10000");
    policies.refuses_pods(&is_assigned, &message);
    let user = |id: Option<u32>| {
        let pod = json!({ "securityContext": id.map(|id| json!({ "runAsUser": id })) });
        let tried = policies.try_pod(pod);
        tried.map(|pod| pod["spec"]["securityContext"]["runAsUser"].clone())
    };
    until("the policies are in force", || {
        let (assigned, refused) = (user(None), user(Some(999)));
        if assigned.as_ref().is_ok_and(|user| *user == json!(ID)) && refused.is_err() {
            Ok(())
        } else {
            Err(format!("{assigned:?}, {refused:?}"))
        }
    });
    policies
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn ids_of_the_platform_are_told_and_a_ring_lives_with_them() {
    let space = Space::open("platform-ids");
    let _platform = platform(&space.kubectl);
    let demo = space.cluster("demo");
    demo.apply(&cluster::ring("demo", &[("dc1", &["rack1"])]));
    let range = format!("range {ID}/10000");
    demo.tells("Degraded", "True", &[POD, "must be in the", &range]);
    demo.change(&json!({ "platformAssignsIds": true }));
    demo.settles();
    assert_eq!(ids(&space), format!("{ID} 0"), "user and group");

    let restart = fresh_id("restart");
    demo.request("restart", &restart);
    demo.succeeds("restart", &restart);
    let members = demo.host_ids();
    space.kubectl.ok(&["delete", "pod", POD]);
    demo.settles();
    assert_eq!(
        demo.host_ids(),
        members,
        "its data is readable to the next pod"
    );
    assert_eq!(ids(&space), format!("{ID} 0"));
}

/// User and group of the container of Cassandra.
fn ids(space: &Space) -> String {
    let command = [
        "exec",
        POD,
        "-c",
        "cassandra",
        "--",
        "sh",
        "-c",
        "echo $(id -u) $(id -g)",
    ];
    space.kubectl.ok(&command).trim().to_owned()
}
