//! The command line: clap types and help, nothing that acts. A file for each group of commands.

mod connection;
mod control;
mod install;
mod multi;
mod operate;
mod report;
mod see;
mod words;

use std::fmt::Write as _;

use clap::{ArgAction, ArgMatches, Args, Command, ValueEnum};

use casskop_common::operations;

pub use connection::Connection;
pub use control::{Control, Edit, Reconcile, Wait, Waive};
pub use install::{Generate, namespace};
pub use multi::{MultiStatus, Register, Unregister, site};
pub use operate::{Operate, Output};
pub use report::Report;
pub use see::{Events, ListOutput, Logs, Look, Operations, Status, StatusOutput};

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
    let root = operations::grammar("kubectl-casskop").mut_subcommands(operate::operation);
    let mut kinds = names(root.get_subcommands());
    kinds.retain(|kind| operations::asked_by_spec(kind).is_none());
    // What discards data comes last.
    kinds.sort_by_key(|kind| {
        let arguments = root.find_subcommand(kind).into_iter();
        let mut arguments = arguments.flat_map(Command::get_arguments);
        arguments.any(|argument| argument.get_id() == "cluster_uid")
    });
    let see = see::commands();
    let controls = control::commands();
    kinds.extend(names(&controls));
    let mut manage = control::reconcile_commands();
    manage.extend([
        report::command(),
        install::command(),
        multi::command(),
        Command::new("completion")
            .about("Print the program that kubectl asks what may come next on a command line")
            .after_help(COMPLETION_HELP),
        Command::new("version")
            .about("Show the version of this plugin")
            .after_help(VERSION_HELP),
    ]);
    let listed = [
        ("See", names(&see)),
        ("Operate", kinds),
        ("Manage", names(&manage)),
    ];
    let root = root
        .subcommands(see)
        .subcommands(controls)
        .subcommands(manage)
        .mut_subcommands(|command| command.hide(true));
    let groups = groups(&root, &listed);
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

fn names<'a>(commands: impl IntoIterator<Item = &'a Command>) -> Vec<String> {
    let commands = commands.into_iter();
    commands
        .map(|command| command.get_name().to_owned())
        .collect()
}

/// The commands by what they are for; clap itself knows only one list.
fn groups(root: &Command, groups: &[(&str, Vec<String>)]) -> String {
    let names = groups.iter().flat_map(|(_, members)| members);
    let width = names.map(String::len).max().unwrap_or(0);
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

const COMPLETION_HELP: &str = "Example:
  kubectl casskop completion > ~/bin/kubectl_complete-casskop
  chmod +x ~/bin/kubectl_complete-casskop

Any folder of the PATH will do. kubectl's own completion (kubectl completion --help) then completes
commands, flags, clusters, data centers, racks, pods and more of what follows kubectl casskop.
On Windows copy kubectl-casskop.exe to kubectl_complete-casskop.exe instead.
Exit codes: 0 done, 2 wrong usage.";

const VERSION_HELP: &str = "Example:
  kubectl casskop version

Exit codes: 0 done, 2 wrong usage.";

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
