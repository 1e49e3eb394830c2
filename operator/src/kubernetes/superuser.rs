//! The superuser of Cassandra. The Secret of the spec has the one that is wanted; a Secret of the operator has the one that
//! Cassandra accepts, and the one that is to take its place. Each change is recorded there before it is made, so that one of
//! the two logs in whatever is lost on the way.

use casskop_common::{api::CassandraCluster, names};
use casskop_core::{
    observed::SecretState,
    pod_config::{
        jolokia_secret,
        logins::{self, InvalidSuperuser},
    },
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};

use crate::{
    kubernetes::{
        Kube,
        credentials::{
            AcceptedCredentials, PASSWORD_BYTES, lasting, not_for_nodes, params, random, secret,
        },
    },
    node_api::cql::Login,
};

/// Name of the generated superuser.
const USERNAME: &str = "superuser";
/// Keys of the accepted superuser in the operator's Secret; pods mount these.
const ACCEPTED: [&str; 2] = ["username", "password"];
/// Keys of the superuser that is to take its place.
const NEXT: [&str; 2] = ["next-username", "next-password"];

/// The superuser, as far as its Secrets say.
#[derive(Default)]
pub struct Superuser {
    /// As the Secret of the spec says, if it can be used.
    wanted: Option<Login>,
    /// As Cassandra accepts it.
    accepted: Option<Login>,
    /// As Cassandra may accept it already.
    next: Option<Login>,
    /// The Secret of the operator.
    record: Option<Secret>,
}

/// What is to be done about the superuser.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// The change to this one is recorded.
    Begin(&'a Login),
    /// The accepted one is changed to the second one in Cassandra.
    Make(&'a Login, &'a Login),
    /// A change was begun, and another superuser is wanted by now: the first of these that logs in is the accepted one.
    Find([&'a Login; 3]),
}

impl Superuser {
    /// The superuser that Cassandra accepts.
    pub fn accepted(&self) -> Option<&Login> {
        self.accepted.as_ref()
    }

    /// What is to be done next; nothing if Cassandra accepts the wanted one.
    pub fn change(&self) -> Option<Change<'_>> {
        let accepted = self.accepted.as_ref()?;
        match (&self.next, &self.wanted) {
            (None, Some(wanted)) if wanted != accepted => Some(Change::Begin(wanted)),
            (None, _) => None,
            (Some(next), Some(wanted)) if wanted != next => {
                Some(Change::Find([wanted, next, accepted]))
            }
            (Some(next), _) => Some(Change::Make(accepted, next)),
        }
    }
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
    let mut superuser = Superuser {
        accepted: ours.as_ref().and_then(|ours| login(ours, ACCEPTED).ok()),
        next: ours.as_ref().and_then(|ours| login(ours, NEXT).ok()),
        record: ours,
        wanted: None,
    };
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
    Ok(AcceptedCredentials {
        secrets: [(name.to_owned(), state)].into(),
        refused,
        superuser,
        ..AcceptedCredentials::default()
    })
}

/// Creates the Secret where the spec names none, with the accepted superuser or a random one, and the record of the operator.
/// An existing one is never changed.
pub(super) async fn make(
    kube: &Kube,
    cluster: &CassandraCluster,
    (name, is_named): (&str, bool),
) -> Result<(), kube::Error> {
    let known = read(kube, cluster, name).await?.superuser;
    let api = secrets(kube, cluster);
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
            let made_secret = secret(cluster, name.to_owned(), data(ACCEPTED, &made));
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
    let record = secret(cluster, ours.clone(), data(ACCEPTED, &wanted));
    match known.record {
        None => api.create(&params(), &record).await.map(drop),
        // Somebody has emptied it.
        Some(before) => replace(&api, &before, record).await,
    }
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

/// Records that Cassandra accepts this superuser, and no change is under way.
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
    let mut wanted = secret(cluster, before.name_any(), data(ACCEPTED, accepted));
    if let Some(next) = next {
        let more = secret(cluster, before.name_any(), data(NEXT, next));
        let all = wanted.data.get_or_insert_default();
        all.extend(more.data.unwrap_or_default());
    }
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

fn login(secret: &Secret, [username, password]: [&str; 2]) -> Result<Login, InvalidSuperuser> {
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
    fn a_change_is_recorded_before_it_is_made_and_one_that_was_begun_is_not_forgotten() {
        let [a, b, c] = ["a", "b", "c"].map(login);
        let of =
            |wanted: Option<&Login>, accepted: Option<&Login>, next: Option<&Login>| Superuser {
                wanted: wanted.cloned(),
                accepted: accepted.cloned(),
                next: next.cloned(),
                record: None,
            };
        for (superuser, change) in [
            (of(None, None, None), None),
            (of(Some(&a), None, None), None),
            (of(Some(&a), Some(&a), None), None),
            (of(None, Some(&a), None), None),
            (of(Some(&b), Some(&a), None), Some(Change::Begin(&b))),
            (of(Some(&b), Some(&a), Some(&b)), Some(Change::Make(&a, &b))),
            // The Secret is gone, or was changed again, or back.
            (of(None, Some(&a), Some(&b)), Some(Change::Make(&a, &b))),
            (
                of(Some(&c), Some(&a), Some(&b)),
                Some(Change::Find([&c, &b, &a])),
            ),
            (
                of(Some(&a), Some(&a), Some(&b)),
                Some(Change::Find([&a, &b, &a])),
            ),
        ] {
            assert_eq!(superuser.change(), change);
        }
    }
}
