//! What is taken away. Each names the very object that was looked at: another one of its name is left alone.

use casskop_common::conditions::Action;
use serde::Serialize;

/// Something that is taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Removal {
    /// A StatefulSet gets fewer pods.
    Pods {
        /// Its name.
        set: String,
        /// Its UID.
        uid: String,
        /// Pods it was seen to have; with any other number nothing is done.
        from: i32,
        /// Pods it keeps.
        to: i32,
    },
    /// The StatefulSet of a rack without nodes, and the rack's configuration.
    Rack {
        /// Its name.
        set: String,
        /// Its UID.
        uid: String,
    },
    /// A pod that is made anew by its StatefulSet.
    Pod {
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
    },
    /// The volume of a node that has left.
    Volume {
        /// Name of the claim.
        name: String,
        /// Its UID.
        uid: String,
    },
}

impl Removal {
    /// Whether nobody tells when it is done: volumes are not watched.
    pub fn is_unannounced(&self) -> bool {
        matches!(self, Self::Volume { .. })
    }

    /// What it is, in CassKop's words, in a data center that stays or goes.
    pub fn action(&self, dc_stays: bool) -> Action {
        match self {
            Self::Pods { .. } | Self::Volume { .. } => Action::ScaleDown,
            Self::Pod { .. } => Action::RollingRestart,
            Self::Rack { .. } if dc_stays => Action::ActionDeleteRack,
            Self::Rack { .. } => Action::ActionDeleteDC,
        }
    }
}

impl std::fmt::Display for Removal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pods { set, to, .. } => write!(f, "StatefulSet {set} to have {to} pods"),
            Self::Rack { set, .. } => write!(f, "StatefulSet {set} to go"),
            Self::Pod { name, .. } => write!(f, "pod {name} to be made anew"),
            Self::Volume { name, .. } => write!(f, "volume {name} to go"),
        }
    }
}
