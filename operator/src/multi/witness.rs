//! Reads and writes of the ConfigMap that shows whether a deletion orphans.

use casskop_common::{api::MultiCasskop, names};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use crate::{
    kubernetes::objects::{self, in_time},
    multi::context::Context,
};
use casskop_core::multi::witness::WitnessWrite;

/// Reads the ConfigMap from the API server; nothing if there is none.
///
/// # Errors
/// The API server does not respond.
pub async fn read(ctx: &Context, multi: &MultiCasskop) -> Result<Option<ConfigMap>, kube::Error> {
    let maps = api(ctx, &multi.namespace().unwrap_or_default());
    in_time(maps.get_opt(&names::multi_witness(&multi.name_any()))).await
}

/// Writes the ConfigMap, or deletes it without its finalizer.
///
/// # Errors
/// The API server rejects the write, or another writer changed the ConfigMap in the meantime.
pub async fn write(ctx: &Context, write: &WitnessWrite) -> Result<(), kube::Error> {
    match write {
        WitnessWrite::Apply(wanted) => {
            let maps = api(ctx, &wanted.namespace().unwrap_or_default());
            let (name, patch) = (wanted.name_any(), Patch::Apply(wanted));
            let params = PatchParams::apply(names::MULTI_MANAGER).force();
            in_time(maps.patch(&name, &params, &patch)).await.map(drop)
        }
        WitnessWrite::Delete(observed) => {
            let maps = api(ctx, &observed.namespace().unwrap_or_default());
            let name = observed.name_any();
            if !observed.finalizers().is_empty() {
                let before = json!({ "metadata": { "finalizers": observed.finalizers() } });
                let after = json!({ "metadata": { "finalizers": [] } });
                let patch =
                    Patch::Json::<()>(objects::guarded(&observed.metadata, &before, &after));
                let params = PatchParams {
                    field_manager: Some(names::MULTI_MANAGER.into()),
                    ..PatchParams::default()
                };
                match in_time(maps.patch(&name, &params, &patch)).await {
                    Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
                    outcome => outcome.map(drop)?,
                }
            }
            let very = objects::uid_precondition(&observed.uid().unwrap_or_default());
            in_time(objects::delete(
                &maps,
                &name,
                very,
                DeleteParams::background(),
            ))
            .await
        }
    }
}

fn api(ctx: &Context, namespace: &str) -> Api<ConfigMap> {
    Api::namespaced(ctx.home.clone(), namespace)
}
