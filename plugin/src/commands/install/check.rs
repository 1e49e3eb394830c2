//! `install check`: whether the manifests of `install generate` fit a Kubernetes cluster.

use clap::Args;

use super::{IMAGE, Reach};
use crate::{
    client::{
        clusters::Clusters, connect, connection::Connection, preflight::facts, reader::Reader,
    },
    commands::{
        arguments::ListArgs,
        validators::{SHORT_EXIT_CODES, help},
    },
    error::{CliError, Result},
    model::{
        install,
        preflight::{self, Outcome, Plan},
    },
    runtime::block_on,
    terminal::Ui,
    text::count,
    view,
};

/// Check whether the operator can be installed: nothing is written
#[derive(Args, Debug)]
#[command(after_help = help(HELP, SHORT_EXIT_CODES))]
pub struct Check {
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    printed: ListArgs,
}

impl Check {
    /// Reads, judges and prints.
    ///
    /// # Errors
    /// When something is in the way of the installation, or the API server cannot be reached.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let install = self.reach.install(flags, IMAGE)?;
        let plan = Plan {
            namespace: install.namespace.to_owned(),
            watch: install.watch.clone(),
            objects: install::objects(&install)?,
        };
        let facts = block_on(async {
            let clusters = Clusters::connect(flags)?;
            let version = clusters.version().await?;
            let reader = Reader::new(clusters.client().clone(), connect::limit(flags));
            Ok(facts(&reader, &plan, version).await)
        })?;
        let findings = preflight::findings(&plan, &facts);
        let text = || view::preflight::render(&findings, ui.out);
        self.printed.output.print(&findings, text, ui)?;
        let failed = findings
            .iter()
            .filter(|finding| finding.outcome == Outcome::Failed);
        match failed.count() {
            0 => Ok(()),
            failed => Err(CliError::failed(format!(
                "{} in the way of the installation",
                match failed {
                    1 => "1 problem is".to_owned(),
                    _ => format!("{} are", count(failed, "problem")),
                }
            ))),
        }
    }
}

const HELP: &str = "The namespaces and --multi are those of `install generate`. An unknown answer is not in the way: the user may not read
what it depends on.

Examples:
  kubectl casskop install check
  kubectl casskop install check -n cassandra --watch-namespace shop
  kubectl casskop install check --watch-all-namespaces -o json
";
