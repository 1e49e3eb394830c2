//! One ring over two Kubernetes clusters, and then three, managed by one `MultiCasskop`: its lifecycle and its
//! failures.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Kubectl, Site, Space, cassandra,
    cluster::{self, OPERATIONS},
    kubectl,
    multi::{self, Multi, Operator},
    operator::is_ready,
    trouble,
    wait::until,
};
use serde_json::{Value, json};

const NAMESPACE: &str = "e2e-sites";
const HERE: &str = "demo-dc1-rack1-0";
const THERE: &str = "demo-dc2-rack1-0";
const CLUSTER: &str = "cassandraclusters.db.orange.com";
const ROW: &str = "SELECT text FROM shop.t WHERE id = 1";

/// The manifest: three racks in the first site, one in the second.
fn manifest() -> Value {
    let three = &["rack1", "rack2", "rack3"][..];
    multi::manifest(
        "multi",
        &[("cluster1", "dc1", three), ("cluster2", "dc2", &["rack1"])],
    )
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn one_ring_over_two_sites_lives_and_ends() {
    let [home, away, third]: [Site; 3] = Site::first();
    let sites = [home, away];
    let spaces = sites.map(|site| Space::open_at(site, NAMESPACE));
    let [here, there] = [&spaces[0].kubectl, &spaces[1].kubectl];
    let multi = Multi {
        name: "multi".into(),
        kubectl: here.clone(),
    };
    let mut operator = Operator::start(NAMESPACE, &sites);
    here.apply(&manifest());
    multi.settles();
    each_sees(&[(here, HERE), (there, THERE)], 4);

    data_is_rebuilt_in_the_site_that_joined(&multi, here, there);
    every_node_is_restarted_under_a_client(&multi, here, there, &mut operator);
    addresses_are_followed(here, there);
    a_site_that_cannot_be_reached_keeps_nobody_waiting(&multi, sites, here, there);
    a_node_behind_a_cut_link_is_not_taken_for_dead(sites, here, there);
    multi.settles();
    what_is_done_by_hand_is_mended(&multi, there);
    let space = Space::open_at(third, NAMESPACE);
    let (multi, mut operator) = its_home_is_lost(multi, operator, [third, home, away]);
    another_site_joins(&multi, [here, there, &space.kubectl]);
    a_site_is_taken_out(&multi, here, there);
    an_orphaning_deletion_deletes_nothing(&multi, &mut operator, [here, &space.kubectl]);

    let delete = ["delete", "multicasskop", "multi", "--timeout=200s"];
    multi.kubectl.ok(&delete);
    for kubectl in [here, there, &space.kubectl] {
        assert!(kubectl.get(CLUSTER, "demo").is_none());
    }
}

/// Waits until the nodes report this number of nodes as up, and no others.
fn each_sees(nodes: &[(&Kubectl, &str)], count: usize) {
    for (kubectl, pod) in nodes {
        until(&format!("{pod} to see {count} nodes up"), || {
            let ring = cassandra::nodetool_status(kubectl, pod);
            let up = ring.iter().filter(|node| node[1] == "UN").count();
            if up == count && ring.len() == count {
                Ok(())
            } else {
                Err(format!("{ring:?}"))
            }
        });
    }
}

fn data_is_rebuilt_in_the_site_that_joined(multi: &Multi, here: &Kubectl, there: &Kubectl) {
    let statements = [
        "CREATE KEYSPACE IF NOT EXISTS shop WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 3}",
        "CREATE TABLE IF NOT EXISTS shop.t (id int PRIMARY KEY, text text)",
        "INSERT INTO shop.t (id, text) VALUES (1, 'written here')",
        "ALTER KEYSPACE shop WITH replication = \
         {'class': 'NetworkTopologyStrategy', 'dc1': 3, 'dc2': 1}",
    ];
    cassandra::write(here, HERE, &statements);
    let read = || cassandra::cql(there, THERE, "LOCAL_QUORUM", &[ROW]).ok();
    assert_eq!(read().trim(), "", "it has not been streamed yet");
    multi.annotate(&format!("{OPERATIONS}rebuild"), Some("first --from-dc dc1"));
    let done = multi.reaches("rebuild", "first", "Succeeded");
    assert_eq!(done["sites"].as_array().map(Vec::len), Some(1), "{done:#}");
    assert_eq!(read().trim(), "text=written here");
}

/// The sites restart one after the other, while the operator is killed and a client reads at QUORUM.
fn every_node_is_restarted_under_a_client(
    multi: &Multi,
    here: &Kubectl,
    there: &Kubectl,
    operator: &mut Operator,
) {
    let pods = || [here, there].map(|kubectl| kubectl.list("pods", "app=cassandracluster"));
    let uids = || -> Vec<Value> {
        let uid = |pod: &Value| pod["metadata"]["uid"].clone();
        pods().iter().flatten().map(uid).collect()
    };
    let before = uids();
    multi.annotate(&format!("{OPERATIONS}restart"), Some("all"));
    multi.reaches("restart", "all", "Running");
    operator.kill();
    operator.run();
    multi.shows("the restart to end under a client", |multi| {
        let ready: Vec<String> = pods()[0]
            .iter()
            .filter(|pod| is_ready(pod))
            .map(kubectl::name)
            .collect();
        let down = pods().iter().flatten().filter(|pod| !is_ready(pod)).count();
        assert!(down <= 1, "{down} nodes are down");
        let mut asked = ready
            .iter()
            .map(|pod| cassandra::cql(here, pod, "QUORUM", &[ROW]));
        assert!(
            asked.any(|row| row.stdout.trim() == "text=written here"),
            "nobody answers at QUORUM"
        );
        let found = casskop_e2e::cluster::find_operation(multi, "restart", "all")?;
        (found["phase"] == "Succeeded").then_some(())
    });
    let after = uids();
    assert_eq!(after.len(), 4);
    assert!(
        before.iter().all(|uid| !after.contains(uid)),
        "every pod is a new one"
    );
    multi.settles();
}

/// The pods have other addresses now; the names of the seeds resolve to them.
fn addresses_are_followed(here: &Kubectl, there: &Kubectl) {
    for (seen_in, pod, at) in [(there, HERE, here), (here, THERE, there)] {
        until(&format!("the address of {pod} in the other site"), || {
            let address = at.get("pod", pod).ok_or("no pod")?["status"]["podIP"].clone();
            let slices = seen_in.list("endpointslices", "db.orange.com/multicasskop=multi");
            let endpoints = slices
                .iter()
                .filter_map(|slice| slice["endpoints"].as_array());
            let known = endpoints
                .flatten()
                .find(|endpoint| endpoint["hostname"] == pod);
            let known = known.map(|endpoint| endpoint["addresses"][0].clone());
            if known.as_ref() == Some(&address) {
                Ok(())
            } else {
                Err(format!("{known:?} instead of {address}"))
            }
        });
    }
}

fn a_site_that_cannot_be_reached_keeps_nobody_waiting(
    multi: &Multi,
    [home, away]: [Site; 2],
    here: &Kubectl,
    there: &Kubectl,
) {
    let has = |kubectl: &Kubectl| {
        kubectl.get(CLUSTER, "demo").expect("a cluster")["spec"]["autoPilot"].clone()
    };
    {
        let _hidden = trouble::hide_api(home, away);
        multi.tells("Degraded", "True", &["cluster2", "API server"]);
        multi.patch(&json!({ "spec": { "base": { "spec": { "autoPilot": true } } } }));
        until("the site that can be reached to be changed", || {
            if has(here) == json!(true) {
                Ok(())
            } else {
                Err(has(here).to_string())
            }
        });
        assert_eq!(has(there), Value::Null);
        let status = multi.get().expect("it is there")["status"]["sites"][1].clone();
        assert_eq!(status["reachability"], "Unknown");
        assert!(
            status["since"].is_string() && status["cluster"].is_object(),
            "{status}"
        );
    }
    until("the other one to follow", || {
        if has(there) == json!(true) {
            Ok(())
        } else {
            Err(has(there).to_string())
        }
    });
    multi.settles();
}

/// The node appears down from here. The nodes here keep running without it, and so does a node that restarts.
fn a_node_behind_a_cut_link_is_not_taken_for_dead(
    sites: [Site; 2],
    here: &Kubectl,
    there: &Kubectl,
) {
    let cluster = |kubectl: &Kubectl| kubectl.get(CLUSTER, "demo").expect("a cluster");
    let host = cluster(there)["status"]["cassandraNodeStatus"][THERE]["hostId"].clone();
    let host = host.as_str().expect("a host id");
    let request = |kind: &str, value: &str| {
        let annotation = format!("{OPERATIONS}{kind}={value}");
        here.ok(&["annotate", CLUSTER, "demo", "--overwrite", &annotation]);
    };
    let reaches = |kind: &str, id: &str, words: &[&str]| {
        until(&format!("{kind} {id}: {words:?}"), || {
            let found = cluster::find_operation(&cluster(here), kind, id).unwrap_or_default();
            let text = found.to_string();
            if words.iter().all(|word| text.contains(word)) {
                Ok(())
            } else {
                Err(text)
            }
        });
    };
    {
        let _cut = trouble::cut(sites[0], sites[1]);
        until("its own cluster to tell which node it misses", || {
            let conditions = cluster(here)["status"]["conditions"].to_string();
            if conditions.contains(host) {
                Ok(())
            } else {
                Err(conditions)
            }
        });
        let uid = cluster(here)["metadata"]["uid"].clone();
        let uid = uid.as_str().expect("a uid");
        request(
            "remove",
            &format!("dead --host-id {host} --cluster-uid {uid}"),
        );
        reaches("remove", "dead", &["node-in-cluster", "dc2.rack1"]);
        request("restart", &format!("cut --pod {HERE}"));
        reaches("restart", "cut", &["Succeeded"]);
        reaches("remove", "dead", &["\"Pending\"", "node-in-cluster"]);
        let row = cassandra::cql(here, HERE, "LOCAL_QUORUM", &[ROW]).ok();
        assert_eq!(row.trim(), "text=written here");
    }
    // When the node is reported as up again the request is rejected, and not kept for the next cut.
    reaches("remove", "dead", &["Refused", "node-is-down"]);
    each_sees(&[(here, HERE), (there, THERE)], 4);
    let removed = format!("{OPERATIONS}remove-");
    here.ok(&["annotate", CLUSTER, "demo", &removed]);
}

/// A change of the spec is reverted; a deleted cluster is re-created with its volume, as the same node.
fn what_is_done_by_hand_is_mended(multi: &Multi, there: &Kubectl) {
    there
        .patch(CLUSTER, "demo", &json!({ "spec": { "autoPilot": false } }))
        .ok();
    until("the change by hand to be taken back", || {
        let spec = there.get(CLUSTER, "demo").ok_or("no cluster")?["spec"]["autoPilot"].clone();
        if spec == json!(true) {
            Ok(())
        } else {
            Err(spec.to_string())
        }
    });
    let host = |kubectl: &Kubectl| {
        let cluster = kubectl.get(CLUSTER, "demo").unwrap_or_default();
        cluster["status"]["cassandraNodeStatus"][THERE]["hostId"].clone()
    };
    let before = host(there);
    there.ok(&["delete", CLUSTER, "demo"]);
    until("the cluster to come back as the node that it was", || {
        let now = host(there);
        if now == before && before.is_string() {
            Ok(())
        } else {
            Err(now.to_string())
        }
    });
    multi.settles();
}

/// The resource and its operator are gone. The resource, re-created in another cluster, takes the ring over without a
/// change of any pod.
fn its_home_is_lost(multi: Multi, mut operator: Operator, sites: [Site; 3]) -> (Multi, Operator) {
    let uids = |kubectl: &Kubectl| -> Vec<Value> {
        let pods = kubectl.list("pods", "app=cassandracluster");
        let uid = |pod: &Value| pod["metadata"]["uid"].clone();
        pods.iter().map(uid).collect()
    };
    let [_, here, there] = sites.map(|site| Kubectl::at(site, NAMESPACE));
    let before = [&here, &there].map(uids);
    let lost = multi.get().expect("it is there")["metadata"]["uid"].clone();
    operator.kill();
    let free = json!({ "metadata": { "finalizers": null } });
    multi.patch(&free);
    here.patch("configmap", "multi-multicasskop", &free).ok();
    here.ok(&["delete", "multicasskop", "multi", "--timeout=60s"]);

    let operator = Operator::start(NAMESPACE, &sites);
    let multi = Multi {
        name: multi.name,
        kubectl: Kubectl::at(sites[0], NAMESPACE),
    };
    let mut anew = manifest();
    anew["spec"]["base"]["spec"]["autoPilot"] = true.into();
    multi.kubectl.apply(&anew);
    multi.tells("SpecAccepted", "False", &["cluster1", "belongs to"]);
    let adopt = lost.as_str().expect("a uid");
    multi.annotate("db.orange.com/adopt", Some(adopt));
    multi.settles();
    assert_eq!([&here, &there].map(uids), before);
    (multi, operator)
}

/// A third site, whose nodes are reported as up by all others.
fn another_site_joins(multi: &Multi, [here, there, third]: [&Kubectl; 3]) {
    let ring = cluster::ring("demo", &[("dc3", &["rack1"])]);
    let site = json!({ "spec": { "topology": ring["spec"]["topology"] } });
    multi.patch(&json!({ "spec": { "override": { "cluster3": site } } }));
    multi.shows("the third site", |multi| {
        let sites = multi["status"]["sites"].as_array()?;
        (sites.len() == 3).then_some(())
    });
    multi.settles();
    each_sees(
        &[(here, HERE), (there, THERE), (third, "demo-dc3-rack1-0")],
        5,
    );
}

/// A site is not removed while it has nodes, and those are removed only when no keyspace needs them.
fn a_site_is_taken_out(multi: &Multi, here: &Kubectl, there: &Kubectl) {
    let override_ =
        |site: Value| multi.patch(&json!({ "spec": { "override": { "cluster2": site } } }));
    let nodes = |count: i32| {
        json!({ "spec": { "topology": { "dc": [
        { "name": "dc2", "nodesPerRacks": count, "rack": [{ "name": "rack1" }] },
    ] } } })
    };
    override_(Value::Null);
    multi.tells("SpecAccepted", "False", &["cluster2", "still has nodes"]);
    assert!(there.get(CLUSTER, "demo").is_some());
    override_(nodes(0));
    until(
        "the operator of the site to refuse, with the keyspace",
        || {
            let cluster = there.get(CLUSTER, "demo").ok_or("no cluster")?;
            let names = |found: &&Value| {
                let message = found["message"].as_str().unwrap_or_default();
                found["reason"] == "ReplicasRequired" && message.contains("keyspace shop")
            };
            let refused = cluster::find_condition(&cluster, "SpecAccepted");
            match refused.filter(names) {
                Some(found) if found["status"] == "False" => Ok(()),
                _ => Err(cluster["status"].to_string()),
            }
        },
    );
    let statement = "ALTER KEYSPACE shop WITH replication = \
                     {'class': 'NetworkTopologyStrategy', 'dc1': 3}";
    cassandra::write(here, HERE, &[statement]);
    until("the node and its volume to go", || {
        let left = there.list("pods,persistentvolumeclaims", "cassandracluster=demo");
        if left.is_empty() {
            Ok(())
        } else {
            Err(kubectl::names(&left).join(", "))
        }
    });
    each_sees(&[(here, HERE)], 4);
    override_(Value::Null);
    until("the cluster without nodes to go", || {
        match there.get(CLUSTER, "demo") {
            None => Ok(()),
            Some(cluster) => Err(cluster["status"].to_string()),
        }
    });
    multi.settles();
}

/// The operator is down while Kubernetes orphans the dependents, and observes the deletion later.
fn an_orphaning_deletion_deletes_nothing(
    multi: &Multi,
    operator: &mut Operator,
    sites: [&Kubectl; 2],
) {
    let spec = multi.get().expect("it is there")["spec"].clone();
    let uid = |kubectl: &Kubectl| {
        kubectl
            .get(CLUSTER, "demo")
            .map(|it| it["metadata"]["uid"].clone())
    };
    let before = sites.map(uid);
    operator.kill();
    let orphan = [
        "delete",
        "multicasskop",
        "multi",
        "--cascade=orphan",
        "--wait=false",
    ];
    multi.kubectl.ok(&orphan);
    multi.shows("only the finalizer of the operator is left", |multi| {
        let finalizers = multi["metadata"]["finalizers"].as_array()?;
        (!finalizers.iter().any(|one| one == "orphan")).then_some(())
    });
    operator.run();
    until("the resource and its ConfigMap to go", || {
        let map = multi.kubectl.get("configmap", "multi-multicasskop");
        match multi.get().or(map) {
            None => Ok(()),
            Some(left) => Err(left.to_string()),
        }
    });
    assert_eq!(sites.map(uid), before);
    let mut anew = manifest();
    anew["spec"] = spec;
    anew["metadata"]["annotations"] = json!({ "db.orange.com/adopt": "unowned" });
    multi.kubectl.apply(&anew);
    multi.settles();
    assert_eq!(sites.map(uid), before);
}
