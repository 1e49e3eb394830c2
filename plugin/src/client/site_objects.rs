//! Calls about the objects of sites, as the plugin's field manager.

use casskop_common::names;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::Value;

use super::{
    clusters::Clusters,
    failure::{self, Call},
    resource::Resource,
    site_account::Object,
};
use crate::error::{CliError, Result};

/// An object of the server's namespace, if there is one.
///
/// # Errors
/// When it cannot be read.
pub async fn get(
    server: &Clusters,
    resource: &'static Resource,
    name: &str,
) -> Result<Option<DynamicObject>> {
    let namespace = server.target.namespace.as_str();
    let api = resource.api(server.client(), Some(namespace));
    let call = about("get", server, resource, name);
    server.ask(&call, api.get_opt(name)).await
}

/// Applies an object. Fields of other managers are refused, not overwritten.
///
/// # Errors
/// When it is refused, or there is no such namespace.
pub async fn apply(server: &Clusters, object: &Object) -> Result<DynamicObject> {
    let Object { resource, name, .. } = *object;
    let namespace = server.target.namespace.as_str();
    let api = resource.api(server.client(), Some(namespace));
    let (params, patch) = (
        PatchParams::apply(names::PLUGIN_MANAGER),
        Patch::Apply(&object.manifest),
    );
    let call = about("apply", server, resource, name);
    let applying = async { existing(api.patch(name, &params, &patch).await) };
    let applied = server.ask(&call, applying).await?;
    applied.ok_or_else(|| {
        CliError::failed(format!(
            "there is no namespace {namespace} in {}",
            server.target.source
        ))
        .hint(format!(
            "make it there: kubectl create namespace {namespace}"
        ))
        .hint("or name another one with --site-namespace")
    })
}

/// Creates an object.
///
/// # Errors
/// When it is refused, or exists.
pub async fn create(
    server: &Clusters,
    resource: &'static Resource,
    name: &str,
    object: &DynamicObject,
) -> Result<()> {
    let api = resource.api(server.client(), Some(&server.target.namespace));
    let params = PostParams {
        field_manager: Some(names::PLUGIN_MANAGER.into()),
        ..PostParams::default()
    };
    let call = about("create", server, resource, name);
    server.ask(&call, api.create(&params, object)).await?;
    Ok(())
}

/// Merges a patch into an object.
///
/// # Errors
/// When it is refused, or another client wrote since the `resourceVersion` in it.
pub async fn merge(
    server: &Clusters,
    resource: &'static Resource,
    name: &str,
    patch: &Value,
) -> Result<()> {
    let api = resource.api(server.client(), Some(&server.target.namespace));
    let params = PatchParams {
        field_manager: Some(names::PLUGIN_MANAGER.into()),
        ..PatchParams::default()
    };
    let call = about("patch", server, resource, name);
    let patch = Patch::Merge(patch);
    server.ask(&call, api.patch(name, &params, &patch)).await?;
    Ok(())
}

/// Deletes an object, if it is there.
///
/// # Errors
/// When it is refused.
pub async fn delete(server: &Clusters, object: &Object) -> Result<()> {
    let Object { resource, name, .. } = *object;
    let api = resource.api(server.client(), Some(&server.target.namespace));
    let call = about("delete", server, resource, name);
    let params = DeleteParams::default();
    let deleting = async { existing(api.delete(name, &params).await) };
    server.ask(&call, deleting).await?;
    Ok(())
}

/// `None` for a missing object.
fn existing<T>(answer: kube::Result<T>) -> kube::Result<Option<T>> {
    match answer {
        Err(kube::Error::Api(status)) if failure::is_missing_object(&status) => Ok(None),
        answer => answer.map(Some),
    }
}

fn about<'a>(
    verb: &'static str,
    server: &'a Clusters,
    resource: &'static Resource,
    name: &'a str,
) -> Call<'a> {
    Call {
        verb,
        resource,
        name: Some(name),
        namespace: Some(&server.target.namespace),
    }
}
