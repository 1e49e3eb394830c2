//! Every kind of operation: request it, and if asked, wait for its end. Knows no kind by name.

use std::time::Duration;

use casskop_common::{
    intent::Request,
    operations::{Arguments, DryRun},
};
use clap::{ArgMatches, FromArgMatches};

use super::{live, usage};
use crate::{
    cli::{Connection, Operate, Output, PROGRAM},
    client,
    clusters::Clusters,
    error::{CliError, Result},
    manifest,
    request::{self, Submitted},
    time,
    ui::{Ui, operation},
    wait::{self, Awaited},
};

/// How long the plan of a dry run is waited for.
const PLAN_TIMEOUT: Duration = Duration::from_secs(60);

/// A command as it was typed.
struct Order {
    request: Request,
    options: Operate,
    flags: Connection,
}

/// Requests the operation that is the subcommand of `matches`.
///
/// # Errors
/// When the request is not understood, refused or not written; when waiting, also when the operation fails.
pub fn run(matches: &ArgMatches, ui: &Ui) -> Result<()> {
    let arguments = Arguments::from_matches(matches).map_err(|error| usage(&error))?;
    let (kind, own) = matches.subcommand().unwrap_or(("", matches));
    let options = Operate::from_arg_matches(own).map_err(|error| usage(&error))?;
    let flags = Connection::from_arg_matches(own).map_err(|error| usage(&error))?;
    let dry_run = arguments.shared.dry_run;
    let waits = options.wait || dry_run == Some(DryRun::Server);
    if options.timeout.is_some() && !waits {
        return Err(CliError::usage(
            "--timeout limits a wait: give --wait with it",
        ));
    }
    let id = request::id(options.id.as_deref())?;
    let words = words(&arguments, dry_run);
    let request = Request::new(kind, &id, &words).map_err(CliError::usage)?;
    let order = Order {
        request,
        options,
        flags,
    };
    if dry_run == Some(DryRun::Client) {
        return print(&order, ui);
    }
    live(submit(&order, waits, ui))
}

/// The arguments as they go into the annotation; a dry run of the client does not.
fn words(arguments: &Arguments, dry_run: Option<DryRun>) -> Vec<String> {
    let words = shlex::split(&arguments.text).unwrap_or_default();
    let kept = |word: &String| dry_run != Some(DryRun::Client) || !word.starts_with("--dry-run=");
    words.into_iter().filter(kept).collect()
}

/// `--dry-run=client`: what would be written, without asking anyone.
fn print(order: &Order, ui: &Ui) -> Result<()> {
    let Order {
        request,
        options,
        flags,
    } = order;
    let namespace = client::namespace(flags);
    let annotations = manifest::request(request);
    let text = manifest::annotate(&options.name, &client::again(flags), &annotations);
    let fragment = manifest::fragment(&options.name, namespace.as_deref(), annotations);
    ui.data(&match options.output {
        Output::Text => text,
        Output::Yaml => manifest::yaml(&fragment)?,
        Output::Json => manifest::json(&fragment)?,
        Output::Name => manifest::object_name(&options.name),
    })
}

async fn submit(order: &Order, waits: bool, ui: &Ui) -> Result<()> {
    let Order {
        request,
        options,
        flags,
    } = order;
    let clusters = Clusters::connect(flags)?;
    let submitted = request::submit(&clusters, &options.name, request, options.replace).await?;
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
        return wait::run(&clusters, submitted, &awaited, timeout, ui).await;
    }
    tell(&clusters, &submitted, order, ui)
}

/// That the request stands; or what became of it, if it stood there before.
fn tell(clusters: &Clusters, submitted: &Submitted, order: &Order, ui: &Ui) -> Result<()> {
    let Order {
        request, options, ..
    } = order;
    let (kind, id, name) = (&request.kind, &request.id, &options.name);
    let namespace = &clusters.place.namespace;
    let known = request::find(&submitted.cluster, kind, id);
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
            awaited.again
        ));
        ui.say(&format!("cancel it:  {}", awaited.control("cancel")));
    }
    Ok(())
}

/// The request as the wait and the commands to follow know it.
fn awaited(order: &Order) -> Awaited {
    Awaited {
        cluster: order.options.name.clone(),
        kind: order.request.kind.clone(),
        id: order.request.id.clone(),
        dry_run: order.request.is_dry_run(),
        output: order.options.output,
        again: client::again(&order.flags),
    }
}
