//! The Secrets with the names and the passwords of the roles of applications (`spec.authentication.users`). They are read, and
//! never written.

use std::collections::BTreeMap;

use casskop_common::{api::CassandraCluster, names};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};

use crate::{
    kubernetes::{
        Kube,
        credentials::{lasting, not_for_nodes},
        objects::error_text,
        superuser,
    },
    node_api::cql::Login,
};

/// Secrets that are read at the same time.
const AT_ONCE: usize = 8;
/// Bytes of a name, and of a password. Names are in the status, and Cassandra takes the first 72 bytes of a password.
const LONGEST: usize = 128;
/// The field of the spec.
const FIELD: &str = "authentication.users";

/// The login in each Secret, or why it cannot be used; none of a Secret that does not exist.
pub type UserSecrets = BTreeMap<String, Result<Login, String>>;

/// Reads the Secrets of the users of a cluster.
pub async fn read(kube: &Kube, cluster: &CassandraCluster) -> UserSecrets {
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(kube.client.clone(), &namespace);
    let users = cluster.spec.authentication.iter();
    let users = users.flat_map(|authentication| &authentication.users);
    // The name is a part of the path of the request.
    let names = users.map(|user| user.secret.clone());
    let names: Vec<String> = names.filter(|name| names::is_object_name(name)).collect();
    let (api, namespace) = (&api, &namespace);
    let reads = stream::iter(names).map(|name| async move {
        let login = match api.get_opt(&name).await {
            Ok(secret) => lasting(secret, cluster).map(|secret| usable(&secret, &name, namespace)),
            // One that cannot be read keeps no other from anything.
            Err(error) => Some(Err(format!(
                "Secret {name} cannot be read: {}",
                error_text(&error)
            ))),
        };
        (name, login)
    });
    let all: Vec<_> = reads.buffer_unordered(AT_ONCE).collect().await;
    let found = all.into_iter();
    found
        .filter_map(|(name, login)| Some((name, login?)))
        .collect()
}

fn usable(secret: &Secret, name: &str, namespace: &str) -> Result<Login, String> {
    if let Some(refused) = not_for_nodes(secret, name, FIELD, namespace) {
        return Err(refused);
    }
    let login = superuser::login(secret, superuser::ACCEPTED)
        .map_err(|invalid| format!("Secret {name} {invalid}"))?;
    if login.username.len().max(login.password.len()) > LONGEST {
        return Err(format!(
            "Secret {name} has a username or a password of more than {LONGEST} bytes: choose a shorter one"
        ));
    }
    Ok(login)
}
