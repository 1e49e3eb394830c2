//! The authority that the operator makes for the nodes of a ring, and their certificate, where the spec names no Secret with
//! certificates (`docs/adr/0026-own-authority.md`).

mod issue;
mod stored;

use std::sync::Arc;

use casskop_common::{api::CassandraCluster, names};
use casskop_core::{
    authority::{Step, decide},
    observed::SecretState,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};

use crate::{
    kubernetes::{
        Kube,
        credentials::{AcceptedCredentials, params},
        objects::conflict,
    },
    node_api::ClusterAccess,
};
use issue::KeyedAuthority;
use stored::{Present, Stored};

/// Longest way to rest: an authority is made, issues, and whatever another operator leaves undone.
const STEPS: usize = 4;

/// Reads the certificate of the nodes, and whether something is to be written.
///
/// # Errors
/// The API server does not respond.
pub(super) async fn read(
    kube: &Kube,
    cluster: &CassandraCluster,
) -> Result<AcceptedCredentials, kube::Error> {
    let stored = Stored::read(kube, cluster).await?;
    let refused = stored.refused(cluster);
    let name = names::node_tls_secret(&cluster.name_any());
    let certificates = stored.certificates(&host(cluster));
    let certificates = certificates.map_err(|why| format!("Secret {name}: {why}"));
    let state = match (&refused, &certificates) {
        (Some(message), _) => SecretState::Broken(message.clone()),
        (None, Err(_)) => SecretState::Missing,
        (None, Ok(_)) => match next(&stored, cluster, Timestamp::now()).0 {
            Step::Rest => SecretState::Usable,
            _ => SecretState::Outdated,
        },
    };
    Ok(AcceptedCredentials {
        // Pods take new certificates while they run: a renewal re-creates none.
        revision: String::new(),
        state,
        access: ClusterAccess {
            management_api: [(name.clone(), certificates.map(Arc::new))].into(),
            ..ClusterAccess::default()
        },
        name,
        refused,
        new: None,
    })
}

/// Makes and renews the authority and the certificate, step by step, until nothing is to be written now.
///
/// # Errors
/// The API server rejects a request, another writer changes a Secret at the same time, or a Secret of the name is not the
/// operator's.
pub(super) async fn keep(
    kube: &Kube,
    cluster: &CassandraCluster,
    now: Timestamp,
) -> Result<(), kube::Error> {
    // Certificates have no fractions of a second.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let mut stored = Stored::read(kube, cluster).await?;
    if let Some(message) = stored.refused(cluster) {
        return Err(failed(message));
    }
    for _ in 0..STEPS {
        let (step, authorities, present) = next(&stored, cluster, now);
        if step == Step::Rest {
            return Ok(());
        }
        report(
            cluster,
            &step,
            present.as_ref().err().filter(|_| stored.is_there()),
        );
        match step {
            Step::Rest => {}
            Step::MakeAuthority => {
                let mut authorities = authorities;
                authorities.push(issue::authority(now).map_err(failed)?);
                stored.keep_authorities(kube, cluster, &authorities).await?;
            }
            Step::ForgetAuthorities => {
                let newest = authorities.len().saturating_sub(1);
                stored
                    .keep_authorities(kube, cluster, authorities.get(newest..).unwrap_or_default())
                    .await?;
            }
            Step::Certify { issuer, trusted } => {
                let issued = match issuer {
                    None => present.as_ref().ok().map(Present::own),
                    Some(issuer) => {
                        let issuer = authorities.iter().find(|one| one.id() == issuer);
                        let issued = issuer.map(|one| issue::certificate(one, &host(cluster), now));
                        issued.transpose().map_err(failed)?
                    }
                };
                let issued = issued.ok_or_else(|| failed("there is no certificate to write"))?;
                let known = authorities.iter().map(|one| one.certificate.as_str());
                let known = known.chain(
                    present
                        .as_ref()
                        .ok()
                        .into_iter()
                        .flat_map(Present::authorities),
                );
                let written = issued.trusting(&trusted, known, now);
                stored.keep_certificate(kube, cluster, written).await?;
            }
        }
    }
    Ok(())
}

/// Logs a step. It names authorities by ids, and has nothing secret.
fn report(cluster: &CassandraCluster, step: &Step, unusable: Option<&String>) {
    let (name, namespace) = (cluster.name_any(), cluster.namespace());
    match (step, unusable) {
        (Step::Certify { .. }, Some(why)) => {
            tracing::warn!(
                cluster = name,
                namespace,
                why,
                ?step,
                "the certificates of the nodes are made anew"
            );
        }
        _ => {
            tracing::info!(
                cluster = name,
                namespace,
                ?step,
                "the certificates of the nodes are renewed"
            );
        }
    }
}

/// The next step, and what it is made from.
fn next(
    stored: &Stored,
    cluster: &CassandraCluster,
    now: Timestamp,
) -> (Step, Vec<KeyedAuthority>, Result<Present, String>) {
    let authorities = stored.authorities();
    let present = stored.present(&host(cluster));
    let known: Vec<_> = authorities.iter().map(KeyedAuthority::known).collect();
    let certificate = present.as_ref().ok().map(|present| &present.certificate);
    (decide(&known, certificate, now), authorities, present)
}

fn host(cluster: &CassandraCluster) -> String {
    names::ring_host(
        &cluster.name_any(),
        &cluster.namespace().unwrap_or_default(),
    )
}

/// Writes a Secret in place of the one that was read.
async fn write(
    kube: &Kube,
    wanted: &Secret,
    before: Option<&Secret>,
) -> Result<Secret, kube::Error> {
    let namespace = wanted.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(kube.client.clone(), &namespace);
    let written = match before {
        None => api.create(&params(), wanted).await,
        // The replacement applies only to the version that was read.
        Some(_) => api.replace(&wanted.name_any(), &params(), wanted).await,
    };
    written.map_err(|error| match error {
        kube::Error::Api(status) if status.is_already_exists() || status.is_not_found() => {
            conflict("it was created or deleted after the lookup")
        }
        error => error,
    })
}

fn failed(why: impl ToString) -> kube::Error {
    kube::Error::Service(why.to_string().into())
}
