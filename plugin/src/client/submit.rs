//! Writes a request: one GET and one PATCH guarded by the resource version.

use casskop_common::{api::CassandraCluster, intent::Request, names};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{annotations, clusters::Clusters};
use crate::{
    error::{CliError, Result},
    model::{
        manifest::{self, Annotations},
        request::{Verdict, evaluate, notes as first_notes, refusal},
        targets,
    },
    time,
};

/// A request that is on the cluster.
pub struct Submitted {
    /// The cluster with it.
    pub cluster: Box<CassandraCluster>,
    /// Whether the cluster had the request before.
    pub known: bool,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// The id for a request: the given one, or a new one.
///
/// # Errors
/// When the system has no randomness.
pub fn id(given: Option<&str>) -> Result<String> {
    given.map_or_else(|| new_id(time::now()), |id| Ok(id.to_owned()))
}

/// A new id: the time, so that ids sort, and a random end, so that ids of two users differ.
///
/// # Errors
/// When the system has no randomness.
fn new_id(now: Timestamp) -> Result<String> {
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
    let key = names::request_annotation(request.kind);
    let connection_args = &clusters.target.connection_args;
    let mut before: Option<Option<String>> = None;
    let (mut known, mut notes) = (false, Vec::new());
    let cluster = annotations::write(clusters, name, |cluster| {
        let found = cluster.annotations().get(&key).cloned();
        if before.as_ref().is_some_and(|before| *before != found)
            && found.as_ref() != Some(&request.value())
        {
            return Err(refusal::changed_meanwhile(
                name,
                &key,
                found.as_deref(),
                connection_args,
            ));
        }
        targets::check(cluster, &request.arguments.shared.target, connection_args)?;
        targets::check_store(cluster, &request.arguments.operation)?;
        if evaluate(cluster, request, replace, connection_args)? == Verdict::Known {
            // After a conflict it is our own write whose answer was lost.
            known = before.is_none();
            notes.clear();
            return Ok(Annotations::new());
        }
        notes = first_notes(cluster, request);
        before = Some(found);
        Ok(manifest::request(request))
    })
    .await;
    let cluster = match cluster {
        Ok(cluster) => cluster,
        Err(error) if before.is_some() => {
            return Err(refusal::unknown_result(error, name, request));
        }
        Err(error) => return Err(error),
    };
    Ok(Submitted {
        cluster,
        known,
        notes,
    })
}
