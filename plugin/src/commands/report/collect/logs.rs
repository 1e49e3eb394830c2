//! Logs of all containers of some pods.

use futures::{StreamExt, stream};
use serde_json::Value;

use crate::{
    client::reader::Reader,
    model::report::{Entry, redact},
};

/// Logs that are read concurrently.
const AT_ONCE: usize = 4;

/// One run of a container.
struct Run {
    namespace: String,
    pod: String,
    container: String,
    /// Whether it is the run before the current one.
    previous: bool,
}

/// The end of each log, below `folder`; of a container that was started again also the log of the run before.
pub async fn of(reader: &Reader, folder: &str, pods: &[Value], tail: u32) -> Vec<Entry> {
    if tail == 0 {
        return Vec::new();
    }
    let runs: Vec<Run> = pods.iter().flat_map(runs).collect();
    let read = runs.iter().map(|run| async move {
        let (namespace, pod, container) = (&run.namespace, &run.pod, &run.container);
        let log = reader
            .log(namespace, pod, container, run.previous, tail)
            .await?;
        let before = if run.previous { ".previous" } else { "" };
        let path = format!("{folder}/{pod}/{container}{before}.log");
        Some(Entry::new(path, redact::text(&log)))
    });
    let read: Vec<Option<Entry>> = stream::iter(read).buffered(AT_ONCE).collect().await;
    read.into_iter().flatten().collect()
}

/// Of the containers that were ever started.
fn runs(pod: &Value) -> Vec<Run> {
    let text = |path: &str| {
        pod.pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let containers = statuses
        .iter()
        .filter_map(|path| pod.pointer(path)?.as_array())
        .flatten()
        .filter(|container| container.pointer("/state/waiting").is_none() || restarted(container));
    let run = |container: &Value, previous| Run {
        namespace: namespace.to_owned(),
        pod: name.to_owned(),
        container: container["name"].as_str().unwrap_or_default().to_owned(),
        previous,
    };
    containers
        .flat_map(|container| {
            let before = restarted(container).then(|| run(container, true));
            [Some(run(container, false)), before]
        })
        .flatten()
        .collect()
}

fn restarted(container: &Value) -> bool {
    container["restartCount"].as_i64().unwrap_or_default() > 0
}
