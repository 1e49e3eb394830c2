//! Prepares one Cassandra pod before it starts: lays the operator's and the user's configuration over the
//! image's own, installs the Jolokia agent with its password, and waits until the seeds have addresses.
//!
//! Runs as an init container; talks to no API and needs no rights.

mod files;
mod jolokia;
mod jvm;
mod nodes;
mod rack;
mod seeds;
mod tokens;
mod yaml;

use std::{io, path::PathBuf};

pub use files::PROBE;
pub use jolokia::credentials;
pub use jvm::{SECTIONS, check as check_jvm_options};
pub use nodes::Nodes;
pub use rack::RackConfig;
pub use seeds::JOINED_MARKER;
pub use yaml::{OPERATOR_KEYS, merge};

/// Where the pieces of a pod's configuration are.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Folder that has the image's own /etc/cassandra and gets ours laid over it
    #[arg(long, default_value = "/etc/cassandra")]
    pub directory: PathBuf,
    /// What the operator decided for this rack
    #[arg(long, default_value = "/casskop/rack.json")]
    pub rack: PathBuf,
    /// Which pods of this rack run members
    #[arg(long, default_value = "/casskop/nodes.json")]
    pub nodes: PathBuf,
    /// Folder of the Jolokia Secret
    #[arg(long, default_value = "/casskop-jolokia")]
    pub jolokia: PathBuf,
    /// The Jolokia agent
    #[arg(long, default_value = "/jolokia-agent.jar")]
    pub agent: PathBuf,
    /// Data folder of the node
    #[arg(long, default_value = "/var/lib/cassandra")]
    pub data: PathBuf,
    /// Name of this pod
    #[arg(long, env = "POD_NAME")]
    pub pod_name: String,
    /// Address of this pod
    #[arg(long, env = "POD_IP")]
    pub pod_ip: String,
}

/// Why a pod could not be prepared. The pod's init container prints it and is tried again.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{path} is not valid: {message}")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// The volume of a member is empty.
    #[error(
        "the volume of {pod} is empty, and the ring knows it as a member (host id {host_id}): its data is lost. Bring the volume back, or let the others make up for it: kubectl casskop replace CLUSTER --pod {pod}"
    )]
    Lost {
        /// The pod.
        pod: String,
        /// Host id of its node.
        host_id: String,
    },
}

/// Prepares the pod.
///
/// # Errors
/// When a file is missing, broken or not writable, or the data of a member is lost.
pub fn main(args: &Args) -> Result<(), Error> {
    let rack = RackConfig::read(&args.rack)?;
    let nodes = Nodes::read(&args.nodes)?;
    let data_directories = yaml::data_directories(&rack);
    let joined = seeds::has_joined(&args.data, &data_directories);
    let is_lost = seeds::is_lost(&args.data, &data_directories)?;
    let replaced = nodes.replacement(&args.pod_name, joined, is_lost)?;
    let seeds = seeds::choose(&rack, &args.pod_name, joined);
    yaml::write(&args.directory, &rack, &seeds, &args.pod_ip)?;
    jvm::write(&args.directory, &rack, replaced.map(String::as_str))?;
    files::write_rack_properties(&args.directory, &rack)?;
    jolokia::install(args)?;
    files::install_probe(&args.directory)?;
    seeds::wait(&seeds);
    Ok(())
}
