//! Certificates in the Secrets that the spec names. The operator never makes or changes them.

use std::sync::Arc;

use casskop_common::{api::CassandraCluster, names};
use casskop_core::{
    observed::SecretState,
    pod_config::{
        CertificateUse,
        certificates::{KEYS, not_meant_because},
    },
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};

use crate::{
    kubernetes::{Kube, credentials::AcceptedCredentials},
    node_api::{Certificates, ClusterAccess},
};

/// A Secret with certificates, read.
struct Found {
    state: SecretState,
    refused: Option<String>,
    certificates: Result<Arc<Certificates>, String>,
}

/// Reads the certificates that the spec names.
///
/// # Errors
/// The API server does not respond.
pub(super) async fn read(
    kube: &Kube,
    cluster: &CassandraCluster,
    usage: CertificateUse,
    name: &str,
) -> Result<AcceptedCredentials, kube::Error> {
    let found = find(kube, cluster, usage, name).await?;
    Ok(AcceptedCredentials {
        secrets: [(name.to_owned(), found.state)].into(),
        refused: found.refused,
        access: ClusterAccess {
            certificates: [(name.to_owned(), found.certificates)].into(),
            ..ClusterAccess::default()
        },
        ..AcceptedCredentials::default()
    })
}

/// Reads the certificates that pods were started with, where the spec names another Secret, or none, by now. The inner error
/// is the reason why they are not used.
///
/// # Errors
/// The API server does not respond.
pub(super) async fn of_pods(
    kube: &Kube,
    cluster: &CassandraCluster,
    name: &str,
) -> Result<Result<Arc<Certificates>, String>, kube::Error> {
    let found = find(kube, cluster, CertificateUse::NodeApi, name).await?;
    Ok(found.certificates)
}

async fn find(
    kube: &Kube,
    cluster: &CassandraCluster,
    usage: CertificateUse,
    name: &str,
) -> Result<Found, kube::Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(kube.client.clone(), &namespace);
    let given = match name {
        "" => None,
        name => api.get_opt(name).await?,
    };
    let refused = given
        .as_ref()
        .and_then(|given| refused(given, usage, name, &namespace));
    let host = names::ring_host(&cluster.name_any(), &namespace);
    let certificates = match (&refused, &given) {
        (Some(message), _) => Err(message.clone()),
        (None, None) => Err(format!(
            "Secret {name} does not exist: create it again; the nodes take over its certificates within minutes"
        )),
        (None, Some(given)) => fitting(given, host, usage)
            .map(Arc::new)
            .map_err(|why| format!("Secret {name}: {why}")),
    };
    Ok(Found {
        state: match &certificates {
            Ok(_) => SecretState::Usable,
            Err(_) if given.is_none() => SecretState::Missing,
            Err(why) => SecretState::Broken(why.clone()),
        },
        refused,
        certificates,
    })
}

/// The reason why a Secret is not used, if it is not meant for the nodes.
fn refused(secret: &Secret, usage: CertificateUse, name: &str, namespace: &str) -> Option<String> {
    let label = secret.labels().get(names::NODE_CREDENTIALS_LABEL);
    let why = not_meant_because(label.map(String::as_str))?;
    Some(format!(
        "Secret {name} of {} may not be meant for the nodes, for {why}: name another Secret; if it is meant for them: kubectl label secret {name} --namespace {namespace} --overwrite {}=true",
        usage.field(),
        names::NODE_CREDENTIALS_LABEL
    ))
}

/// The certificates in a Secret, if those take them over that use them. Clients of Cassandra have certificates of their own.
fn fitting(secret: &Secret, host: String, usage: CertificateUse) -> Result<Certificates, String> {
    let certificates = certificates(secret, host)?;
    let fit = match usage {
        CertificateUse::NodeApi | CertificateUse::Internode => certificates.verify(),
        CertificateUse::Client => certificates.verify_as_server(),
    };
    fit.map_err(|unfit| unfit.to_string())?;
    Ok(certificates)
}

/// The certificates in a Secret.
///
/// # Errors
/// They cannot be used, for this reason.
pub(super) fn certificates(secret: &Secret, host: String) -> Result<Certificates, String> {
    let [ca, certificate, key] = KEYS.map(|key| value(secret, key));
    Certificates::new(ca, certificate, key, host).map_err(|unusable| unusable.to_string())
}

fn value<'a>(secret: &'a Secret, key: &str) -> &'a [u8] {
    let value = secret.data.as_ref().and_then(|data| data.get(key));
    value.map_or(&[], |value| &value.0)
}
