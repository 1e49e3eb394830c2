//! The controller of `MultiCasskop`: one ring over several Kubernetes clusters, with the complete flow of a
//! reconciliation.
//!
//! ```text
//! watch → observe → decide → report → act
//! ```
//! The controller creates and updates the `CassandraCluster` of every site; the operator of each site manages the
//! nodes. State that must survive a crash, the site that forms the ring and the forwarded requests, is in the status
//! before it is acted upon.

mod act;
mod context;
mod observe;
mod report;
mod run;
mod sites;
mod sources;
mod witness;

use std::{sync::Arc, time::Duration};

use casskop_common::{
    api::MultiCasskop,
    readable::{Readable, Unreadable},
};
use kube::{Resource, ResourceExt, runtime::controller::Action};

use crate::kubernetes::{events, objects::error_text};
use casskop_core::multi::plan;
use context::Context;
pub use run::{Args, main};

/// Longest duration of one reconciliation.
const DEADLINE: Duration = Duration::from_secs(120);
/// Delay before a failed reconciliation is retried.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The reason why a reconciliation failed.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The resource does not match the types.
    #[error("read MultiCasskop: {0}; correct it, or apply manifests/crds of this version")]
    Unreadable(Box<Unreadable>),
    /// The home cluster does not respond, or another writer changed the resource at the same time.
    #[error("{what} MultiCasskop {name}: {}", error_text(source))]
    Home {
        /// The attempted action.
        what: &'static str,
        /// The resource.
        name: String,
        /// The error of the API server.
        source: kube::Error,
    },
    /// Sites rejected writes, or writes to sites failed.
    #[error("{0}")]
    Act(String),
    /// The reconciliation exceeded its deadline.
    #[error("took longer than {} s", DEADLINE.as_secs())]
    Deadline,
}

/// Brings the sites one step closer to the spec.
///
/// # Errors
/// The step that failed; the next reconciliation starts from the beginning.
pub async fn reconcile(
    multi: Arc<Readable<MultiCasskop>>,
    ctx: Arc<Context>,
) -> Result<Action, Error> {
    let trigger = match &multi.0 {
        Ok(trigger) => trigger,
        Err(unreadable) => {
            let event = events::unreadable(unreadable);
            events::publish(&ctx.home, &ctx.reporter, &event, &multi.object_ref(&())).await;
            return Err(Error::Unreadable(Box::new(unreadable.clone())));
        }
    };
    let pass = Box::pin(pass(trigger, &ctx));
    ctx.metrics
        .reconciliation(DEADLINE, Error::Deadline, pass)
        .await
}

async fn pass(trigger: &MultiCasskop, ctx: &Context) -> Result<Action, Error> {
    let (namespace, name) = (trigger.namespace().unwrap_or_default(), trigger.name_any());
    let failed = |what| {
        let name = name.clone();
        move |source| Error::Home { what, name, source }
    };
    let read = run::read(&ctx.home, &namespace, &name).await;
    let Some(mut multi) = read.map_err(failed("read"))? else {
        return Ok(Action::await_change());
    };
    let goes = multi.metadata.deletion_timestamp.is_some();
    if !goes {
        let kept = report::finalizer(ctx, &multi, true).await;
        multi = kept.map_err(failed("put our finalizer on"))?;
    }
    let snapshot = observe::observe(ctx, multi).await;
    let snapshot = snapshot.map_err(failed("observe"))?;
    let mut plan = if goes {
        plan::goes(&snapshot)
    } else {
        plan::decide(&snapshot)
    };
    if !goes {
        let rejections = act::rehearse(ctx, &plan.writes).await;
        plan = plan::refuse(plan, &rejections, &snapshot);
    }
    let reported = report::status(ctx, &snapshot.multi, &plan.status).await;
    let reported = reported.map_err(failed("report the status of"))?;
    if let Some(write) = &plan.witness {
        let written = witness::write(ctx, write).await;
        written.map_err(failed("write the ConfigMap of"))?;
    }
    if let Some(why) = plan.kept {
        let event = events::event(true, "ClustersKept".into(), "delete", why);
        events::publish(&ctx.home, &ctx.reporter, &event, &reported.object_ref(&())).await;
    }
    let failures = act::act(ctx, &plan.writes).await;
    if let Some(first) = failures.first() {
        plan::report_failure(&mut plan.status, &first.message, first.is_spec, &snapshot);
        let retried = report::status(ctx, &reported, &plan.status).await;
        retried.map_err(failed("report the status of"))?;
        return Err(Error::Act(first.message.clone()));
    }
    if !plan.finalizer {
        let free = report::finalizer(ctx, &reported, false).await;
        free.map_err(failed("take our finalizer from"))?;
    }
    Ok(Action::requeue(plan.requeue))
}

/// The requeue delay after a failed reconciliation.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that the controller wants"
)]
pub fn after_failure(multi: Arc<Readable<MultiCasskop>>, error: &Error, _: Arc<Context>) -> Action {
    tracing::warn!(multicasskop = multi.name_any(), namespace = multi.namespace(), %error, "reconciliation failed");
    match error {
        // The resource stays unreadable until it is edited.
        Error::Unreadable(_) => Action::await_change(),
        _ => Action::requeue(AFTER_FAILURE),
    }
}
