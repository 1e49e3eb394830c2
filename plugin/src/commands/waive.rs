//! `waive`: named checks no longer hold an operation back.

use casskop_common::operations;
use clap::Args;

use super::{
    arguments::Edit,
    control::{Order, execute},
    validators::object_name,
};
use crate::{
    client::connection::Connection,
    completer::Completer,
    error::{CliError, Result},
    model::control::Control,
    runtime::block_on,
    terminal::Ui,
    text::PROGRAM,
};

/// Waive checks, so that they no longer block an operation
#[derive(Args, Debug)]
#[command(
    override_usage = format!("{PROGRAM} waive [OPTIONS] <CLUSTER> [KIND] <CHECK>..."),
    after_help = HELP
)]
pub struct Waive {
    /// Name of the CassandraCluster
    #[arg(value_name = "CLUSTER", value_parser = object_name, add = Completer::Cluster)]
    name: String,
    /// The checks that do not hold it back, such as nodes-up; before them the kind of the operation, which may be
    /// left out where only one waits for checks
    #[arg(value_name = "CHECK", required = true, add = Completer::Check)]
    words: Vec<String>,
    #[command(flatten)]
    edit: Edit,
}

impl Waive {
    /// Writes the annotation.
    ///
    /// # Errors
    /// When there is no such request, it has no such checks, or the annotation is not written.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let (kind, checks) = split(&self.words);
        if checks.is_empty() {
            return Err(CliError::usage("name the checks to waive")
                .hint(format!("list them: {PROGRAM} explain {}", self.name)));
        }
        let order = Order {
            cluster: self.name,
            kind,
            id: None,
            control: Control::Waive(checks),
            edit: self.edit,
        };
        block_on(execute(order, flags, ui))
    }
}

/// `[KIND] CHECK…`: no check has the name of a kind.
fn split(words: &[String]) -> (Option<String>, Vec<String>) {
    let mut words: Vec<String> = words
        .iter()
        .flat_map(|word| word.split(','))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let is_kind = words
        .first()
        .is_some_and(|first| operations::kinds().any(|kind| kind == first));
    let kind = is_kind.then(|| words.remove(0));
    (kind, words)
}

const HELP: &str = "Examples:
  kubectl casskop waive demo nodes-up                     the one that waits for its checks
  kubectl casskop waive demo cleanup nodes-up             the cleanup
  kubectl casskop waive demo cleanup nodes-up ring-settled --dry-run=client -o yaml

See what a check saw with kubectl casskop explain demo. Only checks that failed can be waived, and
only for the request that stands. Sets the annotation <kind>.waive to its id and the checks.
Exit codes: 0 done, 1 failed or refused, 2 wrong usage.";
