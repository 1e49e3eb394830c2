//! The objects, pods and status that the Go `CassKop` creates for a cluster, for a cluster that exists before this
//! operator. The images of that project are not needed: scripts in the Cassandra image do the work of its init
//! containers.

use std::fs;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{Cluster, Kubectl, cassandra, kubectl, operator, trouble::testbed, wait::until};

/// Configuration that its config-builder writes.
const CONFIG_BUILDER: &str = r#"
set() { sed -i -E "s|^(# *)?$1:.*|$1: $2|" /bootstrap/cassandra.yaml; }
set cluster_name "$CASSANDRA_CLUSTER_NAME"
set listen_address "$POD_IP"
set rpc_address 0.0.0.0
set broadcast_rpc_address "$POD_IP"
set endpoint_snitch GossipingPropertyFileSnitch
printf 'dc=%s\nrack=%s\n' "$CASSANDRA_DC" "$CASSANDRA_RACK" >/bootstrap/cassandra-rackdc.properties
printf '%s\n' -Xms256M -Xmx256M -Dcassandra.ring_delay_ms=5000 -Dcassandra.superuser_setup_delay_ms=0 \
    -Dcassandra.skip_wait_for_gossip_to_settle=0 >>/bootstrap/jvm-server.options
"#;

/// Additions of its bootstrap image: seeds, or the node itself if no seed answers; the agent; the probes.
const BOOTSTRAP: &str = r#"
seeds=$(hostname -f)
for seed in ${CASSANDRA_SEEDS//,/ }; do
    if timeout 5 bash -c "</dev/tcp/$seed/8778"; then seeds=$CASSANDRA_SEEDS; fi
done
sed -i -E "s|- seeds:.*|- seeds: \"$seeds\"|" /etc/cassandra/cassandra.yaml
cp /image/jolokia-agent.jar /extra-lib/
agent=/extra-lib/jolokia-agent.jar=host=0.0.0.0,executor=fixed
echo "JVM_OPTS=\"\$JVM_OPTS -javaagent:$agent\"" >>/etc/cassandra/cassandra-env.sh
cat >/etc/cassandra/readiness-probe.sh <<'END'
exec 3<>"/dev/tcp/$POD_IP/8778"
printf 'GET /jolokia/read/org.apache.cassandra.db:type=StorageService/LiveNodes HTTP/1.0\r\n\r\n' >&3
grep -q "$POD_IP" <&3
END
ln -s readiness-probe.sh /etc/cassandra/liveness-probe.sh
chmod 755 /etc/cassandra/readiness-probe.sh
"#;

/// Creates all objects: each rack when the one before it is healthy, one node in each.
pub fn makes(cluster: &Cluster, manifest: &Value) {
    let (kubectl, name) = (&cluster.kubectl, &cluster.name);
    cluster.apply(manifest);
    let shape = Shape {
        name,
        manifest,
        owner: json!([{
            "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster", "name": name,
            "uid": cluster.get()["metadata"]["uid"], "controller": true,
        }]),
    };
    kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "cassandra-cluster-node" },
    }));
    // The object is too large for the annotation of a client-side apply.
    let apply = ["apply", "--server-side", "-f", "-"];
    kubectl.run_with(&apply, &image().to_string()).ok();
    for object in shape.around() {
        kubectl.apply(&object);
    }
    for rack in shape.racks() {
        kubectl.apply(&shape.stateful_set(&rack));
        let pod = format!("{name}-{rack}-0");
        until(&format!("{pod} to be Ready"), || {
            let found = kubectl.get("pod", &pod).unwrap_or_default();
            if operator::is_ready(&found) {
                Ok(())
            } else {
                Err(found["status"].to_string())
            }
        });
        // For the Go `CassKop` a node is Ready as soon as it counts itself as a live node.
        host_ids(kubectl, &cluster.pods());
    }
    let status = json!({ "status": shape.status(&host_ids(kubectl, &cluster.pods())) }).to_string();
    let kind = "cassandraclusters.db.orange.com";
    let patch = [
        "patch",
        kind,
        name,
        "--subresource=status",
        "--type=merge",
        "-p",
        &status,
    ];
    kubectl.ok(&patch);
}

/// The host id of each node, by pod, as reported by the nodes.
pub fn host_ids(kubectl: &Kubectl, pods: &[Value]) -> Vec<(String, String)> {
    let first = pods.first().map(kubectl::name).expect("a pod");
    until("every pod to be an UP and NORMAL node", || {
        let ring = cassandra::try_nodetool_status(kubectl, &first)?;
        let id = |pod: &Value| {
            let is_it = |node: &&[String; 4]| pod["status"]["podIP"] == node[0] && node[1] == "UN";
            let node = ring.iter().find(is_it)?;
            Some((kubectl::name(pod), node[2].clone()))
        };
        let ids: Option<Vec<_>> = pods.iter().map(id).collect();
        ids.ok_or_else(|| format!("{ring:?}"))
    })
}

/// The content of the image of its bootstrap container.
fn image() -> Value {
    let folder = crate::space::scratch("go");
    fs::create_dir_all(&folder).expect("the scratch folder is writable");
    let status = testbed("agent.sh", &[&folder.to_string_lossy(), "go"]).status();
    assert!(status.is_ok_and(|status| status.success()), "its agent");
    let agent = fs::read(folder.join("jolokia-agent.jar")).expect("the agent is there");
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "bootstrap-image" },
        "binaryData": { "jolokia-agent.jar": STANDARD.encode(agent) },
    })
}

struct Shape<'a> {
    name: &'a str,
    manifest: &'a Value,
    owner: Value,
}

impl Shape<'_> {
    /// Racks as `dc-rack`.
    fn racks(&self) -> Vec<String> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
        let dcs = list(&self.manifest["spec"]["topology"]["dc"]).into_iter();
        dcs.flat_map(|dc| {
            let racks = list(&dc["rack"]).into_iter();
            racks.map(move |rack| format!("{}-{}", name(&dc), name(&rack)))
        })
        .collect()
    }

    /// Labels, including those of the resource.
    fn labels(&self) -> Value {
        let mut labels = self.manifest["metadata"]["labels"].clone();
        labels["app"] = json!("cassandracluster");
        labels["cassandracluster"] = json!(self.name);
        labels
    }

    fn rack_labels(&self, rack: &str) -> Value {
        let (dc, name) = rack.split_once('-').expect("dc-rack");
        let mut labels = self.labels();
        labels["dc-rack"] = json!(rack);
        labels["cassandraclusters.db.orange.com.dc"] = json!(dc);
        labels["cassandraclusters.db.orange.com.rack"] = json!(name);
        labels
    }

    fn metadata(&self, name: &str, labels: &Value) -> Value {
        json!({ "name": name, "labels": labels, "ownerReferences": self.owner })
    }

    /// Services and budget.
    fn around(&self) -> [Value; 3] {
        let labels = self.labels();
        let exporter = format!("{}-exporter-jmx", self.name);
        [
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": self.metadata(self.name, &labels),
                "spec": {
                    "clusterIP": "None", "selector": labels, "publishNotReadyAddresses": true,
                    "ports": [{ "name": "cql", "port": 9042 }],
                },
            }),
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": self.metadata(&exporter, &labels),
                "spec": {
                    "clusterIP": "None", "selector": labels,
                    "ports": [{ "name": "promjmx", "port": 9500 }],
                },
            }),
            json!({
                "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                "metadata": self.metadata(self.name, &labels),
                "spec": { "maxUnavailable": 1, "selector": { "matchLabels": labels } },
            }),
        ]
    }

    fn stateful_set(&self, rack: &str) -> Value {
        let labels = self.rack_labels(rack);
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": self.metadata(&format!("{}-{rack}", self.name), &labels),
            "spec": {
                "serviceName": self.name,
                "replicas": 1,
                "selector": { "matchLabels": labels },
                "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } },
                "template": { "metadata": { "labels": labels }, "spec": self.pod() },
                "volumeClaimTemplates": [{
                    "metadata": { "name": "data", "labels": labels },
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "resources": { "requests": { "storage": self.manifest["spec"]["dataCapacity"] } },
                    },
                }],
            },
        })
    }

    fn pod(&self) -> Value {
        let spec = &self.manifest["spec"];
        let empty = |name: &str| json!({ "name": name, "emptyDir": {} });
        let mut volumes = ["bootstrap", "extra-lib", "tools", "log", "tmp"]
            .map(empty)
            .to_vec();
        volumes.push(json!({ "name": "image", "configMap": { "name": "bootstrap-image" } }));
        let near = json!({
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": { "matchLabels": { "app": "cassandracluster", "cassandracluster": self.name } },
        });
        json!({
            "serviceAccountName": "cassandra-cluster-node",
            "terminationGracePeriodSeconds": 1800,
            "securityContext": {
                "runAsUser": spec["runAsUser"], "runAsNonRoot": true, "fsGroup": spec["fsGroup"],
            },
            "affinity": { "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution":
                    [{ "weight": 100, "podAffinityTerm": near }],
            } },
            "initContainers": [
                self.prepares("base-config-builder", "cp -r /etc/cassandra/* /bootstrap/", &[("bootstrap", "/bootstrap")]),
                self.prepares("config-builder", CONFIG_BUILDER, &[("bootstrap", "/bootstrap")]),
                self.prepares("bootstrap", BOOTSTRAP, &[
                    ("bootstrap", "/etc/cassandra"), ("extra-lib", "/extra-lib"), ("tools", "/opt/bin"), ("image", "/image"),
                ]),
            ],
            "containers": [self.cassandra()],
            "volumes": volumes,
        })
    }

    fn prepares(&self, name: &str, script: &str, mounts: &[(&str, &str)]) -> Value {
        let spec = &self.manifest["spec"];
        json!({
            "name": name, "image": spec["cassandraImage"],
            "command": ["/bin/bash", "-ec", script],
            "env": self.environment(),
            "volumeMounts": mounts.iter().map(mount).collect::<Vec<_>>(),
            // It requests half a processor, which is too much for each node on a small machine.
            "resources": { "requests": { "cpu": "10m", "memory": "32Mi" } },
        })
    }

    fn cassandra(&self) -> Value {
        let spec = &self.manifest["spec"];
        let port = |(name, port): (&str, u16)| json!({ "name": name, "containerPort": port });
        let ports = [
            ("intra-node", 7000),
            ("intra-node-tls", 7001),
            ("jmx-port", 7199),
            ("cql", 9042),
            ("promjmx", 9500),
            ("jolokia", 8778),
        ];
        let mounts = [
            ("bootstrap", "/etc/cassandra"),
            ("extra-lib", "/extra-lib"),
            ("tools", "/opt/bin"),
            ("data", "/var/lib/cassandra"),
            ("tmp", "/tmp"),
            ("log", "/var/log/cassandra"),
        ];
        let probe = |script: &str, delay: i32| {
            json!({
                "initialDelaySeconds": delay, "timeoutSeconds": 10, "periodSeconds": 5,
                "exec": { "command": ["/bin/bash", "-c", format!("/etc/cassandra/{script}-probe.sh")] },
            })
        };
        json!({
            "name": "cassandra", "image": spec["cassandraImage"],
            "command": ["cassandra", "-f"],
            "env": [
                { "name": "POD_IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } },
                { "name": "CASSANDRA_LOG_DIR", "value": "/var/log/cassandra" },
            ],
            "ports": ports.map(port),
            "resources": spec["resources"],
            "securityContext": {
                "capabilities": { "add": ["IPC_LOCK"] }, "readOnlyRootFilesystem": true,
            },
            "readinessProbe": probe("readiness", 5),
            "livenessProbe": probe("liveness", 120),
            "volumeMounts": mounts.iter().map(mount).collect::<Vec<_>>(),
        })
    }

    fn environment(&self) -> Value {
        let field = |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
        let label =
            |label: &str| format!("metadata.labels['cassandraclusters.db.orange.com.{label}']");
        json!([
            { "name": "CASSANDRA_CLUSTER_NAME", "value": self.name },
            { "name": "CASSANDRA_SEEDS", "value": self.seeds().join(",") },
            field("CASSANDRA_DC", &label("dc")),
            field("CASSANDRA_RACK", &label("rack")),
            field("POD_IP", "status.podIP"),
        ])
    }

    fn seeds(&self) -> Vec<String> {
        let name = self.name;
        let racks = self.racks();
        racks
            .iter()
            .map(|rack| format!("{name}-{rack}-0.{name}"))
            .collect()
    }

    /// The status of a cluster at rest.
    fn status(&self, hosts: &[(String, String)]) -> Value {
        let nodes = hosts
            .iter()
            .map(|(pod, id)| (pod.clone(), json!({ "hostId": id })));
        let rack = |rack: String| {
            let action = json!({ "name": "Initializing", "status": "Done" });
            (
                rack,
                json!({ "phase": "Running", "cassandraLastAction": action }),
            )
        };
        json!({
            "phase": "Running",
            "lastClusterAction": "Initializing",
            "lastClusterActionStatus": "Done",
            "seedlist": self.seeds(),
            "cassandraNodeStatus": nodes.collect::<serde_json::Map<_, _>>(),
            "cassandraRackStatus":
                self.racks().into_iter().map(rack).collect::<serde_json::Map<_, _>>(),
        })
    }
}

fn mount((volume, path): &(&str, &str)) -> Value {
    json!({ "name": volume, "mountPath": path })
}
