//! Prepares one Cassandra pod before Cassandra starts: merges the configuration of the operator and of the user into
//! the configuration of the image, installs the Jolokia agent with its password or the certificates of the Management
//! API, and waits until the addresses of the seeds resolve.
//!
//! Runs as an init container; calls no API and needs no permissions.

mod cassandra_yaml;
mod files;
mod jolokia;
mod jvm_options;
mod management_api;
mod pkcs8;
mod seeds;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use casskop_common::api::NodeApiKind;
use casskop_core::pod_config::{
    LostVolume, Nodes, RackConfig,
    cassandra_yaml::data_directories,
    jvm_options::InvalidSection,
    management_api::{FOLDER, SECRET_DIRECTORY},
    seeds::{NoSeed, OwnData, choose},
};
use serde::de::DeserializeOwned;

use crate::node_api::Access;
pub use seeds::JOINED_MARKER;

/// Paths of the parts of a pod's configuration.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Configuration folder: holds the configuration of the image, and receives the merged configuration
    #[arg(long, default_value = "/etc/cassandra")]
    pub directory: PathBuf,
    /// Configuration of this rack, written by the operator
    #[arg(long, default_value = "/casskop/rack.json")]
    pub rack: PathBuf,
    /// Members and replaced nodes of this rack, by their pods
    #[arg(long, default_value = "/casskop/nodes.json")]
    pub nodes: PathBuf,
    /// Folder of the Secret with the certificates of the Management API; without it the node gets the Jolokia agent
    #[arg(long)]
    pub management_api: Option<PathBuf>,
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
    /// Memory limit of the Cassandra container in bytes; 0: unknown
    // An earlier version of the operator did not write this variable.
    #[arg(long, env = "MEMORY_LIMIT", default_value_t = 0)]
    pub memory_limit: i64,
}

impl Args {
    /// The transport to the node, by the template of the pod. What the operator writes for the rack may be of another time:
    /// while a change of the transport rolls, pods are created anew from the old template and from the new one.
    fn transport(&self) -> NodeApiKind {
        match self.management_api {
            None => NodeApiKind::Jolokia,
            Some(_) => NodeApiKind::ManagementApi,
        }
    }
}

/// The reason why a pod could not be prepared. The init container prints it, and the kubelet retries the container.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{action} {path}: {source}")]
    File {
        /// The attempted action.
        action: &'static str,
        /// The file of the action.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// A file is invalid.
    #[error("{path} is not valid: {message}")]
    Invalid {
        /// The file.
        path: String,
        /// The defect.
        message: String,
    },
    /// The volume of a member is empty.
    #[error(transparent)]
    Lost(#[from] LostVolume),
    /// A start would form a second ring.
    #[error(transparent)]
    NoSeed(#[from] NoSeed),
    /// The JVM options of the spec are invalid.
    #[error(transparent)]
    JvmOptions(#[from] InvalidSection),
}

/// Prepares the pod.
///
/// # Errors
/// A file is missing, invalid or not writable, or the data of a member is lost.
pub fn main(args: &Args) -> Result<(), Error> {
    let mut rack: RackConfig = read_json(&args.rack)?;
    rack.limit_heap(args.memory_limit);
    // An earlier version of the operator did not write the file of nodes.
    let nodes = if args.nodes.exists() {
        read_json(&args.nodes)?
    } else {
        Nodes::default()
    };
    let data_directories = data_directories(&rack);
    let data = seeds::own_data(&args.data, &data_directories);
    let joined = data == OwnData::Member;
    let is_lost = seeds::is_lost(&args.data, &data_directories)?;
    let replaced = nodes.replacement(&args.pod_name, joined, is_lost)?;
    let seeds = choose(&rack, &args.pod_name, data)?;
    cassandra_yaml::write(&args.directory, &rack, &seeds, &args.pod_ip)?;
    let replaced = replaced.map(String::as_str);
    jvm_options::write(
        &args.directory,
        &rack,
        args.transport(),
        replaced,
        &args.pod_ip,
    )?;
    files::write_rack_properties(&args.directory, &rack)?;
    match &args.management_api {
        None => jolokia::install(args)?,
        Some(secret) => management_api::install(&args.directory, secret, &rack)?,
    }
    files::install_probe(&args.directory)?;
    seeds::wait(&seeds);
    Ok(())
}

/// The secret of the node of this pod, for the probes of the kubelet.
///
/// # Errors
/// The files of neither transport can be read.
pub fn access(directory: &Path) -> Result<Access, String> {
    if directory.join(FOLDER).exists() {
        let certificates = management_api::certificates(directory)?;
        return Ok(Access::ManagementApi(Arc::new(certificates)));
    }
    let credentials = jolokia::credentials(directory)?;
    Ok(Access::Jolokia(Arc::new(credentials)))
}

/// Takes over certificates of the Management API that were renewed while Cassandra runs. Certificates that cannot be used
/// change nothing: the node keeps those that it has.
pub fn renew(directory: &Path) {
    if directory.join(FOLDER).exists() {
        // The operator reads the same Secret, and reports it in the status.
        let _ = management_api::renew(directory, Path::new(SECRET_DIRECTORY));
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_str(&files::read(path)?).map_err(|error| Error::Invalid {
        path: path.display().to_string(),
        message: error.to_string(),
    })
}
