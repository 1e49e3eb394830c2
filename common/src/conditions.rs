//! Types and reasons of conditions. This module is their only definition: the operator writes no other types and
//! reasons, and the plugin, the documentation and the tests use these.
//!
//! `Available`, `Progressing`, `Degraded`, `SpecAccepted` and `IntentsAccepted` are always present. `Ready`,
//! `Reconciling` and `Stalled` are the conditions that kstatus evaluates (Flux, Helm, `kubectl wait`): `Reconciling`
//! and `Stalled` are present only while they are true. `BackupsCurrent` is present only while the spec has a schedule of
//! backups.

use crate::words::words;

/// Every node that the spec requires is NORMAL, serves clients, and is reported as up by every other node.
pub const AVAILABLE: &str = "Available";
/// The cluster differs from the spec: the operator changes it, or the reason names the blocker.
pub const PROGRESSING: &str = "Progressing";
/// A fault prevents the state that the spec requires, or a node is down.
pub const DEGRADED: &str = "Degraded";
/// The spec is applied. While the condition is false, the last accepted spec stays in force.
pub const SPEC_ACCEPTED: &str = "SpecAccepted";
/// Every operation annotation is valid. While the condition is false, `status.intentErrors` lists the invalid ones.
pub const INTENTS_ACCEPTED: &str = "IntentsAccepted";
/// Each schedule of the spec that requests a backup has a complete one of its newest slot, or of the slot before while that of
/// the newest one is under way. `Unknown` until the first slot comes. Present only with such a schedule; `Ready` does not
/// depend on the condition.
pub const BACKUPS_CURRENT: &str = "BackupsCurrent";
/// The cluster is available, matches the observed generation of the spec, and the spec is accepted. A running
/// operation, such as a repair, does not make the condition false.
pub const READY: &str = "Ready";
/// The operator reconciles the cluster with the observed generation of the spec. Present only while true.
pub const RECONCILING: &str = "Reconciling";
/// The spec is not applied until an administrator acts. Present only while true.
pub const STALLED: &str = "Stalled";

/// Every condition type.
pub const TYPES: &[&str] = &[
    READY,
    RECONCILING,
    STALLED,
    AVAILABLE,
    PROGRESSING,
    DEGRADED,
    SPEC_ACCEPTED,
    INTENTS_ACCEPTED,
    BACKUPS_CURRENT,
];

words! {
    /// Reasons of conditions.
    Reason {
        /// The spec, or every operation annotation, is accepted.
        Accepted,
        /// The spec is accepted; the message names fields that have no effect.
        AcceptedWithWarnings,
        /// At least one operation annotation is invalid.
        Invalid,

        /// The ring forms for the first time.
        Forming,
        /// The message names a member that is down, or that does not answer.
        NodesDown,
        /// The message names a pod that is Ready, but that does not answer the operator.
        NodesUnreachable,
        /// A node leaves the ring as the spec requires; every other node is up.
        NodesLeaving,
        /// Every member is NORMAL, and up in the view of every other member; the message names nodes that are no members yet.
        AllNodesUp,
        /// No StatefulSet of the cluster exists, so its nodes are not known.
        NodesUnknown,

        /// The cluster matches the spec.
        UpToDate,
        /// The next change waits; the message names the failed checks, or the operation that has to end first.
        Blocked,
        /// The annotation `operations.db.orange.com/reconcile: paused` stops every change.
        ReconcilePaused,
        /// The spec is not carried out; `SpecAccepted` has the reason.
        SpecRefused,

        /// No node has a fault.
        Healthy,
        /// The message names a node with a fault.
        NodesUnhealthy,
        /// A live member of the ring is in a data center of the cluster and is none of its pods: two rings of one name may
        /// have merged.
        ForeignMembers,
        /// A certificate expires soon, and was not renewed in time.
        CertificateExpiring,
        /// A replica of the roles of Cassandra does not have them all, and its repair does not end; or a role of
        /// `authentication.users` is not as the spec says.
        RolesIncomplete,
        /// The API server refused an object that the operator applied.
        ApplyFailed,

        /// Each schedule of backups has what its slots ask for.
        WithinSchedule,
        /// The last backup of a schedule failed, was refused, or was cancelled.
        LastBackupFailed,
        /// A slot of a schedule has come, and the store has no complete backup of the cluster.
        NeverBackedUp,
        /// A slot of a schedule was left out after the last complete backup, because the request could not begin before its
        /// deadline.
        SlotMissed,
        /// The backup of a slot is not complete within a day, or when the next slot comes.
        BackupOverdue,
        /// A schedule of backups is suspended, and nothing else makes its backups.
        Suspended,
        /// A schedule is new, was changed, or was suspended until now; its next slot has not come yet.
        NoSlotYet,

        /// `configMapName` names a ConfigMap that does not exist.
        ConfigMapMissing,
        /// `imageJolokiaSecret` or `nodeApi.tlsSecretName` names a Secret that is not meant for the nodes, or a Secret has the name of
        /// one that the operator makes.
        SecretNotAllowed,
        /// No data center of the spec has a node.
        NoNodes,
        /// Two data centers, or two racks of one, have the same name.
        DuplicateName,
        /// `config` is not a valid configuration.
        InvalidConfig,
        /// A schedule has no slots, or its request cannot be made.
        InvalidSchedule,
        /// `restore` cannot be carried out, or changes what a ring that is being restored begins with.
        InvalidRestore,
        /// The spec requires a feature that the operator does not support.
        NotSupported,
        /// The spec changes a volume of a running node in a way that Kubernetes does not allow.
        VolumeChanged,
        /// The spec changes a setting that a ring keeps for life: `cluster_name`, `partitioner`, `endpoint_snitch` or
        /// `num_tokens`.
        RingChanged,
        /// The image has an earlier version of Cassandra than the one that runs.
        Downgrade,
        /// There are volumes of racks that the spec does not have, and no rack of the cluster runs.
        RackMissing,
        /// The spec removes nodes that keyspaces need for their replicas.
        ReplicasRequired,

        /// `MultiCasskop`: a site is not available.
        SiteNotAvailable,
        /// `MultiCasskop`: a site cannot be reached.
        SiteUnknown,
        /// `MultiCasskop`: every site is available.
        AllSitesAvailable,
        /// `MultiCasskop`: a site is being changed.
        SitesProgressing,
        /// `MultiCasskop`: a site has a fault.
        SitesUnhealthy,
        /// `MultiCasskop`: the operator of a site refuses its spec.
        SiteSpecRefused,
        /// `MultiCasskop`: an API server refuses the `CassandraCluster` of a site.
        InvalidCluster,
        /// `MultiCasskop`: a site that was taken out of the spec still has nodes.
        SiteHasNodes,
        /// `MultiCasskop`: two sites are the same Kubernetes cluster.
        SameCluster,
        /// `MultiCasskop`: the `CassandraCluster` of a site has no owner, or belongs to another resource.
        OwnedByAnother,
        /// `MultiCasskop`: the operator does not know the site.
        UnknownSite,
        /// `MultiCasskop`: an override changes the name of the ring.
        NameMismatch,
        /// `MultiCasskop`: an override changes the namespace.
        NamespaceMismatch,
        /// `MultiCasskop`: `base` or an override has a field that a `CassandraCluster` does not have.
        UnknownField,
        /// `MultiCasskop`: two sites have the same data center.
        DuplicateDataCenter,

        /// The ring forms, in the word of the Go `CassKop`.
        Initializing,
        /// Nodes join.
        ScaleUp,
        /// Nodes leave.
        ScaleDown,
        /// Volumes become larger.
        StorageUpsize,
        /// Pods get another image of Cassandra.
        UpdateDockerImage,
        /// Pods get other resources.
        UpdateResources,
        /// Pods get the scripts of another ConfigMap.
        UpdateConfigMap,
        /// Pods get another list of seeds.
        UpdateSeedList,
        /// Pods get any other change.
        UpdateStatefulSet,
        /// Pods are restarted, as `rollingRestart` requests, or a pod is re-created.
        RollingRestart,
        /// A rack that the spec does not have any more is deleted.
        ActionDeleteRack,
        /// A data center that the spec does not have any more is deleted.
        ActionDeleteDC,
        /// The owners of the volumes change, as `deletePVC` requests.
        VolumeOwners,
    }
}

words! {
    /// Actions on a cluster, with the names of the Go `CassKop`: `lastClusterAction` and `cassandraLastAction.name`,
    /// and the reason of `Progressing` while an action is in progress.
    Action {
        /// The ring forms for the first time.
        Initializing,
        /// Nodes join.
        ScaleUp,
        /// Nodes leave.
        ScaleDown,
        /// Volumes become larger.
        StorageUpsize,
        /// Pods get another image of Cassandra.
        UpdateDockerImage,
        /// Pods get other resources.
        UpdateResources,
        /// Pods get the scripts of another ConfigMap.
        UpdateConfigMap,
        /// Pods get another list of seeds.
        UpdateSeedList,
        /// Pods get any other change.
        UpdateStatefulSet,
        /// Pods are restarted, as `rollingRestart` requests, or a pod is re-created.
        RollingRestart,
        /// A rack that the spec does not have any more is deleted.
        ActionDeleteRack,
        /// A data center that the spec does not have any more is deleted.
        ActionDeleteDC,
        /// The spec is not carried out as it stands.
        CorrectCRDConfig,
    }
}

impl Action {
    /// The reason of `Progressing` while the action is in progress.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Initializing => Reason::Initializing,
            Self::ScaleUp => Reason::ScaleUp,
            Self::ScaleDown => Reason::ScaleDown,
            Self::StorageUpsize => Reason::StorageUpsize,
            Self::UpdateDockerImage => Reason::UpdateDockerImage,
            Self::UpdateResources => Reason::UpdateResources,
            Self::UpdateConfigMap => Reason::UpdateConfigMap,
            Self::UpdateSeedList => Reason::UpdateSeedList,
            Self::UpdateStatefulSet => Reason::UpdateStatefulSet,
            Self::RollingRestart => Reason::RollingRestart,
            Self::ActionDeleteRack => Reason::ActionDeleteRack,
            Self::ActionDeleteDC => Reason::ActionDeleteDC,
            Self::CorrectCRDConfig => Reason::SpecRefused,
        }
    }

    /// Whether the action changes the pods of a rack one after the other.
    pub const fn updates_pods(self) -> bool {
        matches!(
            self,
            Self::UpdateDockerImage
                | Self::UpdateResources
                | Self::UpdateConfigMap
                | Self::UpdateSeedList
                | Self::UpdateStatefulSet
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_has_the_reason_of_its_own_name() {
        for action in Action::ALL {
            let reason = action.reason();
            let same = reason.as_str() == action.as_str();
            assert!(
                same || *action == Action::CorrectCRDConfig,
                "{action}: {reason}"
            );
        }
    }

    #[test]
    fn an_action_is_written_as_in_the_go_casskop() {
        // The list of the Go CassKop, and `Initializing`.
        let go = [
            "UpdateConfigMap",
            "UpdateDockerImage",
            "UpdateSeedList",
            "RollingRestart",
            "UpdateResources",
            "UpdateStatefulSet",
            "ScaleUp",
            "ScaleDown",
            "ActionDeleteDC",
            "ActionDeleteRack",
            "CorrectCRDConfig",
            "StorageUpsize",
            "Initializing",
        ];
        for word in go {
            assert!(Action::from_word(word).is_some(), "{word}");
        }
        assert_eq!(Action::ALL.len(), go.len());
    }
}
