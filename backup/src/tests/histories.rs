//! Random histories of backups, purges, deletions and crashes that run beside each other: each backup in the list is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::task::Poll;

use casskop_backup_protocol::{Name, Outcome};
use futures::poll;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use crate::testing::{Fake, Folder, complete_job, fetch_job, name, node_job, purge_job, snapshot};
use crate::{complete, delete, fetch, list, node, purge, verify};

const HOSTS: [&str; 2] = ["h1", "h2"];

/// Contents come again, so that a backup finds objects of earlier ones.
type Contents = [[u8; 3]; 2];

#[derive(Clone, Debug)]
enum Action {
    Backup(Contents),
    /// A backup that died is made again.
    Again,
    Purge(u32),
    /// One that runs from its beginning to its end while the others stand still.
    PurgeAtOnce(u32),
    Delete(usize, bool),
    /// A second job of a backup that runs, or that has ended.
    Twice(usize),
    /// The one that is stepped dies.
    Kill(usize),
    /// Seconds, also beside a purge: it may have lapsed then.
    Wait(u64),
    /// One goes on while the others stand still.
    Alone(usize, u8),
    /// One works to its end while the others stand still.
    Finish(usize),
    /// A purge stands still after so many steps, and backups take it for dead.
    HeldUp(usize, u64),
    /// The next cluster manifests are on their way until they are delivered.
    Hold,
    Deliver,
    /// Steps, each of one of those that run.
    Steps(Vec<u8>),
}

fn action() -> impl Strategy<Value = Action> {
    let content = prop::array::uniform2(prop::array::uniform3(0u8..6));
    prop_oneof![
        4 => content.prop_map(Action::Backup),
        2 => Just(Action::Again),
        3 => (0u32..3).prop_map(Action::Purge),
        3 => (0u32..3).prop_map(Action::PurgeAtOnce),
        2 => (0usize..4, any::<bool>()).prop_map(|(number, abandon)| Action::Delete(number, abandon)),
        2 => (0usize..4).prop_map(Action::Twice),
        2 => (0usize..4).prop_map(Action::Kill),
        3 => (1u64..60).prop_map(|hours| Action::Wait(hours * 3600)),
        4 => (9u64..15).prop_map(|minutes| Action::Wait(minutes * 60)),
        6 => (0usize..4).prop_map(Action::Finish),
        3 => (1usize..80, 9u64..15).prop_map(|(steps, minutes)| Action::HeldUp(steps, minutes)),
        2 => Just(Action::Hold),
        2 => Just(Action::Deliver),
        1 => (7u64..9).prop_map(|days| Action::Wait(days * 24 * 3600)),
        4 => prop::collection::vec(any::<u8>(), 1..80).prop_map(Action::Steps),
        8 => (0usize..4, 1u8..60).prop_map(|(number, steps)| Action::Alone(number, steps)),
    ]
}

fn config() -> Config {
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return Config {
            failure_persistence: None,
            ..Config::default()
        };
    }
    // The same ones in each run.
    Config {
        cases: 60,
        rng_seed: RngSeed::Fixed(18),
        failure_persistence: None,
        ..Config::default()
    }
}

struct Task {
    /// Objects that are told as done beside it may be gone right after.
    deletes: bool,
    backup: Option<String>,
    work: Pin<Box<dyn Future<Output = crate::Result<()>>>>,
}

struct World {
    fake: Fake,
    data: [Folder; 2],
    tasks: Vec<Task>,
    made: BTreeMap<String, Contents>,
    /// Backups that were told as done since the last deletion.
    done: BTreeSet<String>,
}

impl World {
    fn new() -> Self {
        Self {
            fake: Fake::new(),
            data: [Folder::new(), Folder::new()],
            tasks: Vec::new(),
            made: BTreeMap::new(),
            done: BTreeSet::new(),
        }
    }

    fn backup(&mut self, id: String) {
        let bucket = self.fake.bucket();
        let jobs = [0, 1].map(|number| node_job(self.data[number].path(), &id, HOSTS[number]));
        let last = complete_job(&id, &HOSTS);
        let work = Box::pin(async move {
            for job in &jobs {
                node(&bucket, job).await?;
            }
            complete(&bucket, &last).await.map(drop)
        });
        self.tasks.push(Task {
            deletes: false,
            backup: Some(id),
            work,
        });
    }

    async fn held_up(&mut self, steps: usize, minutes: u64) {
        Box::pin(self.apply(Action::Purge(2))).await;
        let (purge, running) = (self.tasks.len() - 1, self.tasks.len());
        for _ in 0..steps {
            if self.tasks.len() == running {
                self.step(purge).await;
            }
        }
        self.fake.advance(minutes * 60);
        Box::pin(self.apply(Action::Backup([[7; 3]; 2]))).await;
        Box::pin(self.apply(Action::Finish(self.tasks.len() - 1))).await;
    }

    async fn apply(&mut self, action: Action) {
        match action {
            Action::Backup(contents) => {
                let id = format!("b{}", self.made.len());
                for (data, contents) in self.data.iter().zip(&contents) {
                    let named = |number: usize| format!("nb-{number}-big-Data.db");
                    for (number, content) in contents.iter().enumerate() {
                        snapshot(data.path(), &id, &[(&named(number), &[*content; 10])]);
                    }
                }
                self.made.insert(id.clone(), contents);
                self.backup(id);
            }
            Action::Again => {
                let runs = |id: &&String| {
                    !self
                        .tasks
                        .iter()
                        .any(|task| task.backup.as_ref() == Some(*id))
                };
                if let Some(id) = self.made.keys().rev().find(runs).cloned() {
                    self.backup(id);
                }
            }
            Action::Purge(count) => {
                let bucket = self.fake.bucket();
                let work =
                    Box::pin(
                        async move { purge(&bucket, &purge_job(Some(count))).await.map(drop) },
                    );
                self.tasks.push(Task {
                    deletes: false,
                    backup: None,
                    work,
                });
            }
            Action::PurgeAtOnce(count) => {
                let _ = purge(&self.fake.bucket(), &purge_job(Some(count))).await;
                self.check().await;
            }
            Action::Twice(number) => {
                if let Some(id) = self.made.keys().rev().nth(number).cloned() {
                    self.backup(id);
                }
            }
            Action::Delete(number, abandon) => {
                let Some(id) = self.made.keys().nth(number).cloned() else {
                    return;
                };
                self.done.clear();
                let bucket = self.fake.bucket();
                let work =
                    Box::pin(async move { delete(&bucket, &name(&id), abandon).await.map(drop) });
                self.tasks.push(Task {
                    deletes: true,
                    backup: None,
                    work,
                });
            }
            Action::Kill(number) if number < self.tasks.len() => {
                self.tasks.swap_remove(number);
                self.check().await;
            }
            Action::Finish(number) => {
                let running = self.tasks.len();
                while running > 0 && self.tasks.len() == running {
                    self.step(number).await;
                }
            }
            Action::HeldUp(steps, minutes) => self.held_up(steps, minutes).await,
            Action::Hold => self.fake.holds("/backups/"),
            Action::Deliver => {
                self.fake.deliver().await;
                self.check().await;
            }
            Action::Wait(seconds) => self.fake.advance(seconds),
            Action::Steps(steps) => {
                for step in steps {
                    self.step(step.into()).await;
                }
            }
            Action::Alone(number, steps) => {
                let running = self.tasks.len();
                for _ in 0..steps {
                    if self.tasks.len() < running {
                        break;
                    }
                    self.step(number).await;
                }
            }
            Action::Kill(_) => {}
        }
    }

    async fn step(&mut self, number: usize) {
        if self.tasks.is_empty() {
            return;
        }
        let number = number % self.tasks.len();
        let done = poll!(&mut self.tasks[number].work);
        // Tasks that read files are woken.
        tokio::task::yield_now().await;
        if let Poll::Ready(result) = done {
            let task = self.tasks.swap_remove(number);
            if result.is_ok() && !self.tasks.iter().any(|task| task.deletes) {
                self.done.extend(task.backup);
            }
            self.check().await;
        }
    }

    async fn check(&self) -> Vec<Name> {
        let bucket = self.fake.bucket();
        let listed = list(&bucket).await.unwrap().backups;
        for backup in &listed {
            assert_eq!(backup.problem, None);
            let verified = verify(&bucket, &backup.backup, true).await.unwrap();
            assert_eq!(verified.outcome, Outcome::Done, "{:?}", verified.problems);
        }
        // A purge never deletes the last one, whatever stands still.
        let told = format!("{:?} are done, and none is listed", self.done);
        assert!(self.done.is_empty() || !listed.is_empty(), "{told}");
        listed.into_iter().map(|backup| backup.backup).collect()
    }

    async fn end(&mut self) {
        for number in 0.. {
            if self.tasks.is_empty() {
                break;
            }
            self.step(number).await;
        }
        self.fake.deliver().await;
        let listed = self.check().await;
        for backup in &listed {
            for (number, host) in HOSTS.iter().enumerate() {
                let into = Folder::new();
                fetch(
                    &self.fake.bucket(),
                    &fetch_job(backup.as_str(), host, into.path()),
                )
                .await
                .unwrap();
                for (file, content) in self.made[backup.as_str()][number].iter().enumerate() {
                    let path = into
                        .path()
                        .join("shop")
                        .join(crate::testing::TABLE)
                        .join(format!("nb-{file}-big-Data.db"));
                    assert_eq!(std::fs::read(path).unwrap(), [*content; 10]);
                }
            }
        }
        // Nothing is left over for ever, and the last backup stays.
        for _ in 0..3 {
            self.fake.advance(9 * 24 * 3600);
            purge(&self.fake.bucket(), &purge_job(Some(1)))
                .await
                .unwrap();
        }
        let kept = self.check().await;
        assert_eq!(kept.len(), listed.len().min(1));
        let mut contents = kept
            .iter()
            .flat_map(|id| self.made[id.as_str()])
            .flatten()
            .collect::<Vec<_>>();
        contents.sort_unstable();
        contents.dedup();
        let keys = self.fake.keys().await;
        let number = |part: &str| keys.iter().filter(|key| key.contains(part)).count();
        assert_eq!(number("/objects/"), contents.len(), "{keys:?}");
        assert_eq!(number("/running/") + number("/sweeping/"), 0);
        assert_eq!(number("/nodes/"), kept.len() * HOSTS.len());
        assert_eq!(number("/backups/"), kept.len());
    }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn each_listed_backup_is_whole(actions in prop::collection::vec(action(), 1..50)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let mut world = World::new();
            for action in actions {
                world.apply(action).await;
            }
            world.end().await;
        });
    }
}
