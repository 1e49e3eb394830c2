//! The superuser of Cassandra. The Secret of the spec has the one that is wanted; a Secret of the operator has the one that
//! Cassandra accepts, and the one that is to take its place. Each change is recorded there before it is made, so that one of
//! the two logs in whatever is lost on the way. The Secrets that the operator makes stay as long as the volumes do.

use casskop_common::{api::CassandraCluster, names};
use casskop_core::{
    observed::{SecretState, is_owned_by},
    pod_config::{
        jolokia_secret,
        logins::{self, InvalidSuperuser},
    },
};
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{Api, Resource, ResourceExt};

use crate::{
    kubernetes::{
        Kube, apply,
        credentials::{
            AcceptedCredentials, PASSWORD_BYTES, lasting, not_for_nodes, params, random, secret,
        },
    },
    node_api::cql::Login,
};

/// Name of the generated superuser.
const USERNAME: &str = "superuser";
/// Keys of the accepted superuser in the operator's Secret; pods mount these.
pub(super) const ACCEPTED: [&str; 2] = ["username", "password"];
/// Keys of the superuser that is to take its place.
const NEXT: [&str; 2] = ["next-username", "next-password"];
/// Key of the resource for which a login of the accepted superuser has succeeded, by its UID. Volumes that stay when the
/// resource is created again may be of another ring.
const ACCEPTED_FOR: &str = "accepted-for";

/// The superuser, as far as its Secrets say.
#[derive(Default)]
pub struct Superuser {
    /// As the Secret of the spec says, if it can be used.
    wanted: Option<Login>,
    /// As Cassandra accepts it.
    accepted: Option<Login>,
    /// Whether a login with it has succeeded. Before that it is what the first pod sets up.
    is_known: bool,
    /// As Cassandra may accept it already.
    next: Option<Login>,
    /// The Secret of the operator.
    record: Option<Secret>,
}

/// The next step of a change of the superuser.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// The first of these that logs in is the accepted one.
    Verify(&'a Login, Option<&'a Login>),
    /// The change to this one is recorded.
    Begin(&'a Login),
    /// The accepted one is changed to the second one in Cassandra.
    Make(&'a Login, &'a Login),
}

impl Superuser {
    /// The superuser that logs in, if no change is under way.
    pub fn accepted(&self) -> Option<&Login> {
        let is_at_rest = self.is_known && self.next.is_none();
        self.accepted.as_ref().filter(|_| is_at_rest)
    }

    /// The next step; nothing if Cassandra accepts the wanted one. A change that is recorded ends before anything else
    /// begins: Cassandra may have either password, and may accept the one before for a while longer.
    pub fn change(&self) -> Option<Change<'_>> {
        let accepted = self.accepted.as_ref()?;
        let wanted = self.wanted.as_ref().filter(|wanted| *wanted != accepted);
        match (&self.next, wanted) {
            (Some(next), _) => Some(Change::Make(accepted, next)),
            (None, other) if !self.is_known => Some(Change::Verify(accepted, other)),
            (None, wanted) => wanted.map(Change::Begin),
        }
    }

    /// The wanted one, if it is another one than that of the change under way.
    pub fn instead(&self) -> Option<&Login> {
        let wanted = self.wanted.as_ref();
        wanted.filter(|wanted| self.next.as_ref() != Some(*wanted))
    }

    /// The names of the superuser, before and after a change.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let all = [&self.wanted, &self.accepted, &self.next].into_iter();
        all.flatten().map(|login| login.username.as_str())
    }

    /// Whether a login of the resource's superuser has succeeded.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// As the operator's Secret says.
    fn recorded(ours: Option<Secret>, cluster: &CassandraCluster) -> Self {
        let of = |keys| ours.as_ref().and_then(|ours| login(ours, keys).ok());
        let known = ours.as_ref().and_then(|ours| ours.data.as_ref());
        let known = known.and_then(|data| data.get(ACCEPTED_FOR));
        Self {
            wanted: None,
            accepted: of(ACCEPTED),
            is_known: known.is_some_and(|uid| Some(uid) == for_cluster(cluster).as_ref()),
            next: of(NEXT),
            record: ours,
        }
    }
}

fn for_cluster(cluster: &CassandraCluster) -> Option<ByteString> {
    cluster.uid().map(|uid| ByteString(uid.into_bytes()))
}

/// Reads the operator's Secret, of a resource that no longer asks for logins.
///
/// # Errors
/// The API server does not respond.
pub(super) async fn read_record(
    kube: &Kube,
    cluster: &CassandraCluster,
) -> Result<AcceptedCredentials, kube::Error> {
    let ours = names::accepted_superuser_secret(&cluster.name_any());
    let ours = secrets(kube, cluster).get_opt(&ours).await?;
    Ok(AcceptedCredentials {
        superuser: Superuser::recorded(lasting(ours, cluster), cluster),
        ..AcceptedCredentials::default()
    })
}

/// Reads the superuser: the Secret of this name, and the operator's.
///
/// # Errors
/// The API server does not respond.
pub(super) async fn read(
    kube: &Kube,
    cluster: &CassandraCluster,
    name: &str,
) -> Result<AcceptedCredentials, kube::Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let api = secrets(kube, cluster);
    let ours = names::accepted_superuser_secret(&cluster.name_any());
    let (given, ours) = tokio::try_join!(api.get_opt(name), api.get_opt(&ours))?;
    let (given, ours) = (lasting(given, cluster), lasting(ours, cluster));
    let refused = given
        .as_ref()
        .and_then(|given| not_for_nodes(given, name, "authentication.superuserSecret", &namespace));
    // The owner is seen to whatever the Secret of the spec has.
    let stays = |secret: &Secret| has(secret, cluster, owner(cluster).as_ref());
    let are_kept = [&given, &ours].into_iter().flatten().all(stays);
    let mut superuser = Superuser::recorded(ours, cluster);
    let state = match (&refused, given.map(|given| login(&given, ACCEPTED))) {
        (_, None) => SecretState::Missing,
        (Some(message), _) => SecretState::Broken(message.clone()),
        (None, Some(Err(invalid))) => SecretState::Broken(format!("Secret {name} {invalid}")),
        (None, Some(Ok(wanted))) => {
            superuser.wanted = Some(wanted);
            // The operator has to record it before a pod is started.
            match superuser.accepted {
                Some(_) => SecretState::Usable,
                None => SecretState::Outdated,
            }
        }
    };
    let ours = names::accepted_superuser_secret(&cluster.name_any());
    let not_kept = (!are_kept).then_some((ours, SecretState::Outdated));
    let states = [(name.to_owned(), state)].into_iter();
    Ok(AcceptedCredentials {
        secrets: states.chain(not_kept).collect(),
        refused,
        superuser,
        ..AcceptedCredentials::default()
    })
}

/// Whether the resource owns a Secret, if it is to be its owner. One that the operator has not made is left alone.
fn has(secret: &Secret, cluster: &CassandraCluster, owner: Option<&OwnerReference>) -> bool {
    let mut labels = names::cluster_labels(&cluster.name_any()).into_iter();
    let has_labels = labels.all(|(name, value)| secret.labels().get(&name) == Some(&value));
    let is_made = has_labels && made(cluster).contains(&secret.name_any());
    !is_made || is_owned_by(secret.owner_references(), cluster) == owner.is_some()
}

/// A Secret that stays as long as the volumes do.
fn kept<const N: usize>(
    cluster: &CassandraCluster,
    name: String,
    data: [(&str, String); N],
) -> Secret {
    let mut secret = secret(cluster, name, data);
    *secret.owner_references_mut() = owner(cluster).into_iter().collect();
    secret
}

fn owner(cluster: &CassandraCluster) -> Option<OwnerReference> {
    let owner = cluster.owner_ref(&());
    owner.filter(|_| cluster.spec.delete_pvc == Some(true))
}

/// Creates the Secret where the spec names none, with the accepted superuser or a random one, and the record of the operator.
/// Of an existing one only the owner is changed.
pub(super) async fn make(
    kube: &Kube,
    cluster: &CassandraCluster,
    (name, is_named): (&str, bool),
) -> Result<(), kube::Error> {
    let api = secrets(kube, cluster);
    for made in made(cluster) {
        keep(&api, cluster, owner(cluster), &made).await?;
    }
    let known = read(kube, cluster, name).await?.superuser;
    let wanted = match (known.wanted, &known.accepted) {
        (Some(wanted), _) => wanted,
        (None, _) if is_named => return Ok(()),
        (None, accepted) => {
            let random = || {
                Ok::<_, kube::Error>(Login {
                    username: USERNAME.into(),
                    password: random(PASSWORD_BYTES)?,
                })
            };
            let made = accepted.clone().map_or_else(random, Ok)?;
            let made_secret = kept(cluster, name.to_owned(), data(ACCEPTED, &made));
            match api.create(&params(), &made_secret).await {
                // It cannot be used, or another operator was faster: the next reconciliation reads it.
                Err(kube::Error::Api(status)) if status.is_already_exists() => return Ok(()),
                outcome => outcome.map(drop)?,
            }
            made
        }
    };
    if known.accepted.is_some() {
        return Ok(());
    }
    let ours = names::accepted_superuser_secret(&cluster.name_any());
    let record = kept(cluster, ours, data(ACCEPTED, &wanted));
    match known.record {
        None => api.create(&params(), &record).await.map(drop),
        // Somebody has emptied it.
        Some(before) => replace(&api, &before, record).await,
    }
}

/// The Secrets that the operator makes.
fn made(cluster: &CassandraCluster) -> [String; 2] {
    let name = cluster.name_any();
    [
        names::superuser_secret(&name),
        names::accepted_superuser_secret(&name),
    ]
}

/// Lets the Secrets that the operator has made stay, as the volumes of a resource that is being deleted do.
///
/// # Errors
/// The API server rejects the request, or another writer changes a Secret at the same time.
pub async fn release(kube: &Kube, cluster: &CassandraCluster) -> Result<(), apply::Error> {
    let api = secrets(kube, cluster);
    let mut outcome = Ok(());
    for made in made(cluster) {
        let kept = keep(&api, cluster, None, &made).await;
        outcome = outcome.and(kept.map_err(apply::Error::of::<Secret>(&made)));
    }
    outcome
}

/// Changes the owner of a Secret that the operator has made. The Secret of an earlier resource goes with that.
async fn keep(
    api: &Api<Secret>,
    cluster: &CassandraCluster,
    owner: Option<OwnerReference>,
    name: &str,
) -> Result<(), kube::Error> {
    let secret = lasting(api.get_opt(name).await?, cluster);
    let Some(before) = secret.filter(|secret| !has(secret, cluster, owner.as_ref())) else {
        return Ok(());
    };
    let mut with = before.clone();
    let owners = with.owner_references_mut();
    owners.retain(|owner| Some(&owner.uid) != cluster.meta().uid.as_ref());
    owners.extend(owner);
    replace(api, &before, with).await
}

/// Records that the accepted superuser is about to be changed to this one.
///
/// # Errors
/// The API server rejects the request, or another writer changes the Secret at the same time.
pub async fn begin(
    kube: &Kube,
    cluster: &CassandraCluster,
    superuser: &Superuser,
    next: &Login,
) -> Result<(), kube::Error> {
    let accepted = superuser.accepted.as_ref();
    write(kube, cluster, superuser, accepted, Some(next)).await
}

/// Records that a login as this superuser has succeeded, and no change is under way.
///
/// # Errors
/// The API server rejects the request, or another writer changes the Secret at the same time.
pub async fn accept(
    kube: &Kube,
    cluster: &CassandraCluster,
    superuser: &Superuser,
    accepted: &Login,
) -> Result<(), kube::Error> {
    write(kube, cluster, superuser, Some(accepted), None).await
}

async fn write(
    kube: &Kube,
    cluster: &CassandraCluster,
    superuser: &Superuser,
    accepted: Option<&Login>,
    next: Option<&Login>,
) -> Result<(), kube::Error> {
    let Some((accepted, before)) = accepted.zip(superuser.record.as_ref()) else {
        return Ok(());
    };
    let mut wanted = kept(cluster, before.name_any(), data(ACCEPTED, accepted));
    let all = wanted.data.get_or_insert_default();
    if let Some(next) = next {
        let more = kept(cluster, before.name_any(), data(NEXT, next));
        all.extend(more.data.unwrap_or_default());
    }
    let uid = for_cluster(cluster).filter(|_| superuser.is_known || next.is_none());
    all.extend(uid.map(|uid| (ACCEPTED_FOR.to_owned(), uid)));
    replace(&secrets(kube, cluster), before, wanted).await
}

/// The replacement applies only to the version that was read.
async fn replace(api: &Api<Secret>, before: &Secret, mut with: Secret) -> Result<(), kube::Error> {
    with.metadata.resource_version = before.resource_version();
    api.replace(&before.name_any(), &params(), &with)
        .await
        .map(drop)
}

fn secrets(kube: &Kube, cluster: &CassandraCluster) -> Api<Secret> {
    Api::namespaced(
        kube.client.clone(),
        &cluster.namespace().unwrap_or_default(),
    )
}

fn data(keys: [&'static str; 2], login: &Login) -> [(&'static str, String); 2] {
    let [username, password] = keys;
    [
        (username, login.username.clone()),
        (password, login.password.clone()),
    ]
}

pub(super) fn login(
    secret: &Secret,
    [username, password]: [&str; 2],
) -> Result<Login, InvalidSuperuser> {
    let value = |key: &str| Some(secret.data.as_ref()?.get(key)?.0.as_slice());
    Ok(Login {
        username: logins::username(value(username))?,
        password: jolokia_secret::password(value(password))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(password: &str) -> Login {
        Login {
            username: "admin".into(),
            password: password.into(),
        }
    }

    #[test]
    fn a_change_is_recorded_before_it_is_made_and_ends_before_another_one_begins() {
        let [a, b, c] = ["a", "b", "c"].map(login);
        let of =
            |is_known, wanted: Option<&Login>, accepted: Option<&Login>, next: Option<&Login>| {
                Superuser {
                    wanted: wanted.cloned(),
                    accepted: accepted.cloned(),
                    is_known,
                    next: next.cloned(),
                    record: None,
                }
            };
        for is_known in [false, true] {
            let of = |wanted, accepted, next| of(is_known, wanted, accepted, next);
            let verify = |other| (!is_known).then_some(Change::Verify(&a, other));
            for (superuser, change) in [
                (of(None, None, None), None),
                (of(Some(&a), None, None), None),
                (of(Some(&a), Some(&a), None), verify(None)),
                (of(None, Some(&a), None), verify(None)),
                (
                    of(Some(&b), Some(&a), None),
                    verify(Some(&b)).or(Some(Change::Begin(&b))),
                ),
                // The Secret is as it was, is gone, was changed again, or back.
                (of(Some(&b), Some(&a), Some(&b)), Some(Change::Make(&a, &b))),
                (of(None, Some(&a), Some(&b)), Some(Change::Make(&a, &b))),
                (of(Some(&c), Some(&a), Some(&b)), Some(Change::Make(&a, &b))),
                (of(Some(&a), Some(&a), Some(&b)), Some(Change::Make(&a, &b))),
            ] {
                assert_eq!(superuser.change(), change);
            }
        }
    }
}
