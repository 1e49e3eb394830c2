//! The Helm chart on a real Kubernetes: install, upgrade, rollback, uninstall and reinstall around a running ring, and the
//! CRDs of the first version.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Cluster, Kubectl, Space, cluster, fresh_id,
    helm::{Helm, RELEASE, chart},
    kubectl, operator,
    space::workspace,
    wait::until,
};
use serde_json::{Value, json};

const CRDS: [&str; 2] = [
    "cassandraclusters.db.orange.com",
    "multicasskops.db.orange.com",
];
const KIND: &str = CRDS[0];
const APPLY: [&str; 5] = ["apply", "--server-side", "--force-conflicts", "-f", "-"];

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn kubernetes_takes_every_object_of_the_chart() {
    let space = Space::without_operator("e2e-helm-all");
    let all = [
        "--set=multi.enabled=true",
        "--set=admission.enabled=true",
        "--set=roles.enabled=true",
        "--set=replicas=2",
        "--set=labels.team=data",
    ];
    let chart = chart();
    let template = [&["template", RELEASE, &chart][..], &all].concat();
    let manifests = Helm::new(&space.kubectl).ok(&template);
    let dry_run = [&APPLY[..], &["--dry-run=server"]].concat();
    let taken = space.kubectl.run_with(&dry_run, &manifests).ok();
    // Two operators with four objects each, two CRDs, two policies with their bindings, six roles.
    assert_eq!(taken.lines().count(), 2 * 4 + 2 + 4 + 6, "{taken}");
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_ring_runs_through_the_life_of_a_release() {
    let space = Space::without_operator("e2e-helm");
    let helm = Helm::new(&space.kubectl);
    // Other tests have applied the CRDs.
    helm.install(&["--take-ownership", "--force-conflicts"]);
    assert_eq!(log_level(&space.kubectl), Value::Null);
    let ring = space.cluster("demo");
    ring.apply(&cluster::ring("demo", &[("dc1", &["rack1"])]));
    ring.settles();
    let kept = Kept::of(&space.kubectl, &ring);

    let upgrade = [
        "upgrade",
        RELEASE,
        &chart(),
        "--reset-then-reuse-values",
        "--set=log.level=debug",
        "--wait",
        "--timeout=300s",
    ];
    helm.ok(&upgrade);
    assert_eq!(log_level(&space.kubectl), "debug");
    works(&ring);

    helm.ok(&["rollback", RELEASE, "1", "--wait", "--timeout=300s"]);
    assert_eq!(log_level(&space.kubectl), Value::Null);
    works(&ring);

    helm.ok(&["uninstall", RELEASE, "--wait", "--timeout=300s"]);
    for kind in ["deployment", "role", "rolebinding", "serviceaccount"] {
        let left = space.kubectl.get(kind, operator::NAME);
        assert_eq!(left, None, "{kind} after helm uninstall");
    }
    kept.is_still_there(&space.kubectl, &ring);

    // Without --take-ownership: the CRDs still belong to the release.
    helm.install(&[]);
    works(&ring);
    kept.is_still_there(&space.kubectl, &ring);
    ring.settles();
    ring.delete();
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn an_object_of_the_first_version_lives_on_after_the_upgrade_of_the_crds() {
    let space = Space::without_operator("e2e-helm-crds");
    let helm = Helm::new(&space.kubectl);
    let newest = Newest(&space.kubectl);
    let first = workspace().join("common/tests/fixtures/first-crd.json");
    let first = first.to_string_lossy();
    space.kubectl.ok(&["replace", "-f", &first]);
    let ring = space.cluster("old");
    ring.apply(&cluster::ring("old", &[("dc1", &["rack1"])]));
    let history = json!([{
        "id": "before", "kind": "cleanup", "phase": "Succeeded",
        "finishedAt": "2026-11-22T17:05:18Z",
    }]);
    // A field of a later version proves that the first CRD is in force: the API server drops it.
    let status = json!({ "status": {
        "operationHistory": history, "lastRackWrite": { "statefulSet": "old-dc1-rack1" },
    } });
    until("the first CRD to be in force", || {
        let patch = status.to_string();
        let words = [
            "patch",
            KIND,
            "old",
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ];
        space.kubectl.ok(&words);
        let stored = ring.get()["status"].clone();
        if stored["operationHistory"] == history && stored["lastRackWrite"].is_null() {
            Ok(())
        } else {
            Err(stored.to_string())
        }
    });
    let before = ring.get();

    helm.install(&["--take-ownership", "--force-conflicts"]);
    newest.is_in_force();
    ring.settles();
    let after = ring.get();
    assert_eq!(after["spec"], before["spec"]);
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    let known = cluster::find_operation(&after, "cleanup", "before");
    let known = known.unwrap_or_else(|| panic!("the history is lost: {}", after["status"]));
    assert_eq!(known["phase"], "Succeeded");
    let crd = space.kubectl.get("crd", KIND).expect("the CRD");
    assert_eq!(crd["status"]["storedVersions"], json!(["v2"]));
    ring.delete();
}

/// The operator carries out a request of now.
fn works(ring: &Cluster) {
    let id = fresh_id("helm");
    ring.request("flush", &id);
    ring.succeeds("flush", &id);
}

/// `LOG_LEVEL` of the operator; null without one.
fn log_level(kubectl: &Kubectl) -> Value {
    let deployment = kubectl.get("deployment", operator::NAME);
    let deployment = deployment.expect("the Deployment of the operator");
    let variables = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
    let variables = variables.as_array().into_iter().flatten();
    let mut levels = variables.filter(|variable| variable["name"] == "LOG_LEVEL");
    levels
        .next()
        .map_or(Value::Null, |one| one["value"].clone())
}

/// The objects that outlive a release: the CRDs, the cluster, and its pods with their containers. UIDs by name.
#[derive(Debug, PartialEq)]
struct Kept(Vec<(String, Value)>);

impl Kept {
    fn of(kubectl: &Kubectl, ring: &Cluster) -> Self {
        let crds = CRDS.map(|crd| kubectl.get("crd", crd).expect("a CRD"));
        let objects = crds.into_iter().chain([ring.get()]);
        let uids =
            objects.map(|object| (kubectl::name(&object), object["metadata"]["uid"].clone()));
        let pods = ring.pods().into_iter().map(|pod| {
            let started = &pod["status"]["containerStatuses"][0]["containerID"];
            let seen = json!([pod["metadata"]["uid"], started]);
            (kubectl::name(&pod), seen)
        });
        Self(uids.chain(pods).collect())
    }

    fn is_still_there(&self, kubectl: &Kubectl, ring: &Cluster) {
        assert_eq!(*self, Self::of(kubectl, ring));
    }
}

/// The CRDs of the repository, which are applied again when a test ends without them.
struct Newest<'a>(&'a Kubectl);

impl Newest<'_> {
    fn folder() -> String {
        let folder = workspace().join("manifests/crds");
        folder.to_string_lossy().into_owned()
    }

    /// The API server has nothing to change.
    fn is_in_force(&self) {
        let folder = Self::folder();
        let words = ["diff", "--server-side", "--force-conflicts", "-f", &folder];
        let difference = self.0.run(&words);
        assert_eq!(
            difference.code, 0,
            "the CRDs are not those of the chart: {difference}"
        );
    }
}

impl Drop for Newest<'_> {
    fn drop(&mut self) {
        let folder = Self::folder();
        self.0
            .run(&["apply", "--server-side", "--force-conflicts", "-f", &folder]);
    }
}
