//! The objects in a site that give the operator of the home cluster access. Pure.

use serde_json::{Value, json};

use super::resource::{ROLE_BINDINGS, ROLES, Resource, SECRETS, SERVICE_ACCOUNTS};

/// Name of the service account, of its Role and of the `RoleBinding`.
pub const ACCOUNT: &str = "casskop-multi";
/// Name of the Secret with its token.
pub const TOKEN: &str = "casskop-multi-token";
/// Uid of the account of the token: the token of a deleted account is invalid.
pub const TOKEN_OF: &str = "kubernetes.io/service-account.uid";

const RIGHTS_GROUP: &str = "rbac.authorization.k8s.io";

/// An object to be applied or deleted.
pub struct Object {
    /// Its kind.
    pub resource: &'static Resource,
    /// Its name.
    pub name: &'static str,
    /// All that is written of it.
    pub manifest: Value,
}

/// The objects in the namespace of a site, in the order of their creation.
pub fn objects(namespace: &str) -> [Object; 4] {
    let subject = json!({ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace });
    let role = json!({ "apiGroup": RIGHTS_GROUP, "kind": "Role", "name": ACCOUNT });
    [
        object(&SERVICE_ACCOUNTS, ACCOUNT, namespace, json!({})),
        object(&ROLES, ACCOUNT, namespace, json!({ "rules": rules() })),
        object(
            &ROLE_BINDINGS,
            ACCOUNT,
            namespace,
            json!({ "roleRef": role, "subjects": [subject] }),
        ),
        object(
            &SECRETS,
            TOKEN,
            namespace,
            json!({
                "metadata": { "annotations": { "kubernetes.io/service-account.name": ACCOUNT } },
                "type": "kubernetes.io/service-account-token",
            }),
        ),
    ]
}

/// The permissions that the operator needs in a site, and no more.
fn rules() -> Value {
    json!([
        {
            "apiGroups": ["db.orange.com"],
            "resources": ["cassandraclusters"],
            "verbs": ["get", "list", "watch", "create", "patch", "delete"],
        },
        { "apiGroups": [""], "resources": ["services"], "verbs": ["get", "create", "patch"] },
        {
            "apiGroups": ["discovery.k8s.io"],
            "resources": ["endpointslices"],
            "verbs": ["get", "list", "create", "patch", "delete"],
        },
        // The mark of a formed ring.
        { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"] },
        // Whether it is the same namespace of the same cluster as before.
        { "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"] },
    ])
}

fn object(
    resource: &'static Resource,
    name: &'static str,
    namespace: &str,
    mut manifest: Value,
) -> Object {
    let described = resource.described();
    manifest["apiVersion"] = described.api_version.into();
    manifest["kind"] = described.kind.into();
    manifest["metadata"]["name"] = name.into();
    manifest["metadata"]["namespace"] = namespace.into();
    manifest["metadata"]["labels"] = json!({ "app.kubernetes.io/name": ACCOUNT });
    Object {
        resource,
        name,
        manifest,
    }
}
