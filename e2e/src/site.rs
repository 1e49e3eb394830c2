//! The Kubernetes clusters of the testbed. Most tests need one; `make cluster CLUSTERS=3` starts more, linked so
//! that nodes and pods of all of them reach each other.

use std::{path::PathBuf, process::Command};

use crate::command::setting;

/// The first cluster, the default of all functions without a site.
pub const HOME: Site = Site(1);

/// One of the testbed's Kubernetes clusters, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site(u32);

impl Site {
    /// All running clusters, the first one first.
    pub fn all() -> Vec<Self> {
        let count = setting("CLUSTERS").parse().expect("CLUSTERS is a number");
        (1..=count).map(Self).collect()
    }

    /// The first `COUNT` clusters.
    pub fn first<const COUNT: usize>() -> [Self; COUNT] {
        let all = Self::all();
        let first = all.get(..COUNT).and_then(|some| some.try_into().ok());
        first.unwrap_or_else(|| panic!("{COUNT} clusters are needed, {} run", all.len()))
    }

    /// The number of the cluster, for the scripts of the testbed.
    pub fn number(self) -> String {
        self.0.to_string()
    }

    /// The context of the cluster in the testbed's kubeconfig.
    pub fn context(self) -> String {
        format!("cluster{}", self.0)
    }

    /// A command that runs inside the cluster's network and with access to its API server.
    pub fn inside(self, program: &str) -> Command {
        let prefix = setting(&self.prefix());
        let mut words = prefix.split_whitespace();
        let mut command = Command::new(words.next().expect("the prefix is not empty"));
        command.args(words).arg(program);
        if self != HOME {
            command.env("KUBECONFIG", self.folder().join("kubeconfig"));
        }
        command
    }

    /// The run folder of the cluster; it is deleted with the cluster.
    pub fn folder(self) -> PathBuf {
        let mut folder = PathBuf::from(setting(&self.prefix()));
        folder.pop();
        folder
    }

    /// A file of this process in the cluster's run folder.
    pub fn scratch(self, name: &str) -> PathBuf {
        let folder = self.folder().join("e2e");
        std::fs::create_dir_all(&folder).expect("the run folder of the testbed is writable");
        folder.join(format!("{}-{name}", std::process::id()))
    }

    fn prefix(self) -> String {
        if self == HOME {
            "IN".to_owned()
        } else {
            format!("IN{}", self.0)
        }
    }
}
