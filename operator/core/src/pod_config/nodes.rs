//! The nodes of a rack that are or were members of the ring, so that an empty volume is not taken for a new node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The nodes of a rack, by the names of their pods; travels in the rack's ConfigMap.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Nodes {
    /// Host ids of those that are members.
    pub members: BTreeMap<String, String>,
    /// Addresses of lost nodes, by the pods that take their places now.
    pub replaced: BTreeMap<String, String>,
}

/// The volume of a member is empty.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
#[error(
    "the volume of {pod} is empty, and the ring knows it as a member (host id {host_id}): its data is lost. Restore the volume, or rebuild the data from the other replicas: kubectl casskop replace CLUSTER --pod {pod}"
)]
pub struct LostVolume {
    /// The pod.
    pub pod: String,
    /// Host id of its node.
    pub host_id: String,
}

impl Nodes {
    /// Whether a pod may join as a new node after the one with this host ID was removed, or has done so already.
    pub fn lets_join_after(&self, pod: &str, host_id: &str) -> bool {
        let member = self.members.get(pod);
        member.is_none_or(|member| member != host_id)
    }

    /// Whether a pod is to take the place of a lost node.
    pub fn replaces(&self, pod: &str) -> bool {
        self.replaced.contains_key(pod)
    }

    /// Address of the lost node whose place a pod takes, unless it did already.
    ///
    /// # Errors
    /// When the pod ran a member and its volume is empty: it would join as a new node, beside the one it was.
    pub fn replacement(
        &self,
        pod: &str,
        joined: bool,
        is_lost: bool,
    ) -> Result<Option<&String>, LostVolume> {
        if joined {
            return Ok(None);
        }
        match (self.replaced.get(pod), self.members.get(pod)) {
            (Some(address), _) => Ok(Some(address)),
            (None, Some(host_id)) if is_lost => Err(LostVolume {
                pod: pod.to_owned(),
                host_id: host_id.clone(),
            }),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(replaced: &[&str]) -> Nodes {
        Nodes {
            members: [("demo-0".to_owned(), "h-0".to_owned())].into(),
            replaced: replaced
                .iter()
                .map(|pod| ((*pod).to_owned(), "10.0.0.9".to_owned()))
                .collect(),
        }
    }

    #[test]
    fn a_member_without_its_data_does_not_start() {
        let error = nodes(&[]).replacement("demo-0", false, true).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("h-0") && text.contains("replace") && text.contains("demo-0"),
            "{text}"
        );
        assert_eq!(nodes(&[]).replacement("demo-1", false, true).unwrap(), None);
        assert_eq!(
            nodes(&[]).replacement("demo-0", false, false).unwrap(),
            None,
            "killed before the probe left its mark"
        );
    }

    #[test]
    fn a_node_is_replaced_once() {
        let nodes = nodes(&["demo-0"]);
        let address = Some(&"10.0.0.9".to_owned());
        assert_eq!(nodes.replacement("demo-0", false, true).unwrap(), address);
        assert_eq!(
            nodes.replacement("demo-0", false, false).unwrap(),
            address,
            "half-way"
        );
        assert_eq!(nodes.replacement("demo-0", true, false).unwrap(), None);
    }
}
