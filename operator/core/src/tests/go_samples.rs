//! Manifests with the features of the samples of the Go `CassKop`: scripts, mounts, Secrets and configuration behave as there.

use k8s_openapi::api::core::v1::{Container, PodSpec};

use crate::{
    desired::Scripts,
    objects::Object,
    simulation::{THREE_RACKS, World},
};

/// The ring of its demonstration: a Secret for Jolokia, labels of the machines, scripts.
const REGION: &str = "
apiVersion: db.orange.com/v2
kind: CassandraCluster
metadata: { name: demo, namespace: ns, uid: u-1, generation: 1, labels: { cluster: k8s.example } }
spec:
  cassandraImage: cassandra:4.1
  bootstrapImage: example.com/casskop-bootstrap:0.1.8
  configMapName: scripts
  dataCapacity: 20Gi
  dataStorageClass: standard-wait
  imagepullpolicy: IfNotPresent
  imageJolokiaSecret: { name: jolokia-auth }
  hardAntiAffinity: false
  deletePVC: true
  autoPilot: false
  config: { jvm-options: { log_gc: 'true' } }
  autoUpdateSeedList: false
  maxPodUnavailable: 1
  runAsUser: 1000
  resources: { requests: { cpu: '1', memory: 2Gi }, limits: { cpu: '1', memory: 2Gi } }
  topology:
    dc:
    - name: dc1
      nodesPerRacks: 1
      config: { cassandra-yaml: { num_tokens: 256 } }
      labels: { topology.kubernetes.io/region: europe }
      rack:
      - { name: rack1, labels: { topology.kubernetes.io/zone: europe-b } }
      - { name: rack2, labels: { topology.kubernetes.io/zone: europe-c }, config: { cassandra-yaml: { num_tokens: 16 } } }
";

/// The ring of its test of sidecars: a further volume that a sidecar reads.
const SIDECARS: &str = "
apiVersion: db.orange.com/v2
kind: CassandraCluster
metadata: { name: demo, namespace: ns, uid: u-1, generation: 1 }
spec:
  nodesPerRacks: 1
  cassandraImage: cassandra:4.1
  configBuilderImage: example.com/cass-config-builder:1.0.3
  dataCapacity: 256Mi
  deletePVC: true
  dataStorageClass: local-path
  resources: { limits: { memory: 512Mi, cpu: 0.5 } }
  pod:
    annotations: { example.com/test: my.annotation }
    tolerations: [{ key: a-taint, operator: Exists, effect: NoSchedule }]
  topology: { dc: [{ name: dc1, rack: [{ name: rack1 }] }] }
  storageConfigs:
  - mountPath: /var/log/cassandra
    name: gc-logs
    pvcSpec:
      accessModes: [ReadWriteOnce]
      storageClassName: local-path
      resources: { requests: { storage: 200Mi } }
  sidecarConfigs:
  - name: cassandra-log
    image: alpine
    args: [tail, -F, /var/log/cassandra/gc.log]
    resources: { limits: { cpu: 50m, memory: 50Mi } }
    volumeMounts: [{ mountPath: /var/log/cassandra, name: gc-logs }]
";

fn world(manifest: &str) -> World {
    let mut world = World::new(THREE_RACKS);
    world.cluster = serde_saphyr::from_str(manifest).expect("the sample applies unchanged");
    if world.cluster.spec.config_map_name.is_some() {
        world.around.scripts = Scripts::Digest("a".into());
    }
    world.pass();
    world
}

/// The pod of each rack.
fn pods(world: &World) -> Vec<PodSpec> {
    let sets = world.live.stateful_sets.values();
    sets.filter_map(|set| set.spec.as_ref()?.template.spec.clone())
        .collect()
}

fn mounts(container: &Container) -> Vec<String> {
    let mounts = container.volume_mounts.iter().flatten();
    mounts
        .map(|mount| format!("{} at {}", mount.name, mount.mount_path))
        .collect()
}

#[test]
fn the_ring_of_its_demonstration_is_accepted_whole() {
    let world = world(REGION);
    let told = world.condition("SpecAccepted");
    assert!(told.starts_with("True"), "{told}");
    for pod in pods(&world) {
        let text = serde_json::to_string(&pod).expect("JSON");
        assert!(
            text.contains("europe-") && text.contains("\"europe\""),
            "{text}"
        );
        assert!(
            text.contains("jolokia-auth") && !text.contains("demo-jolokia"),
            "{text}"
        );
        assert_eq!(
            pod.security_context.and_then(|context| context.run_as_user),
            Some(1000)
        );
        let scripts = pod.volumes.iter().flatten();
        let mut scripts = scripts.filter_map(|volume| volume.config_map.as_ref());
        assert!(scripts.any(|map| map.name == "scripts"), "{text}");
    }
    let tokens =
        |rack: &str| world.live.config_maps[rack].data.as_ref().expect("data")["rack.json"].clone();
    assert!(tokens("demo-dc1-rack1").contains("\"num_tokens\": 256"));
    assert!(tokens("demo-dc1-rack2").contains("\"num_tokens\": 16"));
}

#[test]
fn a_sidecar_reads_the_volume_that_cassandra_writes() {
    let world = world(SIDECARS);
    let told = world.condition("SpecAccepted");
    assert!(
        told.starts_with("True") && told.contains("configBuilderImage is not used"),
        "{told}"
    );
    let pods = pods(&world);
    let containers = &pods[0].containers;
    let of = |name: &str| {
        let mut containers = containers.iter();
        mounts(
            containers
                .find(|container| container.name == name)
                .expect("a container"),
        )
    };
    let log = "gc-logs at /var/log/cassandra".to_owned();
    assert!(of("cassandra").contains(&log), "{:?}", of("cassandra"));
    assert_eq!(of("cassandra-log"), [log]);
    let set = &world.live.stateful_sets["demo-dc1-rack1"];
    let claims = set
        .spec
        .as_ref()
        .and_then(|spec| spec.volume_claim_templates.as_ref());
    let claims = claims.expect("claims").iter();
    let names: Vec<_> = claims
        .filter_map(|claim| claim.metadata.name.as_deref())
        .collect();
    assert_eq!(names, ["data", "gc-logs"]);
    let template =
        serde_json::to_string(&set.spec.as_ref().expect("a spec").template).expect("JSON");
    assert!(
        template.contains("my.annotation") && template.contains("a-taint"),
        "{template}"
    );
}

#[test]
fn keys_of_the_config_builder_that_are_not_used_are_told() {
    let mut world = world(SIDECARS);
    world.edit(|cluster| {
        cluster.spec.config = Some(serde_json::json!({
            "jvm-options": { "garbage_collector": "G1GC", "print_gc_details": true },
            "jvm11-server-options": { "jmx-connection-type": "local-no-auth" },
        }));
    });
    world.pass();
    let told = world.condition("SpecAccepted");
    for key in [
        "jvm-options.print_gc_details is not used",
        "jvm11-server-options.jmx-connection-type is not used",
    ] {
        assert!(told.starts_with("True") && told.contains(key), "{told}");
    }
    assert!(!told.contains("garbage_collector"), "{told}");
    let refused = serde_json::json!({ "jvm-options": { "cassandra_replace_address": "10.0.0.1" } });
    world.edit(|cluster| cluster.spec.config = Some(refused));
    world.pass();
    let told = world.condition("SpecAccepted");
    assert!(
        told.starts_with("False") && told.contains("casskop replace"),
        "{told}"
    );
    assert!(
        world
            .plan()
            .objects
            .iter()
            .all(|object| !matches!(object, Object::StatefulSet(_)))
    );
}
