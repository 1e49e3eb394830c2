//! The kinds of operations: request one, and with `--wait` wait for its end. No kind is known by name.

mod submit;

use std::time::Duration;

use casskop_common::{
    api::CassandraCluster,
    intent::Request,
    operations::{self, Arguments, DryRun, OperationKind},
};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand};
use kube::ResourceExt;

use super::{
    arguments::Output,
    validators::{EXIT_CODES, id, object_name},
};
use crate::{
    client::{self, clusters::Clusters, connection::Connection},
    completer::Completer,
    error::{CliError, Result},
    model::{request, targets},
    runtime::block_on,
    terminal::{Ui, prompt},
    text::PROGRAM,
    time::parse_duration,
    view::loss::{Loss, loss},
};
use submit::{Order, print, submit};

/// Options that every kind has besides its own arguments.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Name of the CassandraCluster
    // Its id must be that of no argument of a kind.
    #[arg(id = "the cluster", value_name = "CLUSTER", value_parser = object_name, add = Completer::Cluster, help_heading = None::<&str>)]
    pub name: String,
    /// Id of the request (default: the time and a random end). The same id never runs twice: with the id of an
    /// earlier request, the command follows that request instead
    #[arg(long, value_name = "ID", value_parser = id, help_heading = "Request")]
    pub id: Option<String>,
    /// Wait for the end, show the progress, and end with its exit code
    #[arg(long, overrides_with = "no_wait", help_heading = "Request")]
    pub wait: bool,
    /// Return when the request is written (default)
    #[arg(long, overrides_with = "wait", help_heading = "Request")]
    pub no_wait: bool,
    /// Longest wait, such as 30m or 2h; the operation itself continues (default: none; with --dry-run 60s)
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Request")]
    pub timeout: Option<Duration>,
    /// Overwrite a request that the operator has not observed yet
    #[arg(long, help_heading = "Request")]
    pub replace: bool,
    /// How the result is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "text", hide_possible_values = true, long_help = OUTPUT_HELP, help = "text, yaml, json or name", help_heading = "Request")]
    pub output: Output,
}

const OUTPUT_HELP: &str = "text, yaml, json or name: the annotation (as a manifest for Git), or with --wait or \
    --dry-run the operation as the status has it";

/// A kind of operation with its arguments.
#[derive(Debug)]
pub struct Operate {
    arguments: Arguments,
    options: Options,
    /// Whether the loss of data is confirmed on the command line.
    yes: bool,
}

impl FromArgMatches for Operate {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let own = matches.subcommand().map_or(matches, |(_, own)| own);
        Ok(Self {
            arguments: Arguments::from_matches(matches)?,
            options: Options::from_arg_matches(own)?,
            yes: own.try_get_one("yes").ok().flatten().copied() == Some(true),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for Operate {
    fn augment_subcommands(command: Command) -> Command {
        let kinds = operations::grammar("kinds").mut_subcommands(with_options);
        command.subcommands(kinds.get_subcommands().cloned())
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        operations::kinds().any(|kind| kind == name)
    }
}

/// The kinds that a person requests, those that discard data last.
pub fn requested() -> Vec<String> {
    let kinds = OperationKind::ALL.into_iter();
    let mut kinds: Vec<OperationKind> = kinds
        .filter(|kind| kind.asked_by_spec().is_none())
        .collect();
    kinds.sort_by_key(|kind| kind.discards_data());
    kinds.iter().map(ToString::to_string).collect()
}

impl Operate {
    /// Requests the operation.
    ///
    /// # Errors
    /// When the request is not understood, refused or not written; when waiting, also when the operation fails.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let Self {
            arguments,
            options,
            yes,
        } = self;
        let dry_run = arguments.shared.dry_run;
        let waits = options.wait || dry_run == Some(DryRun::Server);
        if options.timeout.is_some() && !waits {
            return Err(CliError::usage(
                "--timeout limits a wait: give --wait with it",
            ));
        }
        let kind = arguments.operation.kind();
        let mut typed = Typed {
            id: client::submit::id(options.id.as_deref())?,
            words: words(&arguments, dry_run),
            kind,
        };
        let discards = kind.discards_data();
        if dry_run == Some(DryRun::Client) {
            if discards && arguments.cluster_uid.is_none() {
                let cluster =
                    block_on(async { Clusters::connect(flags)?.get(&options.name).await })?;
                typed.set_cluster(&cluster, None)?;
            }
            return print(&typed.order(options, flags)?, ui);
        }
        if !discards {
            return block_on(submit(&typed.order(options, flags)?, None, waits, ui));
        }
        block_on(async {
            let clusters = Clusters::connect(flags)?;
            let cluster = clusters.get(&options.name).await?;
            typed.set_cluster(&cluster, arguments.cluster_uid.as_deref())?;
            let order = typed.order(options, flags)?;
            let request = &order.request;
            targets::check(
                &cluster,
                &request.arguments.shared.target,
                &clusters.target.connection_args,
            )?;
            let known = request::find(&cluster, kind.as_str(), &request.id).is_some();
            if !yes && !known && !request.is_dry_run() {
                let namespace = &clusters.target.namespace;
                confirm(
                    &loss(&cluster, request, &about(kind.as_str()), namespace),
                    ui,
                )?;
            }
            submit(&order, Some(clusters), waits, ui).await
        })
    }
}

/// Shows the loss of data, and asks for its confirmation.
fn confirm(loss: &Loss, ui: &Ui) -> Result<()> {
    ui.warn(&loss.title);
    if !loss.nodes.is_empty() {
        ui.say("lost for good:");
    }
    for node in &loss.nodes {
        ui.say(&format!("  {node}"));
    }
    prompt::confirm(loss.what, &loss.word)
}

/// The parts of a request before it is checked.
struct Typed {
    kind: OperationKind,
    id: String,
    words: Vec<String>,
}

impl Typed {
    /// Adds the uid of the cluster, for a kind that discards data.
    fn set_cluster(&mut self, cluster: &CassandraCluster, given: Option<&str>) -> Result<()> {
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

    fn order(self, options: Options, flags: &Connection) -> Result<Order<'_>> {
        let request = Request::new(self.kind, &self.id, &self.words).map_err(CliError::usage)?;
        Ok(Order {
            request,
            options,
            flags,
        })
    }
}

/// The description of a kind in its help.
fn about(kind: &str) -> String {
    let grammar = operations::grammar("kinds");
    let about = grammar
        .find_subcommand(kind)
        .and_then(|kind| kind.get_about());
    about.map(ToString::to_string).unwrap_or_default()
}

/// The arguments as they go into the annotation, without a dry run of the client.
fn words(arguments: &Arguments, dry_run: Option<DryRun>) -> Vec<String> {
    let words = shlex::split(&arguments.text).unwrap_or_default();
    let kept = |word: &String| dry_run != Some(DryRun::Client) || !word.starts_with("--dry-run=");
    words.into_iter().filter(kept).collect()
}

/// Adds to a kind of operation the options that every kind has.
fn with_options(kind: Command) -> Command {
    let name = kind.get_name().to_owned();
    let about = kind.get_about().cloned().unwrap_or_default();
    let discards = OperationKind::from_word(&name).is_some_and(OperationKind::discards_data);
    let mut kind = Options::augment_args(kind).about(about);
    if discards {
        kind = kind.arg(yes());
    }
    let examples = if discards {
        discarding(&name)
    } else {
        usual(&name)
    };
    kind.mut_arg("dry_run", |arg| arg.help_heading("Request"))
        .after_help(format!("Examples:\n{examples}\n{EXIT_CODES}"))
}

fn usual(kind: &str) -> String {
    format!(
        "  {PROGRAM} {kind} demo --wait                     request it, wait for its end
  {PROGRAM} {kind} demo --dc dc1 --dry-run         let the operator plan and check it
  {PROGRAM} {kind} demo --dry-run=client -o yaml   print what to commit to Git
"
    )
}

fn discarding(kind: &str) -> String {
    format!(
        "  {PROGRAM} {kind} demo --pod demo-dc1-rack1-0 --dry-run   let the operator plan and check it
  {PROGRAM} {kind} demo --pod demo-dc1-rack1-0 --wait      confirm it, wait for its end
  {PROGRAM} {kind} demo --pod demo-dc1-rack1-0 --dry-run=client -o yaml

It discards data for good. What is lost is named, and is confirmed by typing the name of the pod or
cluster. Without a terminal and without --yes it is refused with exit code 1.
"
    )
}

/// Confirms the loss of data.
fn yes() -> Arg {
    Arg::new("yes")
        .short('y')
        .long("yes")
        .action(ArgAction::SetTrue)
        .help("Do not ask for confirmation")
        .help_heading("Request")
}
