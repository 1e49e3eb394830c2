//! Random histories of a restore: Jobs that end in any way and order, pods, volumes and StatefulSets that go, operators that are
//! killed, and a spec that changes meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use proptest::{prelude::*, test_runner::TestCaseError};

use super::{Node, RackConfig, RestoreEnd, RestorePhase, World, failed, new, restore};

#[derive(Clone, Debug)]
enum Event {
    /// A reconciliation, of which so many effects happen.
    Pass(usize),
    Tick,
    /// A Job ends.
    Ends {
        index: usize,
        how: Outcome,
    },
    /// A Job goes: by a person, or by its time to live.
    NoJob(usize),
    /// A Job is for a Kubernetes node on which its pod is not.
    Elsewhere(usize),
    /// A pod is deleted.
    Lose(usize),
    /// The volume of a pod that waits is replaced by an empty one.
    LoseVolume(usize),
    /// A StatefulSet is deleted, and its pods stay.
    Orphan(usize),
    /// The time after which a Job that has failed is made again.
    Later,
    Nodes(i32),
    /// Whether the spec names the backup.
    Names(bool),
    /// Whether the spec asks for what is refused.
    Refuse(bool),
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Complete,
    FailsForNow,
    FailsForGood,
}

fn event() -> impl Strategy<Value = Event> {
    let how = prop_oneof![
        6 => Just(Outcome::Complete),
        1 => Just(Outcome::FailsForNow),
        1 => Just(Outcome::FailsForGood),
    ];
    prop_oneof![
        6 => (0_usize..12).prop_map(Event::Pass),
        8 => Just(Event::Pass(usize::MAX)),
        6 => Just(Event::Tick),
        12 => (any::<usize>(), how).prop_map(|(index, how)| Event::Ends { index, how }),
        1 => any::<usize>().prop_map(Event::NoJob),
        1 => any::<usize>().prop_map(Event::Elsewhere),
        1 => any::<usize>().prop_map(Event::Lose),
        1 => any::<usize>().prop_map(Event::LoseVolume),
        1 => any::<usize>().prop_map(Event::Orphan),
        1 => Just(Event::Later),
        1 => (1_i32..4).prop_map(Event::Nodes),
        1 => prop::bool::weighted(0.7).prop_map(Event::Names),
        1 => prop::bool::weighted(0.3).prop_map(Event::Refuse),
    ]
}

/// Which volumes have the files of a backup.
#[derive(Default)]
struct Files {
    /// The volume that each Job writes to.
    targets: BTreeMap<String, String>,
    filled: BTreeSet<String>,
}

impl Files {
    fn happen(&mut self, world: &mut World, event: &Event) {
        let pick = |index: usize, world: &World| {
            let jobs = &world.restore_jobs;
            jobs.keys().nth(index % jobs.len().max(1)).cloned()
        };
        match *event {
            Event::Pass(effects) => {
                if !world.pass_until(effects) {
                    world.kill_operator();
                }
            }
            Event::Tick => world.tick(),
            Event::Ends { index, how } => {
                if let Some(pod) = pick(index, world) {
                    self.end(world, &pod, how);
                }
            }
            Event::NoJob(index) => {
                pick(index, world).and_then(|pod| world.restore_jobs.remove(&pod));
            }
            Event::Elsewhere(index) => {
                let pod = pick(index, world);
                if let Some(job) = pod.and_then(|pod| world.restore_jobs.get_mut(&pod)) {
                    job.node = Some("node2".into());
                }
            }
            Event::Lose(index) => {
                let count = world.pods.len().max(1);
                let name = world.pods.keys().nth(index % count).cloned();
                name.and_then(|name| world.pods.remove(&name));
            }
            Event::LoseVolume(index) if !is_released(world) => {
                let uid = format!("replaced-{}", world.now);
                let count = world.live.volumes.len().max(1);
                if let Some(volume) = world.live.volumes.values_mut().nth(index % count) {
                    volume.uid = uid;
                }
            }
            Event::Orphan(index) => {
                let count = world.live.stateful_sets.len().max(1);
                let set = world.live.stateful_sets.keys().nth(index % count).cloned();
                set.and_then(|set| world.live.stateful_sets.remove(&set));
            }
            Event::Later => world.now += SignedDuration::from_mins(6),
            Event::Nodes(nodes) => {
                world.edit(|cluster| cluster.spec.nodes_per_racks = Some(nodes));
            }
            // A ring that has begun without a backup has none for good.
            Event::Names(does) if does || shape(world).is_some() => {
                world.edit(|cluster| cluster.spec.restore = does.then(restore));
            }
            Event::Refuse(is_refused) => {
                let size = if is_refused { "1Mi" } else { "1Gi" };
                world.edit(|cluster| cluster.spec.data_capacity = Some(size.into()));
            }
            // A pod that starts without its files waits for them, which is not simulated.
            Event::LoseVolume(_) | Event::Names(_) => {}
        }
        for (pod, job) in &world.restore_jobs {
            let volume = volume(world, pod).unwrap_or_default();
            self.targets.entry(job.uid.clone()).or_insert(volume);
        }
    }

    fn end(&mut self, world: &mut World, pod: &str, how: Outcome) {
        let end = match how {
            Outcome::Complete => RestoreEnd::Complete,
            Outcome::FailsForNow => failed(world, false),
            Outcome::FailsForGood => failed(world, true),
        };
        let job = world.restore_jobs.get_mut(pod).expect("a Job");
        if job.end.is_some() {
            return;
        }
        if matches!(how, Outcome::Complete) {
            self.filled.insert(self.targets[&job.uid].clone());
        }
        job.end = Some(end);
    }

    fn has(&self, world: &World, pod: &str) -> bool {
        volume(world, pod).is_some_and(|uid| self.filled.contains(&uid))
    }

    fn check(&self, world: &World, before: &World) -> Result<(), TestCaseError> {
        if is_released(world) && !is_released(before) {
            for (set, nodes) in shape(world).expect("a restore") {
                for ordinal in 0..nodes {
                    let pod = format!("{set}-{ordinal}");
                    prop_assert!(self.has(world, &pod), "{pod} may start without its files");
                }
            }
        }
        let runs = world.pods.values().any(|pod| pod.node == Node::Normal);
        let may_run = is_released(world) || shape(world).is_none();
        prop_assert!(!runs || may_run, "a node runs before all have their files");
        for (pod, job) in &world.restore_jobs {
            let is_new = before.restore_jobs.get(pod).map(|job| &job.uid) != Some(&job.uid);
            let node = world.pods.get(pod).map(|pod| pod.node);
            prop_assert!(
                !is_new || node == Some(Node::Starting),
                "a Job for {pod}, which is {node:?}"
            );
        }
        Ok(())
    }

    /// The spec is set right, and whatever fails is mended.
    fn ends(&mut self, world: &mut World) -> Result<(), TestCaseError> {
        let nodes = shape(world).and_then(|shape| shape.values().next().copied());
        for event in [
            Event::Names(true),
            Event::Refuse(false),
            Event::Nodes(nodes.unwrap_or(2)),
        ] {
            self.happen(world, &event);
        }
        world.kill_operator();
        for _ in 0..20 {
            let before = world.clone();
            for event in [Event::Pass(usize::MAX), Event::Tick] {
                self.happen(world, &event);
                self.check(world, &before)?;
            }
            let jobs: Vec<String> = world.restore_jobs.keys().cloned().collect();
            for pod in jobs {
                self.end(world, &pod, Outcome::Complete);
                if matches!(
                    world.restore_jobs[&pod].end,
                    Some(RestoreEnd::Failed { .. })
                ) {
                    world.restore_jobs.remove(&pod);
                }
            }
        }
        world.settle();
        let status = world.status();
        let restored = status.restore.map(|restore| restore.phase);
        prop_assert_eq!(restored, Some(RestorePhase::Restored));
        let nodes = 3 * nodes.unwrap_or(2);
        prop_assert_eq!(i32::try_from(world.ring.len()), Ok(nodes));
        for pod in world.pods.keys() {
            prop_assert!(self.has(world, pod), "{pod} runs without its files");
        }
        Ok(())
    }
}

fn volume(world: &World, pod: &str) -> Option<String> {
    let volume = world.live.volumes.get(&format!("data-{pod}"))?;
    Some(volume.uid.clone())
}

fn configs(world: &World) -> impl Iterator<Item = crate::pod_config::restore::RestoreConfig> {
    let maps = world.live.config_maps.values();
    maps.filter_map(|map| RackConfig::of(map)?.restore)
}

fn is_released(world: &World) -> bool {
    configs(world).any(|config| config.released)
}

/// Nodes of each rack of the restore; none without one, or once the ring is formed.
fn shape(world: &World) -> Option<BTreeMap<String, i32>> {
    configs(world).next().map(|config| config.nodes)
}

proptest! {
    #![proptest_config(crate::testing::histories())]

    #[test]
    fn no_node_starts_before_all_have_their_files_and_all_start(
        events in prop::collection::vec(event(), 1..100),
    ) {
        let mut world = new();
        let mut files = Files::default();
        for event in &events {
            let before = world.clone();
            files.happen(&mut world, event);
            files.check(&world, &before)?;
            if world.status().restore.is_some_and(|restore| restore.phase == RestorePhase::Restored) {
                // A ring as any other from here on.
                return Ok(());
            }
        }
        files.ends(&mut world)?;
    }
}
