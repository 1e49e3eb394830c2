//! Removals. Each removal names the UID of the observed object: another object with the same name stays.

use casskop_common::{conditions::Action, text};
use serde::Serialize;

use crate::observed::NodePod;

/// A deletion or a scale-down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Removal {
    /// A StatefulSet is scaled down.
    Pods {
        /// Its name.
        set: String,
        /// Its UID.
        uid: String,
        /// Its observed version; the removal does nothing if the StatefulSet, or the readiness of its pods, has changed.
        version: String,
        /// Observed number of pods.
        from: i32,
        /// Number of pods after the removal.
        to: i32,
    },
    /// The StatefulSet of a rack without nodes, and the rack's configuration.
    Rack {
        /// Its name.
        set: String,
        /// Its UID.
        uid: String,
    },
    /// A pod that its StatefulSet re-creates.
    Pod {
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
        /// Its observed version; a pod that has become Ready since stays.
        version: String,
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
    /// The removal of an observed pod.
    pub fn of_pod(name: &str, pod: &NodePod) -> Self {
        Self::Pod {
            name: name.to_owned(),
            uid: pod.uid.clone(),
            version: pod.version.clone(),
        }
    }

    /// Whether no watch reports the end of the removal: volumes are not watched.
    pub fn is_unannounced(&self) -> bool {
        matches!(self, Self::Volume { .. })
    }

    /// The action name that CassKop uses for the removal, which depends on whether the spec still contains the data
    /// center.
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
            Self::Pods { set, to, .. } => {
                let pods = text::count(usize::try_from(*to).unwrap_or(0), "pod");
                write!(f, "StatefulSet {set} to have {pods}")
            }
            Self::Rack { set, .. } => write!(f, "StatefulSet {set} to go"),
            Self::Pod { name, .. } => write!(f, "pod {name} to be re-created"),
            Self::Volume { name, .. } => write!(f, "volume {name} to go"),
        }
    }
}
