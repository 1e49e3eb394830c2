//! Simulates the agents of all nodes that the API server has: pods without containers, whose addresses all lead to this
//! machine. Each pod is a node of the ring of its cluster, in the data center and rack of its labels. Every call is printed with
//! its time and the pod. After a command `reads`, the first read of each pod is printed in the same way, as `read`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use casskop_e2e::proxied::Api;
use serde_json::Value;

use crate::{
    http::{self, Request},
    ring::{Member, Ring},
    stand_in::PORT,
};

/// The pods of all clusters.
const PODS: &str = "/api/v1/pods?labelSelector=app%3Dcassandracluster";
const CLUSTER: &str = "cassandracluster";
const DC: &str = "cassandraclusters.db.orange.com.dc";
const RACK: &str = "cassandraclusters.db.orange.com.rack";
/// Any version: no schema changes.
const SCHEMA: &str = "2207c2a9-f598-3971-986b-2926e09e239d";
/// Pause before a watch that failed begins anew.
const AGAIN: Duration = Duration::from_secs(1);

/// A cluster, by namespace and name.
type Cluster = (String, String);

/// The pods that run, and their clusters.
#[derive(Default)]
struct Pods {
    /// Cluster and pod of an address.
    by_ip: HashMap<IpAddr, (Cluster, String)>,
    /// The nodes of each cluster, by pod.
    rings: HashMap<Cluster, BTreeMap<String, Member>>,
    /// Pods whose first read was printed; nothing before a command.
    read: Option<BTreeSet<(String, String)>>,
}

type Shared = Arc<Mutex<Pods>>;

/// Listens on the addresses of all pods, until the input ends.
pub fn run(api: &str) {
    let pods = Shared::default();
    let listener = TcpListener::bind(("0.0.0.0", PORT)).expect("the port is free");
    let (known, address) = (pods.clone(), api.to_owned());
    thread::spawn(move || {
        loop {
            Api::at(&address).follow(PODS, |event| {
                lock(&known).take(event);
                false
            });
            thread::sleep(AGAIN);
        }
    });
    let known = pods.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let pods = known.clone();
            thread::spawn(move || answer(&stream, &pods));
        }
    });
    println!("listens");
    for words in crate::commands() {
        assert_eq!(words, ["reads"], "reads is the only command");
        lock(&pods).read = Some(BTreeSet::new());
    }
}

fn lock(pods: &Shared) -> MutexGuard<'_, Pods> {
    pods.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pods {
    /// Takes an event of the watch.
    fn take(&mut self, event: &Value) {
        let pod = &event["object"];
        let meta = &pod["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let cluster = (text(&meta["namespace"]), text(&meta["labels"][CLUSTER]));
        let name = text(&meta["name"]);
        let ring = self.rings.entry(cluster.clone()).or_default();
        if let Some(before) = ring.remove(&name)
            && let Ok(ip) = before.ip.parse()
        {
            self.by_ip.remove(&ip);
        }
        let address = text(&pod["status"]["podIP"]);
        if event["type"] == "DELETED" {
            return;
        }
        let Ok(ip) = address.parse() else {
            return;
        };
        let member = Member {
            ip: address,
            // A pod that is replaced keeps its volume, and so its host id.
            host_id: host_id(&cluster, &name),
            dc: text(&meta["labels"][DC]),
            rack: text(&meta["labels"][RACK]),
        };
        ring.insert(name.clone(), member);
        self.by_ip.insert(ip, (cluster, name));
    }

    /// The node at an address, its pod and its ring.
    fn at(&self, ip: IpAddr) -> Option<(&Cluster, &str, Member, Ring)> {
        let (cluster, pod) = self.by_ip.get(&ip)?;
        let members = self.rings.get(cluster)?;
        let ring = Ring {
            members: members.values().cloned().collect(),
            schema_version: Some(SCHEMA.to_owned()),
        };
        Some((cluster, pod, members.get(pod)?.clone(), ring))
    }
}

/// A host id that is the same for each run.
fn host_id((namespace, cluster): &Cluster, pod: &str) -> String {
    let hash = |seed: u64| {
        let text = [namespace, cluster, pod]
            .into_iter()
            .flat_map(|text| text.bytes());
        text.fold(seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    let (high, low) = (hash(0xcbf2_9ce4_8422_2325), hash(7));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        high & 0xffff,
        high >> 16 & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

fn answer(stream: &TcpStream, pods: &Shared) {
    let Some(request) = Request::peek(stream) else {
        return;
    };
    let now = jiff::Timestamp::now();
    request.take(stream);
    let Ok(address) = stream.local_addr() else {
        return;
    };
    let parsed: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let mut pods = lock(pods);
    let Some((cluster, pod, own, ring)) = pods.at(address.ip()) else {
        return http::answer(stream, "503 Service Unavailable", "no pod has this address");
    };
    let of = (cluster.0.clone(), pod.to_owned());
    match request.operation() {
        Some(operation) => println!("{now} {}/{} {operation}", of.0, of.1),
        None => {
            if let Some(read) = &mut pods.read
                && read.insert(of.clone())
            {
                println!("{now} {}/{} read", of.0, of.1);
            }
        }
    }
    drop(pods);
    http::answer(stream, "200 OK", &ring.answer(&own, &parsed).to_string());
}
