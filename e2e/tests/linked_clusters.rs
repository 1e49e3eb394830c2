//! Several Kubernetes clusters: they are separate, they are linked, interrupted links are restored; and one ring of
//! Cassandra over two of them.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use std::collections::BTreeSet;

use casskop_e2e::{
    Kubectl, Output, Site, Space, cassandra, cluster,
    command::{self, setting},
    operator::is_ready,
    site::HOME,
    space::restricted,
    trouble,
    wait::until,
};
use serde_json::{Value, json};

/// Port of the pods that echo their input.
const PORT: u16 = 7777;
/// Exit code of `timeout` for a command that exceeded its deadline.
const TIMED_OUT: i32 = 124;
/// Answers each line of each connection with the same line.
const ECHO: &str = "my $server = IO::Socket::INET->new(LocalPort => 7777, Listen => 9) or die $!; \
                    while (my $client = $server->accept) { if (!fork) { print $client $_ while <$client>; exit } }";
/// Counts the answers that arrive over one connection, which is never opened again.
const COUNT: &str = "my $server = IO::Socket::INET->new(PeerAddr => $ENV{PEER}, PeerPort => 7777) or die $!; \
                     my $count = 0; while (1) { print $server qq(tick\\n); defined <$server> or die $!; \
                     open my $file, '>', '/tmp/new'; print $file ++$count; close $file; \
                     rename '/tmp/new', '/tmp/count'; select undef, undef, undef, 0.1 }";

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn every_cluster_is_its_own_and_reached_from_every_other() {
    let sites = Site::first::<3>();
    let uid_of = |site: Site, from: Site| {
        let mut command = from.inside("kubectl");
        command
            .env("KUBECONFIG", setting("KUBECONFIG"))
            .args(["--context", &site.context()])
            .args(["get", "namespace", "kube-system", "--request-timeout=20s"])
            .args(["-o", "jsonpath={.metadata.uid}"]);
        command::run(command, "").ok()
    };
    let uids: BTreeSet<String> = sites.iter().map(|&site| uid_of(site, HOME)).collect();
    assert_eq!(uids.len(), 3, "{uids:?}");
    for from in sites {
        let seen: BTreeSet<String> = sites.iter().map(|&site| uid_of(site, from)).collect();
        assert_eq!(seen, uids, "from {}", from.context());
    }
    // The users of one cluster are unknown in the other clusters.
    let mut stranger = HOME.inside("kubectl");
    stranger
        .env("KUBECONFIG", setting("KUBECONFIG"))
        .args(["--context", "cluster2", "--user", "cluster1-admin"])
        .args(["get", "nodes"]);
    let refused = command::run(stranger, "").fails();
    assert!(refused.contains("must be logged in"), "{refused}");
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn links_between_pods_are_cut_slowed_and_healed() {
    let [one, other] = Site::first();
    let spaces = [one, other].map(|site| Space::without_operator_at(site, "e2e-links"));
    let [here, there] = [&spaces[0].kubectl, &spaces[1].kubectl];
    let addresses = [here, there].map(|kubectl| run_pod(kubectl, "echo", ECHO, ""));
    run_pod(here, "count", COUNT, &addresses[1]);
    let count = || here.ok(&["exec", "count", "--", "cat", "/tmp/count"]);
    let goes_on = || {
        let before = count();
        until("more answers over the open connection", || {
            if count() == before {
                Err(before.clone())
            } else {
                Ok(())
            }
        });
    };
    let both_ways = [(here, &addresses[1]), (there, &addresses[0])];
    let all_reached = || {
        for (from, address) in both_ways {
            until("an answer from the other cluster", || {
                let output = answers(from, address);
                if output.code == 0 {
                    Ok(())
                } else {
                    Err(output.to_string())
                }
            });
        }
        goes_on();
    };
    let none_reached = || {
        for (from, address) in both_ways {
            let output = answers(from, address);
            assert_eq!(output.code, TIMED_OUT, "{output}");
        }
    };

    all_reached();
    {
        let _cut = trouble::cut(one, other);
        let ticks = || count().parse::<u32>().expect("a number");
        let before = ticks();
        none_reached();
        // One answer may have been in transit.
        assert!(ticks() <= before + 1, "on the open connection");
    }
    all_reached();
    {
        // A cut in one direction stops the answers.
        let _cut = trouble::cut_one_way(one, other);
        none_reached();
    }
    all_reached();
    {
        let _slow = trouble::slow(one, other, "150ms");
        let took = connect_time(&addresses[1]);
        assert!(took >= 0.3, "there and back in {took} s");
        goes_on();
        let _cut = trouble::cut(one, other);
        none_reached();
    }
    all_reached();
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn api_servers_are_taken_away_and_come_back() {
    let [one, other] = Site::first();
    let space = Space::without_operator_at(other, "e2e-links");
    let address = run_pod(&space.kubectl, "echo", ECHO, "");
    let pods = |from: Site| {
        let mut command = from.inside("kubectl");
        command
            .env("KUBECONFIG", setting("KUBECONFIG"))
            .args(["--context", &other.context(), "--request-timeout=5s"])
            .args(["-n", "e2e-links", "get", "pods"]);
        command::run(command, "")
    };
    let answers = |from: Site| {
        until("the API server to answer", || {
            let output = pods(from);
            if output.code == 0 {
                Ok(())
            } else {
                Err(output.to_string())
            }
        });
    };
    answers(one);
    {
        let _hidden = trouble::hide_api(one, other);
        pods(one).fails();
        answers(other);
        // Other connections keep working.
        connect_time(&address);
    }
    answers(one);
    {
        let _stopped = trouble::stop_api(other);
        pods(one).fails();
        pods(other).fails();
        connect_time(&address);
    }
    answers(one);
    answers(other);
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn one_ring_forms_over_two_clusters_by_hand() {
    let [first, second] = Site::first().map(|site| Space::open_at(site, "e2e-two-sites"));
    let home = first.cluster("demo");
    home.apply(&cluster::ring("demo", &[("dc1", &["rack1"])]));
    home.settles();
    let seed = &home.pods()[0]["status"]["podIP"];
    for object in seed_in_another_cluster(seed) {
        second.kubectl.apply(&object);
    }
    let away = second.cluster("demo");
    let mut manifest = cluster::ring("demo", &[("dc2", &["rack1"])]);
    manifest["spec"]["seeds"] = json!(["dc1-0.elsewhere.e2e-two-sites.svc.cluster.local"]);
    // The name of the ring to join, which is not that of a ring of its own.
    manifest["spec"]["config"]["cassandra-yaml"]["cluster_name"] = json!("demo.e2e-two-sites");
    away.apply(&manifest);
    away.settles();

    for (kubectl, pod) in [
        (&first.kubectl, "demo-dc1-rack1-0"),
        (&second.kubectl, "demo-dc2-rack1-0"),
    ] {
        until(&format!("{pod} to see both up"), || {
            let ring = cassandra::nodetool_status(kubectl, pod);
            let up = ring.iter().filter(|node| node[1] == "UN").count();
            if up == 2 && ring.len() == 2 {
                Ok(())
            } else {
                Err(format!("{ring:?}"))
            }
        });
    }
    cassandra::write(
        &first.kubectl,
        "demo-dc1-rack1-0",
        &[
            "CREATE KEYSPACE IF NOT EXISTS sites WITH replication = \
             {'class': 'NetworkTopologyStrategy', 'dc1': 1, 'dc2': 1}",
            "CREATE TABLE IF NOT EXISTS sites.t (id int PRIMARY KEY, text text)",
            "INSERT INTO sites.t (id, text) VALUES (1, 'written in dc1')",
        ],
    );
    let rows = cassandra::cql(
        &second.kubectl,
        "demo-dc2-rack1-0",
        "LOCAL_QUORUM",
        &["SELECT text FROM sites.t WHERE id = 1"],
    );
    assert_eq!(rows.ok().trim(), "text=written in dc1");
    // External members do not make the cluster unhealthy.
    home.settles();
    away.settles();
}

/// A name in this cluster for a node in another.
fn seed_in_another_cluster(address: &Value) -> [Value; 2] {
    [
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "elsewhere" },
            "spec": { "clusterIP": "None", "ports": [{ "name": "intra", "port": 7000 }] },
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": "elsewhere",
                "labels": {
                    "kubernetes.io/service-name": "elsewhere",
                    "endpointslice.kubernetes.io/managed-by": "by-hand",
                },
            },
            "addressType": "IPv4",
            "ports": [{ "name": "intra", "port": 7000 }],
            "endpoints": [{ "addresses": [address], "hostname": "dc1-0" }],
        }),
    ]
}

/// Runs a pod with a Perl program and returns its address.
fn run_pod(kubectl: &Kubectl, name: &str, program: &str, peer: &str) -> String {
    let ready = format!("[ -e /tmp/count ] || exec 3<>/dev/tcp/localhost/{PORT}");
    kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "securityContext": { "runAsUser": 999 },
            "containers": [{
                "name": "perl",
                "securityContext": restricted(),
                "image": setting("CASSANDRA_IMAGE"),
                "command": ["perl", "-MIO::Socket::INET", "-e", program],
                "env": [{ "name": "PEER", "value": peer }],
                "readinessProbe": {
                    "exec": { "command": ["bash", "-c", ready] },
                    "periodSeconds": 1,
                },
            }],
        },
    }));
    until(&format!("pod {name}"), || {
        let pod = kubectl.get("pod", name).ok_or("is gone")?;
        let address = pod["status"]["podIP"].as_str().unwrap_or_default();
        if is_ready(&pod) {
            Ok(address.to_owned())
        } else {
            Err(pod["status"].to_string())
        }
    })
}

/// The answer that pod `echo` receives from another pod over a new connection.
fn answers(kubectl: &Kubectl, address: &str) -> Output {
    let ask = format!("exec 3<>/dev/tcp/{address}/{PORT} && echo hello >&3 && grep -m1 hello <&3");
    kubectl.run(&["exec", "echo", "--", "timeout", "3", "bash", "-c", &ask])
}

/// Seconds that a connection to a pod takes from the first cluster.
fn connect_time(address: &str) -> f64 {
    until("a connection", || {
        let mut command = HOME.inside("curl");
        command
            .args(["-s", "-m", "5", "-o", "/dev/null", "-w", "%{time_connect}"])
            .arg(format!("telnet://{address}:{PORT}"));
        let output = command::run(command, "");
        let seconds = output.stdout.trim().parse().unwrap_or(0.0);
        // The value is 0 if there is no connection.
        if seconds > 0.0 {
            Ok(seconds)
        } else {
            Err(output.to_string())
        }
    })
}
