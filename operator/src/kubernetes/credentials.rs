//! The Jolokia password, and those before it. A running node knows the one it was started with, so after a change of the
//! Secret the operator has to know both until the last pod is made anew. What it accepted stands in a Secret of its own;
//! so it survives a restart of the operator, and a Secret that was deleted or broken by mistake locks nobody out.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use casskop_common::{api::CassandraCluster, names};
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Resource, ResourceExt, api::PostParams};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::{kubernetes::Kube, node_api::Credentials};
use casskop_core::{desired::secret_name, observed::SecretState};

/// Passwords before the one of now that are remembered.
const REMEMBERED: usize = 4;
/// Bytes of a generated password.
const PASSWORD_BYTES: usize = 24;
/// Bytes of a revision.
const REVISION_BYTES: usize = 6;
/// Name of the generated user.
const USERNAME: &str = "casskop";
/// Key of our Secret with the accepted passwords, the newest first.
const ACCEPTED: &str = "accepted";
/// Key of our Secret with what pods are rolled by: another word each time that the password changes.
const REVISION: &str = "revision";

/// What is known about the passwords of a cluster.
pub struct Keys {
    /// The Secret that the spec names, or ours.
    pub state: SecretState,
    /// Its name.
    pub name: String,
    /// The password of now, and those before it; nothing while there never was one.
    pub credentials: Option<Arc<Credentials>>,
    /// Another word each time that the password changed; empty for the first one.
    pub revision: String,
    /// What is to be accepted, where the Secret has another password.
    pub new: Option<New>,
}

/// Passwords that are to be accepted, the newest first.
pub struct New {
    before: Option<Secret>,
    accepted: Vec<Key>,
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq)]
struct Key {
    username: String,
    password: String,
}

/// Reads the passwords. One that is new is known at once, and no pod is made anew for it before it is accepted.
///
/// # Errors
/// When the API server does not answer.
pub async fn read(kube: &Kube, cluster: &CassandraCluster) -> Result<Keys, kube::Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(kube.client.clone(), &namespace);
    let name = secret_name(cluster);
    let ours = names::accepted_secret(&cluster.name_any());
    let (given, ours) = tokio::try_join!(api.get_opt(&name), api.get_opt(&ours))?;
    let (mut accepted, revision) = ours.as_ref().map(remembered).unwrap_or_default();
    let mut new = None;
    let state = match given.as_ref().map(key) {
        None => SecretState::Missing,
        Some(None) => SecretState::Broken(format!(
            "Secret {name} has no username and password: add both keys, one line of text each"
        )),
        Some(Some(key)) => {
            if accepted.first() != Some(&key) {
                accepted.retain(|old| *old != key);
                accepted.insert(0, key);
                accepted.truncate(REMEMBERED + 1);
                new = Some(New {
                    before: ours,
                    accepted: accepted.clone(),
                });
            }
            SecretState::Usable
        }
    };
    Ok(Keys {
        state,
        name,
        credentials: credentials(accepted),
        revision,
        new,
    })
}

/// Accepts a new password: from now on pods are made anew for it, if there was one before.
///
/// # Errors
/// When the API server refuses, or somebody else writes at the same time.
pub async fn accept(kube: &Kube, cluster: &CassandraCluster, new: &New) -> Result<(), kube::Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(kube.client.clone(), &namespace);
    let revision = match new.accepted.len() {
        0 | 1 => String::new(),
        _ => random(REVISION_BYTES)?,
    };
    let accepted = serde_json::to_string(&new.accepted).map_err(kube::Error::SerdeError)?;
    let name = names::accepted_secret(&cluster.name_any());
    let data = [(ACCEPTED, accepted), (REVISION, revision)];
    let mut wanted = secret(cluster, name.clone(), data);
    match &new.before {
        None => drop(api.create(&params(), &wanted).await?),
        Some(before) => {
            // Only what was read is replaced.
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

/// Makes the Secret where the spec names none: with the password that the nodes know already, or a random one. An
/// existing one is never changed.
///
/// # Errors
/// When the API server refuses.
pub async fn make(kube: &Kube, cluster: &CassandraCluster) -> Result<(), kube::Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(kube.client.clone(), &namespace);
    let ours = api
        .get_opt(&names::accepted_secret(&cluster.name_any()))
        .await?;
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

fn secret<const N: usize>(
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

fn params() -> PostParams {
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

fn key(secret: &Secret) -> Option<Key> {
    Some(Key {
        username: text(secret, "username")?,
        password: text(secret, "password")?,
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

fn random(bytes: usize) -> Result<String, kube::Error> {
    let mut random = vec![0; bytes];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| kube::Error::Service("the system gives no random bytes".into()))?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}
