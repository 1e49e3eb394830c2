//! Agents of nodes for tests: real agents whose answers fail, and simulated nodes; and a proxy to API servers. The program
//! behind them is `src/bin/agents`; it runs inside the network of the testbed and ends with the values of this module.

use std::{
    fs::File,
    io::Write,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    cluster::{self, Cluster},
    command::{self, inside},
    space::{Space, scratch},
    wait::until,
};

/// Table of the rules that redirect to a proxy.
const TABLE: &str = "casskop_e2e_faults";
/// A label that no Kubernetes node has.
const NOWHERE: &str = "casskop-e2e/nowhere";

/// The program, with its output; it ends with this value.
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    fn start(name: &str, words: &[String]) -> Self {
        let mut command = inside(&program().to_string_lossy());
        command.args(words);
        Self::run(command, scratch(&format!("{name}.log")))
    }

    /// Starts the program by this command, and waits until it listens. Its output goes into a file.
    pub fn run(mut command: Command, log: PathBuf) -> Self {
        let file = File::create(&log).expect("the folder is writable");
        let child = command.stdin(Stdio::piped()).stdout(file).spawn();
        let program = Self {
            child: child.expect("the agents start"),
            log,
        };
        until("the agents to listen", || {
            let listens = program
                .lines()
                .iter()
                .any(|line| line.starts_with("listens"));
            listens
                .then_some(())
                .ok_or_else(|| "nothing yet".to_owned())
        });
        program
    }

    /// Writes a command to its input.
    pub fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("it is piped");
        writeln!(input, "{line}").expect("the agents run");
    }

    /// The port that the program listens at.
    fn port(&self) -> String {
        self.lines()[0].trim_start_matches("listens ").to_owned()
    }

    /// The lines that it has printed.
    pub fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Cargo places the program beside the tests and the bench.
pub fn program() -> PathBuf {
    let own = std::env::current_exe().expect("a program has a path");
    let found = own.ancestors().map(|folder| folder.join("agents"));
    let mut found = found.filter(|program| program.is_file());
    found
        .next()
        .expect("the program agents is built beside this one")
}

/// A proxy to API servers, for HTTP and SOCKS5.
pub struct Tunnel(Program);

impl Tunnel {
    /// Starts the proxy.
    pub fn start() -> Self {
        Self(Program::start("tunnel", &["tunnel".to_owned()]))
    }

    /// The address of the proxy inside the network of the testbed.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.0.port())
    }

    /// The tunnels so far, as `connect HOST:PORT` or `socks5 HOST:PORT`.
    pub fn tunnels(&self) -> Vec<String> {
        self.0.lines().split_off(1)
    }
}

/// A proxy between an operator in the shell and the agent of one pod.
pub struct Proxy(Program);

impl Proxy {
    /// Redirects the requests to the agent of a pod to a proxy, until this value is dropped.
    pub fn before(cluster: &Cluster, pod: &str) -> Self {
        let ip = ip(cluster, pod);
        let program = Program::start("proxy", &["proxy".to_owned(), ip.clone()]);
        let port = program.port();
        let rules = format!(
            "table ip {TABLE} {{
                chain output {{
                    type nat hook output priority -110; policy accept;
                    ip daddr {ip} tcp dport 8778 dnat to 10.250.0.1:{port}
                    ip daddr {ip} tcp dport 8779 dnat to {ip}:8778
                }}
            }}"
        );
        forget_rules();
        let mut nft = inside("nft");
        nft.args(["-f", "-"]);
        command::run(nft, &rules).ok();
        Self(program)
    }

    /// Makes the next `times` requests that contain `word` fail.
    pub fn fails(&mut self, fault: &str, times: u32, word: &str) {
        self.0.tell(&format!("{fault} {times} {word}"));
    }

    /// The number of requests that met a fault so far.
    pub fn met(&self, fault: &str) -> usize {
        let lines = self.0.lines();
        let met = lines
            .iter()
            .filter(|line| line.split(' ').next() == Some(fault));
        met.count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        forget_rules();
    }
}

/// Removes the rules of a proxy, including those of a killed test.
fn forget_rules() {
    let mut nft = inside("nft");
    nft.args(["delete", "table", "ip", TABLE]);
    command::run(nft, "");
}

fn ip(cluster: &Cluster, pod: &str) -> String {
    let pod = cluster.kubectl.get("pod", pod).expect("its pod");
    pod["status"]["podIP"]
        .as_str()
        .expect("an address")
        .to_owned()
}

/// Clusters whose pods run on no machine: their nodes are simulated. Objects, status and operator are real.
pub struct Played {
    /// The clusters.
    pub clusters: Vec<Cluster>,
    program: Program,
    net: u8,
    /// Nodes of each cluster, each in a rack of its own.
    nodes: usize,
}

/// The behaviour of simulated nodes.
#[derive(Clone, Copy, Debug)]
pub enum Behaviour {
    /// They answer.
    Answer,
    /// They accept connections, and never answer.
    Hang,
    /// They answer with 16 MiB of junk.
    Junk,
    /// They list the 100,000 files of a stream, and no call ends.
    Stream,
}

impl Behaviour {
    /// The command of the program.
    const fn word(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Hang => "hang",
            Self::Junk => "junk",
            Self::Stream => "stream",
        }
    }
}

/// A call that a simulated node received.
pub struct Told {
    /// The time of the call.
    pub at: jiff::Timestamp,
    /// The index of the cluster among the clusters.
    pub cluster: usize,
    /// The called operation, or `streams` for a list of the files of a stream.
    pub operation: String,
}

impl Played {
    /// Creates `count` clusters of one node, whose nodes have addresses in `10.99.<net>.0/24`, and waits until each is a
    /// ring.
    pub fn start(space: &Space, net: u8, count: usize) -> Self {
        Self::rings(space, net, count, 1)
    }

    /// The same with `nodes` racks of one node in each cluster.
    pub fn rings(space: &Space, net: u8, count: usize, nodes: usize) -> Self {
        let addresses = addresses(net);
        let mut ip = inside("ip");
        ip.args(["route", "replace", "local", &addresses, "dev", "lo"]);
        command::run(ip, "").ok();
        let rings = (0..count).map(|cluster| {
            let ips = (0..nodes).map(|node| address(net, cluster * nodes + node));
            ips.collect::<Vec<_>>().join(",")
        });
        let words: Vec<String> = std::iter::once("stand-in".to_owned())
            .chain(rings)
            .collect();
        let program = Program::start(&format!("played-{net}"), &words);
        let name = |index| format!("played-{net}-{index}");
        let played = Self {
            clusters: (0..count)
                .map(|index| space.cluster(&name(index)))
                .collect(),
            program,
            net,
            nodes,
        };
        let manifest = |cluster| manifest(cluster, nodes);
        let manifests: Vec<Value> = played.clusters.iter().map(manifest).collect();
        space
            .kubectl
            .apply(&json!({ "apiVersion": "v1", "kind": "List", "items": manifests }));
        played.run();
        played
    }

    /// Reports the pods as running, and waits until the operator observes all clusters as healthy. The scheduler
    /// reverts that every five minutes.
    pub fn run(&self) {
        for (index, cluster) in self.clusters.iter().enumerate() {
            let pods = until(&format!("the pods of {}", cluster.name), || {
                let pods = cluster.pod_names();
                let are_all = pods.len() == self.nodes;
                are_all.then_some(pods).ok_or_else(|| "too few".to_owned())
            });
            for (node, pod) in pods.iter().enumerate() {
                let ip = address(self.net, index * self.nodes + node);
                run_nowhere(cluster, pod, &ip);
            }
        }
        for cluster in &self.clusters {
            cluster.becomes("Available", "True");
        }
    }

    /// Changes the behaviour of all nodes.
    pub fn behave(&mut self, behaviour: Behaviour) {
        let ips: Vec<String> = (0..self.clusters.len() * self.nodes)
            .map(|index| address(self.net, index))
            .collect();
        self.program
            .tell(&format!("{} {}", behaviour.word(), ips.join(" ")));
    }

    /// The calls that the nodes received so far.
    pub fn told(&self) -> Vec<Told> {
        let lines = self.program.lines();
        let told = lines.iter().filter_map(|line| {
            let [at, ip, operation] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                return None;
            };
            let (_, last) = ip.rsplit_once('.')?;
            Some(Told {
                at: at.parse().ok()?,
                cluster: last.parse::<usize>().ok()?.checked_sub(1)? / self.nodes,
                operation: operation.to_owned(),
            })
        });
        told.collect()
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        for cluster in &self.clusters {
            let kind = "cassandraclusters.db.orange.com";
            let gone = [
                "delete",
                kind,
                &cluster.name,
                "--ignore-not-found",
                "--wait=false",
            ];
            cluster.kubectl.run(&gone);
        }
        let mut ip = inside("ip");
        ip.args(["route", "del", "local", &addresses(self.net), "dev", "lo"]);
        command::run(ip, "");
    }
}

fn addresses(net: u8) -> String {
    format!("10.99.{net}.0/24")
}

fn address(net: u8, index: usize) -> String {
    format!("10.99.{net}.{}", index + 1)
}

fn manifest(cluster: &Cluster, racks: usize) -> Value {
    let racks: Vec<String> = (1..=racks).map(|rack| format!("rack{rack}")).collect();
    let racks: Vec<&str> = racks.iter().map(String::as_str).collect();
    let mut manifest = nowhere(cluster::ring(&cluster.name, &[("dc1", &racks)]));
    manifest["spec"]["deletePVC"] = json!(true);
    manifest
}

/// The manifest of a cluster whose pods run on no machine, and whose agents may be played.
pub fn nowhere(mut manifest: Value) -> Value {
    cluster::without_tls(&mut manifest);
    manifest["spec"]["topology"]["dc"][0]["labels"] = json!({ NOWHERE: "true" });
    manifest
}

/// Reports the pod of a cluster as running, at this address; no kubelet reports the status of a pod without a
/// machine.
fn run_nowhere(cluster: &Cluster, pod: &str, ip: &str) {
    let condition = |kind: &str| json!({ "type": kind, "status": "True" });
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(condition);
    let status = json!({ "status": {
        "phase": "Running", "podIP": ip, "podIPs": [{ "ip": ip }],
        "conditions": conditions,
    } });
    let patch = status.to_string();
    let words = [
        "patch",
        "pod",
        pod,
        "--subresource=status",
        "--type=merge",
        "-p",
        &patch,
    ];
    cluster.kubectl.ok(&words);
}
