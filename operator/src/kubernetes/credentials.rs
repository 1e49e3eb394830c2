//! The Jolokia password and its predecessors. A running node accepts the password that it was started with, so after
//! a change of the Secret the operator needs both until the last pod is re-created. A separate Secret holds the
//! accepted passwords: they survive a restart of the operator, and a Secret that is deleted or broken by mistake does
//! not lock the operator out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use casskop_common::{api::CassandraCluster, names};
use jiff::Timestamp;
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Resource, ResourceExt, api::PostParams};
use serde::{Deserialize, Serialize};

use crate::{
    kubernetes::{
        Kube, authority, certificates,
        superuser::{self, Superuser},
    },
    node_api::{Certificates, ClusterAccess, Credentials},
    random,
};
use casskop_core::{
    authority::Validity,
    desired::{Started, named_secrets, node_secrets},
    observed::{NodePod, SecretState, is_of_predecessor},
    pod_config::{
        CertificateUse, NodeSecrets,
        jolokia_secret::{self, InvalidKey},
    },
};

/// Number of earlier passwords that are kept.
const REMEMBERED: usize = 4;
/// Bytes of a generated password.
pub(super) const PASSWORD_BYTES: usize = 24;
/// Bytes of a revision.
const REVISION_BYTES: usize = 6;
/// The field of the spec with the password of the nodes.
const JOLOKIA_FIELD: &str = "imageJolokiaSecret";
/// Name of the generated user.
const USERNAME: &str = "casskop";
/// Key of the accepted passwords, the newest first, in the operator's Secret.
const ACCEPTED: &str = "accepted";
/// Key of the revision that rolls the pods, in the operator's Secret: it changes with each change of the password.
const REVISION: &str = "revision";

/// The known passwords of a cluster, and its certificates.
#[derive(Default)]
pub struct AcceptedCredentials {
    /// The states of the Secrets that the spec names, or of the operator's Secrets, by name.
    pub secrets: BTreeMap<String, SecretState>,
    /// The times of the certificates in them, by the name of the Secret.
    pub validities: BTreeMap<String, Validity>,
    /// Message: the reason why a Secret is not used, and the command that allows its use.
    pub refused: Option<String>,
    /// The current password and its predecessors, and the certificates; nothing if there never were any.
    pub access: ClusterAccess,
    /// A value that changes with each change of the password; empty for the first password. Pods take new certificates while
    /// they run: a renewal re-creates none.
    pub revision: String,
    /// The passwords to accept, if the Secret has a new one.
    pub new: Option<PendingRotation>,
    /// The superuser of Cassandra.
    pub superuser: Superuser,
    /// The certificates of the nodes for clients, if they can be used.
    pub client: Option<Arc<Certificates>>,
}

/// Passwords that are to be accepted, the newest first.
pub struct PendingRotation {
    before: Option<Secret>,
    accepted: Vec<Key>,
}

impl PendingRotation {
    /// Whether pods were created for an earlier password: the revision changes then.
    pub fn is_rotation(&self) -> bool {
        self.accepted.len() > 1
    }
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq)]
struct Key {
    username: String,
    password: String,
}

/// Reads the Secrets that the nodes share: the passwords, and the certificates. A new password is usable at once, but no pod
/// is re-created for it before it is accepted.
///
/// # Errors
/// The API server does not respond.
pub async fn read(
    kube: &Kube,
    cluster: &CassandraCluster,
    started: &Started,
) -> Result<AcceptedCredentials, kube::Error> {
    let shared = node_secrets(cluster, started);
    let named = named_secrets(cluster, started);
    let password = async {
        match &shared.password {
            None => Ok(AcceptedCredentials::default()),
            Some(name) => passwords(kube, cluster, name).await,
        }
    };
    let certificates = |usage: CertificateUse| {
        let (name, is_named) = (shared.of(usage), named.of(usage).is_some());
        async move {
            match name {
                None => Ok(AcceptedCredentials::default()),
                Some(name) if is_named => certificates::read(kube, cluster, usage, name).await,
                Some(_) => authority::read(kube, cluster, usage).await,
            }
        }
    };
    let superuser = async {
        match &shared.superuser {
            None if started.logins.steps.iter().any(|step| step.has_logins()) => {
                superuser::read_record(kube, cluster).await
            }
            None => Ok(AcceptedCredentials::default()),
            Some(name) => superuser::read(kube, cluster, name).await,
        }
    };
    let (mut all, superuser, node_api, internode, client) = tokio::try_join!(
        password,
        superuser,
        certificates(CertificateUse::NodeApi),
        certificates(CertificateUse::Internode),
        certificates(CertificateUse::Client),
    )?;
    for read in [&superuser, &node_api, &internode, &client] {
        let certificates = read.access.certificates.iter();
        let validities = certificates
            .filter_map(|(name, found)| Some((name.clone(), found.as_ref().ok()?.validity()?)));
        all.validities.extend(validities);
        all.secrets.extend(read.secrets.clone());
        all.refused = all.refused.or_else(|| read.refused.clone());
    }
    all.access.certificates = node_api.access.certificates;
    all.superuser = superuser.superuser;
    let mut client = client.access.certificates.into_values();
    all.client = client.next().and_then(Result::ok);
    Ok(all)
}

/// Adds the secrets that pods were started with, where the spec names others by now: the operator reaches each pod in the way
/// that the pod was started with, until it is replaced. Where such certificates are gone or cannot be used, those of the spec
/// are tried: both sides still prove to be of one authority.
///
/// # Errors
/// The API server does not respond.
pub async fn of_pods(
    kube: &Kube,
    cluster: &CassandraCluster,
    pods: &[&NodePod],
    access: &mut ClusterAccess,
) -> Result<(), kube::Error> {
    let mounted = |secret: fn(&NodeSecrets) -> Option<&String>| -> BTreeSet<&String> {
        let pods = pods.iter();
        pods.filter_map(|pod| secret(&pod.secrets)).collect()
    };
    let shared = node_secrets(cluster, &Started::default());
    let of_spec = shared.certificates.as_ref();
    let of_spec = of_spec.and_then(|name| access.certificates.get(name)?.clone().ok());
    for name in mounted(|secrets| secrets.certificates.as_ref()) {
        if !access.certificates.contains_key(name) {
            let certificates = certificates::of_pods(kube, cluster, name).await?;
            let certificates = certificates.or_else(|why| of_spec.clone().ok_or(why));
            access.certificates.insert(name.clone(), certificates);
        }
    }
    let has_password = |pod: &&NodePod| pod.transport.has_password();
    if shared.password.is_none() && pods.iter().any(has_password) {
        let secrets = mounted(|secrets| secrets.password.as_ref());
        access.jolokia = passwords_of_pods(kube, cluster, &secrets).await?;
    }
    Ok(())
}

/// The accepted passwords, and those of the Secrets that pods mount: a pod that was created anew since a change of its Secret
/// has the new one.
async fn passwords_of_pods(
    kube: &Kube,
    cluster: &CassandraCluster,
    mounted: &BTreeSet<&String>,
) -> Result<Option<Arc<Credentials>>, kube::Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(kube.client.clone(), &namespace);
    let ours = names::accepted_secret(&cluster.name_any());
    let ours = api.get_opt(&ours).await?;
    let mut accepted = ours.as_ref().map(remembered).unwrap_or_default().0;
    for name in mounted {
        let given = api.get_opt(name).await?;
        let given =
            given.filter(|given| not_for_nodes(given, name, JOLOKIA_FIELD, &namespace).is_none());
        let key = given.and_then(|given| key(&given).ok());
        accepted.extend(key.filter(|key| !accepted.contains(key)));
    }
    Ok(credentials(accepted))
}

async fn passwords(
    kube: &Kube,
    cluster: &CassandraCluster,
    name: &str,
) -> Result<AcceptedCredentials, kube::Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(kube.client.clone(), &namespace);
    let ours = names::accepted_secret(&cluster.name_any());
    let (given, ours) = tokio::try_join!(api.get_opt(name), api.get_opt(&ours))?;
    let (given, ours) = (lasting(given, cluster), lasting(ours, cluster));
    let (mut accepted, revision) = ours.as_ref().map(remembered).unwrap_or_default();
    let mut new = None;
    let refused = given
        .as_ref()
        .and_then(|given| not_for_nodes(given, name, JOLOKIA_FIELD, &namespace));
    let state = match (&refused, given.as_ref().map(key)) {
        (_, None) => SecretState::Missing,
        (Some(message), _) => SecretState::Broken(message.clone()),
        (None, Some(Err(invalid))) => SecretState::Broken(format!("Secret {name} {invalid}")),
        (None, Some(Ok(key))) => {
            if accepted.first() != Some(&key) {
                accepted.retain(|old| *old != key);
                accepted.insert(0, key);
                accepted.truncate(REMEMBERED + 1);
                new = Some(PendingRotation {
                    before: ours,
                    accepted: accepted.clone(),
                });
            }
            SecretState::Usable
        }
    };
    Ok(AcceptedCredentials {
        secrets: [(name.to_owned(), state)].into(),
        refused,
        access: ClusterAccess {
            jolokia: credentials(accepted),
            ..ClusterAccess::default()
        },
        revision,
        new,
        ..AcceptedCredentials::default()
    })
}

/// Accepts a new password: from then on pods are re-created for it, if there was a password before.
///
/// # Errors
/// The API server rejects the request, or another writer changes the Secret at the same time.
pub async fn accept(
    kube: &Kube,
    cluster: &CassandraCluster,
    new: &PendingRotation,
) -> Result<(), kube::Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(kube.client.clone(), &namespace);
    let revision = if new.is_rotation() {
        random(REVISION_BYTES)?
    } else {
        String::new()
    };
    let accepted = serde_json::to_string(&new.accepted).map_err(kube::Error::SerdeError)?;
    let name = names::accepted_secret(&cluster.name_any());
    let data = [(ACCEPTED, accepted), (REVISION, revision)];
    let mut wanted = secret(cluster, name.clone(), data);
    match &new.before {
        None => drop(api.create(&params(), &wanted).await?),
        Some(before) => {
            // The replacement applies only to the version that was read.
            wanted.metadata.resource_version = before.resource_version();
            api.replace(&name, &params(), &wanted).await?;
        }
    }
    tracing::info!(
        cluster = cluster.name_any(),
        "a Jolokia password was accepted"
    );
    Ok(())
}

/// Creates the Secrets that the nodes share, where the spec names none, and renews certificates. A password that cannot be
/// created holds no renewal back: nodes whose certificate has expired are out of reach. `is_marked`: they are marked as
/// those of a ring with TLS.
///
/// # Errors
/// The API server rejects a request for the Secret of this name.
pub async fn make(
    kube: &Kube,
    cluster: &CassandraCluster,
    started: &Started,
    is_marked: bool,
) -> Result<(), (String, kube::Error)> {
    let shared = node_secrets(cluster, started);
    let named = named_secrets(cluster, started);
    let mut outcome = Ok(());
    for usage in CertificateUse::ALL {
        if let Some(name) = shared.of(usage).filter(|_| named.of(usage).is_none()) {
            let kept = authority::keep(kube, cluster, usage, is_marked, Timestamp::now()).await;
            outcome = outcome.and(kept.map_err(|error| (name.clone(), error)));
        }
    }
    if let Some(name) = &shared.superuser {
        let made = superuser::make(kube, cluster, (name, named.superuser.is_some())).await;
        outcome = outcome.and(made.map_err(|error| (name.clone(), error)));
    }
    if let Some(name) = shared.password.filter(|_| named.password.is_none()) {
        let made = make_password(kube, cluster).await;
        outcome = outcome.and(made.map_err(|error| (name, error)));
    }
    outcome
}

/// With the password that the nodes already use, or a random one. An existing Secret is never changed.
async fn make_password(kube: &Kube, cluster: &CassandraCluster) -> Result<(), kube::Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(kube.client.clone(), &namespace);
    let ours = api
        .get_opt(&names::accepted_secret(&cluster.name_any()))
        .await?;
    let ours = lasting(ours, cluster);
    let known = ours
        .as_ref()
        .and_then(|ours| remembered(ours).0.into_iter().next());
    let key = match known {
        Some(key) => key,
        None => Key {
            username: USERNAME.into(),
            password: random(PASSWORD_BYTES)?,
        },
    };
    let data = [("username", key.username), ("password", key.password)];
    let secret = secret(cluster, names::jolokia_secret(&cluster.name_any()), data);
    match api.create(&params(), &secret).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        outcome => outcome.map(drop),
    }
}

pub(super) fn secret<const N: usize>(
    cluster: &CassandraCluster,
    name: String,
    data: [(&str, String); N],
) -> Secret {
    let data = data.map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes())));
    Secret {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: cluster.namespace(),
            labels: Some(names::cluster_labels(&cluster.name_any())),
            owner_references: Some(cluster.controller_owner_ref(&()).into_iter().collect()),
            ..ObjectMeta::default()
        },
        data: Some(data.into()),
        ..Secret::default()
    }
}

pub(super) fn params() -> PostParams {
    PostParams {
        field_manager: Some(names::OPERATOR_MANAGER.into()),
        ..PostParams::default()
    }
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    let bytes = secret.data.as_ref()?.get(key)?;
    let text = std::str::from_utf8(&bytes.0).ok()?.trim_end_matches('\n');
    (!text.is_empty()).then(|| text.to_owned())
}

/// A Secret, unless Kubernetes is about to delete it with an earlier resource of the name.
pub(super) fn lasting(secret: Option<Secret>, cluster: &CassandraCluster) -> Option<Secret> {
    secret.filter(|secret| !is_of_predecessor(secret.owner_references(), cluster))
}

/// The reason why a Secret is not used, if it is not meant for the nodes.
pub(super) fn not_for_nodes(
    secret: &Secret,
    name: &str,
    field: &str,
    namespace: &str,
) -> Option<String> {
    let keys = secret.data.iter().flat_map(|data| data.keys());
    let why = jolokia_secret::not_meant_because(secret.labels(), secret.type_.as_deref(), keys)?;
    Some(format!(
        "Secret {name} of {field} may not be meant for the nodes, for {why}: name another Secret; if it is meant for them: kubectl label secret {name} --namespace {namespace} --overwrite {}=true",
        names::NODE_CREDENTIALS_LABEL
    ))
}

fn key(secret: &Secret) -> Result<Key, InvalidKey> {
    let value = |key: &str| Some(secret.data.as_ref()?.get(key)?.0.as_slice());
    Ok(Key {
        username: jolokia_secret::username(value("username"))?,
        password: jolokia_secret::password(value("password"))?,
    })
}

fn remembered(ours: &Secret) -> (Vec<Key>, String) {
    let accepted = text(ours, ACCEPTED).and_then(|text| serde_json::from_str(&text).ok());
    (
        accepted.unwrap_or_default(),
        text(ours, REVISION).unwrap_or_default(),
    )
}

fn credentials(accepted: Vec<Key>) -> Option<Arc<Credentials>> {
    let mut keys = accepted.into_iter().map(|key| Credentials {
        username: key.username,
        password: key.password,
        older: Vec::new(),
    });
    let newest = keys.next()?;
    Some(Arc::new(Credentials {
        older: keys.collect(),
        ..newest
    }))
}

pub(super) fn random(bytes: usize) -> Result<String, kube::Error> {
    let none = || kube::Error::Service("the system gives no random bytes".into());
    random::text(bytes).ok_or_else(none)
}
