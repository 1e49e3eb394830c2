//! Writing a request: one GET and one PATCH that nobody else's write can get in between.

mod refusal;

use casskop_common::{
    api::{CassandraCluster, OperationPhase, OperationStatus},
    intent::{Intents, Request},
    names,
};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::{
    annotations,
    clusters::Clusters,
    error::{CliError, Result},
    manifest::{self, Annotations},
    preflight,
    text::plain,
    time,
};

/// A request that now stands on the cluster.
pub struct Submitted {
    /// The cluster with it.
    pub cluster: Box<CassandraCluster>,
    /// Whether it stood there before.
    pub known: bool,
    /// What the person who asked should know.
    pub notes: Vec<String>,
}

/// What to do about what stands on the cluster already. Pure.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// Write the request.
    Write,
    /// This very request is there: follow it.
    Known,
}

/// A new id: the time, so that ids sort, and a random end, so that two people do not meet.
///
/// # Errors
/// When the system has no randomness.
pub fn new_id(now: Timestamp) -> Result<String> {
    let mut random = [0; 2];
    getrandom::getrandom(&mut random).map_err(|error| {
        CliError::failed(format!("no randomness for an id: {error}")).hint("give one with --id")
    })?;
    Ok(format!(
        "{}-{:04x}",
        now.strftime("%Y%m%dT%H%M%SZ"),
        u16::from_be_bytes(random)
    ))
}

/// Writes the request, or finds that it is there already.
///
/// # Errors
/// When the cluster does not have the targets, another request would be lost, or the write is refused.
pub async fn submit(
    clusters: &Clusters,
    name: &str,
    request: &Request,
    replace: bool,
) -> Result<Submitted> {
    let key = names::request_annotation(&request.kind);
    let again = &clusters.place.again;
    let mut before: Option<Option<String>> = None;
    let (mut known, mut notes) = (false, Vec::new());
    let cluster = annotations::write(clusters, name, |cluster| {
        let found = cluster.annotations().get(&key).cloned();
        if before.as_ref().is_some_and(|before| *before != found)
            && found.as_ref() != Some(&request.value())
        {
            return Err(refusal::overtaken(name, &key, found.as_deref(), again));
        }
        preflight::check(cluster, &request.arguments.shared.target, again)?;
        if judge(cluster, request, replace, again)? == Verdict::Known {
            // After a conflict it is our own write whose answer was lost.
            known = before.is_none();
            notes.clear();
            return Ok(Annotations::new());
        }
        notes = self::notes(cluster, request);
        before = Some(found);
        Ok(manifest::request(request))
    })
    .await;
    let cluster = match cluster {
        Ok(cluster) => cluster,
        Err(error) if before.is_some() => return Err(refusal::unsure(error, name, request)),
        Err(error) => return Err(error),
    };
    Ok(Submitted {
        cluster,
        known,
        notes,
    })
}

/// The operation of a request in the status, however old.
pub fn find<'a>(
    cluster: &'a CassandraCluster,
    kind: &str,
    id: &str,
) -> Option<&'a OperationStatus> {
    let status = cluster.status.as_ref()?;
    let mut all = status.operations.iter().chain(&status.operation_history);
    all.find(|operation| operation.kind == kind && operation.id == id)
}

fn judge(
    cluster: &CassandraCluster,
    request: &Request,
    replace: bool,
    again: &str,
) -> Result<Verdict> {
    let Request { kind, id, .. } = request;
    let name = cluster.name_any();
    annotations::refuse_deleted(cluster)?;
    if let Some(operation) = find(cluster, kind, id) {
        return if operation.arguments == request.arguments.text {
            Ok(Verdict::Known)
        } else {
            Err(refusal::taken(&name, request, &operation.arguments))
        };
    }
    let key = names::request_annotation(kind);
    let Some(value) = cluster.annotations().get(&key) else {
        return Ok(Verdict::Write);
    };
    let (found, arguments) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    if found == id {
        let same = same(cluster, request);
        return if same {
            Ok(Verdict::Known)
        } else {
            Err(refusal::taken(&name, request, arguments))
        };
    }
    if replace || found.is_empty() {
        return Ok(Verdict::Write);
    }
    match find(cluster, kind, found) {
        None => Err(refusal::unseen(cluster, request, value, again)),
        Some(waiting) if waiting.phase == OperationPhase::Pending => Err(refusal::would_be_lost(
            cluster,
            kind,
            value,
            &refusal::not_begun(waiting),
            again,
        )),
        Some(_) => Ok(Verdict::Write),
    }
}

/// Whether the annotation asks for the same, however it is written.
fn same(cluster: &CassandraCluster, request: &Request) -> bool {
    Intents::parse(cluster.annotations())
        .requests
        .get(&request.kind)
        == Some(request)
}

/// What holds the request back at first.
fn notes(cluster: &CassandraCluster, request: &Request) -> Vec<String> {
    let mut notes = Vec::new();
    let newest = cluster.status.iter().flat_map(|status| &status.operations);
    for other in newest.filter(|newest| newest.kind == request.kind && !newest.phase.is_final()) {
        let OperationStatus {
            kind, id, phase, ..
        } = other;
        notes.push(match phase {
            OperationPhase::Pending => format!("{kind} {id} has not begun and is withdrawn"),
            _ => format!(
                "{kind} {id} is {}; this one begins when it has ended",
                phase.as_str()
            ),
        });
    }
    if Intents::parse(cluster.annotations()).reconcile_paused {
        notes.push(format!("all action on this cluster is paused by the annotation {}; the request waits until it is removed", names::RECONCILE));
    }
    notes
}

/// The id for a request: the given one, or a new one.
///
/// # Errors
/// When the system has no randomness.
pub fn id(given: Option<&str>) -> Result<String> {
    given.map_or_else(|| new_id(time::now()), |id| Ok(id.to_owned()))
}

/// The arguments as a person typed them: without what the plugin adds.
pub fn typed(arguments: &str) -> String {
    let mut words = arguments.split(' ');
    let mut typed = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "--cluster-uid" => drop(words.next()),
            word if word.starts_with("--dry-run") => {}
            word => typed.push(word),
        }
    }
    plain(&typed.join(" ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::typed;

    #[test]
    fn the_arguments_are_shown_as_they_were_typed() {
        assert_eq!(typed("--cluster-uid a-b --pod x"), "--pod x");
        assert_eq!(
            typed("--pod x --cluster-uid a-b --dry-run=server"),
            "--pod x"
        );
    }
}
