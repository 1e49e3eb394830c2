//! The command line. Each command has one file with its arguments, its help and its run; this file lists the commands
//! in the groups of `--help`.

mod arguments;
mod backups;
mod cancel;
mod completion;
mod control;
mod dashboard;
mod edit;
mod events;
mod explain;
mod install;
mod logs;
mod migrate;
mod multi;
mod operate;
mod operations;
mod pause;
mod pause_reconcile;
mod reconcile;
mod report;
mod resume;
mod resume_reconcile;
mod retry;
mod ring;
mod status;
mod validators;
mod version;
mod wait;
mod waive;

use std::fmt::Write as _;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{
    client::connection::Connection,
    error::{CliError, Result},
    terminal::{Ui, colors::Color},
    text::PROGRAM,
};

pub use completion::HELPER;

/// The whole command line.
#[derive(Parser)]
#[command(
    name = "kubectl-casskop",
    bin_name = PROGRAM,
    display_name = PROGRAM,
    version,
    about = "Operate Cassandra clusters that CassKop runs",
    override_usage = format!("{PROGRAM} COMMAND [OPTIONS]"),
    after_help = ROOT_HELP,
    subcommand_value_name = "COMMAND",
    disable_help_subcommand = true,
    max_term_width = 100
)]
struct Cli {
    /// The API server.
    #[command(flatten)]
    connection: Connection,
    /// When output has colours.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true,
        help = "Colours: auto (on a terminal, unless NO_COLOR is set), always or never",
        help_heading = "Output"
    )]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

/// Every command. A new one is a file, its `mod` above, a variant in the enum of its group and an arm in `run`.
#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Operate(Box<operate::Operate>),
    #[command(flatten)]
    View(View),
    #[command(flatten)]
    Control(Control),
    #[command(flatten)]
    Manage(Manage),
}

/// Commands that show something.
#[derive(Subcommand)]
enum View {
    Status(status::Status),
    Ring(ring::Ring),
    Operations(operations::Operations),
    Backups(backups::Backups),
    Explain(explain::Explain),
    Events(events::Events),
    Logs(logs::Logs),
    Dashboard(dashboard::Dashboard),
}

/// Commands about a request that was made.
#[derive(Subcommand)]
enum Control {
    Pause(pause::Pause),
    Resume(resume::Resume),
    Cancel(cancel::Cancel),
    Retry(retry::Retry),
    Waive(waive::Waive),
    Wait(wait::Wait),
}

/// Commands about the operator and this plugin.
#[derive(Subcommand)]
enum Manage {
    PauseReconcile(pause_reconcile::PauseReconcile),
    ResumeReconcile(resume_reconcile::ResumeReconcile),
    Report(report::Report),
    #[command(subcommand)]
    Install(install::Install),
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    #[command(subcommand)]
    Multi(multi::Multi),
    Completion(completion::Completion),
    Version(version::Version),
}

impl Command {
    fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        match self {
            Self::Operate(command) => command.run(flags, ui),
            Self::View(View::Status(command)) => command.run(flags, ui),
            Self::View(View::Ring(command)) => command.run(flags, ui),
            Self::View(View::Operations(command)) => command.run(flags, ui),
            Self::View(View::Backups(command)) => command.run(flags, ui),
            Self::View(View::Explain(command)) => command.run(flags, ui),
            Self::View(View::Events(command)) => command.run(flags, ui),
            Self::View(View::Logs(command)) => command.run(flags, ui),
            Self::View(View::Dashboard(command)) => command.run(flags, ui),
            Self::Control(Control::Pause(command)) => command.run(flags, ui),
            Self::Control(Control::Resume(command)) => command.run(flags, ui),
            Self::Control(Control::Cancel(command)) => command.run(flags, ui),
            Self::Control(Control::Retry(command)) => command.run(flags, ui),
            Self::Control(Control::Waive(command)) => command.run(flags, ui),
            Self::Control(Control::Wait(command)) => command.run(flags, ui),
            Self::Manage(Manage::PauseReconcile(command)) => command.run(flags, ui),
            Self::Manage(Manage::ResumeReconcile(command)) => command.run(flags, ui),
            Self::Manage(Manage::Report(command)) => command.run(flags, ui),
            Self::Manage(Manage::Install(command)) => command.run(flags, ui),
            Self::Manage(Manage::Migrate(command)) => command.run(ui),
            Self::Manage(Manage::Multi(command)) => command.run(flags, ui),
            Self::Manage(Manage::Completion(_)) => completion::Completion::run(ui),
            Self::Manage(Manage::Version(_)) => version::Version::run(ui),
        }
    }
}

/// Runs the command that was typed.
///
/// # Errors
/// Those of the command; wrong usage.
pub fn run(matches: &ArgMatches, ui: &Ui) -> Result<()> {
    let cli = Cli::from_arg_matches(matches).map_err(|error| usage(&error))?;
    cli.command.run(&cli.connection, ui)
}

/// The requested colours.
pub fn color(matches: &ArgMatches) -> Color {
    matches.get_one("color").copied().unwrap_or_default()
}

/// An error of the parser.
fn usage(error: &clap::Error) -> CliError {
    CliError::usage(error.to_string().trim_start_matches("error: ").trim_end())
}

/// The grammar of the command line, with the commands in groups.
pub fn command() -> clap::Command {
    let mut operate = operate::requested();
    operate.extend(names::<Control>());
    let listed = [
        ("See", names::<View>()),
        ("Operate", operate),
        ("Manage", names::<Manage>()),
    ];
    let root = Cli::command().mut_subcommands(|command| command.hide(true));
    let groups = groups(&root, &listed);
    root.help_template(format!(
        "{{about}}\n\nUsage: {{usage}}\n\n{groups}\n{{all-args}}{{after-help}}"
    ))
}

fn names<T: Subcommand>() -> Vec<String> {
    let commands = T::augment_subcommands(clap::Command::new("names"));
    let names = commands.get_subcommands().map(clap::Command::get_name);
    names.map(str::to_owned).collect()
}

/// The commands by group; clap itself has only one list.
fn groups(root: &clap::Command, groups: &[(&str, Vec<String>)]) -> String {
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

const ROOT_HELP: &str = "Examples:
  kubectl casskop status demo --watch
  kubectl casskop cleanup demo --dc dc1 --keyspace orders --wait
  kubectl casskop flush demo --dry-run=client -o yaml

An operation is an annotation on the CassandraCluster: what is typed here can be committed to Git as it is.
Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 timed out, 130 interrupted (the operation continues).";

#[cfg(test)]
mod tests {
    #[test]
    fn no_argument_of_a_kind_has_the_id_of_an_argument_of_the_plugin() {
        super::command().debug_assert();
    }
}
