//! The first start of a node whose files come from a backup. It waits until its own files are there, and those of all other nodes:
//! a ring of some of them would give wrong answers, and take writes that the others never see.

use std::collections::BTreeMap;

use casskop_backup_protocol::RestoreMarker;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::seeds::OwnData;

/// The restore that the nodes of a rack begin with; travels in the rack's ConfigMap until the ring is formed.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RestoreConfig {
    /// Name of the cluster that the backup is of.
    pub cluster: String,
    /// UID of that cluster.
    pub uid: String,
    /// Id of the backup.
    pub backup: String,
    /// Nodes of each rack, by its StatefulSet: all of them are restored, and no others.
    pub nodes: BTreeMap<String, i32>,
    /// Whether all nodes have their files, so that they may start.
    #[serde(default)]
    pub released: bool,
}

impl RestoreConfig {
    /// Whether both are the same backup.
    pub fn is_of(&self, cluster: &str, uid: &str, backup: &str) -> bool {
        (&*self.cluster, &*self.uid, &*self.backup) == (cluster, uid, backup)
    }
}

/// What a pod does about a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It starts without any.
    Plain,
    /// It waits for this.
    Waits(&'static str),
    /// It starts as the node that these files are of, without streaming.
    Begins(RestoreMarker),
    /// It was restored earlier: only the number of its tokens is still needed.
    Was(RestoreMarker),
}

/// A volume has other files than those that its pod waits for.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
#[error(
    "{pod} does not start: {why}. If nothing on the volumes is needed, delete the CassandraCluster with its volumes, and create it again with spec.restore"
)]
pub struct WrongFiles {
    /// The pod.
    pub pod: String,
    /// Why its files are the wrong ones.
    pub why: String,
}

/// Decides whether a pod may start. `marker` is that of its volume.
///
/// # Errors
/// The files are not those of the restore.
pub fn turn(
    pod: &str,
    restore: Option<&RestoreConfig>,
    marker: Option<RestoreMarker>,
    data: OwnData,
) -> Result<Turn, WrongFiles> {
    let wrong = |why: String| {
        Err(WrongFiles {
            pod: pod.to_owned(),
            why,
        })
    };
    match (restore, marker) {
        (None, None) => Ok(Turn::Plain),
        (None, Some(marker)) if data == OwnData::None => wrong(format!(
            "its volume has the files of backup {} of cluster {}, with which no node has started, and spec.restore does not name it",
            marker.backup, marker.cluster.name
        )),
        (None, Some(marker)) => Ok(Turn::Was(marker)),
        (Some(restore), None) if data != OwnData::None => wrong(format!(
            "its volume has the data of a node, and backup {} is restored into empty volumes only",
            restore.backup
        )),
        (Some(_), None) => Ok(Turn::Waits("its files")),
        (Some(restore), Some(marker)) => {
            let cluster = &marker.cluster;
            let (name, uid) = (cluster.name.as_str(), cluster.uid.as_str());
            if !restore.is_of(name, uid, marker.backup.as_str()) {
                return wrong(format!(
                    "its volume has the files of backup {} of cluster {name} (UID {uid}), and spec.restore names backup {} of cluster {} (UID {})",
                    marker.backup, restore.backup, restore.cluster, restore.uid
                ));
            }
            Ok(if restore.released {
                Turn::Begins(marker)
            } else {
                Turn::Waits("the files of the other nodes")
            })
        }
    }
}

/// Writes the tokens of a restored node into `cassandra.yaml`.
pub fn apply(yaml: &mut Value, turn: &Turn) {
    match turn {
        Turn::Plain | Turn::Waits(_) => {}
        Turn::Begins(marker) => {
            yaml["num_tokens"] = marker.num_tokens.into();
            yaml["initial_token"] = marker.tokens.join(",").into();
            // The files are there: there is nothing to stream, and nobody to stream it from.
            yaml["auto_bootstrap"] = false.into();
        }
        // Cassandra has its tokens, and refuses to start with another number.
        Turn::Was(marker) => yaml["num_tokens"] = marker.num_tokens.into(),
    }
}

#[cfg(test)]
mod tests {
    use casskop_backup_protocol::Cluster;
    use serde_json::json;

    use super::*;

    fn marker(backup: &str) -> RestoreMarker {
        RestoreMarker {
            cluster: Cluster {
                name: "old".parse().unwrap(),
                uid: "u-0".parse().unwrap(),
            },
            backup: backup.parse().unwrap(),
            host_id: "h".parse().unwrap(),
            tokens: vec!["-7".into(), "7".into()],
            num_tokens: 2,
            cassandra_version: "5.0.9".into(),
        }
    }

    fn restore(released: bool) -> RestoreConfig {
        RestoreConfig {
            cluster: "old".into(),
            uid: "u-0".into(),
            backup: "b1".into(),
            nodes: BTreeMap::new(),
            released,
        }
    }

    #[test]
    fn a_node_waits_for_its_files_and_for_those_of_the_others() {
        let turn = |restore: &RestoreConfig, marker, data| turn("p", Some(restore), marker, data);
        let none = OwnData::None;
        let waits = turn(&restore(true), None, none).unwrap();
        assert_eq!(waits, Turn::Waits("its files"));
        let waits = turn(&restore(false), Some(marker("b1")), none).unwrap();
        assert_eq!(waits, Turn::Waits("the files of the other nodes"));
        for data in [none, OwnData::Tables, OwnData::Member] {
            let begins = turn(&restore(true), Some(marker("b1")), data).unwrap();
            assert_eq!(begins, Turn::Begins(marker("b1")), "{data:?}");
        }
    }

    #[test]
    fn other_files_are_not_started() {
        let with = restore(true);
        for (restore, marker, data) in [
            (Some(&with), Some(marker("b2")), OwnData::None),
            (Some(&with), None, OwnData::Tables),
            (Some(&with), None, OwnData::Member),
            (None, Some(marker("b1")), OwnData::None),
        ] {
            let wrong = turn("demo-0", restore, marker, data).unwrap_err();
            assert!(wrong.to_string().contains("demo-0"), "{wrong}");
        }
    }

    #[test]
    fn a_node_that_was_restored_keeps_the_number_of_its_tokens() {
        let none = turn("p", None, None, OwnData::Member).unwrap();
        let was = turn("p", None, Some(marker("b1")), OwnData::Member).unwrap();
        let begins = Turn::Begins(marker("b1"));
        let written = |turn: &Turn| {
            let mut yaml = json!({ "num_tokens": 16 });
            apply(&mut yaml, turn);
            yaml
        };
        assert_eq!(written(&none), json!({ "num_tokens": 16 }));
        assert_eq!(written(&was), json!({ "num_tokens": 2 }));
        let all = json!({ "num_tokens": 2, "initial_token": "-7,7", "auto_bootstrap": false });
        assert_eq!(written(&begins), all);
    }
}
