//! Every kind of operation: request it, and if asked, wait for its end. Knows no kind by name.

use std::time::Duration;

use casskop_common::{
    api::CassandraCluster,
    intent::Request,
    operations::{self, Arguments, DryRun},
};
use clap::{ArgMatches, FromArgMatches};
use kube::ResourceExt;

use super::{live, usage};
use crate::{
    cli::{Connection, Operate, Output, PROGRAM},
    client,
    clusters::Clusters,
    confirm,
    error::{CliError, Result},
    manifest, preflight,
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
    let mut typed = Typed {
        kind,
        id,
        words: words(&arguments, dry_run),
        about: about(kind),
        yes: own.try_get_one("yes").ok().flatten().copied() == Some(true),
    };
    if dry_run == Some(DryRun::Client) {
        if operations::discards_data(kind) && arguments.cluster_uid.is_none() {
            let cluster = live(async { Clusters::connect(&flags)?.get(&options.name).await })?;
            typed.mean(&cluster, None)?;
        }
        return print(&typed.order(options, flags)?, ui);
    }
    if !operations::discards_data(kind) {
        return live(submit(&typed.order(options, flags)?, None, waits, ui));
    }
    live(async {
        let clusters = Clusters::connect(&flags)?;
        let cluster = clusters.get(&options.name).await?;
        typed.mean(&cluster, arguments.cluster_uid.as_deref())?;
        let (about, yes) = (typed.about.clone(), typed.yes);
        let order = typed.order(options, flags)?;
        let request = &order.request;
        preflight::check(
            &cluster,
            &request.arguments.shared.target,
            &clusters.place.again,
        )?;
        let known = request::find(&cluster, kind, &request.id).is_some();
        if !yes && !known && !request.is_dry_run() {
            let namespace = &clusters.place.namespace;
            confirm::confirm(&confirm::loss(&cluster, request, &about, namespace), ui)?;
        }
        submit(&order, Some(clusters), waits, ui).await
    })
}

/// What was typed, before it is a request.
struct Typed<'a> {
    kind: &'a str,
    id: String,
    words: Vec<String>,
    about: String,
    yes: bool,
}

impl Typed<'_> {
    /// Says which cluster is meant, of a kind that discards data.
    fn mean(&mut self, cluster: &CassandraCluster, given: Option<&str>) -> Result<()> {
        let (name, uid) = (cluster.name_any(), cluster.uid().unwrap_or_default());
        match given {
            None => {
                self.words.extend(["--cluster-uid".to_owned(), uid]);
                Ok(())
            }
            Some(given) if given == uid => Ok(()),
            Some(given) => Err(CliError::failed(format!(
                "cluster {name} has the uid {uid}, not {given}: another one was meant; nothing was requested"
            ))),
        }
    }

    fn order(self, options: Operate, flags: Connection) -> Result<Order> {
        let request = Request::new(self.kind, &self.id, &self.words).map_err(CliError::usage)?;
        Ok(Order {
            request,
            options,
            flags,
        })
    }
}

/// What a kind does, in the words of its help.
fn about(kind: &str) -> String {
    let grammar = operations::grammar("kinds");
    let about = grammar
        .find_subcommand(kind)
        .and_then(|kind| kind.get_about());
    about.map(ToString::to_string).unwrap_or_default()
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

async fn submit(order: &Order, connected: Option<Clusters>, waits: bool, ui: &Ui) -> Result<()> {
    let Order {
        request,
        options,
        flags,
    } = order;
    let clusters = match connected {
        Some(clusters) => clusters,
        None => Clusters::connect(flags)?,
    };
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
