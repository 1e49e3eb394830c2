//! `cassandra.yaml`: the image's own, under the operator's settings, under the user's.

use std::path::{Component, Path};

use casskop_common::names;
use json_patch::merge;
use serde_json::{Value, json};

use super::{RackConfig, is_ipv6};

/// Replicas that the tokens of new nodes are spread for (4.0 and newer).
const TOKENS_FOR: &str = "allocate_tokens_for_local_replication_factor";
/// The data volume.
pub const DATA: &str = "/var/lib/cassandra";

/// Whether a path is that of a folder, or of something in it.
pub fn is_below(path: &str, folder: &str) -> bool {
    let path = Path::new(path);
    let mut parts = path.components();
    path.starts_with(folder) && parts.all(|part| part != Component::ParentDir)
}

/// Where the node keeps its data: the user's choice, or ours.
pub fn data_directories(rack: &RackConfig) -> Vec<String> {
    data_directories_of(&rack.config)
}

/// The same, by the merged configuration of a rack.
pub fn data_directories_of(config: &Value) -> Vec<String> {
    let chosen = config["cassandra-yaml"]["data_file_directories"].as_array();
    let chosen = chosen
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned);
    let chosen: Vec<String> = chosen.collect();
    if chosen.is_empty() {
        vec![format!("{DATA}/data")]
    } else {
        chosen
    }
}

/// All folders in which the node keeps data: those of the system's own keyspaces may be in a folder of their own (Cassandra 4.0
/// and later).
pub fn all_data_directories(rack: &RackConfig) -> Vec<String> {
    let local = rack.config["cassandra-yaml"]["local_system_data_file_directory"].as_str();
    let mut all = data_directories(rack);
    all.extend(local.filter(|folder| !folder.is_empty()).map(str::to_owned));
    all
}

/// Lays the operator's settings and the user's over the image's own `cassandra.yaml`.
pub fn overlay(yaml: &mut Value, rack: &RackConfig, seeds: &[String], pod_ip: &str) {
    let operator = json!({
        "cluster_name": rack.ring_name(),
        "endpoint_snitch": "GossipingPropertyFileSnitch",
        // All addresses. On an IPv6 socket, Netty takes 0.0.0.0 for the IPv4 addresses only.
        "rpc_address": if is_ipv6(pod_ip) { "::" } else { "0.0.0.0" },
        "data_file_directories": [format!("{DATA}/data")],
        "commitlog_directory": format!("{DATA}/commitlog"),
        "hints_directory": format!("{DATA}/hints"),
        "saved_caches_directory": format!("{DATA}/saved_caches"),
        "cdc_raw_directory": format!("{DATA}/cdc_raw"),
    });
    merge(yaml, &operator);
    // Cassandra spreads the tokens of a new node for this many replicas, and refuses to start one in a data center of
    // fewer racks (unless it has only one): the official image's 3 would keep two racks from growing.
    let replicas = yaml[TOKENS_FOR].as_i64().unwrap_or_default();
    if rack.racks_in_dc > 1 && replicas > rack.racks_in_dc {
        yaml[TOKENS_FOR] = json!(rack.racks_in_dc);
    }
    // A merge of a value that is no object would replace the whole file.
    let users = &rack.config["cassandra-yaml"];
    if users.is_object() {
        merge(yaml, users);
    }
    let fixed = json!({
        "listen_address": pod_ip,
        "broadcast_rpc_address": pod_ip,
        "seed_provider": [{
            "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
            "parameters": [{ "seeds": seeds.join(",") }],
        }],
    });
    merge(yaml, &fixed);
}

/// Port of the native transport of the nodes of a rack with this configuration; nothing for a value that is no port.
pub fn native_port(config: &Value) -> Option<u16> {
    match config["cassandra-yaml"]["native_transport_port"] {
        Value::Null => Some(names::CQL_PORT),
        ref port => u16::try_from(port.as_u64()?).ok(),
    }
}

/// Where the native transport listens, as clients in the pod connect to it: host and port.
pub fn native_address(yaml: &Value) -> Option<(String, u16)> {
    let text = |key: &str| yaml[key].as_str().filter(|text| !text.is_empty());
    let host = match text("rpc_address") {
        Some("0.0.0.0") => "127.0.0.1",
        Some("::") => "::1",
        Some(address) => address,
        // The node listens at an interface, or at the address of its name.
        None => text("broadcast_rpc_address")?,
    };
    let port = match yaml["native_transport_port"].as_u64() {
        Some(port) => u16::try_from(port).ok()?,
        None => names::CQL_PORT,
    };
    Some((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_settings_win_over_ours_and_ours_over_the_images() {
        let mut yaml =
            json!({ "cluster_name": "Test Cluster", "num_tokens": 16, "kept": [1, 2], "gone": 1 });
        let rack = RackConfig {
            cluster_name: "demo".into(),
            config: json!({ "cassandra-yaml": {
                "num_tokens": 8, "gone": null, "rpc_address": "127.0.0.1", "listen_address": "10.9.9.9",
                "memtable": { "configurations": { "trie": { "class_name": "TrieMemtable" } } },
            } }),
            ..RackConfig::default()
        };
        overlay(&mut yaml, &rack, &["a".into(), "b".into()], "10.0.0.1");
        insta::assert_json_snapshot!(yaml);
    }

    #[test]
    fn a_pod_with_an_ipv6_address_listens_on_ipv6() {
        let mut yaml = json!({});
        overlay(&mut yaml, &RackConfig::default(), &[], "fd00::1");
        assert_eq!(yaml["rpc_address"], "::");
        assert_eq!(yaml["listen_address"], "fd00::1");
        assert_eq!(yaml["broadcast_rpc_address"], "fd00::1");
    }

    #[test]
    fn two_racks_can_grow_and_the_user_has_the_last_word() {
        let tokens = |racks_in_dc, config: Value| {
            let mut yaml = json!({ TOKENS_FOR: 3 });
            let rack = RackConfig {
                racks_in_dc,
                config,
                ..RackConfig::default()
            };
            overlay(&mut yaml, &rack, &[], "10.0.0.1");
            yaml[TOKENS_FOR].clone()
        };
        assert_eq!(
            [1, 2, 3, 4].map(|racks| tokens(racks, json!({}))),
            [3, 2, 3, 3].map(Value::from)
        );
        assert_eq!(tokens(2, json!({ "cassandra-yaml": { TOKENS_FOR: 1 } })), 1);
    }

    #[test]
    fn the_native_transport_is_found_where_it_listens() {
        let found = |users: &Value, ip| {
            let mut yaml = json!({});
            overlay(&mut yaml, &RackConfig::default(), &[], ip);
            merge(&mut yaml, users);
            native_address(&yaml).map(|(host, port)| format!("{host} {port}"))
        };
        for (users, ip, address) in [
            (json!({}), "10.0.0.1", "127.0.0.1 9042"),
            (json!({}), "fd00::1", "::1 9042"),
            (
                json!({ "rpc_address": "10.0.0.1", "native_transport_port": 9999 }),
                "10.0.0.1",
                "10.0.0.1 9999",
            ),
            (
                json!({ "rpc_address": null, "rpc_interface": "eth0" }),
                "10.0.0.1",
                "10.0.0.1 9042",
            ),
        ] {
            assert_eq!(found(&users, ip).as_deref(), Some(address), "{users}");
        }
        assert_eq!(
            found(&json!({ "native_transport_port": 99_042 }), "10.0.0.1"),
            None
        );
    }
}
