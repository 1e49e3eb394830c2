//! The nodes of a rack that are or were members of the ring, so that an empty volume is not taken for a new node.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use super::{Error, files};

/// The nodes of a rack, by the names of their pods; travels in the rack's ConfigMap.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Nodes {
    /// Host ids of those that are members.
    pub members: BTreeMap<String, String>,
    /// Addresses of lost nodes, by the pods that take their places now.
    pub replaced: BTreeMap<String, String>,
}

impl Nodes {
    /// Reads it from the mounted ConfigMap; an operator of an earlier version wrote none.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Ok(Self::default());
        }
        serde_json::from_str(&files::read(path)?).map_err(|error| Error::Invalid {
            path: path.display().to_string(),
            message: error.to_string(),
        })
    }

    /// Whether a pod may join as a new node.
    pub fn lets_join(&self, pod: &str) -> bool {
        !self.members.contains_key(pod)
    }

    /// Whether a pod is to take the place of a lost node.
    pub fn replaces(&self, pod: &str) -> bool {
        self.replaced.contains_key(pod)
    }

    /// Address of the lost node whose place a pod takes, unless it did already.
    ///
    /// # Errors
    /// When the pod ran a member and its volume is empty: it would join as a new node, beside the one it was.
    pub(super) fn replacement(
        &self,
        pod: &str,
        joined: bool,
        is_lost: bool,
    ) -> Result<Option<&String>, Error> {
        if joined {
            return Ok(None);
        }
        match (self.replaced.get(pod), self.members.get(pod)) {
            (Some(address), _) => Ok(Some(address)),
            (None, Some(host_id)) if is_lost => Err(Error::Lost {
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

    #[test]
    fn no_file_is_no_nodes_and_a_broken_one_is_told() {
        let missing = Path::new("/nowhere/nodes.json");
        assert_eq!(Nodes::read(missing).unwrap(), Nodes::default());
        let broken = std::env::temp_dir().join(format!("casskop-nodes-{}", std::process::id()));
        std::fs::write(&broken, "{").unwrap();
        assert!(Nodes::read(&broken).is_err());
        std::fs::remove_file(&broken).unwrap();
    }
}
