//! The authority that the operator makes for a use of certificates in a ring, and the certificate, where the spec names no
//! Secret for that use (`docs/adr/0026-own-authority.md`).

mod issue;
mod stored;

use std::sync::Arc;

use casskop_common::{api::CassandraCluster, names};
use casskop_core::{
    authority::{Step, decide},
    observed::SecretState,
    pod_config::CertificateUse,
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
    usage: CertificateUse,
) -> Result<AcceptedCredentials, kube::Error> {
    let stored = Stored::read(kube, cluster, usage).await?;
    let refused = stored.refused(cluster);
    let name = usage.made_secret(&cluster.name_any());
    let certificates = stored.certificates(&host(cluster));
    let certificates = certificates.map_err(|why| format!("Secret {name}: {why}"));
    let state = match (&refused, &certificates) {
        (Some(message), _) => SecretState::Broken(message.clone()),
        (None, Err(_)) => SecretState::Missing,
        (None, Ok(_)) => match Found::new(&stored, cluster, Timestamp::now()).step {
            Step::Rest => SecretState::Usable,
            _ => SecretState::Outdated,
        },
    };
    Ok(AcceptedCredentials {
        access: ClusterAccess {
            certificates: [(name.clone(), certificates.map(Arc::new))].into(),
            ..ClusterAccess::default()
        },
        secrets: [(name, state)].into(),
        refused,
        ..AcceptedCredentials::default()
    })
}

/// Whether the certificates that the operator made for a resource are marked as those of a ring of Jolokia with TLS, whether they
/// are in use or not.
///
/// # Errors
/// The API server does not respond.
pub async fn is_marked(kube: &Kube, cluster: &CassandraCluster) -> Result<bool, kube::Error> {
    let stored = Stored::read(kube, cluster, CertificateUse::NodeApi).await?;
    Ok(stored.is_marked() && stored.refused(cluster).is_none())
}

/// Makes and renews the authority and the certificate, step by step, until nothing is to be written now. `is_marked`: the
/// certificate is marked as that of a ring with TLS.
///
/// # Errors
/// The API server rejects a request, another writer changes a Secret at the same time, or a Secret of the name is not the
/// operator's.
pub(super) async fn keep(
    kube: &Kube,
    cluster: &CassandraCluster,
    usage: CertificateUse,
    is_marked: bool,
    now: Timestamp,
) -> Result<(), kube::Error> {
    let stored = Stored::read(kube, cluster, usage).await?;
    let stored = stored.marked(is_marked && usage == CertificateUse::NodeApi);
    match stored.awaited().or_else(|| stored.refused(cluster)) {
        Some(message) => Err(failed(message)),
        None => write_all(kube, cluster, stored, now).await,
    }
}

/// Renews the certificates that the operator has made for a resource, of which only the metadata is used: its spec may not be
/// readable. What does not exist, and what the operator has not made, is left alone.
///
/// # Errors
/// The API server rejects a request, or another writer changes a Secret at the same time.
pub async fn renew(
    kube: &Kube,
    cluster: &CassandraCluster,
    now: Timestamp,
) -> Result<(), kube::Error> {
    if cluster.uid().is_none() || cluster.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let mut outcome = Ok(());
    for usage in CertificateUse::ALL {
        let stored = Stored::read(kube, cluster, usage).await?;
        let is_held = stored.awaited().is_some() || stored.refused(cluster).is_some();
        if !is_held && stored.is_there() {
            outcome = outcome.and(write_all(kube, cluster, stored, now).await);
        }
    }
    outcome
}

/// Takes all steps that are due.
async fn write_all(
    kube: &Kube,
    cluster: &CassandraCluster,
    mut stored: Stored,
    now: Timestamp,
) -> Result<(), kube::Error> {
    // Certificates have no fractions of a second.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let usage = stored.usage();
    let hosts = usage.hosts(
        &cluster.name_any(),
        &cluster.namespace().unwrap_or_default(),
    );
    for _ in 0..STEPS {
        let Found {
            step,
            mut authorities,
            present,
        } = Found::new(&stored, cluster, now);
        report(cluster, usage, &step, &present, &stored);
        match step {
            Step::Rest => return Ok(()),
            Step::MakeAuthority => {
                authorities.push(issue::authority(now).map_err(failed)?);
                stored.keep_authorities(kube, cluster, &authorities).await?;
            }
            Step::ForgetAuthorities => {
                authorities.drain(..authorities.len().saturating_sub(1));
                stored.keep_authorities(kube, cluster, &authorities).await?;
            }
            Step::Certify { issuer, trusted } => {
                let present = present.ok();
                let own = match issuer {
                    None => present.as_ref().map(Present::own),
                    Some(issuer) => {
                        let mut authorities = authorities.iter();
                        let authority = authorities.find(|one| one.id() == issuer);
                        let own = authority.map(|one| issue::certificate(one, &hosts, now));
                        own.transpose().map_err(failed)?
                    }
                };
                let own = own.ok_or_else(|| failed("there is no certificate to write"))?;
                let stored_ones = authorities.iter().map(|one| one.certificate.as_str());
                let known = stored_ones.chain(present.iter().flat_map(Present::authorities));
                let written = own.trusting(&trusted, known, now);
                stored.keep_certificate(kube, cluster, written).await?;
            }
        }
    }
    Ok(())
}

/// The next step, and what it is made from.
struct Found {
    step: Step,
    authorities: Vec<KeyedAuthority>,
    present: Result<Present, String>,
}

impl Found {
    fn new(stored: &Stored, cluster: &CassandraCluster, now: Timestamp) -> Self {
        let authorities = stored.authorities();
        let present = stored.present(&host(cluster));
        let known: Vec<_> = authorities.iter().map(KeyedAuthority::known).collect();
        let certificate = present.as_ref().ok().map(|present| &present.certificate);
        Self {
            step: decide(&known, certificate, now),
            authorities,
            present,
        }
    }
}

/// Logs a step. It names authorities by ids, and has nothing secret.
fn report(
    cluster: &CassandraCluster,
    usage: CertificateUse,
    step: &Step,
    present: &Result<Present, String>,
    stored: &Stored,
) {
    let (name, namespace) = (cluster.name_any(), cluster.namespace());
    let secret = usage.made_secret(&name);
    match (step, present) {
        (Step::Rest, _) => {}
        (Step::Certify { .. }, Err(why)) if stored.is_there() => {
            let message = "the certificates of the nodes cannot be used, and are made anew";
            tracing::warn!(cluster = name, namespace, secret, why, ?step, message);
        }
        _ => {
            let message = "the certificates of the nodes are renewed";
            tracing::info!(cluster = name, namespace, secret, ?step, message);
        }
    }
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
    match before {
        None => match api.create(&params(), wanted).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                Err(conflict("it was created after the lookup"))
            }
            outcome => outcome,
        },
        // The replacement applies only to the version that was read.
        Some(_) => match api.replace(&wanted.name_any(), &params(), wanted).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                Err(conflict("it was deleted after the lookup"))
            }
            outcome => outcome,
        },
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "errors are passed on by `map_err`"
)]
fn failed(why: impl ToString) -> kube::Error {
    kube::Error::Service(why.to_string().into())
}
