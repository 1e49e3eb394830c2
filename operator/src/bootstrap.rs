//! Prepares one Cassandra pod before it starts: lays the operator's and the user's configuration over the
//! image's own, installs the Jolokia agent with its password, and waits until the seeds have addresses.
//!
//! Runs as an init container; talks to no API and needs no rights.

mod files;
mod jolokia;
mod jvm;
mod rack;
mod seeds;
mod yaml;

use std::{io, path::PathBuf};

pub use files::PROBE;
pub use jolokia::credentials;
pub use jvm::{SECTIONS, options as jvm_options};
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
}

/// Prepares the pod.
///
/// # Errors
/// When a file is missing, broken or not writable.
pub fn main(args: &Args) -> Result<(), Error> {
    let rack = RackConfig::read(&args.rack)?;
    let seeds = seeds::choose(
        &rack,
        &args.pod_name,
        seeds::has_joined(&args.data, &yaml::data_directories(&rack)),
    );
    yaml::write(&args.directory, &rack, &seeds.list, &args.pod_ip)?;
    jvm::write(&args.directory, &rack)?;
    files::write_rack_properties(&args.directory, &rack)?;
    jolokia::install(args)?;
    files::install_probe(&args.directory)?;
    seeds::wait(&seeds);
    Ok(())
}
