//! The real kube-state-metrics with the configuration and the rights of the repository.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::process::{Child, Stdio};

use casskop_e2e::{
    Space, cluster,
    command::{self, inside},
    space::workspace,
    trouble::testbed,
    wait::until,
};
use serde_json::json;

const ACCOUNT: &str = "kube-state-metrics";
const PORTS: [&str; 2] = ["28481", "28482"];

/// kube-state-metrics, until this value is dropped.
struct Running(Child);

impl Running {
    fn start(space: &Space) -> Self {
        let program = command::run(testbed("state-metrics.sh", &[]), "").ok();
        let config = workspace().join("manifests/monitoring/kube-state-metrics/config.yaml");
        let mut command = inside(program.trim());
        command
            .arg("--kubeconfig")
            .arg(space.kubeconfig_of(ACCOUNT));
        command
            .arg("--custom-resource-state-config-file")
            .arg(config);
        command.args(["--custom-resource-state-only", "--namespaces"]);
        command.arg(&space.kubectl.namespace);
        for (of, port) in ["", "telemetry-"].into_iter().zip(PORTS) {
            command.args([
                format!("--{of}host=127.0.0.1"),
                format!("--{of}port={port}"),
            ]);
        }
        command.stdout(Stdio::null()).stdin(Stdio::null());
        Self(command.spawn().expect("kube-state-metrics starts"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The metrics as they are now; an error while it starts.
fn scrape() -> Result<String, String> {
    let mut curl = inside("curl");
    curl.args(["-sS", "-m", "20"]);
    curl.arg(format!("http://127.0.0.1:{}/metrics", PORTS[0]));
    let answer = command::run(curl, "");
    if answer.code == 0 {
        Ok(answer.stdout)
    } else {
        Err(answer.stderr)
    }
}

/// The value of the series with this name and these labels.
fn value(text: &str, name: &str, labels: &[&str]) -> Option<String> {
    let mut lines = text.lines().filter(|line| {
        let series = line.rsplit_once(' ').map_or("", |(series, _)| series);
        let is_it = series.starts_with(&format!("{name}{{"));
        is_it && labels.iter().all(|label| series.contains(label))
    });
    let line = lines.next()?;
    Some(line.rsplit_once(' ')?.1.to_owned())
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn conditions_of_clusters_are_metrics() {
    let space = Space::open("e2e-state-metrics");
    let kubectl = &space.kubectl;
    let role = workspace().join("manifests/monitoring/kube-state-metrics/role.yaml");
    kubectl.ok(&["apply", "-f", &role.to_string_lossy()]);
    kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": ACCOUNT },
    }));
    kubectl.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": { "name": "e2e-state-metrics" },
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "casskop-kube-state-metrics",
        },
        "subjects": [{
            "kind": "ServiceAccount", "name": ACCOUNT, "namespace": kubectl.namespace,
        }],
    }));
    // No machine has so many processors.
    let mut manifest = cluster::ring("demo", &[("dc1", &["rack1"])]);
    manifest["spec"]["resources"] = json!({ "requests": { "cpu": "500" } });
    let ring = space.cluster("demo");
    ring.apply(&manifest);
    let running = Running::start(&space);
    let text = until("the conditions of the cluster", || {
        let text = scrape()?;
        let degraded = ["type=\"Degraded\"", "cassandracluster=\"demo\""];
        match value(&text, "kube_cassandracluster_condition", &degraded).as_deref() {
            Some("1") => Ok(text),
            other => Err(format!("{other:?} in {text}")),
        }
    });
    let of = |name: &str, label: &str| {
        let labels = [label, "cassandracluster=\"demo\""];
        value(&text, &format!("kube_cassandracluster_{name}"), &labels)
            .unwrap_or_else(|| panic!("{name} {label} in {text}"))
    };
    assert_eq!(of("condition", "type=\"Available\""), "0");
    let generations = ["metadata_generation", "status_observed_generation"];
    assert_eq!(generations.map(|name| of(name, "namespace=")), ["1", "1"]);
    for time in ["condition_last_transition_time", "created"] {
        let seconds: f64 = of(time, "namespace=").parse().expect("a number");
        assert!(seconds > 1.7e9, "{time}: {seconds}");
    }
    drop(running);
    kubectl.ok(&["delete", "clusterrolebinding", "e2e-state-metrics"]);
}
