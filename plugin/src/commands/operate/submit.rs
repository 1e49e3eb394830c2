//! Writes a request, or prints the annotation that would be written.

use std::time::Duration;

use casskop_common::intent::Request;

use super::Options;
use crate::{
    client::{
        clusters::Clusters,
        connect,
        connection::Connection,
        submit::{self, Submitted},
    },
    commands::{arguments::Output, wait::poll},
    error::Result,
    model::{manifest, request, wait::Awaited},
    terminal::Ui,
    text::PROGRAM,
    time,
    view::operation,
};

/// Longest wait for the plan of a dry run.
const PLAN_TIMEOUT: Duration = Duration::from_secs(60);

/// A request, and the way in which it is submitted.
pub struct Order<'a> {
    /// The request.
    pub request: Request,
    /// The cluster and the options of the request.
    pub options: Options,
    /// The connection flags.
    pub flags: &'a Connection,
}

/// `--dry-run=client`: prints the annotation, without a call.
pub fn print(order: &Order<'_>, ui: &Ui) -> Result<()> {
    let Order {
        request,
        options,
        flags,
    } = order;
    let namespace = connect::namespace(flags);
    let annotations = manifest::request(request);
    let text = manifest::annotate(&options.name, &flags.connection_args(), &annotations);
    let fragment = manifest::fragment(&options.name, namespace.as_deref(), annotations);
    ui.data(&match options.output {
        Output::Text => text,
        Output::Yaml => manifest::yaml(&fragment)?,
        Output::Json => manifest::json(&fragment)?,
        Output::Name => manifest::object_name(&options.name),
    })
}

/// Writes the request, and waits for its end if `waits`.
///
/// # Errors
/// When the request is refused or not written; when waiting, also when the operation fails.
pub async fn submit(
    order: &Order<'_>,
    connected: Option<Clusters>,
    waits: bool,
    ui: &Ui,
) -> Result<()> {
    let Order {
        request,
        options,
        flags,
    } = order;
    let clusters = match connected {
        Some(clusters) => clusters,
        None => Clusters::connect(flags)?,
    };
    let submitted = submit::submit(&clusters, &options.name, request, options.replace).await?;
    for note in &submitted.notes {
        ui.warn(note);
    }
    if waits {
        let default = request.is_dry_run().then_some(PLAN_TIMEOUT);
        let timeout = options
            .timeout
            .or(default)
            .filter(|timeout| !timeout.is_zero());
        let awaited = awaited(order);
        return poll::run(&clusters, submitted, &awaited, options.output, timeout, ui).await;
    }
    report(&clusters, &submitted, order, ui)
}

/// Prints that the request is on the cluster, or its result if it has ended before.
fn report(clusters: &Clusters, submitted: &Submitted, order: &Order<'_>, ui: &Ui) -> Result<()> {
    let Order {
        request, options, ..
    } = order;
    let (kind, id, name) = (&request.kind, &request.id, &options.name);
    let namespace = &clusters.target.namespace;
    let known = request::find(&submitted.cluster, kind.as_str(), id);
    let fragment = manifest::fragment(name, Some(namespace), manifest::request(request));
    ui.data(&match (options.output, known) {
        (Output::Text, Some(known)) => operation::past(known, time::now(), ui.out),
        (Output::Text, None) => {
            let requested = if submitted.known {
                "was already requested"
            } else {
                "requested"
            };
            format!("{kind} {id} {requested} on cluster {name} in namespace {namespace}")
        }
        (Output::Yaml, _) => manifest::yaml(&fragment)?,
        (Output::Json, _) => manifest::json(&fragment)?,
        (Output::Name, _) => manifest::object_name(name),
    })?;
    if known.is_some_and(|known| known.phase.is_final()) {
        ui.warn("it was requested before, and an id never runs twice: for another run choose another --id");
    } else if options.output == Output::Text {
        let awaited = awaited(order);
        ui.say(&format!(
            "follow it:  {PROGRAM} status {name}{} --watch",
            awaited.connection_args
        ));
        ui.say(&format!("cancel it:  {}", awaited.control("cancel")));
    }
    Ok(())
}

/// The request, for the wait and for printed commands.
fn awaited(order: &Order<'_>) -> Awaited {
    Awaited {
        cluster: order.options.name.clone(),
        kind: order.request.kind.to_string(),
        id: order.request.id.clone(),
        dry_run: order.request.is_dry_run(),
        connection_args: order.flags.connection_args(),
    }
}
