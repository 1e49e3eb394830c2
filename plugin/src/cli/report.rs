//! `report`: the support bundle.

use std::path::PathBuf;

use clap::{Args, Command};

use super::words::object_name;

/// Arguments of `report`.
#[derive(Args, Clone, Debug)]
pub struct Report {
    /// Name of the CassandraCluster
    #[arg(value_name = "CLUSTER", value_parser = object_name)]
    pub name: String,
    /// Archive (.tar.gz) or new folder to write (default: casskop-report-CLUSTER-TIME.tar.gz)
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Lines from the end of each log; 0 leaves the logs out
    #[arg(long, value_name = "LINES", default_value_t = 2000, value_parser = clap::value_parser!(u32))]
    pub tail: u32,
    /// Namespace of the operator (default: that of the cluster, else wherever one is found)
    #[arg(long, value_name = "NAMESPACE", value_parser = super::namespace)]
    pub operator_namespace: Option<String>,
}

/// The command.
pub fn command() -> Command {
    Report::augment_args(Command::new("report"))
        .about("Write all that support needs to know about a cluster into one file")
        .after_help(HELP)
}

const HELP: &str = "In it: the CassandraCluster and its status, the objects made for it, events, logs of operator and nodes, versions.
Not in it: values of Secrets (only their keys are named), passwords and tokens in variables, configuration and logs
as far as they can be told by their names. Look through it before you hand it on.
What you may not read is left out; report.txt in it, and stderr, say which right is missing.

Examples:
  kubectl casskop report demo
  kubectl casskop report demo -f demo.tar.gz --tail 10000
  kubectl casskop report demo -f /tmp/demo            as a folder

Exit codes: 0 written, 1 failed, 2 wrong usage.";
