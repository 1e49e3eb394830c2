//! Execution: writes the objects of a plan, site by site. An error of one site does not block the other sites.

use casskop_common::{api::CassandraCluster, names};
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    kubernetes::objects::{self, Kind},
    multi::context::Context,
};
use casskop_core::multi::plan::{Rejection, SiteObject, Write, not_kept};

/// A rejected or failed write to a site.
pub struct Failure {
    /// The message: the attempted action, the site and the cause.
    pub message: String,
    /// Whether the API server rejects the spec itself.
    pub is_spec: bool,
}

/// Sends the clusters of a plan as dry runs to the API servers, before any cluster is written. Returns the rejections, also of
/// sites that would store something else; a site that does not respond is ignored.
pub async fn rehearse(ctx: &Context, writes: &[Write]) -> Vec<Rejection> {
    let mut rejections = Vec::new();
    for write in writes {
        let message = match execute(ctx, write, true).await {
            Ok(stored) => stored.and_then(|stored| altered(write, &stored)),
            Err(failure) => failure.is_spec.then_some(failure.message),
        };
        rejections.extend(message.map(|message| Rejection {
            site: write.site.clone(),
            message,
        }));
    }
    rejections
}

/// The message about a write of which the site would store something else.
fn altered(write: &Write, stored: &CassandraCluster) -> Option<String> {
    let why = not_kept(&write.what, stored)?;
    Some(format!(
        "site {} does not keep {}: {why}",
        write.site, write.what
    ))
}

/// Executes a plan. Returns the failures.
pub async fn act(ctx: &Context, writes: &[Write]) -> Vec<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    for write in writes {
        match execute(ctx, write, false).await {
            Ok(_) => tracing::info!(site = write.site, what = %write.what, "written"),
            Err(failure) => failures.push(failure),
        }
    }
    failures
}

/// Makes a change, or tries it. Returns the cluster as it is, or would be, stored.
async fn execute(
    ctx: &Context,
    write: &Write,
    dry_run: bool,
) -> Result<Option<CassandraCluster>, Failure> {
    let sites = ctx.sites.list();
    let Some(site) = sites.iter().find(|site| site.name == write.site) else {
        return Ok(None);
    };
    let outcome = match site.client() {
        Ok(client) => perform(client, &write.what, dry_run).await,
        Err(why) => Err(kube::Error::Service(why.into())),
    };
    outcome.map_err(|source| Failure {
        is_spec: is_about_spec(&source),
        message: format!(
            "site {} does not take {}: {}",
            write.site,
            write.what,
            objects::error_text(&source)
        ),
    })
}

/// Makes a change. Another writer that was faster is no failure: the next reconciliation observes its change.
async fn perform(
    client: &Client,
    what: &SiteObject,
    dry_run: bool,
) -> Result<Option<CassandraCluster>, kube::Error> {
    let none = |()| None;
    let outcome = match what {
        SiteObject::Create(cluster) => create(client, cluster, dry_run).await.map(Some),
        SiteObject::Change { before, after } => {
            let changed = change(client, before, after, dry_run).await;
            changed.map(Some)
        }
        _ if dry_run => Ok(None),
        SiteObject::Delete(cluster) => delete(client, cluster.as_ref()).await.map(none),
        SiteObject::Service(service) => apply::<Service>(client, service).await.map(none),
        SiteObject::Slice(slice) => apply::<EndpointSlice>(client, slice).await.map(none),
        SiteObject::DropSlice(slice) => delete(client, slice.as_ref()).await.map(none),
    };
    match outcome {
        Err(error) if is_conflict(&error) => Ok(None),
        outcome => outcome,
    }
}

/// Whether the API server, or an admission webhook, rejects the content of the object.
fn is_about_spec(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 422 || status.code == 400)
}

fn is_conflict(error: &kube::Error) -> bool {
    let is_there = |status: &kube::core::Status| status.reason == "AlreadyExists";
    objects::is_conflict(error) || matches!(error, kube::Error::Api(status) if is_there(status))
}

fn api<K: Kind>(client: &Client, object: &K) -> Api<K> {
    Api::namespaced(client.clone(), &object.namespace().unwrap_or_default())
}

async fn create(
    client: &Client,
    cluster: &CassandraCluster,
    dry_run: bool,
) -> Result<CassandraCluster, kube::Error> {
    let params = PostParams {
        dry_run,
        field_manager: Some(names::MULTI_MANAGER.into()),
    };
    objects::in_time(api(client, cluster).create(&params, cluster)).await
}

/// Writes only the differences, and only if the object is still in the observed version, because other writers also
/// set annotations.
async fn change(
    client: &Client,
    before: &CassandraCluster,
    after: &CassandraCluster,
    dry_run: bool,
) -> Result<CassandraCluster, kube::Error> {
    let params = PatchParams {
        dry_run,
        field_manager: Some(names::MULTI_MANAGER.into()),
        ..PatchParams::default()
    };
    let mut patch = merge_patch(&value(before)?, &value(after)?);
    patch["metadata"]["uid"] = json!(before.uid());
    patch["metadata"]["resourceVersion"] = json!(before.resource_version());
    let api = api(client, before);
    objects::in_time(api.patch(&before.name_any(), &params, &Patch::Merge(patch))).await
}

/// The merge patch (RFC 7386) from one value to another. It applies to any object, so the API server always comes to compare
/// the versions; a JSON patch of a field that another writer has removed is rejected like an invalid object.
fn merge_patch(before: &Value, after: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return after.clone();
    };
    let mut patch = Map::new();
    for (key, value) in after {
        match before.get(key) {
            Some(same) if same == value => {}
            Some(old) => drop(patch.insert(key.clone(), merge_patch(old, value))),
            None => drop(patch.insert(key.clone(), value.clone())),
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Value::Object(patch)
}

fn value(cluster: &CassandraCluster) -> Result<serde_json::Value, kube::Error> {
    serde_json::to_value(cluster).map_err(kube::Error::SerdeError)
}

async fn apply<K: Kind + Serialize>(client: &Client, object: &K) -> Result<(), kube::Error> {
    let params = PatchParams::apply(names::MULTI_MANAGER).force();
    let name = object.name_any();
    objects::in_time(api(client, object).patch(&name, &params, &Patch::Apply(object)))
        .await
        .map(drop)
}

async fn delete<K: Kind>(client: &Client, object: &K) -> Result<(), kube::Error> {
    let api = api(client, object);
    // A cluster that has changed since may have nodes by now.
    let very = objects::version_precondition(object);
    let params = DeleteParams::background();
    objects::in_time(objects::delete(&api, &object.name_any(), very, params)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_server::{ApiServer, No, Rival};

    const PATH: &str = "/apis/db.orange.com/v2/namespaces/ns/cassandraclusters/demo";

    /// A site with a cluster, and a change of it.
    fn site() -> (ApiServer, SiteObject) {
        let server = ApiServer::default();
        let written = serde_json::json!({
            "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
            "metadata": { "name": "demo", "namespace": "ns", "annotations": { "a": "b", "c": "d" } },
            "spec": { "cassandraImage": "cassandra:5.0" },
        });
        let there = server.with(|state| state.put(PATH, written));
        let before: CassandraCluster = serde_json::from_value(there).unwrap();
        let mut after = before.clone();
        after.spec.cassandra_image = Some("cassandra:5.0.9".into());
        after.metadata.annotations = Some([("a".to_owned(), "changed".to_owned())].into());
        let change = SiteObject::Change {
            before: Box::new(before),
            after: Box::new(after),
        };
        (server, change)
    }

    fn image(server: &ApiServer) -> serde_json::Value {
        server.with(|state| state.objects[PATH]["spec"]["cassandraImage"].clone())
    }

    #[tokio::test]
    async fn another_writer_that_was_faster_is_no_failure() {
        let changes: [fn(&ApiServer); 3] = [
            // A field that the change replaces.
            |server| {
                let object = "/demo";
                let change = |cluster: &mut serde_json::Value| {
                    cluster["metadata"]["annotations"] = serde_json::json!({});
                };
                server.with(|state| state.rival = Some(Rival { object, change }));
            },
            |server| {
                let object = "/demo";
                let change = |cluster: &mut serde_json::Value| {
                    cluster["metadata"]["labels"] = serde_json::json!({ "a": "b" });
                };
                server.with(|state| state.rival = Some(Rival { object, change }));
            },
            |server| {
                server.with(|state| {
                    let made_anew = state.objects.remove(PATH).unwrap();
                    state.put(PATH, made_anew);
                });
            },
        ];
        for make in changes {
            let (server, change) = site();
            make(&server);
            perform(&server.client(), &change, false).await.unwrap();
            assert_eq!(image(&server), "cassandra:5.0");
        }
        let (server, change) = site();
        let SiteObject::Change { after, .. } = change else {
            unreachable!("it is a change");
        };
        let create = SiteObject::Create(after);
        perform(&server.client(), &create, false).await.unwrap();
    }

    #[tokio::test]
    async fn only_what_differs_is_written() {
        let (server, change) = site();
        perform(&server.client(), &change, true).await.unwrap();
        perform(&server.client(), &change, false).await.unwrap();
        let written = server.with(|state| state.objects[PATH].clone());
        assert_eq!(written["spec"]["cassandraImage"], "cassandra:5.0.9");
        let annotations = &written["metadata"]["annotations"];
        assert_eq!(*annotations, serde_json::json!({ "a": "changed" }));
    }

    /// An older `CustomResourceDefinition` prunes what it does not know, without an error.
    #[tokio::test]
    async fn what_a_site_would_not_store_is_found_before_it_is_written() {
        let (server, change) = site();
        server.with(|state| state.taken_out = Some("/spec.tls"));
        let SiteObject::Change { before, mut after } = change else {
            unreachable!("it is a change");
        };
        let tls = serde_json::json!({ "client": { "mode": "Required" } });
        after.spec.tls = serde_json::from_value(tls).unwrap();
        let told = async |what: SiteObject| {
            let write = Write {
                site: "b".into(),
                what,
            };
            let stored = perform(&server.client(), &write.what, true).await;
            altered(&write, &stored.unwrap().unwrap())
        };
        let create = SiteObject::Create(after.clone());
        let change = SiteObject::Change { before, after };
        let change = told(change).await.unwrap();
        assert!(
            change.starts_with("site b does not keep changed CassandraCluster demo: its API server prunes spec.tls, "),
            "{change}"
        );
        server.with(|state| state.objects.remove(PATH));
        let create = told(create).await.unwrap();
        assert!(create.contains("prunes spec.tls, "), "{create}");
    }

    /// An admission webhook chooses the code of its denial, and its words.
    #[tokio::test]
    async fn a_denial_of_a_webhook_is_told_whatever_its_code() {
        let denials: [(No, bool); 4] = [
            ((422, "quota"), true),
            ((422, "Invalid"), true),
            ((400, "quota"), true),
            ((403, "Forbidden"), false),
        ];
        for (denial, is_spec) in denials {
            for dry_run in [true, false] {
                let (server, change) = site();
                server.with(|state| {
                    state.refused = Some(PATH.into());
                    state.refused_as = Some(denial);
                });
                let error = perform(&server.client(), &change, dry_run).await;
                let error = error.expect_err("it is denied");
                assert_eq!(is_about_spec(&error), is_spec, "{denial:?}");
                assert!(objects::error_text(&error).contains(denial.1), "{error}");
                assert_eq!(image(&server), "cassandra:5.0");
            }
        }
    }
}
