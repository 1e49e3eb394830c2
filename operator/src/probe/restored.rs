//! Clients of a restored node: the first start keeps them out.

use casskop_core::node::{NodeError, Reading};

use crate::{
    bootstrap,
    node_api::{self, Access, jolokia},
    probe::{Args, Node},
};

/// Lets clients in to a restored node once it sees all nodes of its ring: with fewer it would take those for all, and count
/// quorums over them.
///
/// # Errors
/// It does not see all, or cannot be asked to; clients stay out.
pub(super) fn opens(
    node: &Node,
    args: &Args,
    reading: &Result<Reading, NodeError>,
) -> Result<(), String> {
    let Ok(reading) = reading else { return Ok(()) };
    let nodes = bootstrap::awaited_nodes(&args.directory);
    let Some(nodes) = nodes.map_err(|error| error.to_string())? else {
        return Ok(());
    };
    if reading.native_transport {
        return bootstrap::let_clients_in(&args.directory).map_err(|error| error.to_string());
    }
    if !reading.is_member() {
        return Ok(());
    }
    let seen = reading.members_up();
    if seen < nodes {
        return Err(format!(
            "NORMAL, and sees {seen} of the {nodes} nodes of the restored ring: clients can connect when it sees all of them"
        ));
    }
    let opened = match &node.0.access {
        Access::Jolokia(_) | Access::JolokiaTls(..) => node_api::jolokia_agent(&node.0)
            .and_then(|agent| jolokia::open_native_transport(&agent, &node.0)),
        Access::ManagementApi(_) => Err(NodeError::NotSupported("open the native transport")),
    };
    opened.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, sync::Arc};

    use casskop_common::api::OperationMode;

    use super::*;
    use crate::{
        node_api::jolokia::tests::{agent_that_says, http_ok},
        probe::tests::ready,
    };

    /// With some of its nodes it would count quorums over those.
    #[test]
    fn a_restored_node_lets_clients_in_when_it_sees_all_nodes() {
        let folder = std::env::temp_dir().join(format!("casskop-opens-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let args = ready(&folder);
        fs::write(folder.join("restored-nodes"), "2").unwrap();
        let yaml = folder.join("cassandra.yaml");
        fs::write(&yaml, "start_native_transport: false\n").unwrap();
        let reading = |seen: &[&str], mode, native_transport| {
            let hosts = seen
                .iter()
                .map(|ip| ((*ip).to_owned(), format!("id of {ip}")));
            let hosts: BTreeMap<String, String> = hosts.collect();
            Ok(Reading {
                mode,
                native_transport,
                live: Arc::new(hosts.keys().cloned().collect()),
                host_ids: Arc::new(hosts),
                ..Reading::default()
            })
        };
        let (one, both) = (&["10.0.0.1"][..], &["10.0.0.1", "10.0.0.2"][..]);
        let (endpoint, agent) = agent_that_says(&http_ok(r#"{"value":null,"status":200}"#));
        let node = Node(endpoint);
        let told = opens(&node, &args, &reading(one, OperationMode::Normal, false));
        assert!(told.unwrap_err().contains("sees 1 of the 2 nodes"));
        opens(&node, &args, &reading(both, OperationMode::Starting, false)).unwrap();
        opens(&node, &args, &Err(NodeError::Refused)).unwrap();
        assert!(!agent.is_finished(), "nothing was asked");
        opens(&node, &args, &reading(both, OperationMode::Normal, false)).unwrap();
        let asked = agent.join().unwrap();
        assert!(asked.contains("startNativeTransport()"), "{asked}");
        // The agent is gone: a further request would fail.
        // It was heard: from now on nothing is awaited, and Cassandra opens by itself.
        opens(&node, &args, &reading(both, OperationMode::Normal, true)).unwrap();
        assert!(!folder.join("restored-nodes").exists());
        let starts = fs::read_to_string(&yaml).unwrap();
        assert_eq!(starts.trim(), "start_native_transport: true");
        let closed = opens(&node, &args, &reading(one, OperationMode::Normal, false));
        closed.expect("a person has closed it");
        // A number that cannot be read opens nothing.
        fs::write(folder.join("restored-nodes"), "all").unwrap();
        let told = opens(&node, &args, &reading(both, OperationMode::Normal, false));
        assert!(told.unwrap_err().contains("no number of nodes"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
