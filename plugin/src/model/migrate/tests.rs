use std::collections::BTreeMap;

use casskop_common::api::CassandraCluster;
use casskop_core::simulation::{THREE_RACKS, World};
use proptest::{collection, prelude::*};
use serde_json::json;

use super::{path::Path, *};

mod properties;
mod rings;

const GO_V2: &str = include_str!("../../../tests/manifests/go-v2.yaml");
const GO_V1: &str = include_str!("../../../tests/manifests/go-v1alpha1.yaml");
const BACKUP: &str = include_str!("../../../tests/manifests/go-backup.yaml");
const DATACENTER: &str = include_str!("../../../tests/manifests/datacenter.yaml");
const K8SSANDRA: &str = include_str!("../../../tests/manifests/k8ssandra.yaml");

fn checked(text: &str) -> Checked {
    check(text, &Options::default()).unwrap()
}

fn of(object: &Value) -> Checked {
    checked(&object.to_string())
}

/// The fields that are in the way, each with the next step.
fn in_the_way(checked: &Checked) -> Vec<String> {
    let fields = checked.in_the_way().map(|field| match &field.verdict {
        Verdict::Refused { reason, next } => format!("{}: {reason}; next: {next}", field.path),
        Verdict::Unknown { next } => format!("{}: unknown; next: {next}", field.path),
        other => unreachable!("{other:?}"),
    });
    fields.collect()
}

/// The clusters of the manifests; those of the sites of a ring over several Kubernetes clusters.
fn clusters(checked: &Checked) -> Vec<CassandraCluster> {
    let mut clusters = Vec::new();
    for manifest in &checked.manifests {
        match manifest {
            Manifest::Cluster(cluster) => clusters.push((**cluster).clone()),
            Manifest::Multi(multi) => {
                for site in multi.spec.override_.values() {
                    let mut cluster = multi.spec.base.clone();
                    cluster["apiVersion"] = json!("db.orange.com/v2");
                    cluster["kind"] = json!("CassandraCluster");
                    cluster["spec"]["topology"] = site["spec"]["topology"].clone();
                    clusters.push(serde_json::from_value(cluster).unwrap());
                }
            }
        }
    }
    clusters
}

/// The operator accepts a cluster, and makes StatefulSets for it.
fn is_accepted(mut cluster: CassandraCluster) {
    let mut world = World::new(THREE_RACKS);
    cluster.metadata.uid = Some("u-1".into());
    cluster.metadata.generation = Some(1);
    cluster.metadata.namespace.get_or_insert("ns".into());
    if cluster.spec.config_map_name.is_some() {
        world.around.scripts = casskop_core::desired::Scripts::Digest("a".into());
    }
    world.cluster = cluster;
    world.pass();
    let told = world.condition("SpecAccepted");
    assert!(told.starts_with("True"), "{told}");
    assert!(!told.contains("not used"), "{told}");
    assert!(!world.live.stateful_sets.is_empty());
}

/// Every leaf has one verdict, and nothing else has one but what is missing.
fn is_complete(object: &Value, document: &Document) {
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    for field in &document.fields {
        *told.entry(&field.path).or_default() += 1;
    }
    for leaf in leaves(object) {
        assert_eq!(
            told.remove(leaf.path.to_string().as_str()),
            Some(1),
            "{}",
            leaf.path
        );
    }
    for path in told.keys() {
        let mut fields = document.fields.iter();
        let field = fields.find(|field| field.path == **path);
        assert!(
            field.is_some_and(|field| field.verdict.is_in_the_way()),
            "{path}"
        );
    }
}

#[test]
fn a_manifest_of_each_kind() {
    for (name, text) in [
        ("go-v2", GO_V2),
        ("go-v1alpha1", GO_V1),
        ("go-backup", BACKUP),
        ("datacenter", DATACENTER),
        ("k8ssandra", K8SSANDRA),
    ] {
        let checked = checked(text);
        let objects = documents::objects(text).unwrap();
        for (object, document) in objects.iter().zip(&checked.documents) {
            if !document.passed_over {
                is_complete(object, document);
            }
        }
        let printed = serde_json::to_string(&checked).unwrap();
        assert!(!printed.contains("hunter2"), "{printed}");
        insta::assert_yaml_snapshot!(name, checked);
    }
}

#[test]
fn the_operator_accepts_what_is_printed() {
    let mut seen = 0;
    for text in [GO_V2, GO_V1, DATACENTER, K8SSANDRA] {
        for cluster in clusters(&checked(text)) {
            let object = serde_json::to_value(&cluster).unwrap();
            assert_eq!(Schema::cluster().faults(&object), []);
            is_accepted(cluster);
            seen += 1;
        }
    }
    assert_eq!(seen, 5);
}

/// A supported field of the Go `CassKop` stands where it stood, with its value.
#[test]
fn what_is_supported_is_not_changed() {
    let object = &documents::objects(GO_V2).unwrap()[0];
    let checked = checked(GO_V2);
    let printed = serde_json::to_value(&checked.manifests[0]).unwrap();
    let there = leaves(&printed);
    let mut seen = 0;
    for leaf in leaves(object) {
        let path = leaf.path.to_string();
        let mut fields = checked.documents[0].fields.iter();
        let field = fields.find(|field| field.path == path).unwrap();
        if field.verdict == Verdict::Supported {
            let mut there = there.iter();
            let now = there.find(|now| now.path.to_string() == path);
            let now = now.unwrap_or_else(|| unreachable!("{path} is gone"));
            assert_eq!(table::word(now.value), table::word(leaf.value), "{path}");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

fn datacenter() -> Value {
    json!({
        "apiVersion": "cassandra.datastax.com/v1beta1",
        "kind": "CassandraDatacenter",
        "metadata": { "name": "dc1" },
        "spec": {
            "clusterName": "demo", "serverType": "cassandra", "serverVersion": "5.0.2", "size": 3,
            "storageConfig": { "cassandraDataVolumeClaimSpec": {
                "resources": { "requests": { "storage": "10Gi" } },
            } },
        },
    })
}

/// The obstacles of a data center that a change makes differ from one that is taken over.
fn obstacles(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut object = datacenter();
    assert_eq!(in_the_way(&of(&object)), Vec::<String>::new());
    change(&mut object);
    let checked = of(&object);
    assert!(checked.manifests.is_empty(), "{object}");
    is_complete(&object, &checked.documents[0]);
    in_the_way(&checked)
}

#[test]
fn what_is_in_the_way_of_a_data_center() {
    let spec = |field: &str, value: Value| obstacles(|object| object["spec"][field] = value);
    let claim = |field: &str, value: Value| {
        obstacles(|object| {
            object["spec"]["storageConfig"]["cassandraDataVolumeClaimSpec"][field] = value;
        })
    };
    let mut told = vec![
        spec("sizee", json!(3)),
        spec("size", json!(0)),
        spec("racks", json!([{ "name": "a1" }, { "name": "b1" }])),
        spec(
            "racks",
            json!([{ "name": "a-1" }, { "name": "a1" }, { "name": "c1" }]),
        ),
        spec("racks", json!([{ "name": "---" }])),
        spec("racks", json!([{ "nodeAffinityLabels": { "a": "b" } }])),
        spec("serverType", json!("dse")),
        spec("serverVersion", json!("3.11.14")),
        spec("clusterName", json!("9")),
        spec("datacenterName", json!("eu-west")),
        spec("stopped", json!(true)),
        spec("replaceNodes", json!(["demo-dc1-default-sts-0"])),
        spec(
            "networking",
            json!({ "hostNetwork": true, "nodePort": { "native": 30001 } }),
        ),
        spec("configSecret", json!("config")),
        spec("cdc", json!({ "pulsarServiceUrl": "pulsar://here" })),
        spec("resources", json!({ "limts": { "cpu": 1 } })),
        spec("resources", json!("much")),
        spec("nodeSelector", json!({ "pool": 1 })),
        spec("config", json!("none")),
        spec("config", json!({ "cassandra_yaml": { "num_tokens": 16 } })),
        spec(
            "config",
            json!({ "cassandra-yaml": { "seed_provider": [{ "class_name": "x" }] } }),
        ),
        spec(
            "config",
            json!({ "jvm-server-options": { "heap": "1G", "additional-jvm-opts": ["x"] } }),
        ),
        spec("config", json!({ "logback-xml": { "log-level": "debug" } })),
        spec(
            "config",
            json!({ "cassandra-yaml": { "server_encryption_options": {
            "internode_encryption": "all", "keystore_password": "hunter2" } } }),
        ),
        spec(
            "podTemplateSpec",
            json!({ "spec": { "runtimeClassName": "kata" } }),
        ),
        spec(
            "podTemplateSpec",
            json!({ "spec": { "containers": [
            { "name": "cassandra", "image": "own" },
            { "name": "tail", "volumeMounts": [{ "name": "server-logs", "mountPath": "/logs" }] },
        ] } }),
        ),
        spec(
            "podTemplateSpec",
            json!({ "spec": { "initContainers": [{ "name": "first" }] } }),
        ),
        claim("volumeMode", json!("Block")),
        claim("accessModes", json!(["ReadWriteMany"])),
        claim("volumeName", json!("pv-1")),
        claim("resources", json!({ "requests": { "storage": "0" } })),
        claim("resources", json!({})),
    ];
    let removed = |path: [&str; 2]| {
        obstacles(|object| {
            object[path[0]].as_object_mut().unwrap().remove(path[1]);
        })
    };
    let fields = ["clusterName", "size", "serverVersion"];
    told.extend(fields.map(|field| removed(["spec", field])));
    told.push(removed(["metadata", "name"]));
    told.push(obstacles(|object| {
        object["metadata"]["name"] = json!("dc-1");
    }));
    told.push(obstacles(|object| {
        object["apiVersion"] = json!("cassandra.datastax.com/v2");
    }));
    assert!(!format!("{told:?}").contains("hunter2"));
    insta::assert_yaml_snapshot!(told);
}

#[test]
fn a_default_of_cass_operator_that_is_another_one_here_is_written() {
    let checked = of(&datacenter());
    insta::assert_yaml_snapshot!(checked.manifests);
    is_accepted(clusters(&checked).remove(0));
}

#[test]
fn an_image_with_the_management_api_is_kept() {
    let mut object = datacenter();
    object["spec"]["serverImage"] = json!("k8ssandra/cass-management-api:5.0.2-ubi");
    let checked = of(&object);
    let cluster = clusters(&checked).remove(0);
    assert_eq!(cluster.spec.node_api_kind().as_str(), "ManagementApi");
    assert_eq!(
        cluster.spec.cassandra_image.as_deref(),
        Some("k8ssandra/cass-management-api:5.0.2-ubi")
    );
    let mut notes = checked.documents[0].notes.iter();
    assert!(notes.any(|note| note.contains("Management API")));
    is_accepted(cluster);
}

/// Two data centers of one ring are one cluster; what they must have in common has to be the same.
#[test]
fn data_centers_of_one_ring_become_one_cluster() {
    let mut second = datacenter();
    second["metadata"]["name"] = json!("dc2");
    second["spec"]["size"] = json!(1);
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [datacenter(), second] });
    let made = of(&list);
    let cluster = clusters(&made).remove(0);
    assert_eq!(made.manifests.len(), 1);
    assert_eq!(
        (cluster.spec.nodes_in("dc1"), cluster.spec.nodes_in("dc2")),
        (3, 1)
    );
    is_accepted(cluster);
    second["spec"]["serverVersion"] = json!("4.1.5");
    let list = json!({ "kind": "CassandraDatacenterList", "items": [datacenter(), second] });
    let told = in_the_way(&of(&list));
    assert!(
        told.len() == 1 && told[0].starts_with("spec.cassandraImage "),
        "{told:?}"
    );
    second["spec"]["clusterName"] = json!("other");
    let two = format!("{}\n{second}", datacenter());
    assert_eq!(checked(&two).manifests.len(), 2);
}

/// The manifest that joins a ring which cass-operator runs: the same ring, another data center, and its seeds.
#[test]
fn a_second_data_center_joins_the_ring() {
    let options = Options {
        renamed: [("dc1".to_owned(), "dc2".to_owned())].into(),
        seeds: vec!["demo-seed-service".into()],
    };
    let joined = check(&datacenter().to_string(), &options).unwrap();
    let cluster = clusters(&joined).remove(0);
    assert_eq!(cluster.spec.nodes_in("dc2"), 3);
    assert_eq!(cluster.spec.seeds, ["demo-seed-service"]);
    assert_eq!(
        cluster.spec.config.as_ref().unwrap()["cassandra-yaml"]["cluster_name"],
        "demo"
    );
    is_accepted(cluster);
    let other = Options {
        renamed: [("dc9".to_owned(), "dc2".to_owned())].into(),
        ..Options::default()
    };
    let refused = check(&datacenter().to_string(), &other).unwrap_err();
    assert!(refused.message.contains("there are dc1"), "{refused}");
}

fn k8ssandra(datacenters: Value) -> Value {
    let mut object: Value = serde_saphyr::from_str(K8SSANDRA).unwrap();
    object["spec"]["cassandra"]["datacenters"] = datacenters;
    object
}

#[test]
fn what_is_in_the_way_of_a_k8ssandra_cluster() {
    let dc = |change: Value| {
        let mut dc = json!({ "metadata": { "name": "dc1" }, "size": 2 });
        json_patch_merge(&mut dc, &change);
        let object = k8ssandra(json!([dc]));
        let checked = of(&object);
        is_complete(&object, &checked.documents[0]);
        in_the_way(&checked)
    };
    assert_eq!(dc(json!({})), Vec::<String>::new());
    let mut told = vec![
        dc(json!({ "size": 3 })),
        dc(json!({ "sise": 2 })),
        dc(json!({ "metadata": { "name": "dc-1" } })),
        dc(json!({ "stopped": true })),
        dc(json!({ "perNodeConfigMapRef": { "name": "tokens" } })),
        dc(
            json!({ "config": { "jvmOptions": { "gc": "CMS", "vm_typo": true, "heap_max_size": "1Gi" } } }),
        ),
        dc(json!({ "config": { "dseYaml": { "a": 1 } } })),
        dc(
            json!({ "podSecurityContext": { "sysctls": [] }, "extraVolumes": { "volumes": [{ "name": "a" }] } }),
        ),
    ];
    for datacenters in [json!([]), json!(null), json!(["dc1"]), json!({ "dc1": 3 })] {
        let object = k8ssandra(datacenters);
        let checked = of(&object);
        is_complete(&object, &checked.documents[0]);
        told.push(in_the_way(&checked));
    }
    let mut stores = k8ssandra(json!([{ "metadata": { "name": "dc1" }, "size": 2 }]));
    stores["spec"]["cassandra"]["serverEncryptionStores"] =
        json!({ "keystoreSecretRef": { "name": "k" } });
    stores["spec"]["cassandra"]["clustername"] = json!("x");
    told.push(in_the_way(&of(&stores)));
    insta::assert_yaml_snapshot!(told);
}

fn json_patch_merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                json_patch_merge(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

/// Without authentication only where the manifest says so.
#[test]
fn a_ring_of_k8ssandra_has_logins_unless_it_says_otherwise() {
    for (auth, authenticator) in [
        (json!(null), "PasswordAuthenticator"),
        (json!(true), "PasswordAuthenticator"),
        (json!(false), "AllowAllAuthenticator"),
    ] {
        let mut object = k8ssandra(json!([{ "metadata": { "name": "dc1" }, "size": 2 }]));
        object["spec"]["auth"] = auth;
        let cluster = clusters(&of(&object)).remove(0);
        let yaml = &cluster.spec.config.as_ref().unwrap()["cassandra-yaml"];
        assert_eq!(yaml["authenticator"], authenticator);
        is_accepted(cluster);
    }
}

#[test]
fn what_is_in_the_way_of_a_go_cluster() {
    let told = |spec: Value| {
        let object = json!({ "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
            "metadata": { "name": "demo" }, "spec": spec });
        let checked = of(&object);
        is_complete(&object, &checked.documents[0]);
        in_the_way(&checked)
    };
    assert_eq!(
        told(json!({ "cassandraImage": "cassandra:4.1" })),
        Vec::<String>::new()
    );
    let told = [
        json!({ "cassandraImage": "cassandra:3.11.10" }),
        json!({ "baseImage": "own", "version": "3.11.4" }),
        json!({ "serverType": "dse", "serverVersion": "6.8.1" }),
        json!({ "dataCapcity": "1Gi" }),
        json!({ "dataCapacity": "much" }),
        json!({ "nodesPerRacks": 0 }),
        json!({ "nodesPerRacks": "three" }),
        json!({ "imagepullpolicy": "Sometimes" }),
        json!({ "topology": { "dc": [{ "name": "dc1", "racks": [] }, { "name": "dc1" }] } }),
        json!({ "topology": { "dc": [{ "name": "dc-1", "rack": [{ "name": "r" }, { "name": "r" }] }] } }),
        json!({ "topology": { "dc": [{ "name": "averyveryverylongdatacenter", "rack": [{ "name": "averyverylongrackname" }] }] } }),
        json!({ "topology": [] }),
        json!({ "config": { "jvm-options": { "cassandra_replace_address": "10.0.0.1" } } }),
        json!({ "storageConfigs": [{ "name": "a" }] }),
        json!({ "sidecarConfigs": [{ "name": "a", "imagee": "b" }] }),
        json!("none"),
    ]
    .map(told);
    insta::assert_yaml_snapshot!(told);
}

#[test]
fn texts_without_a_manifest() {
    let told = [
        "",
        "---\n---\n",
        "just text",
        "a: [",
        "{ \"a\": ",
        "[1]",
        "{{ template }}",
        "kind: Pod\napiVersion: v1\nmetadata: { name: a }",
        "apiVersion: v1\nkind: List\nitems: []",
        "name: without kind",
        "\u{0}\u{1}",
    ]
    .map(|text| check(text, &Options::default()).unwrap_err())
    .map(|error| format!("{error}; {}", error.hints.join("; ")));
    insta::assert_yaml_snapshot!(told);
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    check(&deep, &Options::default()).unwrap_err();
    check(&deep.replace('[', "- "), &Options::default()).unwrap_err();
    let bombs = "a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nkind: Pod\nc: *b\n";
    check(bombs, &Options::default()).unwrap_err();
}
