//! Execution: writes the objects of a plan, site by site. An error of one site does not block the other sites.

use casskop_common::{api::CassandraCluster, names};
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::Serialize;

use crate::{
    kubernetes::objects::{self, Kind},
    multi::{context::Context, sites::Site},
};
use casskop_core::multi::plan::{SiteObject, Write};

/// A rejected or failed write to a site.
pub struct Failure {
    /// The message: the attempted action, the site and the cause.
    pub message: String,
    /// Whether the API server rejects the spec itself.
    pub is_spec: bool,
}

/// Sends the clusters of a plan as dry runs to the API servers, before any cluster is written.
///
/// # Errors
/// The first rejection. A site that does not respond is ignored.
pub async fn rehearse(ctx: &Context, writes: &[Write]) -> Result<(), Failure> {
    for write in writes {
        match execute(ctx, write, true).await {
            Err(failure) if failure.is_spec => return Err(failure),
            _ => {}
        }
    }
    Ok(())
}

/// Executes a plan. Returns the failures.
pub async fn act(ctx: &Context, writes: &[Write]) -> Vec<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    for write in writes {
        match execute(ctx, write, false).await {
            Ok(()) => tracing::info!(site = write.site, what = %write.what, "written"),
            Err(failure) => failures.push(failure),
        }
    }
    failures
}

async fn execute(ctx: &Context, write: &Write, dry_run: bool) -> Result<(), Failure> {
    let sites = ctx.sites.list();
    let Some(site) = sites.iter().find(|site| site.name == write.site) else {
        return Ok(());
    };
    let failed = |source: kube::Error| Failure {
        is_spec: is_about_spec(&source),
        message: format!(
            "site {} does not take {}: {}",
            write.site,
            write.what,
            objects::error_text(&source)
        ),
    };
    let outcome = match &write.what {
        SiteObject::Create(cluster) => create(site, cluster, dry_run).await,
        SiteObject::Change { before, after } => change(site, before, after, dry_run).await,
        _ if dry_run => return Ok(()),
        SiteObject::Delete(cluster) => delete(site, cluster.as_ref()).await,
        SiteObject::Service(service) => apply::<Service>(site, service).await,
        SiteObject::Slice(slice) => apply::<EndpointSlice>(site, slice).await,
        SiteObject::DropSlice(slice) => delete(site, slice.as_ref()).await,
    };
    match outcome {
        // Another writer was faster: the next reconciliation observes the change.
        Err(error) if is_conflict(&error) => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(()) => Ok(()),
    }
}

/// Whether the error reports a violated rule of the resource: such a response has causes. A response without causes
/// is about the patch itself: another writer was faster.
fn is_about_spec(error: &kube::Error) -> bool {
    let causes = |status: &kube::core::Status| {
        let details = status.details.as_ref();
        details.is_some_and(|details| !details.causes.is_empty())
    };
    matches!(error, kube::Error::Api(status) if (status.code == 422 && causes(status)) || status.code == 400)
}

fn is_conflict(error: &kube::Error) -> bool {
    let is_there = |status: &kube::core::Status| status.reason == "AlreadyExists";
    objects::is_conflict(error)
        || matches!(error, kube::Error::Api(status) if is_there(status) || status.code == 422)
            && !is_about_spec(error)
}

fn api<K: Kind>(client: &Client, object: &K) -> Api<K> {
    Api::namespaced(client.clone(), &object.namespace().unwrap_or_default())
}

/// The client of a site, with an error of the client's type.
fn client(site: &Site) -> Result<&Client, kube::Error> {
    site.client()
        .map_err(|why| kube::Error::Service(why.into()))
}

async fn create(site: &Site, cluster: &CassandraCluster, dry_run: bool) -> Result<(), kube::Error> {
    let params = PostParams {
        dry_run,
        field_manager: Some(names::MULTI_MANAGER.into()),
    };
    let api = api(client(site)?, cluster);
    objects::in_time(api.create(&params, cluster))
        .await
        .map(drop)
}

/// Writes only the differences, and only if the object is still in the observed version, because other writers also
/// set annotations.
async fn change(
    site: &Site,
    before: &CassandraCluster,
    after: &CassandraCluster,
    dry_run: bool,
) -> Result<(), kube::Error> {
    let params = PatchParams {
        dry_run,
        field_manager: Some(names::MULTI_MANAGER.into()),
        ..PatchParams::default()
    };
    let patch = objects::guarded(before, &value(before)?, &value(after)?);
    let api = api(client(site)?, before);
    let (name, patch) = (before.name_any(), Patch::Json::<()>(patch));
    objects::in_time(api.patch(&name, &params, &patch))
        .await
        .map(drop)
}

fn value(cluster: &CassandraCluster) -> Result<serde_json::Value, kube::Error> {
    serde_json::to_value(cluster).map_err(kube::Error::SerdeError)
}

async fn apply<K: Kind + Serialize>(site: &Site, object: &K) -> Result<(), kube::Error> {
    let params = PatchParams::apply(names::MULTI_MANAGER).force();
    let api = api(client(site)?, object);
    let name = object.name_any();
    objects::in_time(api.patch(&name, &params, &Patch::Apply(object)))
        .await
        .map(drop)
}

async fn delete<K: Kind>(site: &Site, object: &K) -> Result<(), kube::Error> {
    let api = api(client(site)?, object);
    // A cluster that has changed since may have nodes by now.
    let very = objects::version_precondition(object);
    let params = DeleteParams::background();
    objects::in_time(objects::delete(&api, &object.name_any(), very, params)).await
}
