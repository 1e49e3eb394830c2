//! The controller against a simulated API server of the home cluster.

use futures::FutureExt;
use serde_json::{Value, json};

use super::*;
use crate::{api_server::ApiServer, leadership::Leadership};

const RINGS: &str = "/apis/db.orange.com/v2/namespaces/ns/multicasskops";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/ns/events";
/// Longest duration of a test that waits for a state.
const DEADLINE: Duration = Duration::from_secs(60);

fn args() -> Args {
    Args {
        sources: Sources::default(),
        namespace: "ns".into(),
        listen: ([127, 0, 0, 1], 0).into(),
        leader: leader::Args::alone(),
        log_format: LogFormat::Text,
        log_level: "info".into(),
    }
}

fn ring(name: &str, base: &Value) -> Value {
    json!({
        "apiVersion": "db.orange.com/v2", "kind": "MultiCasskop",
        "metadata": { "name": name, "namespace": "ns", "generation": 1 },
        "spec": { "base": base, "override": {} },
    })
}

#[tokio::test]
async fn a_resource_that_cannot_be_read_hides_no_other_and_is_named() {
    let server = ApiServer::default();
    let nested = (0..126).fold(json!(1), |inner, _| json!({ "a": inner }));
    let readable = json!({ "metadata": { "name": "demo" }, "spec": {} });
    server.with(|state| {
        state.put(&format!("{RINGS}/a-depth"), ring("a-depth", &nested));
        state.put(&format!("{RINGS}/b-type"), {
            let mut wrong = ring("b-type", &readable);
            wrong["spec"]["override"] = json!("none");
            wrong
        });
        state.put(&format!("{RINGS}/demo"), ring("demo", &readable));
    });
    let ctx = Arc::new(Context {
        home: server.client(),
        sites: Sites::new(Leadership::unelected()),
        reporter: Reporter::from("test"),
        metrics: Metrics::default(),
    });
    let (args, ready) = (args(), Arc::new(AtomicBool::new(false)));
    let stop = std::future::pending().boxed().shared();
    let work = control(&args, ctx.clone(), mpsc::unbounded(), ready, stop);
    let told = server.until(|state| {
        let events = state.objects.iter();
        let about: Vec<&Value> = events
            .filter(|(path, event)| path.starts_with(EVENTS) && event["reason"] == "Unreadable")
            .map(|(_, event)| &event["regarding"]["name"])
            .collect();
        let is_reported =
            state.objects[&format!("{RINGS}/demo")]["status"]["conditions"].is_array();
        is_reported
            && ["a-depth", "b-type"]
                .iter()
                .all(|name| about.contains(&&json!(name)))
    });
    tokio::select! {
        () = work => unreachable!("it ends only after a termination signal"),
        told = tokio::time::timeout(DEADLINE, told) => assert!(told.is_ok(), "{:#?}", server.asked()),
    }
    let metrics = ctx.metrics.text();
    for name in ["a-depth", "b-type"] {
        let told = format!(
            "casskop_unreadable{{kind=\"MultiCasskop\",namespace=\"ns\",name=\"{name}\"}} 1\n"
        );
        assert!(metrics.contains(&told), "{metrics}");
    }
}
