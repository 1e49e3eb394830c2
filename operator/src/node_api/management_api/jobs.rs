//! Jobs of a node. All but repairs run one after the other on one thread of the node, so a job may wait for hours behind
//! another one. Nothing lists or stops them, and a restart of Cassandra forgets them; a restart of the server does not.

use casskop_common::api::{NodeJob, OperationMode};
use casskop_core::node::{Activity, Call, NodeError};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde::Deserialize;

use crate::node_api::{
    Begun,
    bounds::Bounds,
    management_api::{
        Session, activity, endpoints,
        exchange::{Failure, READ},
        gossip, list_snapshots, ranges,
        requests::{self, Answers, escaped},
        tasks,
    },
    refusal::{first_line, refusal},
    typed::List,
};

/// Longest answer about a job: it may have a stack trace, and a repair all its notifications.
const JOB: u64 = 1024 * 1024;
/// The job of a repair that has nothing to do; all of them share it.
const NOTHING_TO_REPAIR: &str = "repair-0";
/// Polls of a job without an answer, one after the other, before the job counts as lost.
const SILENCE: u32 = 60;
/// Polls of a repair that reports no beginning and shows no work, before its end counts as lost: ten minutes.
const UNBEGUN: u32 = 300;

/// Calls the node. The answer is [`Begun::Job`] if the node still works on the call.
///
/// # Errors
/// The work was not done, or whether it was begun is unknown (see [`NodeError::is_transient`]).
pub fn begin(session: &Session<'_>, call: &Call) -> Result<Begun, NodeError> {
    // An unsupported call is refused before the first request.
    requests::row(call, &[])?;
    if works_on_tables(call) {
        is_free(session, call, None).map_err(|failure| session.error(failure))?;
    }
    let mut ranges = Vec::new();
    match call {
        Call::Repair {
            keyspace,
            primary_range: true,
            ..
        } => {
            ranges = ranges::primary(session, keyspace)?;
            if ranges.is_empty() {
                return Ok(Begun::Done);
            }
        }
        Call::Snapshot {
            keyspace,
            tables,
            name,
            ..
        } => is_new(session, keyspace, tables, name)?,
        _ => {}
    }
    let row = requests::row(call, &ranges)?;
    let sent = session.send(&row.request, row.deadline);
    let (status, text) = sent.map_err(|failure| session.error(failure))?;
    let id = match row.answers {
        Answers::Done => return Ok(Begun::Done),
        // There is no job for a keyspace that is local to the node.
        Answers::Job if status == 200 => return Ok(Begun::Done),
        Answers::Job => id(&text)?,
        Answers::Repair => id(&serde_json::from_str::<Repair>(&text)
            .map_err(|error| NodeError::Malformed(format!("repair: {error}")))?
            .repair_id)?,
    };
    if id == NOTHING_TO_REPAIR {
        return Ok(Begun::Done);
    }
    let first = poll(session, &id).map_err(|failure| match failure {
        Failure::Missing => NodeError::JobLost(id.clone()),
        failure => session.error(failure),
    })?;
    let job = NodeJob {
        submit_time: first.submitted()?,
        id,
    };
    match first.outcome {
        None => Ok(Begun::Job(job)),
        Some(outcome) => {
            outcome?;
            match is_free(session, call, Some(first.ended)) {
                Ok(()) => Ok(Begun::Done),
                Err(Failure::Final(error)) => Err(error),
                // Looked at again with the next poll.
                Err(_) => Ok(Begun::Job(job)),
            }
        }
    }
}

#[derive(Deserialize)]
struct Repair {
    repair_id: String,
}

/// The id of a job, which is a UUID or `repair-<n>`.
fn id(text: &str) -> Result<String, NodeError> {
    let text = text.trim();
    let is_id = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if text.is_empty() || text.len() > 64 || !text.chars().all(is_id) {
        let text = text.chars().take(200).collect();
        return Err(NodeError::Malformed(text));
    }
    Ok(text.to_owned())
}

/// Watches a job to its end.
pub struct Follower {
    call: Call,
    job: NodeJob,
    silent: u32,
    unbegun: u32,
}

impl Follower {
    /// Watches the job that a node has for a call.
    pub fn new(call: Call, job: NodeJob) -> Self {
        Self {
            call,
            job,
            silent: 0,
            unbegun: 0,
        }
    }

    /// Polls once. Returns whether the work is done. A job that has ended must not be polled again: the node writes the
    /// stack trace of one that failed into its log with each poll.
    ///
    /// # Errors
    /// The work was not done; [`NodeError::JobLost`] if the node does not know the job.
    pub fn poll(&mut self, session: &Session<'_>) -> Result<bool, NodeError> {
        let lost = || NodeError::JobLost(self.job.id.clone());
        let failure = match poll(session, &self.job.id) {
            Err(Failure::Missing) => return Err(lost()),
            Err(failure) => failure,
            // The ids of repairs repeat after a restart of Cassandra.
            Ok(seen) if seen.submitted()? != self.job.submit_time => return Err(lost()),
            Ok(JobState {
                outcome: Some(outcome),
                ended,
                ..
            }) => {
                outcome?;
                match is_free(session, &self.call, Some(ended)) {
                    Ok(()) => return Ok(true),
                    Err(Failure::Final(error @ (NodeError::Busy | NodeError::Unfinished))) => {
                        return Err(error);
                    }
                    Err(failure) => failure,
                }
            }
            Ok(seen) => {
                self.silent = 0;
                return self.waits(session, seen.has_begun);
            }
        };
        match session.error(failure) {
            NodeError::Occupied(_) => Ok(false),
            error if error.is_transient() && self.silent < SILENCE => {
                self.silent += 1;
                Ok(false)
            }
            error => Err(error),
        }
    }

    /// The job of a repair is made after the repair has begun. If the repair ends before, the job does not hear of it and
    /// waits for ever: it reports no beginning, and the node shows no work.
    fn waits(&mut self, session: &Session<'_>, has_begun: bool) -> Result<bool, NodeError> {
        let is_quiet = |activity: &Activity| {
            let mut tasks = activity.tasks.iter();
            let works = tasks
                .any(|task| task.task == "Validation" || task.task.starts_with("Anticompaction"));
            let mut streams = activity.streams.iter();
            !works && !streams.any(|stream| stream.description == "Repair")
        };
        if has_begun || !matches!(self.call, Call::Repair { .. }) {
            return Ok(false);
        }
        match activity(session) {
            Ok(activity) if is_quiet(&activity) => self.unbegun += 1,
            Ok(_) => self.unbegun = 0,
            Err(_) => {}
        }
        if self.unbegun >= UNBEGUN {
            return Err(NodeError::JobLost(self.job.id.clone()));
        }
        Ok(false)
    }
}

/// A job as the node reports it.
struct JobState {
    submitted: Option<i64>,
    /// Milliseconds; 0 until the end.
    ended: i64,
    /// Whether the work has begun, of a repair.
    has_begun: bool,
    /// Nothing until the end. It says nothing about work that Cassandra skipped.
    outcome: Option<Result<(), NodeError>>,
}

impl JobState {
    fn submitted(&self) -> Result<MicroTime, NodeError> {
        let time = self.submitted.map(Timestamp::from_millisecond);
        let time = time.and_then(Result::ok).map(MicroTime);
        time.ok_or_else(|| NodeError::Malformed("a job without the time of its request".into()))
    }
}

/// The answer about a job. Times are texts.
#[derive(Deserialize)]
struct Answer {
    status: String,
    submit_time: String,
    end_time: String,
    error: Option<String>,
    status_changes: Option<List<Change>>,
}

/// A notification of a repair.
#[derive(Deserialize)]
struct Change {
    status: String,
    message: Option<String>,
}

fn poll(session: &Session<'_>, id: &str) -> Result<JobState, Failure> {
    let bounds = Bounds {
        request: "the read of the job",
        deadline: READ,
        limit: JOB,
    };
    let path = format!("/v0/ops/executor/job?job_id={}", escaped(id));
    let answer: Answer = session.get(&path, bounds)?;
    let changes = answer.status_changes.map_or(Vec::new(), |list| list.0);
    Ok(JobState {
        submitted: answer.submit_time.parse().ok(),
        ended: answer.end_time.parse().unwrap_or(0),
        has_begun: !changes.is_empty(),
        outcome: match answer.status.as_str() {
            "COMPLETED" => Some(outcome(answer.error.as_deref(), &changes)),
            "ERROR" => Some(outcome(
                Some(answer.error.as_deref().unwrap_or("")),
                &changes,
            )),
            _ => None,
        },
    })
}

/// A repair that failed is `COMPLETED`, too, and has the reason in its notifications.
fn outcome(error: Option<&str>, changes: &[Change]) -> Result<(), NodeError> {
    if let Some(error) = error {
        return Err(failed(error));
    }
    let mut changes = changes.iter();
    let failed = changes.find(|change| ["ERROR", "ABORT"].contains(&change.status.as_str()));
    match failed {
        None => Ok(()),
        Some(change) => Err(NodeError::Cassandra(format!(
            "the repair failed: {}",
            first_line(change.message.as_deref().unwrap_or("no reason given"))
        ))),
    }
}

/// The error of a job: the class of Java's exception, its message, and often a stack trace.
fn failed(error: &str) -> NodeError {
    // Cassandra 5.0.9 ends a compaction that meets another one of the same table in this way.
    let is_busy =
        error.starts_with("java.lang.NullPointerException") && error.contains("CompactionTasks");
    match first_line(error).trim() {
        _ if is_busy => NodeError::Busy,
        "" => NodeError::Cassandra("the job failed, and the node gives no reason".into()),
        line => refusal(line.to_owned()),
    }
}

/// Whether Cassandra skips the work without saying so while the node is drained.
fn works_on_tables(call: &Call) -> bool {
    tasks::exclusive(call).is_some() || matches!(call, Call::Flush { .. })
}

/// Whether nothing keeps Cassandra from the work of a call, or has kept it until its end at this time of the node. The
/// server drops the verdict of Cassandra: a job whose work was skipped is `COMPLETED`.
fn is_free(session: &Session<'_>, call: &Call, ended: Option<i64>) -> Result<(), Failure> {
    if !works_on_tables(call) {
        return Ok(());
    }
    let ring = endpoints(session, READ)?;
    let own = gossip::local(&ring)?;
    let (mode, serves) = (own.mode(), own.serves_clients());
    if mode != OperationMode::Normal || !serves {
        return Err(Failure::Final(match ended {
            None => NodeError::Cassandra(format!(
                "the node is {mode} and serves no clients: nothing was called"
            )),
            Some(_) => NodeError::Unfinished,
        }));
    }
    let Some(tables) = tasks::exclusive(call) else {
        return Ok(());
    };
    let tasks = tasks::read(session)?;
    let is_busy = tasks.iter().any(|task| {
        let was_there = ended.is_none_or(|ended| tasks::began_before(task, ended));
        was_there && tasks::is_in_the_way(task, tables)
    });
    if is_busy {
        return Err(Failure::Final(NodeError::Busy));
    }
    Ok(())
}

/// The server drops the reason why Cassandra refuses a snapshot: a name that is taken is looked for before.
fn is_new(
    session: &Session<'_>,
    keyspace: &str,
    tables: &[String],
    name: &str,
) -> Result<(), NodeError> {
    let path = format!(
        "/v0/ops/node/snapshots?snapshotNames={}&keyspaces={}",
        escaped(name),
        escaped(keyspace)
    );
    let there = list_snapshots(session, &path).map_err(|failure| session.error(failure))?;
    let is_it = |table: &String| tables.is_empty() || tables.contains(table);
    let mut there = there.iter();
    if there.any(|one| one.name == name && one.keyspace == keyspace && is_it(&one.table)) {
        return Err(NodeError::SnapshotExists(format!(
            "Snapshot {name} already exists."
        )));
    }
    Ok(())
}
