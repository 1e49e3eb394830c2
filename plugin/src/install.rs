//! The manifests of the operator, with its namespace, image and reach put where they belong. Pure.

use serde_json::{Value, json};

use crate::{
    error::{CliError, Result},
    manifest,
};

const CRD: &str = include_str!("../../manifests/crds/cassandraclusters.yaml");
const PARTS: [&str; 3] = [
    include_str!("../../manifests/operator/namespace.yaml"),
    include_str!("../../manifests/operator/rbac.yaml"),
    include_str!("../../manifests/operator/deployment.yaml"),
];
const RIGHTS_GROUP: &str = "rbac.authorization.k8s.io";

/// Whose clusters the operator runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Those of its own namespace.
    Own,
    /// Those of another one.
    One(String),
    /// All there are.
    All,
}

/// All of it as one YAML stream: the CRD first, what needs others after them.
///
/// # Errors
/// Never, with the manifests of this repository: a test reads them all.
pub fn manifests(namespace: &str, image: &str, watch: &Watch) -> Result<String> {
    let mut text = format!("---\n{}", CRD.trim_start_matches("---\n"));
    for part in PARTS {
        let objects: Vec<Value> = serde_saphyr::from_multiple(part)
            .map_err(|error| CliError::failed(format!("cannot read our own manifests: {error}")))?;
        for mut object in objects {
            place(&mut object, namespace, image, watch)?;
            text.push_str("---\n");
            text.push_str(&manifest::yaml(&object)?);
        }
    }
    Ok(text)
}

fn place(object: &mut Value, namespace: &str, image: &str, watch: &Watch) -> Result<()> {
    match object["kind"].as_str().unwrap_or_default() {
        "Namespace" => object["metadata"]["name"] = namespace.into(),
        "Role" | "RoleBinding" => rights(object, namespace, watch)?,
        "Deployment" => {
            object["metadata"]["namespace"] = namespace.into();
            deployment(object, image, watch)?;
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

fn deployment(object: &mut Value, image: &str, watch: &Watch) -> Result<()> {
    let operator = part(object, "/spec/template/spec/containers/0")?;
    operator["image"] = image.into();
    let variables = operator["env"].as_array_mut().into_iter().flatten();
    for variable in variables {
        let value = match (variable["name"].as_str(), watch) {
            (Some("BOOTSTRAP_IMAGE"), _) => image,
            (Some("WATCH_NAMESPACE"), Watch::One(other)) => other,
            (Some("WATCH_NAMESPACE"), Watch::All) => "",
            _ => continue,
        };
        *variable = json!({ "name": variable["name"], "value": value });
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
