//! Refused specs of rings with logins.

use casskop_common::api::{CassandraCluster, ClientMode, ClientTls, NodeApi, NodeApiKind, Tls};
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource};
use serde_json::{Value, json};

use super::{ask, form, new};

fn yaml(cluster: &mut CassandraCluster, settings: &Value) {
    cluster.spec.config = Some(json!({ "cassandra-yaml": settings }));
}

fn told(change: fn(&mut CassandraCluster)) -> String {
    let mut world = new(change);
    world.pass();
    assert!(world.live.stateful_sets.is_empty());
    world.condition("SpecAccepted")
}

#[test]
fn nodes_that_stream_nothing_are_refused() {
    let told = [
        told(|cluster| yaml(cluster, &json!({ "auto_bootstrap": false }))),
        told(|cluster| yaml(cluster, &json!({ "auto_bootstrap": "false" }))),
        told(|cluster| yaml(cluster, &json!({ "auto_bootstrap": "off" }))),
        told(|cluster| yaml(cluster, &json!({ "auto_bootstrap": "No" }))),
        told(|cluster| {
            let option = "-Dcassandra.auto_bootstrap=false";
            cluster.spec.config =
                Some(json!({ "jvm-options": { "additional-jvm-opts": [option] } }));
        }),
        told(|cluster| {
            cluster.spec.env_vars = vec![EnvVar {
                name: "JVM_EXTRA_OPTS".into(),
                value: Some("-Dcassandra.auto_bootstrap=false".into()),
                ..EnvVar::default()
            }];
        }),
        told(|cluster| {
            cluster.spec.env_vars = vec![EnvVar {
                name: "JVM_EXTRA_OPTS".into(),
                value_from: Some(EnvVarSource::default()),
                ..EnvVar::default()
            }];
        }),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn nodes_that_stream_are_not_refused() {
    let mut world = new(|cluster| {
        yaml(cluster, &json!({ "auto_bootstrap": true }));
        cluster.spec.env_vars = vec![EnvVar {
            name: "NODE".into(),
            value_from: Some(EnvVarSource::default()),
            ..EnvVar::default()
        }];
    });
    form(&mut world);
}

#[test]
fn what_the_nodes_cannot_have_is_refused() {
    let told = [
        told(|cluster| cluster.spec.data_capacity = None),
        told(|cluster| {
            ask(cluster, Some("demo-superuser-accepted"));
        }),
        told(|cluster| yaml(cluster, &json!({ "native_transport_port": "9043" }))),
        told(|cluster| cluster.spec.seeds = vec!["seed.example.org".into()]),
        told(|cluster| cluster.spec.debug = Some(true)),
        told(|cluster| {
            cluster.spec.cassandra_image = Some("k8ssandra/cass-management-api:5.0.9-ubi".into());
            cluster.spec.node_api = Some(NodeApi {
                kind: NodeApiKind::ManagementApi,
                tls: None,
                tls_secret_name: None,
            });
        }),
        told(|cluster| yaml(cluster, &json!({ "data_file_directories": ["/data1"] }))),
        told(|cluster| {
            yaml(
                cluster,
                &json!({ "commitlog_directory": "/var/lib/cassandra/../log" }),
            );
        }),
        told(|cluster| {
            yaml(
                cluster,
                &json!({ "local_system_data_file_directory": "/data1" }),
            );
        }),
        told(|cluster| {
            let storage =
                json!([{ "name": "more", "mountPath": "/var/lib/cassandra/data", "pvcSpec": {} }]);
            cluster.spec.storage_configs = serde_json::from_value(storage).expect("a volume");
        }),
        told(|cluster| {
            yaml(
                cluster,
                &json!({ "authenticator": "AllowAllAuthenticator" }),
            );
        }),
        told(|cluster| {
            cluster.spec.tls = Some(Tls {
                internode: None,
                client: Some(ClientTls {
                    mode: ClientMode::Required,
                    secret_name: Some("clients".into()),
                    require_client_auth: Some(true),
                }),
            });
        }),
        told(|cluster| {
            let storage = json!([{ "name": "superuser", "mountPath": "/more", "pvcSpec": {} }]);
            cluster.spec.storage_configs = serde_json::from_value(storage).expect("a volume");
        }),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn data_and_commit_log_may_be_on_several_volumes() {
    let mut world = new(|cluster| {
        let storage = json!([{ "name": "commits", "mountPath": "/log", "pvcSpec": {} }]);
        cluster.spec.storage_configs = serde_json::from_value(storage).expect("a volume");
        let data = ["/var/lib/cassandra/a", "/var/lib/cassandra/b"];
        yaml(
            cluster,
            &json!({ "data_file_directories": data, "commitlog_directory": "/log/commits" }),
        );
    });
    form(&mut world);
}
