//! The effect of each field of the spec, and where it is observed.

use serde_json::{Value, json};

/// Fields of the spec by their paths, each with a value and what is then to be seen in an object or in `SpecAccepted`.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn seen_at_once() -> Vec<(&'static str, Value, &'static str)> {
    let told = |field, value| (field, value, "is not used");
    let memory = json!({ "requests": { "memory": "2Gi" } });
    let mut fields = vec![
        (
            "cassandraImage",
            json!("cassandra:4.1"),
            r#""image":"cassandra:4.1""#,
        ),
        (
            "imagepullpolicy",
            json!("Never"),
            r#""imagePullPolicy":"Never""#,
        ),
        (
            "imagePullSecret.name",
            json!("registry"),
            r#""imagePullSecrets":[{"name":"registry"}]"#,
        ),
        (
            "bootstrapImage",
            json!("mine/bootstrap:1"),
            r#""image":"mine/bootstrap:1""#,
        ),
        told("configBuilderImage", json!("x")),
        (
            "envVars",
            json!([{ "name": "A", "value": "b" }]),
            r#"{"name":"A","value":"b"}"#,
        ),
        ("runAsUser", json!(1000), r#""runAsUser":1000"#),
        ("fsGroup", json!(1000), r#""fsGroup":1000"#),
        (
            "platformAssignsIds",
            json!(true),
            r#""command":["cassandra","-f","-R"]"#,
        ),
        (
            "readOnlyRootFilesystem",
            json!(false),
            r#""readOnlyRootFilesystem":false"#,
        ),
        ("resources", memory.clone(), r#""limits":{"memory":"2Gi"}"#),
        (
            "hardAntiAffinity",
            json!(true),
            r#""podAntiAffinity":{"required"#,
        ),
        ("pod.annotations", json!({ "a": "b" }), r#""a":"b""#),
        (
            "pod.tolerations",
            json!([{ "key": "a", "operator": "Exists" }]),
            r#""tolerations":[{"key":"a""#,
        ),
        (
            "pod.priorityClassName",
            json!("databases"),
            r#""priorityClassName":"databases""#,
        ),
        (
            "service.annotations",
            json!({ "a": "b" }),
            r#""annotations":{"a":"b"}"#,
        ),
        ("debug", json!(true), r#""command":["tail""#),
        told("noCheckStsAreEqual", json!(true)),
        ("maxPodUnavailable", json!(2), r#""maxUnavailable":2"#),
        told("unlockNextOperation", json!(true)),
        ("dataCapacity", json!("7Gi"), r#""storage":"7Gi""#),
        (
            "dataStorageClass",
            json!("fast"),
            r#""storageClassName":"fast""#,
        ),
        ("storageConfigs[].name", json!("log2"), r#""name":"log2""#),
        (
            "storageConfigs[].mountPath",
            json!("/log2"),
            r#""mountPath":"/log2""#,
        ),
        (
            "storageConfigs[].pvcSpec",
            json!({ "storageClassName": "slow" }),
            r#""storageClassName":"slow""#,
        ),
        (
            "sidecarConfigs",
            json!([{ "name": "side", "image": "side:1" }]),
            r#""image":"side:1""#,
        ),
        (
            "configMapName",
            json!("scripts"),
            r#""configMap":{"defaultMode":365,"name":"scripts"}"#,
        ),
        told("serverVersion", json!("4.1.3")),
        (
            "config",
            json!({ "cassandra-yaml": { "num_tokens": 4 } }),
            r#"\"num_tokens\": 4"#,
        ),
        (
            "imageJolokiaSecret.name",
            json!("mine"),
            r#""secretName":"mine""#,
        ),
        (
            "shareProcessNamespace",
            json!(true),
            r#""shareProcessNamespace":true"#,
        ),
        told("backRestSidecar.enabled", json!(true)),
        told("backRestSidecar.image", json!("x")),
        told("backRestSidecar.imagePullPolicy", json!("Never")),
        told("backRestSidecar.envVars", json!([{ "name": "A" }])),
        told("backRestSidecar.resources", memory.clone()),
        told(
            "backRestSidecar.volumeMount",
            json!([{ "name": "a", "mountPath": "/a" }]),
        ),
        (
            "serviceAccountName",
            json!("mine"),
            r#""serviceAccountName":"mine""#,
        ),
        (
            "jmxConfiguration.jmxRemoteEnable",
            json!(true),
            "jmxremote=true",
        ),
        (
            "jmxConfiguration.jmxRemotePort",
            json!(7),
            "jmxremote.port=7",
        ),
        (
            "jmxConfiguration.jmxRemoteRmiPort",
            json!(7),
            "jmxremote.rmi.port=7",
        ),
        (
            "jmxConfiguration.jmxRemoteSSL",
            json!(true),
            "jmxremote.ssl=true",
        ),
        (
            "jmxConfiguration.jmxRemoteAuthenticate",
            json!(true),
            "jmxremote.authenticate=true",
        ),
        (
            "livenessInitialDelaySeconds",
            json!(77),
            r#""initialDelaySeconds":77"#,
        ),
        (
            "livenessHealthCheckTimeout",
            json!(77),
            r#""timeoutSeconds":77"#,
        ),
        (
            "livenessHealthCheckPeriod",
            json!(77),
            r#""periodSeconds":77"#,
        ),
        (
            "livenessFailureThreshold",
            json!(77),
            r#""failureThreshold":77"#,
        ),
        (
            "livenessSuccessThreshold",
            json!(1),
            r#""successThreshold":1"#,
        ),
        (
            "readinessInitialDelaySeconds",
            json!(77),
            r#""initialDelaySeconds":77"#,
        ),
        (
            "readinessHealthCheckTimeout",
            json!(77),
            r#""timeoutSeconds":77"#,
        ),
        (
            "readinessHealthCheckPeriod",
            json!(77),
            r#""periodSeconds":77"#,
        ),
        (
            "readinessFailureThreshold",
            json!(77),
            r#""failureThreshold":77"#,
        ),
        (
            "readinessSuccessThreshold",
            json!(77),
            r#""successThreshold":77"#,
        ),
        (
            "seeds",
            json!(["elsewhere.example.org"]),
            "elsewhere.example.org",
        ),
        (
            "nodeApi.kind",
            json!("ManagementApi"),
            "cassandra:5.0 has no Management API",
        ),
        (
            "nodeApi.tls",
            json!("Enabled"),
            r#""db.orange.com/node-api":"JolokiaTls""#,
        ),
        (
            "nodeApi.tlsSecretName",
            json!("tls"),
            "nodeApi.tlsSecretName without TLS",
        ),
        (
            "tls.internode.mode",
            json!("Required"),
            r#""db.orange.com/internode-tls":"Required""#,
        ),
        (
            "tls.client.mode",
            json!("Optional"),
            r#""db.orange.com/client-tls":"Optional""#,
        ),
        (
            "authentication.superuserSecret",
            json!("admins"),
            r#""db.orange.com/logins":"SetUp""#,
        ),
        (
            "metrics.tables",
            json!(["shop.*"]),
            r#""--metrics-table","shop.*""#,
        ),
    ];
    let dc = [
        ("name", json!("north"), r#"\"dc\": \"north\""#),
        (
            "labels",
            json!({ "zone": "a" }),
            r#"{"key":"zone","operator":"In","values":["a"]}"#,
        ),
        (
            "config",
            json!({ "cassandra-yaml": { "num_tokens": 4 } }),
            r#"\"num_tokens\": 4"#,
        ),
        ("nodesPerRacks", json!(0), "would have no node"),
        ("dataCapacity", json!("7Gi"), r#""storage":"7Gi""#),
        (
            "dataStorageClass",
            json!("fast"),
            r#""storageClassName":"fast""#,
        ),
        ("resources", memory, r#""limits":{"memory":"2Gi"}"#),
    ];
    let rack = [
        ("name", json!("north"), r#"\"rack\": \"north\""#),
        (
            "labels",
            json!({ "zone": "a" }),
            r#"{"key":"zone","operator":"In","values":["a"]}"#,
        ),
        (
            "config",
            json!({ "cassandra-yaml": { "num_tokens": 4 } }),
            r#"\"num_tokens\": 4"#,
        ),
        ("rollingPartition", json!(1), r#""partition":1"#),
    ];
    let below = |path: &str, (field, value, seen)| (&*format!("{path}{field}").leak(), value, seen);
    fields.extend(dc.map(|field| below("topology.dc[].", field)));
    fields.extend(rack.map(|field| below("topology.dc[].rack[].", field)));
    fields
}

/// Fields whose effect comes later, and the test that sees it.
pub(crate) const SEEN_LATER: [(&str, &str); 46] = [
    (
        "authentication.users[].secret",
        "logins/users.rs: a_role_is_recorded_before_it_is_made_and_its_permissions_before_they_are_granted",
    ),
    (
        "authentication.users[].superuser",
        "logins/users.rs: each_step_about_a_role_follows_from_its_record_and_from_cassandra",
    ),
    (
        "authentication.users[].grants[].permissions",
        "logins/users.rs: only_recorded_permissions_are_taken_back",
    ),
    (
        "authentication.users[].grants[].keyspace",
        "logins/users.rs: only_recorded_permissions_are_taken_back",
    ),
    (
        "authentication.users[].grants[].table",
        "logins/users.rs: users_that_no_ring_can_have_are_refused; superuser/users.rs: a_keyspace_that_does_not_exist_yet_holds_up_no_other",
    ),
    (
        "authentication.users[].grants[].allKeyspaces",
        "logins/users.rs: users_that_no_ring_can_have_are_refused; superuser/users.rs: a_keyspace_that_does_not_exist_yet_holds_up_no_other",
    ),
    (
        "restartCountBeforePodDeletion",
        "rollout.rs: a_pod_with_the_address_of_another_member_is_made_anew",
    ),
    (
        "nodesPerRacks",
        "rollout.rs: the_first_pod_of_every_rack_comes_at_once_and_before_any_second",
    ),
    (
        "deletePVC",
        "volume_owners.rs: the_cluster_owns_its_volumes_and_their_mark; e2e life.rs: it_ends_with_its_volumes",
    ),
    (
        "autoPilot",
        "shrink.rs: the_auto_pilot_cleans_up_after_growth",
    ),
    (
        "autoUpdateSeedList",
        "rollout.rs: running_nodes_get_new_seeds_if_that_is_asked_for",
    ),
    (
        "keyspaceCleanupThreads",
        "operations/cleanup.rs: the_spec_says_how_many_threads_where_the_request_does_not",
    ),
    (
        "serverType",
        "e2e input.rs: only `cassandra` passes the schema",
    ),
    (
        "topology.dc[].rack[].rollingRestart",
        "e2e life.rs: restarts_are_asked_for_by_command_and_by_spec",
    ),
    (
        "tls.internode.secretName",
        "internode_tls.rs: the_secret_changes_only_while_nothing_is_encrypted",
    ),
    (
        "tls.client.secretName",
        "client_tls.rs: each_mode_is_one_change_of_all_racks",
    ),
    (
        "tls.client.requireClientAuth",
        "client_tls.rs: each_mode_is_one_change_of_all_racks",
    ),
    (
        "schedules[].name",
        "schedules.rs: a_slot_makes_one_request_and_is_told",
    ),
    (
        "schedules[].cron",
        "schedules.rs: a_slot_makes_one_request_and_is_told",
    ),
    (
        "schedules[].request",
        "schedules.rs: a_slot_makes_one_request_and_is_told",
    ),
    (
        "schedules[].timeZone",
        "schedules.rs: what_cannot_be_scheduled_is_refused",
    ),
    (
        "schedules[].startingDeadlineSeconds",
        "schedules.rs: a_request_that_is_too_late_is_left_out",
    ),
    (
        "schedules[].suspend",
        "schedules.rs: nothing_is_made_up_for_after_a_suspension_or_a_change",
    ),
    (
        "restore.store",
        "restore.rs: a_restore_that_no_job_could_carry_out_is_refused",
    ),
    (
        "restore.backup",
        "restore.rs: a_job_writes_to_the_volumes_of_its_pod_and_says_the_place",
    ),
    (
        "restore.cluster.name",
        "restore.rs: a_job_writes_to_the_volumes_of_its_pod_and_says_the_place",
    ),
    (
        "restore.cluster.uid",
        "restore.rs: a_job_writes_to_the_volumes_of_its_pod_and_says_the_place",
    ),
    (
        "backup.stores[].name",
        "backup.rs: what_cannot_be_backed_up_is_refused",
    ),
    (
        "backup.rate",
        "backup.rs: a_description_says_what_the_operator_has_read",
    ),
    (
        "backup.stores[].secret.name",
        "backup.rs: a_job_reads_the_volumes_of_the_pod_on_its_node",
    ),
    (
        "backup.stores[].serviceAccountName",
        "backup.rs: a_store_that_is_a_volume_is_mounted_and_may_have_an_account",
    ),
    (
        "backup.stores[].retention.count",
        "backup.rs: what_the_retention_does_not_keep_goes_after_the_backup_and_is_forgotten",
    ),
    (
        "backup.stores[].retention.days",
        "backup.rs: what_the_retention_does_not_keep_goes_after_the_backup_and_is_forgotten",
    ),
    (
        "backup.stores[].volume.claimName",
        "backup.rs: a_store_that_is_a_volume_is_mounted_and_may_have_an_account",
    ),
    (
        "backup.stores[].s3.bucket",
        "backup.rs: a_description_says_what_the_operator_has_read; the store itself: casskop-backup",
    ),
    (
        "backup.stores[].s3.prefix",
        "backup.rs: a_description_says_what_the_operator_has_read; the store itself: casskop-backup",
    ),
    (
        "backup.stores[].s3.region",
        "backup.rs: a_description_says_what_the_operator_has_read; the store itself: casskop-backup",
    ),
    (
        "backup.stores[].s3.endpoint",
        "backup.rs: a_description_says_what_the_operator_has_read; the store itself: casskop-backup",
    ),
    (
        "backup.stores[].s3.pathStyle",
        "backup.rs: a_description_says_what_the_operator_has_read; the store itself: casskop-backup",
    ),
    (
        "backup.stores[].s3.ca",
        "backup.rs: a_description_says_what_the_operator_has_read; the store itself: casskop-backup",
    ),
    (
        "backup.stores[].gcs.bucket",
        "backup.rs: a_description_says_what_the_operator_has_read; the store itself: casskop-backup",
    ),
    (
        "backup.stores[].gcs.prefix",
        "backup.rs: a_description_says_what_the_operator_has_read; the store itself: casskop-backup",
    ),
    (
        "backup.stores[].azure.container",
        "backup.rs: a_description_says_what_the_operator_has_read; the store itself: casskop-backup",
    ),
    (
        "backup.stores[].azure.account",
        "backup.rs: a_description_says_what_the_operator_has_read; the store itself: casskop-backup",
    ),
    (
        "backup.stores[].azure.prefix",
        "backup.rs: a_description_says_what_the_operator_has_read; the store itself: casskop-backup",
    ),
    (
        "backup.stores[].azure.endpoint",
        "backup.rs: a_description_says_what_the_operator_has_read; the store itself: casskop-backup",
    ),
];
