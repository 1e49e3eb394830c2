//! The agent of the metrics of Cassandra: its jar and its settings.

use std::{
    fs,
    path::{Path, PathBuf},
};

use casskop_common::api::Metrics;
use casskop_core::pod_config::metrics;

use crate::bootstrap::{Error, files};

/// Metrics of the node.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Args {
    /// Gives the node the agent that serves the metrics of Cassandra
    #[arg(long)]
    pub metrics: bool,
    /// Tables that have metrics of their own, as <keyspace>.<table> with wildcards
    #[arg(long = "metrics-table", requires = "metrics", value_name = "PATTERN")]
    pub tables: Vec<String>,
    /// The agent
    #[arg(long, default_value = "/metrics-agent.jar")]
    pub metrics_agent: PathBuf,
}

/// Installs agent and settings into the configuration folder, if the pod has metrics.
pub(super) fn install(directory: &Path, args: &Args) -> Result<(), Error> {
    if !args.metrics {
        return Ok(());
    }
    let jar = directory.join(metrics::AGENT);
    fs::copy(&args.metrics_agent, &jar)
        .map_err(files::failed("install the agent of the metrics as", &jar))?;
    let wanted = Metrics {
        tables: args.tables.clone(),
    };
    let settings = metrics::settings(&wanted).map_err(|message| Error::Invalid {
        path: "--metrics-table".into(),
        message,
    })?;
    files::write(&directory.join(metrics::SETTINGS), &settings)
}
