//! The manifests of the operator, with its namespace, image and reach put where they belong. Pure.

use serde_json::{Value, json};

use super::manifest;
use crate::error::{CliError, Result};

const CRD: &str = include_str!("../../../manifests/crds/cassandraclusters.yaml");
const PARTS: [&str; 3] = [
    include_str!("../../../manifests/operator/namespace.yaml"),
    include_str!("../../../manifests/operator/rbac.yaml"),
    include_str!("../../../manifests/operator/deployment.yaml"),
];
const MULTI_CRD: &str = include_str!("../../../manifests/crds/multicasskops.yaml");
const MULTI_PARTS: [&str; 2] = [
    include_str!("../../../manifests/multi/rbac.yaml"),
    include_str!("../../../manifests/multi/deployment.yaml"),
];
/// How the manifests label the Deployment and the pods of the operator.
pub const OPERATOR_SELECTOR: &str = "app.kubernetes.io/name=casskop-operator";

const RIGHTS_GROUP: &str = "rbac.authorization.k8s.io";

/// The namespaces whose clusters the operator runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Those of its own namespace.
    Own,
    /// Those of another one.
    One(String),
    /// All there are.
    All,
}

/// The parameters of an installation.
#[derive(Clone, Debug)]
pub struct Install<'a> {
    /// Namespace of the operators.
    pub namespace: &'a str,
    /// Their image.
    pub image: &'a str,
    /// The namespaces whose clusters they run.
    pub watch: Watch,
    /// Name of this Kubernetes cluster as the home of rings over several; nothing without the operator of those.
    pub home: Option<&'a str>,
}

/// All of it as one YAML stream: the CRDs first, what needs others after them.
///
/// # Errors
/// Never, with the manifests of this repository: a test reads them all.
pub fn manifests(install: &Install<'_>) -> Result<String> {
    let multi = install.home.is_some();
    let crds = [CRD].into_iter().chain(multi.then_some(MULTI_CRD));
    let mut text = String::new();
    for crd in crds {
        text.push_str("---\n");
        text.push_str(crd.trim_start_matches("---\n"));
    }
    let more = MULTI_PARTS.into_iter().filter(|_| multi);
    for part in PARTS.into_iter().chain(more) {
        let objects: Vec<Value> =
            serde_saphyr::from_multiple(part).map_err(|error| unreadable(&error))?;
        for mut object in objects {
            set_location(&mut object, install)?;
            text.push_str("---\n");
            text.push_str(&manifest::yaml(&object)?);
        }
    }
    Ok(text)
}

/// The same as objects.
///
/// # Errors
/// Never, as above.
pub fn objects(install: &Install<'_>) -> Result<Vec<Value>> {
    let manifests = manifests(install)?;
    serde_saphyr::from_multiple(&manifests).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_saphyr::Error) -> CliError {
    CliError::failed(format!("cannot read our own manifests: {error}"))
}

fn set_location(object: &mut Value, install: &Install<'_>) -> Result<()> {
    let namespace = install.namespace;
    match object["kind"].as_str().unwrap_or_default() {
        "Namespace" => object["metadata"]["name"] = namespace.into(),
        "Role" | "RoleBinding" => rights(object, namespace, &install.watch)?,
        "Deployment" => {
            object["metadata"]["namespace"] = namespace.into();
            deployment(object, install)?;
        }
        _ => object["metadata"]["namespace"] = namespace.into(),
    }
    Ok(())
}

/// The rights are where the clusters are, the account that has them is where the operator is.
fn rights(object: &mut Value, namespace: &str, watch: &Watch) -> Result<()> {
    match watch {
        Watch::Own => object["metadata"]["namespace"] = namespace.into(),
        Watch::One(other) => object["metadata"]["namespace"] = other.as_str().into(),
        Watch::All => {
            let kind = object["kind"].as_str().unwrap_or_default();
            object["kind"] = format!("Cluster{kind}").into();
            if let Some(role) = object.get_mut("roleRef") {
                *role = json!({ "apiGroup": RIGHTS_GROUP, "kind": "ClusterRole", "name": role["name"] });
            }
        }
    }
    if object.get("roleRef").is_some() {
        part(object, "/subjects/0")?["namespace"] = namespace.into();
    }
    Ok(())
}

fn deployment(object: &mut Value, install: &Install<'_>) -> Result<()> {
    let image = install.image;
    let operator = part(object, "/spec/template/spec/containers/0")?;
    operator["image"] = image.into();
    let variables = operator["env"].as_array_mut().into_iter().flatten();
    for variable in variables {
        let value = match (variable["name"].as_str(), &install.watch) {
            (Some("BOOTSTRAP_IMAGE"), _) => image,
            (Some("HOME_SITE"), _) => install.home.unwrap_or_default(),
            (Some("WATCH_NAMESPACE"), Watch::One(other)) => other,
            (Some("WATCH_NAMESPACE"), Watch::All) => "",
            _ => continue,
        };
        *variable = json!({ "name": variable["name"], "value": value });
    }
    // The permissions for the Lease are where the clusters are. All operators of a namespace thus compete for one Lease.
    if let (Watch::One(other), Some(arguments)) = (&install.watch, operator["args"].as_array_mut())
    {
        arguments.push(format!("--lease-namespace={other}").into());
    }
    Ok(())
}

/// A part of a manifest.
fn part<'a>(object: &'a mut Value, path: &str) -> Result<&'a mut Value> {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    object
        .pointer_mut(path)
        .ok_or_else(|| CliError::failed(format!("our own manifest of the {kind} has no {path}")))
}
