//! A ring of three racks: it forms, it has the documented objects, and its password stays a secret.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::{collections::BTreeSet, fs};

use casskop_e2e::{
    Kubectl, cassandra,
    cluster::{self, find_condition},
    half_sent,
    kubectl::{self, names},
    operator, shared_ring,
    space::http,
};
use serde_json::{Value, json};

const RACKS: [&str; 3] = ["demo-dc1-rack1", "demo-dc1-rack2", "demo-dc1-rack3"];
const OURS: &str = "app=cassandracluster,cassandracluster=demo";
const MODE: &str = r#"{"type":"read","mbean":"org.apache.cassandra.db:type=StorageService","attribute":"OperationMode"}"#;

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn three_racks_form_one_ring() {
    let (space, demo) = shared_ring();
    space.kubectl.ok(&[
        "wait",
        "--for=condition=Available",
        "--timeout=60s",
        "cassandracluster/demo",
    ]);
    let resource = demo.get();
    assert_eq!(resource["status"]["phase"], "Running");
    assert_eq!(resource["status"]["lastClusterActionStatus"], "Done");
    for (condition, status) in [
        ("SpecAccepted", "True"),
        ("IntentsAccepted", "True"),
        ("Degraded", "False"),
    ] {
        let found = find_condition(&resource, condition).expect("every condition is told");
        assert_eq!(found["status"], status, "{found}");
    }
    let pods = demo.pod_names();
    assert_eq!(pods.len(), 3);
    for pod in &pods {
        let ring = cassandra::nodetool_status(&space.kubectl, pod);
        let states: Vec<&str> = ring.iter().map(|node| node[1].as_str()).collect();
        assert_eq!(states, ["UN"; 3], "{pod} sees {ring:?}");
        let racks: BTreeSet<&str> = ring.iter().map(|node| node[3].as_str()).collect();
        assert_eq!(racks, ["rack1", "rack2", "rack3"].into());
        let seen: BTreeSet<String> = ring.iter().map(|node| node[2].clone()).collect();
        let told: BTreeSet<String> = demo.host_ids().into_iter().map(|(_, id)| id).collect();
        assert_eq!(seen, told);
    }
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn a_scrape_of_the_operator_has_what_the_status_says() {
    let (space, demo) = shared_ring();
    demo.is_looked_at();
    let pod = kubectl::name(&operator::ready_pod(&space.kubectl));
    let namespace = &space.kubectl.namespace;
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:8080/proxy/metrics");
    let text = space.kubectl.ok(&["get", "--raw", &path]);
    let labels = format!(r#"namespace="{namespace}",cluster="demo""#);
    for sample in [
        format!(r#"casskop_cluster_condition{{{labels},type="Ready",status="True"}} 1"#),
        format!("casskop_cluster_nodes{{{labels}}} 3"),
        format!("casskop_cluster_nodes_ready{{{labels}}} 3"),
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample}\n{text}");
    }
    let answered = text.lines().any(|line| {
        line.starts_with(r#"casskop_node_requests_total{request="state""#)
            && line.contains(r#"result="ok""#)
    });
    assert!(answered, "{text}");
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn rows_written_at_one_node_are_read_at_every_node() {
    let (space, demo) = shared_ring();
    let pods = demo.pod_names();
    cassandra::fill(&space.kubectl, &pods[0], &["e2e_rows".into()]);
    for pod in &pods {
        let rows = cassandra::cql(
            &space.kubectl,
            pod,
            "ALL",
            &["SELECT text FROM e2e_rows.t WHERE id = 7"],
        );
        assert_eq!(rows.ok().trim(), "text=row 7 of e2e_rows");
    }
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn the_promised_objects_are_there_and_go_with_the_cluster() {
    let (space, demo) = shared_ring();
    let kubectl = &space.kubectl;
    let resource = demo.get();

    let sets = kubectl.list("statefulsets", OURS);
    assert_eq!(names(&sets), RACKS);
    let config = names(&kubectl.list("configmaps", OURS));
    let promised = [&["demo-accepted"], &RACKS[..], &["demo-ring"]].concat();
    assert_eq!(config, promised);
    let mut owned = sets.clone();
    for (kind, name) in [
        ("service", "demo"),
        ("poddisruptionbudget", "demo"),
        ("serviceaccount", "demo"),
        ("secret", "demo-jolokia"),
        ("configmap", "demo-accepted"),
    ] {
        owned.push(
            kubectl
                .get(kind, name)
                .unwrap_or_else(|| panic!("no {kind} {name}")),
        );
    }
    for object in &owned {
        let reference = &object["metadata"]["ownerReferences"][0];
        assert_eq!(reference["uid"], resource["metadata"]["uid"], "{object:#}");
        assert_eq!(reference["controller"], true);
    }
    assert_eq!(owned[3]["spec"]["clusterIP"], "None");
    assert_eq!(owned[3]["spec"]["publishNotReadyAddresses"], true);
    assert_eq!(owned[4]["spec"]["maxUnavailable"], 1);
    assert_eq!(owned[5]["automountServiceAccountToken"], false);

    for set in &sets {
        a_rack_is_as_promised(kubectl, set);
    }
}

fn a_rack_is_as_promised(kubectl: &Kubectl, set: &Value) {
    let name = casskop_e2e::kubectl::name(set);
    let spec = &set["spec"];
    assert_eq!(spec["replicas"], 1);
    let selector: Vec<&String> = spec["selector"]["matchLabels"]
        .as_object()
        .expect("a selector")
        .keys()
        .collect();
    assert_eq!(
        selector,
        [
            "app",
            "cassandracluster",
            "cassandraclusters.db.orange.com.dc",
            "cassandraclusters.db.orange.com.rack",
            "dc-rack"
        ]
    );
    let claim = kubectl.get("persistentvolumeclaim", &format!("data-{name}-0"));
    assert_eq!(claim.expect("a claim")["status"]["phase"], "Bound");
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    let containers = |key: &str| pod[key].as_array().cloned().unwrap_or_default();
    for container in containers("initContainers")
        .iter()
        .chain(&containers("containers"))
    {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false, "{container:#}");
        assert_eq!(context["readOnlyRootFilesystem"], true, "{container:#}");
        assert_eq!(
            context["capabilities"]["drop"],
            json!(["ALL"]),
            "{container:#}"
        );
    }
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn passwords_differ_and_are_seen_nowhere() {
    let (space, demo) = shared_ring();
    let kubectl = &space.kubectl;
    let other = space.cluster("other");
    other.apply(&cluster::ring("other", &[("dc1", &["rack1"])]));
    other.settles();
    // An operation must have used the password.
    let id = casskop_e2e::fresh_id("secret");
    demo.request("flush", &id);
    demo.succeeds("flush", &id);

    let passwords = [
        password(kubectl, "demo-jolokia"),
        password(kubectl, "other-jolokia"),
    ];
    assert_ne!(passwords[0], passwords[1]);
    let everything = space.everything();
    for password in &passwords {
        assert!(
            password.len() >= 24,
            "a password of {} characters",
            password.len()
        );
        assert!(
            !everything.contains(password),
            "a password is in the API or in a log"
        );
    }
    // The pods' processes are visible here: neither arguments nor environment of any contain the password.
    let mut cassandras = 0;
    for process in fs::read_dir("/proc").expect("/proc is there").flatten() {
        let read = |name: &str| fs::read(process.path().join(name)).unwrap_or_default();
        let text = [read("cmdline"), read("environ")].concat();
        cassandras += usize::from(find(&text, b"CassandraDaemon"));
        for password in &passwords {
            assert!(
                !find(&text, password.as_bytes()),
                "process {:?} has a password",
                process.path()
            );
        }
    }
    assert!(
        cassandras >= 4,
        "{cassandras} processes of Cassandra are in view"
    );
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn jolokia_lets_in_nobody_without_the_password_and_allows_only_what_is_needed() {
    let (space, demo) = shared_ring();
    let kubectl = &space.kubectl;
    let address = demo.pods()[0]["status"]["podIP"]
        .as_str()
        .expect("an address")
        .to_owned();
    let url = format!("http://{address}:8778/jolokia/");
    let login = format!("casskop:{}", password(kubectl, "demo-jolokia"));

    assert_eq!(http(&url, None, MODE).0, 401);
    assert_eq!(http(&url, Some("casskop:casskop"), MODE).0, 401);
    let (status, body) = http(&url, Some(&login), MODE);
    assert_eq!(status, 200);
    assert!(body.contains("NORMAL"), "{body}");
    for refused in [
        r#"{"type":"exec","mbean":"org.apache.cassandra.db:type=StorageService","operation":"stopDaemon"}"#,
        r#"{"type":"exec","mbean":"org.apache.cassandra.db:type=StorageService","operation":"stopNativeTransport()"}"#,
        r#"{"type":"exec","mbean":"org.apache.cassandra.db:type=StorageService","operation":"forceKeyspaceCleanup(java.lang.String,[Ljava.lang.String;)","arguments":["system_auth",[]]}"#,
        r#"{"type":"read","mbean":"org.apache.cassandra.db:type=StorageService","attribute":"AllDataFileLocations"}"#,
        r#"{"type":"exec","mbean":"java.lang:type=Memory","operation":"gc"}"#,
        r#"{"type":"read","mbean":"java.lang:type=Runtime","attribute":"SystemProperties"}"#,
        r#"{"type":"write","mbean":"org.apache.cassandra.db:type=StorageService","attribute":"IncrementalBackupsEnabled","value":true}"#,
        r#"{"type":"list"}"#,
    ] {
        let (_, body) = http(&url, Some(&login), refused);
        let answer = casskop_e2e::kubectl::json(&body);
        assert_eq!(answer["status"], 403, "{refused}: {body}");
    }
    // The agent is no proxy: it does not call the JMX server that a request names.
    let target = r#","target":{"url":"service:jmx:rmi:///jndi/rmi://127.0.0.1:1/jmxrmi"}}"#;
    let (_, body) = http(&url, Some(&login), &MODE.replace('}', target));
    for trace in ["RMIServer", "ConnectException", "Connection refused"] {
        assert!(!body.contains(trace), "{body}");
    }
}

/// Requests of which only a part arrives, sent without a password, hold neither the threads nor the connections of the
/// agent: the threads are bounded, all connections are closed, and the operator gets its answers again.
#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn half_sent_requests_are_closed() {
    let (space, demo) = shared_ring();
    let pod = demo.pods().remove(0);
    half_sent::are_closed_and_bounded(&space.kubectl, &pod, half_sent::HTTP);
    let address = pod["status"]["podIP"].as_str().expect("an address");
    let url = format!("http://{address}:8778/jolokia/");
    let login = format!("casskop:{}", password(&space.kubectl, "demo-jolokia"));
    let (status, body) = http(&url, Some(&login), MODE);
    assert_eq!(status, 200, "{body}");
    demo.settles();
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn the_operator_has_no_right_that_it_does_not_need() {
    let (space, _) = shared_ring();
    let user = format!("--as={}", operator::user(&space.kubectl));
    for (verb, what) in [
        ("create", "pods --subresource=exec"),
        ("get", "pods --subresource=log"),
        ("create", "pods"),
        ("patch", "pods"),
        ("deletecollection", "pods"),
        ("deletecollection", "persistentvolumeclaims"),
        ("update", "cassandraclusters.db.orange.com"),
        ("delete", "cassandraclusters.db.orange.com"),
        ("list", "secrets"),
        ("delete", "secrets"),
        ("update", "services"),
        ("deletecollection", "services"),
        ("get", "nodes"),
        ("list", "jobs.batch"),
        ("patch", "jobs.batch"),
        ("deletecollection", "jobs.batch"),
    ] {
        let asked: Vec<&str> = ["auth", "can-i", verb]
            .into_iter()
            .chain(what.split(' '))
            .chain([user.as_str()])
            .collect();
        let answer = space.kubectl.run(&asked);
        assert_eq!(answer.stdout.trim(), "no", "{answer}");
    }
    let elsewhere = Kubectl::new("default");
    let answer = elsewhere.run(&["auth", "can-i", "get", "secrets", &user]);
    assert_eq!(answer.stdout.trim(), "no", "{answer}");
}

fn password(kubectl: &Kubectl, secret: &str) -> String {
    kubectl.ok(&[
        "get",
        "secret",
        secret,
        "-o",
        "go-template={{.data.password | base64decode}}",
    ])
}

fn find(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
