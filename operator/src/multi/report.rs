//! Reporting: writes status and finalizer if they changed, and publishes an event for each transition.

use casskop_common::{
    api::{MultiCasskop, MultiCasskopStatus},
    names,
};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    kubernetes::{
        events::{condition_event, publish},
        objects::{self, in_time},
    },
    multi::context::Context,
};

/// Writes the status onto the observed version.
///
/// # Errors
/// The status could not be written, for example because another writer changed the resource in the meantime. In that
/// case nothing may start.
pub async fn status(
    ctx: &Context,
    observed: &MultiCasskop,
    wanted: &MultiCasskopStatus,
) -> Result<MultiCasskop, kube::Error> {
    if observed.status.as_ref() == Some(wanted) {
        return Ok(observed.clone());
    }
    let before = observed
        .status
        .as_ref()
        .map_or_else(|| json!({}), |status| json!({ "status": status }));
    let patch = objects::guarded(&observed.metadata, &before, &json!({ "status": wanted }));
    if objects::changes_nothing(&patch) {
        return Ok(observed.clone());
    }
    let params = PatchParams {
        field_manager: Some(names::MULTI_MANAGER.into()),
        ..PatchParams::default()
    };
    let (api, name, patch) = (
        api(ctx, observed),
        observed.name_any(),
        Patch::Json::<()>(patch),
    );
    let written = in_time(api.patch_status(&name, &params, &patch)).await?;
    publish_transitions(ctx, observed, wanted).await;
    Ok(written)
}

async fn publish_transitions(ctx: &Context, observed: &MultiCasskop, wanted: &MultiCasskopStatus) {
    let old = observed.status.iter().flat_map(|status| &status.conditions);
    let events = wanted.conditions.iter().filter_map(|new| {
        let old = old.clone().find(|old| old.type_ == new.type_);
        condition_event(old, new)
    });
    for event in events {
        publish(&ctx.home, &ctx.reporter, &event, &observed.object_ref(&())).await;
    }
}

/// Adds the operator's finalizer to the resource or removes it. Other finalizers are not changed.
///
/// # Errors
/// The finalizer could not be written.
pub async fn finalizer(
    ctx: &Context,
    observed: &MultiCasskop,
    wanted: bool,
) -> Result<MultiCasskop, kube::Error> {
    let ours = |finalizer: &String| finalizer == names::MULTI_FINALIZER;
    if observed.finalizers().iter().any(ours) == wanted {
        return Ok(observed.clone());
    }
    let mut finalizers = observed.finalizers().to_vec();
    finalizers.retain(|finalizer| !ours(finalizer));
    if wanted {
        finalizers.push(names::MULTI_FINALIZER.into());
    }
    let metadata = |finalizers: &[String]| json!({ "metadata": { "finalizers": finalizers } });
    let before = match observed.finalizers() {
        [] => json!({ "metadata": {} }),
        some => metadata(some),
    };
    let patch = objects::guarded(&observed.metadata, &before, &metadata(&finalizers));
    let params = PatchParams {
        field_manager: Some(names::MULTI_MANAGER.into()),
        ..PatchParams::default()
    };
    let (api, name, patch) = (
        api(ctx, observed),
        observed.name_any(),
        Patch::Json::<()>(patch),
    );
    in_time(api.patch(&name, &params, &patch)).await
}

fn api(ctx: &Context, observed: &MultiCasskop) -> Api<MultiCasskop> {
    Api::namespaced(ctx.home.clone(), &observed.namespace().unwrap_or_default())
}
