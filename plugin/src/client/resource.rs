//! The kinds of objects that the plugin reads, as the API server has them. Only their names: the types of the whole
//! API would double the binary.

use casskop_common::api::{GROUP, VERSION};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
};

/// A kind of objects of the API server.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    /// Group of the API; empty for the core.
    pub group: &'static str,
    version: &'static str,
    kind: &'static str,
    /// Name in paths and permissions.
    pub plural: &'static str,
    /// Name of one in messages.
    pub singular: &'static str,
}

/// The clusters.
pub const CLUSTERS: Resource = Resource {
    group: GROUP,
    version: VERSION,
    kind: "CassandraCluster",
    plural: "cassandraclusters",
    singular: "cassandracluster",
};
/// Rings over several Kubernetes clusters.
pub const RINGS: Resource = Resource {
    group: GROUP,
    version: VERSION,
    kind: "MultiCasskop",
    plural: "multicasskops",
    singular: "multicasskop",
};
/// The version of the API server, which is no object.
pub const API_VERSION: Resource = core("Version", "version", "version");
pub const NAMESPACES: Resource = core("Namespace", "namespaces", "namespace");
pub const PODS: Resource = core("Pod", "pods", "pod");
/// Logs of pods.
pub const POD_LOGS: Resource = core("Pod", "pods/log", "log of pod");
/// Events as they are shown.
pub const EVENTS: Resource = in_group("events.k8s.io", "Event", "events", "event");
/// Events as a bundle has them: with all that was ever in them.
pub const CORE_EVENTS: Resource = core("Event", "events", "event");
pub const STATEFUL_SETS: Resource = in_group("apps", "StatefulSet", "statefulsets", "statefulset");
pub const DEPLOYMENTS: Resource = in_group("apps", "Deployment", "deployments", "deployment");
pub const VOLUMES: Resource = core(
    "PersistentVolumeClaim",
    "persistentvolumeclaims",
    "persistentvolumeclaim",
);
pub const SERVICES: Resource = core("Service", "services", "service");
pub const CONFIG_MAPS: Resource = core("ConfigMap", "configmaps", "configmap");
pub const SECRETS: Resource = core("Secret", "secrets", "secret");
pub const SERVICE_ACCOUNTS: Resource = core("ServiceAccount", "serviceaccounts", "serviceaccount");
pub const ROLES: Resource = in_group("rbac.authorization.k8s.io", "Role", "roles", "role");
pub const ROLE_BINDINGS: Resource = in_group(
    "rbac.authorization.k8s.io",
    "RoleBinding",
    "rolebindings",
    "rolebinding",
);
pub const BUDGETS: Resource = in_group(
    "policy",
    "PodDisruptionBudget",
    "poddisruptionbudgets",
    "poddisruptionbudget",
);
pub const CRDS: Resource = in_group(
    "apiextensions.k8s.io",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    "customresourcedefinition",
);
pub const QUOTAS: Resource = core("ResourceQuota", "resourcequotas", "resourcequota");
pub const STORAGE_CLASSES: Resource = in_group(
    "storage.k8s.io",
    "StorageClass",
    "storageclasses",
    "storageclass",
);
/// Questions about a right of the user.
pub const ACCESS_REVIEWS: Resource = in_group(
    "authorization.k8s.io",
    "SelfSubjectAccessReview",
    "selfsubjectaccessreviews",
    "selfsubjectaccessreview",
);

const fn core(kind: &'static str, plural: &'static str, singular: &'static str) -> Resource {
    in_group("", kind, plural, singular)
}

const fn in_group(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
) -> Resource {
    Resource {
        group,
        version: "v1",
        kind,
        plural,
        singular,
    }
}

impl Resource {
    /// As a Role and its readers name it: `statefulsets.apps`.
    pub fn name(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// How the API names it.
    pub fn described(&self) -> ApiResource {
        let api_version = match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        };
        ApiResource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            api_version,
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
        }
    }

    /// Its objects in one namespace, or in all.
    pub fn api(&self, client: &Client, namespace: Option<&str>) -> Api<DynamicObject> {
        let (client, described) = (client.clone(), self.described());
        match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &described),
            None => Api::all_with(client, &described),
        }
    }
}
