//! `verify`: whether a backup is what it says.

use std::collections::BTreeMap;

use casskop_backup_protocol::{Name, Outcome, Problem, Summary};
use futures::{StreamExt, stream};

use crate::bucket::Bucket;
use crate::catalogue::show;
use crate::download::download;
use crate::error::{Failure, Result};
use crate::manifests::read_node;
use crate::objects::there;

/// Problems that are told; the others are counted.
const TOLD: usize = 100;

/// Checks that all manifests and objects of a backup are there, by their lengths; `deep` reads every object and compares
/// its content.
///
/// # Errors
/// The backup does not exist, or the store does not answer. Damage is no error: it is in the summary.
pub async fn verify(bucket: &Bucket, backup: &Name, deep: bool) -> Result<Summary> {
    let manifest = show(bucket, backup).await?;
    let mut summary = Summary {
        backup: Some(backup.clone()),
        files: manifest.files,
        bytes: manifest.bytes,
        ..Summary::default()
    };
    let mut objects = BTreeMap::new();
    for entry in &manifest.nodes {
        let host = &entry.node.host_id;
        let path = bucket.node(backup, host, &entry.manifest);
        match read_node(bucket, backup, host, &entry.manifest).await {
            Ok(Some(manifest)) => {
                objects.extend(manifest.files().map(|file| (file.digest, file.size)));
            }
            Ok(None) => problem(&mut summary, path.as_ref(), "it is missing"),
            Err(failure) if failure.outcome == Outcome::Damaged => {
                problem(&mut summary, path.as_ref(), &failure.to_string());
            }
            Err(failure) => return Err(failure),
        }
    }
    if deep {
        let mut checks = stream::iter(&objects)
            .map(|(digest, size)| async move {
                (
                    digest,
                    *size,
                    download(bucket, digest, *size, async |_| Ok(())).await,
                )
            })
            .buffer_unordered(bucket.transfers);
        while let Some((digest, size, check)) = checks.next().await {
            match check {
                Ok(()) => summary.hashed_bytes += size,
                Err(failure) if failure.outcome == Outcome::Damaged => {
                    problem(
                        &mut summary,
                        bucket.object(digest).as_ref(),
                        &failure.to_string(),
                    );
                }
                Err(failure) => return Err(failure),
            }
        }
    } else {
        let found = there(bucket, &objects).await?;
        for digest in objects.keys().filter(|digest| !found.contains(digest)) {
            problem(
                &mut summary,
                bucket.object(digest).as_ref(),
                "it is missing, or has another length",
            );
        }
    }
    if !summary.problems.is_empty() {
        summary.outcome = Outcome::Damaged;
        let why = format!(
            "{} objects are missing or damaged",
            summary.problems.len() as u64 + summary.more
        );
        let next =
            "begin a new backup, which sends what is missing; keep an older backup until then";
        summary.error =
            Some(Failure::damaged(format!("verify backup {backup}"), why, next).to_string());
    }
    Ok(summary)
}

fn problem(summary: &mut Summary, object: &str, problem: &str) {
    if summary.problems.len() < TOLD {
        summary.problems.push(Problem {
            object: object.to_owned(),
            problem: problem.to_owned(),
        });
    } else {
        summary.more += 1;
    }
}
