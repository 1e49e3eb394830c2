//! Several instances of an operator, one of which leads, and the cleanups that show whether a step was left out.

use std::{collections::BTreeMap, time::Duration, time::Instant};

use serde_json::{Value, json};

use crate::{
    Cluster, Kubectl, Space,
    cassandra::{self, Cleanup},
    figures::report_figure,
    fresh_id, operator,
    wait::until_every,
};

/// Time between two polls of a log or of a Lease.
pub const CLOSELY: Duration = Duration::from_millis(20);

/// Two pods of the operator, until this value is dropped.
pub struct Two<'a>(&'a Kubectl);

impl<'a> Two<'a> {
    /// Scales the Deployment of the operator to two pods.
    pub fn run(space: &'a Space) -> Self {
        operator::scale(&space.kubectl, 2);
        Self(&space.kubectl)
    }

    /// The pod that leads, with its UID, as soon as it is another one than `before`. One that is ending, as a test before may have
    /// left it, hands over soon.
    pub fn leader(&self, before: Option<&str>) -> (String, String) {
        until_every(CLOSELY, "a leader", || {
            let (pod, uid) = holder(self.0, operator::NAME, before)?;
            let found = self.0.get("pod", &pod).ok_or("its pod is gone")?;
            let stays = found["metadata"]["deletionTimestamp"].is_null();
            stays.then_some((pod, uid)).ok_or("it is ending".into())
        })
    }

    /// The Lease.
    pub fn lease(&self) -> Value {
        lease(self.0, operator::NAME)
    }

    /// Waits until a pod of the operator calls a node for a request.
    pub fn calls(&self, pod: &str, id: &str) {
        until_every(CLOSELY, "the first call", || {
            let calls = calls(&self.log(pod, &[]), id);
            (calls > 0).then_some(()).ok_or("no call yet".to_owned())
        });
    }

    /// The log of a pod of the operator; nothing of a container that kubelet does not report as started yet, although it may
    /// lead already.
    pub fn log(&self, pod: &str, more: &[&str]) -> String {
        let words = [&["logs", pod, "-c", "operator"], more].concat();
        let answer = self.0.run(&words);
        if answer.code == 0 {
            answer.stdout
        } else {
            String::new()
        }
    }
}

impl Drop for Two<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let scale = json!({ "spec": { "replicas": 1 } });
            let _ = self.0.patch("deployment", operator::NAME, &scale);
        } else {
            operator::scale(self.0, 1);
        }
    }
}

/// The spec of a Lease.
pub fn lease(kubectl: &Kubectl, name: &str) -> Value {
    let lease = kubectl.get("lease", name);
    lease.expect("the operator has made its Lease")["spec"].clone()
}

/// Name and UID of the pod that holds a Lease, as soon as it is another pod than `before`.
pub fn leader(kubectl: &Kubectl, name: &str, before: Option<&str>) -> (String, String) {
    until_every(CLOSELY, "a leader", || holder(kubectl, name, before))
}

fn holder(kubectl: &Kubectl, name: &str, before: Option<&str>) -> Result<(String, String), String> {
    let holder = lease(kubectl, name)["holderIdentity"].clone();
    let holder = holder.as_str().unwrap_or_default();
    match holder.split_once('_') {
        Some((pod, uid)) if Some(pod) != before => Ok((pod.to_owned(), uid.to_owned())),
        _ => Err(format!("held by {holder:?}")),
    }
}

/// Checks that no step of a cleanup was left out. A new leader goes back to the first step that was not recorded: short
/// steps are recorded together. `leaders` is the number of changes of the leader. A process that is frozen between its
/// last look at the Lease and the system call that sends has one call left when it wakes up, whose step then runs a
/// second time, at any place: Cassandra has no fencing.
pub fn no_step_is_left_out(done: &Value, before: &Cleanups, after: &Cleanups, leaders: usize) {
    let steps: Vec<&str> = done["plan"]["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let mut back = 0;
    for (pod, all) in after {
        let new = &all[before[pod].len()..];
        assert!(new.iter().all(Cleanup::is_done), "{pod}: {new:?}");
        let order: Vec<usize> = new
            .iter()
            .filter_map(|one| steps.iter().position(|step| *step == one.keyspace))
            .collect();
        let ends = (order.first().copied(), order.iter().max().copied());
        assert_eq!(ends, (Some(0), Some(steps.len() - 1)), "{pod}: {new:?}");
        let mut furthest = 0;
        for pair in order.windows(2) {
            furthest = furthest.max(pair[0]);
            assert!(
                pair[1] <= furthest + 1,
                "{pod}: a step was left out: {new:?}"
            );
            back += usize::from(pair[1] <= pair[0]);
        }
    }
    assert!(back <= 2 * leaders, "it went back {back} times");
}

/// The cleanups of each node, by pod.
pub type Cleanups = BTreeMap<String, Vec<Cleanup>>;

/// The cleanups in the logs of all nodes.
pub fn cleaned(demo: &Cluster) -> Cleanups {
    let of = |pod: &String| cassandra::cleanups(&cassandra::log(&demo.kubectl, pod));
    let pods = demo.pod_names().into_iter();
    pods.map(|pod| (pod.clone(), of(&pod))).collect()
}

/// Number of calls for a request in the log of an operator.
pub fn calls(log: &str, id: &str) -> usize {
    called_at(log, id).len()
}

/// Times of the calls for a request in the log of an operator.
pub fn called_at(log: &str, id: &str) -> Vec<String> {
    let said = |line: &&str| line.contains("calling the node") && line.contains(id);
    log.lines().filter(said).map(time_of).collect()
}

/// The time of a line in the log of an operator.
pub fn time_of(line: &str) -> String {
    let line: Value = serde_json::from_str(line).expect("logs are JSON");
    let time = line["timestamp"].as_str();
    time.expect("lines have a timestamp").to_owned()
}

/// An operation succeeds with the present leader.
pub fn works(demo: &Cluster) {
    let id = fresh_id("led");
    demo.request("flush", &id);
    demo.succeeds("flush", &id);
}

/// Prints the time since a failure of the leader.
pub fn report_takeover(what: &str, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    report_figure(&format!("{what}: the next leader after {seconds:.1} s"));
}
