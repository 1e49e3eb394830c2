//! The command line: clap types and help, nothing that acts.

mod connection;
mod install;
mod report;

use std::time::Duration;

use clap::{ArgAction, ArgMatches, Args, Command, ValueEnum};

use casskop_common::{intent, operations};

use crate::time::parse_duration;

pub use connection::Connection;
pub use install::{Generate, namespace};
pub use report::Report;

/// What the user types to get here.
pub const PROGRAM: &str = "kubectl casskop";

/// When to use colours.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Nowhere.
    Never,
}

/// How the result is printed.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For Git and people.
    Yaml,
    /// For programs.
    Json,
    /// Only the name of the object.
    Name,
}

/// How the state is printed.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusOutput {
    /// For people.
    #[default]
    Text,
    /// With host ids, addresses and every node of an operation.
    Wide,
    /// The object, for programs.
    Json,
    /// The object.
    Yaml,
    /// Only the name of the object.
    Name,
}

/// What every operation has besides its own arguments.
#[derive(Args, Clone, Debug)]
pub struct Operate {
    /// Name of the CassandraCluster
    // Its id must be that of no argument of a kind.
    #[arg(id = "the cluster", value_name = "CLUSTER", value_parser = object_name, help_heading = None::<&str>)]
    pub name: String,
    /// Id of the request (default: the time and a random end). The same id never runs twice: asking again with
    /// it follows the request instead
    #[arg(long, value_name = "ID", value_parser = id, help_heading = "Request")]
    pub id: Option<String>,
    /// Wait for the end, show the progress, and end with its exit code
    #[arg(long, overrides_with = "no_wait", help_heading = "Request")]
    pub wait: bool,
    /// Return when the request is written (default)
    #[arg(long, overrides_with = "wait", help_heading = "Request")]
    pub no_wait: bool,
    /// Longest wait, such as 30m or 2h; the operation itself goes on (default: none; with --dry-run 60s)
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Request")]
    pub timeout: Option<Duration>,
    /// Overwrite a request that the operator has not yet seen
    #[arg(long, help_heading = "Request")]
    pub replace: bool,
    /// How the result is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "text", hide_possible_values = true, long_help = OUTPUT_HELP, help = "text, yaml, json or name", help_heading = "Request")]
    pub output: Output,
}

const OUTPUT_HELP: &str = "text, yaml, json or name: the annotation (as a manifest for Git), or with --wait or \
    --dry-run the operation as the status has it";

/// Arguments of `status`.
#[derive(Args, Clone, Debug)]
pub struct Status {
    /// Name of the CassandraCluster; left out: a table of all
    #[arg(value_name = "CLUSTER", value_parser = object_name)]
    pub name: Option<String>,
    /// The clusters of all namespaces
    #[arg(short = 'A', long, conflicts_with = "name")]
    pub all_namespaces: bool,
    /// Show every change, until Ctrl-C or until the cluster is gone
    #[arg(short, long, requires = "name")]
    pub watch: bool,
    /// text, wide, json, yaml or name
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    pub output: StatusOutput,
}

/// The whole command line.
pub fn command() -> Command {
    let color = clap::Arg::new("color")
        .long("color")
        .global(true)
        .value_name("WHEN")
        .default_value("auto")
        .value_parser(clap::builder::EnumValueParser::<Color>::new())
        .help("Colours: auto (on a terminal, unless NO_COLOR is set), always or never")
        .hide_possible_values(true)
        .hide_default_value(true)
        .help_heading("Output");
    let root = operations::grammar("kubectl-casskop").mut_subcommands(operation);
    let mut kinds: Vec<String> = names(&root);
    kinds.retain(|kind| operations::asked_by_spec(kind).is_none());
    let root = root
        .subcommand(
            Status::augment_args(Command::new("status"))
                .about("Show a cluster: nodes by rack, conditions, operations and their progress")
                .after_help(STATUS_HELP),
        )
        .subcommand(install::command())
        .subcommand(report::command())
        .subcommand(Command::new("version").about("Show the version of this plugin"))
        .mut_subcommands(|command| command.hide(true));
    let groups = groups(
        &root,
        &[
            ("See", &["status".into()]),
            ("Operate", &kinds),
            (
                "Manage",
                &["report".into(), "install".into(), "version".into()],
            ),
        ],
    );
    Connection::augment_args(root)
        .arg(color)
        .bin_name(PROGRAM)
        .display_name(PROGRAM)
        .about("Operate Cassandra clusters that CassKop runs")
        .version(env!("CARGO_PKG_VERSION"))
        .override_usage(format!("{PROGRAM} COMMAND [OPTIONS]"))
        .help_template(format!(
            "{{about}}\n\nUsage: {{usage}}\n\n{groups}\n{{all-args}}{{after-help}}"
        ))
        .after_help(ROOT_HELP)
        .subcommand_value_name("COMMAND")
        .arg_required_else_help(true)
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .max_term_width(100)
        .mut_arg("color", |arg| arg.action(ArgAction::Set))
}

/// The colours asked for.
pub fn color(matches: &ArgMatches) -> Color {
    let (_, own) = matches.subcommand().unwrap_or(("", matches));
    own.get_one("color").copied().unwrap_or_default()
}

/// Adds to a kind of operation what the plugin needs to request it.
fn operation(kind: Command) -> Command {
    let name = kind.get_name().to_owned();
    let about = kind.get_about().cloned().unwrap_or_default();
    let kind = Operate::augment_args(kind).about(about);
    kind.mut_arg("dry_run", |arg| arg.help_heading("Request"))
        .after_help(format!(
            "Examples:
  {PROGRAM} {name} demo --wait                     request it, wait for its end
  {PROGRAM} {name} demo --dc dc1 --dry-run         let the operator plan and check it
  {PROGRAM} {name} demo --dry-run=client -o yaml   print what to commit to Git

{EXIT_CODES}"
        ))
}

fn names(root: &Command) -> Vec<String> {
    root.get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect()
}

/// The commands by what they are for; clap itself knows only one list.
fn groups(root: &Command, groups: &[(&str, &[String])]) -> String {
    use std::fmt::Write as _;
    let width = names(root).iter().map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for (title, members) in groups {
        let _ = writeln!(text, "{title}:");
        for command in members.iter().filter_map(|name| root.find_subcommand(name)) {
            let about = command
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            let _ = writeln!(text, "  {:width$}  {about}", command.get_name());
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

fn id(text: &str) -> Result<String, String> {
    intent::check_id(text).map(|()| text.to_owned())
}

/// Keeps what could be no object's name out of the path of a request.
fn object_name(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if !text.is_empty()
        && text.len() <= 253
        && text.chars().all(known)
        && !text.starts_with(['-', '.'])
    {
        return Ok(text.to_owned());
    }
    Err("the name of a cluster has lower-case letters, digits and '-'".into())
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 timed out, 130 interrupted (the operation goes on).";

const STATUS_HELP: &str = "Examples:
  kubectl casskop status demo             nodes, conditions, operations
  kubectl casskop status demo --watch     the same, repainted on every change
  kubectl casskop status -A               all clusters of all namespaces

States are those of nodetool: U up, D down; N normal, J joining, L leaving, M moving.
Exit codes: 0 done, 1 failed, 2 wrong usage.";

const ROOT_HELP: &str = "Examples:
  kubectl casskop status demo --watch
  kubectl casskop cleanup demo --dc dc1 --keyspace orders --wait
  kubectl casskop flush demo --dry-run=client -o yaml

An operation is an annotation on the CassandraCluster: what is typed here can be committed to Git as it is.
Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 timed out, 130 interrupted (the operation goes on).";

#[cfg(test)]
mod tests {
    #[test]
    fn no_argument_of_a_kind_is_taken_for_one_of_ours() {
        super::command().debug_assert();
    }
}
