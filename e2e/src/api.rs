//! Reads from the API server of a cluster. The testbed keeps a `kubectl proxy` on a socket in the cluster's run
//! folder, because a waiting test reads three times a second, and a `kubectl` for each read keeps a core busy.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use serde_json::Value;

use crate::{kubectl, site::Site};

/// The same timeout as for `kubectl` in this crate.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The API path of a kind of objects.
struct Resource {
    group: &'static str,
    plural: &'static str,
    is_namespaced: bool,
}

fn resource(kind: &str) -> Option<Resource> {
    let (group, plural) = match kind {
        "pod" | "pods" => ("api/v1", "pods"),
        "secret" | "secrets" => ("api/v1", "secrets"),
        "configmap" | "configmaps" => ("api/v1", "configmaps"),
        "service" | "services" => ("api/v1", "services"),
        "serviceaccount" | "serviceaccounts" => ("api/v1", "serviceaccounts"),
        "persistentvolumeclaim" | "persistentvolumeclaims" => ("api/v1", "persistentvolumeclaims"),
        "event" | "events" => ("api/v1", "events"),
        "node" | "nodes" => ("api/v1", "nodes"),
        "statefulset" | "statefulsets" => ("apis/apps/v1", "statefulsets"),
        "job" | "jobs" => ("apis/batch/v1", "jobs"),
        "endpointslice" | "endpointslices" => ("apis/discovery.k8s.io/v1", "endpointslices"),
        "poddisruptionbudget" | "poddisruptionbudgets" => {
            ("apis/policy/v1", "poddisruptionbudgets")
        }
        "cassandracluster" | "cassandraclusters.db.orange.com" => {
            ("apis/db.orange.com/v2", "cassandraclusters")
        }
        "multicasskop" | "multicasskops.db.orange.com" => {
            ("apis/db.orange.com/v2", "multicasskops")
        }
        _ => return None,
    };
    Some(Resource {
        group,
        plural,
        is_namespaced: plural != "nodes",
    })
}

/// The path of a kind in a namespace; nothing for a kind that tests read rarely.
pub fn path(kind: &str, namespace: &str) -> Option<String> {
    let Resource {
        group,
        plural,
        is_namespaced,
    } = resource(kind)?;
    Some(if is_namespaced {
        format!("/{group}/namespaces/{namespace}/{plural}")
    } else {
        format!("/{group}/{plural}")
    })
}

/// Reads an object; nothing if it does not exist.
pub fn get(site: Site, path: &str) -> Option<Value> {
    match request(site, path) {
        (404, _) => None,
        (200, body) => Some(without_managed_fields(kubectl::json(&body))),
        (status, body) => panic!("GET {path}: {status} {body}"),
    }
}

/// Reads the objects that a label selector matches; an empty selector matches all.
pub fn list(site: Site, path: &str, selector: &str) -> Vec<Value> {
    let query = format!("{path}?labelSelector={}", encoded(selector));
    let (status, body) = request(site, &query);
    assert!(status == 200, "GET {query}: {status} {body}");
    let mut list = kubectl::json(&body);
    let kind = list["kind"].as_str().unwrap_or_default();
    let kind = Value::from(kind.trim_end_matches("List"));
    let version = list["apiVersion"].clone();
    let Value::Array(items) = list["items"].take() else {
        panic!("GET {query}: no list: {body}")
    };
    let items = items.into_iter().map(|mut item| {
        item["kind"] = kind.clone();
        item["apiVersion"] = version.clone();
        without_managed_fields(item)
    });
    items.collect()
}

/// Managed fields are removed, as in the output of `kubectl`.
fn without_managed_fields(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

/// The status and the body of an answer.
fn request(site: Site, path: &str) -> (u16, String) {
    let answer = ask(site, path).unwrap_or_else(|error| panic!("GET {path}: {error}"));
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("GET {path}: {answer}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.unwrap_or_default(), body.to_owned())
}

/// HTTP 1.0: the answer ends with the connection.
fn ask(site: Site, path: &str) -> std::io::Result<String> {
    let mut socket = UnixStream::connect(site.folder().join("api.socket"))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    write!(
        socket,
        "GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api_server() {
        assert_eq!(
            path("pods", "e2e").as_deref(),
            Some("/api/v1/namespaces/e2e/pods")
        );
        assert_eq!(path("node", "e2e").as_deref(), Some("/api/v1/nodes"));
        assert_eq!(
            path("cassandraclusters.db.orange.com", "e2e").as_deref(),
            Some("/apis/db.orange.com/v2/namespaces/e2e/cassandraclusters")
        );
        assert_eq!(path("certificatesigningrequests", "e2e"), None);
        assert_eq!(encoded("app=a,b/c=d"), "app%3Da%2Cb%2Fc%3Dd");
    }
}
