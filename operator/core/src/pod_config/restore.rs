//! The first start of a node whose files come from a backup. It waits until its own files are there, and those of all other nodes:
//! a ring of some of them would give wrong answers, and take writes that the others never see.

use std::collections::BTreeMap;

use casskop_backup_protocol::RestoreMarker;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RackConfig, seeds::OwnData};

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

/// The way out where no ring is formed.
const AGAIN: &str =
    "delete the CassandraCluster with its volumes, and create it again with spec.restore";
/// The way out in a ring that lives: its other nodes have the data.
const REPLACE: &str = "delete the volume claims of this pod and then the pod, which is then a node that has lost its volume";

/// The part of a pod in a restore.
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

impl Turn {
    /// Of a node that begins with the files of a backup: whether the nodes of the backup required logins of their clients.
    pub fn begins_with_logins(&self) -> Option<bool> {
        match self {
            Self::Begins(marker) => Some(marker.place.as_ref().is_some_and(|place| place.logins)),
            Self::Plain | Self::Waits(_) | Self::Was(_) => None,
        }
    }
}

/// The content of the volume of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The marker of a restore.
    pub marker: Option<RestoreMarker>,
    /// Whether a restore into it was begun at some time.
    pub begun: bool,
    /// Data of a node.
    pub data: OwnData,
}

/// A volume has other files than those that its pod waits for.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
#[error("{pod} does not start: {why}. If nothing on the volumes is needed, {next}")]
pub struct WrongFiles {
    /// The pod.
    pub pod: String,
    /// Why its files are the wrong ones.
    pub why: String,
    /// The way out.
    pub next: &'static str,
}

/// A node that replaces a restored one later would take another number of tokens, and not start a second time.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
#[error(
    "its files are those of a node with {wanted} tokens, and num_tokens of cassandra.yaml is {has}: set config.cassandra-yaml.num_tokens to {wanted}"
)]
pub struct WrongTokens {
    /// The number in the configuration.
    pub has: Value,
    /// That of the backup.
    pub wanted: u32,
}

/// Decides whether a pod may start.
///
/// # Errors
/// The files are not those of the restore.
pub fn turn(
    pod: &str,
    rack: &RackConfig,
    Volume {
        marker,
        begun,
        data,
    }: Volume,
) -> Result<Turn, WrongFiles> {
    let wrong = |why: String| {
        Err(WrongFiles {
            pod: pod.to_owned(),
            why,
            next: if rack.formed { REPLACE } else { AGAIN },
        })
    };
    match (&rack.restore, marker) {
        // Without the tables of the system keyspace, which no backup brings, its files look like a new volume.
        (None, None) if begun && data == OwnData::None => wrong(
            "its volume was to get the files of a backup, does not have all of them, and spec.restore names no backup".into(),
        ),
        (None, None) => Ok(Turn::Plain),
        // All nodes of a formed ring have started; the data may be on a volume that is not seen from here.
        (None, Some(marker)) if data == OwnData::None && !rack.formed => wrong(format!(
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

/// Key of `cassandra.yaml`: whether the native transport starts with Cassandra.
pub const STARTS_OPEN: &str = "start_native_transport";

/// Writes the tokens of a restored node into `cassandra.yaml`.
///
/// A node that was never a member (`joined`) knows only the nodes that it has met: it would count quorums over those, answer
/// without the rows of the others, and create the superuser that everybody knows where none of them has a role. So its native
/// transport stays closed until its readiness probe sees all nodes, and opens it.
///
/// # Errors
/// The configuration has another number of tokens.
pub fn apply(yaml: &mut Value, turn: &Turn, joined: bool) -> Result<(), WrongTokens> {
    match turn {
        Turn::Plain | Turn::Waits(_) => {}
        Turn::Begins(marker) => {
            let (has, wanted) = (yaml["num_tokens"].clone(), marker.num_tokens);
            if has != wanted {
                return Err(WrongTokens { has, wanted });
            }
            yaml["initial_token"] = marker.tokens.join(",").into();
            // The files are there: there is nothing to stream, and nobody to stream it from.
            yaml["auto_bootstrap"] = false.into();
            if !joined {
                yaml[STARTS_OPEN] = false.into();
            }
        }
        // Cassandra has its tokens, and refuses to start with another number.
        Turn::Was(marker) => yaml["num_tokens"] = marker.num_tokens.into(),
    }
    Ok(())
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
            place: None,
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

    fn rack(restore: Option<RestoreConfig>) -> RackConfig {
        RackConfig {
            restore,
            ..RackConfig::default()
        }
    }

    fn volume(marker: Option<RestoreMarker>, data: OwnData) -> Volume {
        Volume {
            begun: marker.is_some(),
            marker,
            data,
        }
    }

    #[test]
    fn a_node_waits_for_its_files_and_for_those_of_the_others() {
        let turn = |released, marker, data| {
            turn("p", &rack(Some(restore(released))), volume(marker, data)).unwrap()
        };
        let none = OwnData::None;
        assert_eq!(turn(true, None, none), Turn::Waits("its files"));
        let waits = turn(false, Some(marker("b1")), none);
        assert_eq!(waits, Turn::Waits("the files of the other nodes"));
        for data in [none, OwnData::Tables, OwnData::Member] {
            let begins = turn(true, Some(marker("b1")), data);
            assert_eq!(begins, Turn::Begins(marker("b1")), "{data:?}");
        }
    }

    #[test]
    fn other_files_are_not_started() {
        let with = || Some(restore(true));
        for (restore, marker, data) in [
            (with(), Some(marker("b2")), OwnData::None),
            (with(), None, OwnData::Tables),
            (with(), None, OwnData::Member),
            (None, Some(marker("b1")), OwnData::None),
        ] {
            let wrong = turn("demo-0", &rack(restore), volume(marker, data)).unwrap_err();
            assert!(wrong.to_string().contains("demo-0"), "{wrong}");
        }
    }

    /// Also for the ring of an operator that does not know the field, or of a cluster that was made again without it.
    #[test]
    fn some_of_the_files_of_a_backup_are_no_empty_volume() {
        let begun = |data| Volume {
            begun: true,
            ..volume(None, data)
        };
        for formed in [false, true] {
            let rack = RackConfig {
                formed,
                ..RackConfig::default()
            };
            let wrong = turn("p", &rack, begun(OwnData::None)).unwrap_err();
            assert!(wrong.to_string().contains("not have all"), "{wrong}");
            // A ring that lives is not given up for one volume.
            assert_eq!(wrong.to_string().contains("CassandraCluster"), !formed);
            for plain in [begun(OwnData::Member), volume(None, OwnData::None)] {
                assert_eq!(turn("p", &rack, plain).unwrap(), Turn::Plain);
            }
        }
        let waits = turn("p", &rack(Some(restore(false))), begun(OwnData::None)).unwrap();
        assert_eq!(waits, Turn::Waits("its files"));
    }

    #[test]
    fn a_restored_node_starts_again_also_with_its_data_on_another_volume() {
        let formed = RackConfig {
            formed: true,
            ..RackConfig::default()
        };
        let not_seen = volume(Some(marker("b1")), OwnData::None);
        let was = turn("p", &formed, not_seen).unwrap();
        assert_eq!(was, Turn::Was(marker("b1")));
    }

    #[test]
    fn a_node_that_was_restored_keeps_the_number_of_its_tokens() {
        let turn = |marker| turn("p", &rack(None), volume(marker, OwnData::Member)).unwrap();
        let (none, was) = (turn(None), turn(Some(marker("b1"))));
        let begins = Turn::Begins(marker("b1"));
        let written = |number: u32, turn: &Turn| {
            let mut yaml = json!({ "num_tokens": number });
            apply(&mut yaml, turn, true).map(|()| yaml)
        };
        assert_eq!(written(16, &none), Ok(json!({ "num_tokens": 16 })));
        assert_eq!(written(16, &was), Ok(json!({ "num_tokens": 2 })));
        let all = json!({ "num_tokens": 2, "initial_token": "-7,7", "auto_bootstrap": false });
        assert_eq!(written(2, &begins), Ok(all));
        let wrong = written(16, &begins).unwrap_err().to_string();
        assert!(wrong.contains("num_tokens to 2"), "{wrong}");
    }

    #[test]
    fn only_a_node_that_was_never_a_member_keeps_clients_out() {
        let starts = |turn: &Turn, joined| {
            let mut yaml = json!({ "num_tokens": 2 });
            apply(&mut yaml, turn, joined).unwrap();
            yaml[STARTS_OPEN].clone()
        };
        let (begins, was) = (Turn::Begins(marker("b1")), Turn::Was(marker("b1")));
        assert_eq!(starts(&begins, false), false);
        for (turn, joined) in [(&begins, true), (&was, true), (&Turn::Plain, false)] {
            assert_eq!(starts(turn, joined), Value::Null);
        }
    }
}
