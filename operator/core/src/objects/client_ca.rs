//! `ConfigMap` with the authorities by which clients verify the nodes. The Secret of the certificates has them, too, beside the
//! private key of the nodes, which no client may read.

use casskop_common::names;
use k8s_openapi::api::core::v1::ConfigMap;
use kube_core::ResourceExt;

use crate::{
    desired::Desired,
    objects::{Published, is_applied, metadata},
    observed::{NodePod, ObservedState, is_owned_by},
};

/// Key of the authorities (PEM).
const KEY: &str = "ca.crt";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The change of the ConfigMap.
pub type ClientCa = Published<ConfigMap>;

/// Decides about the ConfigMap; nothing if it is as it should be.
pub fn decide(desired: &Desired, state: &ObservedState) -> Option<ClientCa> {
    let name = names::client_ca(&desired.name);
    let live = state.live.config_maps.get(&name);
    if !desired.encryption.client.has_tls() {
        let map = live.filter(|map| is_owned_by(map.owner_references(), &state.cluster))?;
        let uid = map.uid().filter(|_| !is_in_use(state))?;
        return Some(ClientCa::Remove { name, uid });
    }
    let now = certificates(state.client_ca.as_deref()?);
    // Nodes that have not taken another Secret yet show certificates of the authorities before.
    let before = live.filter(|_| is_changing(desired, state));
    let before = before.and_then(|map| map.data.as_ref()?.get(KEY));
    let mut authorities = now;
    for authority in before.iter().flat_map(|before| certificates(before)) {
        if !authorities.contains(&authority) {
            authorities.push(authority);
        }
    }
    let map = ConfigMap {
        metadata: metadata(desired, name, names::cluster_labels(&desired.name)),
        data: Some([(KEY.to_owned(), authorities.concat())].into()),
        ..ConfigMap::default()
    };
    let is_missing = !authorities.is_empty() && !is_applied(&map, live);
    is_missing.then(|| ClientCa::Apply(Box::new(map)))
}

/// The certificates in a PEM text, and nothing else of it: a Secret of the user may have a key in the same text.
pub fn certificates(pem: &str) -> Vec<String> {
    let found = pem.split(BEGIN).skip(1);
    let found = found.filter_map(|rest| Some(rest.split_once(END)?.0));
    let is_base64 =
        |char: char| char.is_ascii_alphanumeric() || "+/=".contains(char) || char.is_whitespace();
    let found = found.filter(|content| content.chars().all(is_base64));
    let found = found.map(|content| {
        let lines: Vec<&str> = content.split_whitespace().collect();
        format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"))
    });
    found.collect()
}

/// Pods, and those that would be made from the templates.
fn pods(state: &ObservedState) -> impl Iterator<Item = NodePod> {
    let templates = state.live.stateful_sets.values();
    let templates = templates.filter_map(NodePod::of_template);
    state.pods.values().cloned().chain(templates)
}

fn is_in_use(state: &ObservedState) -> bool {
    pods(state).any(|pod| pod.encryption.client.has_tls())
}

/// Whether a node may have certificates of another Secret.
fn is_changing(desired: &Desired, state: &ObservedState) -> bool {
    let wanted = &desired.secrets.client;
    pods(state).any(|pod| pod.secrets.client.is_some() && pod.secrets.client != *wanted)
}
