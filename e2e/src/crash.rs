//! An operator that is killed at successive points of its work: right after each write to the API server, and right
//! after each call of a node, as recorded in the API server's audit log and in the operator's log.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    time::Duration,
};

use serde_json::Value;

use crate::{
    Cluster, command::setting, operator, operator::Shell, space::writes_by, wait::until_every,
};

/// Time between two polls; a node call takes some 100 ms.
const CLOSELY: Duration = Duration::from_millis(2);

/// Polls of the logs between two polls of the status: those use `kubectl`, which is slow. An operator that is killed
/// after its last write has no work left.
const RARELY: u32 = 300;

/// An operation that succeeded although the operator was killed repeatedly.
pub struct Survived {
    /// The operation in the status.
    pub operation: Value,
    /// Number of kills before the operation ended.
    pub kills: usize,
    /// Writes by all runs of the operator.
    pub writes: Vec<Value>,
}

/// Requests an operation, and kills the operator at each point of it.
pub fn survives(operator: &mut Shell, cluster: &Cluster, kind: &str, value: &str) -> Survived {
    let (id, _) = value.split_once(' ').unwrap_or((value, ""));
    let user = operator::user(&cluster.kubectl);
    let before = writes_by(&user).len();
    let begin = || cluster.request(kind, value);
    let kills = dies_at_each_point(operator, cluster, begin, || has_ended(cluster, kind, id));
    Survived {
        operation: cluster.succeeds(kind, id),
        kills,
        writes: writes_by(&user).split_off(before),
    }
}

/// Starts an action, and kills the operator at the first point of its first run, at the second point of its second
/// run, and so on. Each run gets further than the one before it, so the action ends. Returns the number of kills.
pub fn dies_at_each_point(
    operator: &mut Shell,
    cluster: &Cluster,
    begin: impl FnOnce(),
    has_ended: impl Fn() -> bool,
) -> usize {
    let mut writes = Writes::from_now(&operator::user(&cluster.kubectl));
    begin();
    let mut kills = 0;
    loop {
        let before = writes.seen() + operator.calls().len();
        let mut looks = 0;
        let ended = until_every(CLOSELY, "the operator to come further", || {
            let points = writes.seen() + operator.calls().len() - before;
            looks += 1;
            match points {
                _ if looks % RARELY == 0 && has_ended() => Ok(true),
                points if points > kills => Ok(false),
                points => Err(format!("{points} points in its life after {kills} kills")),
            }
        });
        if ended {
            return kills;
        }
        operator.kill();
        operator.run();
        kills += 1;
    }
}

/// Whether an operation has ended.
pub fn has_ended(cluster: &Cluster, kind: &str, id: &str) -> bool {
    let operation = cluster.operation(kind, id);
    operation.is_some_and(|operation| !operation["finishedAt"].is_null())
}

/// Writes by a user, except those of Leases, counted as they arrive.
pub struct Writes {
    user: String,
    log: PathBuf,
    read: u64,
    seen: usize,
}

impl Writes {
    /// Counts from now on.
    pub fn from_now(user: &str) -> Self {
        let log = PathBuf::from(setting("IN")).with_file_name("logs/audit.log");
        Self {
            user: user.to_owned(),
            read: log.metadata().map_or(0, |log| log.len()),
            log,
            seen: 0,
        }
    }

    /// The number of writes so far. An incomplete line is counted the next time.
    pub fn seen(&mut self) -> usize {
        let mut text = String::new();
        let mut file = File::open(&self.log).expect("the audit log is there");
        // A full log is rotated; the new file is read from its beginning.
        if file.metadata().is_ok_and(|file| file.len() < self.read) {
            self.read = 0;
        }
        file.seek(SeekFrom::Start(self.read)).expect("it is a file");
        let _ = file.read_to_string(&mut text);
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.read += whole as u64;
        let lines = text[..whole].lines();
        self.seen += lines.filter(|line| line.contains(&self.user)).count();
        self.seen
    }
}
