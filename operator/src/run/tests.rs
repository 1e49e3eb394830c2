//! The controller against a simulated API server.

use casskop_core::simulation::THREE_RACKS;
use serde_json::{Value, json};

use super::*;
use crate::{api_server::ApiServer, cluster::tests::operator, leader::Args as Elected};

const CLUSTERS: &str = "/apis/db.orange.com/v2/namespaces/ns/cassandraclusters";
const RACK: &str = "/apis/apps/v1/namespaces/ns/statefulsets/demo-dc1-rack1";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/ns/events";
/// Longest duration of a test that waits for a state.
const DEADLINE: Duration = Duration::from_secs(60);

fn args() -> Args {
    Args {
        namespace: "ns".into(),
        bootstrap_image: "operator:1".into(),
        listen: ([127, 0, 0, 1], 0).into(),
        concurrency: 2,
        leader: Elected {
            leader_election: false,
            lease_namespace: None,
            lease_name: None,
            lease_duration: 15,
            renew_deadline: 10,
            retry_period: 2,
        },
        log_format: LogFormat::Text,
        log_level: "info".into(),
    }
}

/// Reconciles until the server has this state.
async fn until(
    server: &ApiServer,
    ctx: &Arc<Context>,
    holds: impl Fn(&crate::api_server::State) -> bool,
) {
    let stop = std::future::pending().boxed().shared();
    let ready = Arc::new(AtomicBool::new(false));
    let client = server.client();
    let woken = mpsc::unbounded().1;
    let args = args();
    let work = control(&client, &args, ctx.clone(), woken, (ready, stop));
    let reached = tokio::time::timeout(DEADLINE, server.until(holds));
    tokio::select! {
        () = work => unreachable!("it ends only after a termination signal"),
        reached = reached => assert!(reached.is_ok(), "{:#?}", server.asked()),
    }
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!({ "a": inner }))
}

/// Clusters that the operator cannot read, by name. A server writes the fields of each into its managed fields.
fn unreadable() -> [(&'static str, Value); 4] {
    let deep = json!({ "config": nested(126) });
    let owner = json!({ "managedFields": [{ "manager": "kubectl", "operation": "Apply", "apiVersion": "db.orange.com/v2",
        "fieldsType": "FieldsV1", "fieldsV1": nested(127) }] });
    let cluster = |name: &str, spec: Value, metadata: Value| {
        let mut cluster: Value = serde_saphyr::from_str(THREE_RACKS).unwrap();
        for (key, value) in spec.as_object().into_iter().flatten() {
            cluster["spec"][key] = value.clone();
        }
        for (key, value) in metadata.as_object().into_iter().flatten() {
            cluster["metadata"][key] = value.clone();
        }
        cluster["metadata"]["name"] = json!(name);
        cluster
    };
    [
        ("a-depth", cluster("a-depth", deep.clone(), Value::Null)),
        ("b-owned", cluster("b-owned", deep, owner)),
        (
            "c-type",
            cluster("c-type", json!({ "nodesPerRacks": "two" }), Value::Null),
        ),
        (
            "d-word",
            cluster(
                "d-word",
                json!({ "nodeApi": { "kind": "Telnet" } }),
                Value::Null,
            ),
        ),
    ]
}

#[tokio::test]
async fn a_cluster_that_cannot_be_read_hides_no_other_and_is_named() {
    let server = ApiServer::default();
    let cluster: Value = serde_saphyr::from_str(THREE_RACKS).unwrap();
    server.with(|state| {
        state.put(&format!("{CLUSTERS}/demo"), cluster);
        for (name, cluster) in unreadable() {
            state.put(&format!("{CLUSTERS}/{name}"), cluster);
        }
    });
    let ctx = operator(&server);
    until(&server, &ctx, |state| {
        let about: Vec<&Value> = state
            .objects
            .iter()
            .filter(|(path, _)| path.starts_with(EVENTS))
            .map(|(_, event)| event)
            .filter(|event| event["reason"] == "Unreadable")
            .map(|event| &event["regarding"]["name"])
            .collect();
        state.objects.contains_key(RACK)
            && unreadable()
                .iter()
                .all(|(name, _)| about.contains(&&json!(name)))
    })
    .await;
    for (name, _) in unreadable() {
        let told = format!(
            "casskop_unreadable{{kind=\"CassandraCluster\",namespace=\"ns\",name=\"{name}\"}} 1\n"
        );
        let metrics = ctx.metrics.text();
        assert!(metrics.contains(&told), "{metrics}");
    }
}
