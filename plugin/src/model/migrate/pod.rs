//! Rows for containers of a pod, which a `CassandraDatacenter` has in its pod template and a `K8ssandraCluster` in each data
//! center.

/// Why a sidecar cannot mount a volume, and what works.
pub const NO_VOLUME: (&str, &str) = (
    "the pods have no volume of this name",
    "the volumes are data (/var/lib/cassandra) and log (/var/log/cassandra): change the name",
);

/// The rows of containers below a path.
macro_rules! containers {
    ($prefix:literal) => {
        [
            (concat!($prefix, "containers[]"), Rule::By("spec.sidecarConfigs[]")),
            (
                concat!($prefix, "containers[].volumeMounts[server-data].name"),
                Rule::Refused(pod::NO_VOLUME.0, pod::NO_VOLUME.1),
            ),
            (
                concat!($prefix, "containers[].volumeMounts[server-logs].name"),
                Rule::Refused(pod::NO_VOLUME.0, pod::NO_VOLUME.1),
            ),
            (
                concat!($prefix, "containers[].volumeMounts[server-config].name"),
                Rule::Refused(pod::NO_VOLUME.0, pod::NO_VOLUME.1),
            ),
            (
                concat!($prefix, "containers[cassandra]"),
                Rule::Refused(
                    "the container of Cassandra is the operator's",
                    "its env and resources are taken over: remove the rest",
                ),
            ),
            (
                concat!($prefix, "containers[cassandra].name"),
                Rule::Ignored("the container is there"),
            ),
            (concat!($prefix, "containers[cassandra].env[]"), Rule::By("spec.envVars[]")),
            (concat!($prefix, "containers[cassandra].resources"), Rule::By("dc.resources")),
            (concat!($prefix, "containers[server-system-logger]"), Rule::Ignored(why::LOGGER)),
            (
                concat!($prefix, "containers[vector-agent]"),
                Rule::Ignored("the operator collects no logs and metrics: spec.metrics serves those of Cassandra"),
            ),
            (
                concat!($prefix, "containers[medusa]"),
                Rule::Ignored("backups need no container in the pods: spec.backup"),
            ),
            (
                concat!($prefix, "initContainers[]"),
                Rule::Refused(
                    "pods have no init containers of users",
                    "pre_run.sh and post_run.sh of the ConfigMap of configMapName run before Cassandra",
                ),
            ),
            (concat!($prefix, "initContainers[server-config-init]"), Rule::Ignored(why::BUILDER)),
            (
                concat!($prefix, "initContainers[server-config-init-base]"),
                Rule::Ignored(why::BUILDER),
            ),
            (
                concat!($prefix, "initContainers[medusa-restore]"),
                Rule::Ignored("backups need no container in the pods: spec.backup"),
            ),
        ]
    };
}

/// The rows of the volumes of data below a path.
macro_rules! storage {
    ($prefix:literal) => {
        [
            (
                concat!($prefix, "storageConfig.cassandraDataVolumeClaimSpec"),
                Rule::Refused(
                    "of the claim of the data volume, only size and storage class can be set",
                    "remove it",
                ),
            ),
            (
                concat!($prefix, "storageConfig.cassandraDataVolumeClaimSpec.resources.requests.storage"),
                Rule::By("dc.dataCapacity"),
            ),
            (
                concat!($prefix, "storageConfig.cassandraDataVolumeClaimSpec.storageClassName"),
                Rule::By("dc.dataStorageClass"),
            ),
            (
                concat!($prefix, "storageConfig.cassandraDataVolumeClaimSpec.accessModes"),
                Rule::Only(
                    &["ReadWriteOnce"],
                    "the data volumes are ReadWriteOnce",
                    "set accessModes: [ReadWriteOnce]",
                ),
            ),
            (
                concat!($prefix, "storageConfig.cassandraDataVolumeClaimSpec.volumeMode"),
                Rule::Only(&["Filesystem"], "the data volumes are file systems", "remove it"),
            ),
            (
                concat!($prefix, "storageConfig.additionalVolumes[]"),
                Rule::By("spec.storageConfigs[]"),
            ),
            (
                concat!($prefix, "storageConfig.additionalVolumes[].volumeSource"),
                Rule::Refused(
                    "more volumes are claims (pvcSpec)",
                    "remove the volume; pre_run.sh and post_run.sh of the ConfigMap of configMapName write files into /etc/cassandra",
                ),
            ),
        ]
    };
}

pub(super) use {containers, storage};
