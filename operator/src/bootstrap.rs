//! Prepares one Cassandra pod before Cassandra starts: merges the configuration of the operator and of the user into
//! the configuration of the image, installs the Jolokia agent with its password or the certificates of the Management
//! API, and the certificates of Cassandra itself, and waits until the addresses of the seeds resolve. Before all that, a node
//! of a ring that is restored waits for its files.
//!
//! Runs as an init container; calls no API and needs no permissions.

mod cassandra_yaml;
mod certificates;
mod encryption;
mod files;
mod jolokia;
mod jvm_options;
mod logins;
mod management_api;
mod metrics;
mod overlap;
mod pkcs8;
mod restore;
mod seeds;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use casskop_common::{
    api::{LoginStep, NodeTransport},
    names,
};
use casskop_core::pod_config::{
    LostVolume, Nodes,
    cassandra_yaml::data_directories,
    certificates::Place,
    jvm_options::{Agents, InvalidSection},
    logins::{NotSetUp, Volume},
    restore::{WrongFiles, WrongTokens},
    seeds::{NoSeed, OwnData, choose},
    started::{self, Started},
};
use serde::de::DeserializeOwned;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use crate::node_api::Access;
use certificates::{Form, Peers, Renewal};
use pkcs8::Algorithm;
pub use restore::awaited_nodes;
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
    /// Folder of the Secret with the certificates of the Jolokia agent; without it the agent speaks plain HTTP
    #[arg(long, conflicts_with = "management_api")]
    pub jolokia_tls: Option<PathBuf>,
    #[command(flatten)]
    pub encryption: encryption::Args,
    /// Requirement of clients at their connection to the node
    #[arg(long, default_value = "Disabled", value_parser = logins::step)]
    pub logins: LoginStep,
    #[command(flatten)]
    pub metrics: metrics::Args,
    /// Folder of the Jolokia Secret
    #[arg(long, default_value = "/casskop-jolokia")]
    pub jolokia: PathBuf,
    /// The Jolokia agent
    #[arg(long, default_value = "/jolokia-agent.jar")]
    pub agent: PathBuf,
    /// Data folder of the node
    #[arg(long, default_value = "/var/lib/cassandra")]
    pub data: PathBuf,
    /// Where the report for the operator is left
    #[arg(long, default_value = started::PATH)]
    pub report: PathBuf,
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
    fn transport(&self) -> NodeTransport {
        match (&self.management_api, &self.jolokia_tls) {
            (Some(_), _) => NodeTransport::ManagementApi,
            (None, Some(_)) => NodeTransport::JolokiaTls,
            (None, None) => NodeTransport::Jolokia,
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
    /// A start would let in everybody.
    #[error(transparent)]
    NotSetUp(#[from] NotSetUp),
    /// The volume has other files than those of the restore.
    #[error(transparent)]
    WrongFiles(#[from] WrongFiles),
    /// The files of the restore are those of a node with another number of tokens.
    #[error(transparent)]
    WrongTokens(#[from] WrongTokens),
    /// The JVM options of the spec are invalid.
    #[error(transparent)]
    JvmOptions(#[from] InvalidSection),
}

/// Prepares the pod, or ends when the pod is deleted. The first process of a container has no default for the signal: a pod that
/// waits would stay for its whole grace period.
///
/// # Errors
/// As of [`main`], in words; or the pod is deleted.
pub fn run(args: Args) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    let runtime = runtime.map_err(|error| format!("start the runtime: {error}"))?;
    runtime.block_on(async {
        let terminated = signal(SignalKind::terminate());
        let mut terminated = terminated.map_err(|error| format!("listen for SIGTERM: {error}"))?;
        let (done, prepared) = oneshot::channel();
        thread::spawn(move || done.send(main(&args).map_err(|error| error.to_string())));
        tokio::select! {
            prepared = prepared => {
                prepared.map_err(|_| "the preparation ended without a result".to_owned())?
            }
            _ = terminated.recv() => Err("the pod is deleted before it was prepared".to_owned()),
        }
    })
}

/// Prepares the pod.
///
/// # Errors
/// A file is missing, invalid or not writable, or the data of a member is lost.
pub fn main(args: &Args) -> Result<(), Error> {
    let (mut rack, restored) = restore::wait(args)?;
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
    let volume = Volume {
        data,
        is_empty: is_lost,
        is_marked: logins::is_marked(&args.data)?,
        from_backup: restored.begins_with_logins(),
    };
    logins::prepare(args, &rack, &seeds, volume)?;
    let access = (args.encryption.encryption(), args.logins);
    restore::leave_shape(&args.directory, &rack, &restored, joined)?;
    let given = (&seeds, &restored, joined);
    cassandra_yaml::write(&args.directory, &rack, given, &args.pod_ip, access)?;
    let replaced = replaced.map(String::as_str);
    jvm_options::write(
        &args.directory,
        &rack,
        Agents {
            transport: args.transport(),
            metrics: args.metrics.metrics,
        },
        replaced,
        &args.pod_ip,
    )?;
    files::write_rack_properties(&args.directory, &rack)?;
    let name = names::ring_host(&rack.cluster_name, &rack.namespace);
    encryption::install(&args.directory, &args.encryption, &name, &args.data)?;
    let folder = folder(&args.directory, NodeTransport::ManagementApi);
    let algorithm = match folder.zip(args.management_api.as_ref()) {
        None => jolokia::install(args, name)?,
        Some((folder, secret)) => {
            management_api::install(&folder, secret, name)?;
            None
        }
    };
    metrics::install(&args.directory, &args.metrics)?;
    files::install_probe(&args.directory)?;
    report(&args.report, algorithm);
    seeds::wait(&seeds);
    Ok(())
}

/// Leaves a report for the operator, if there is something to say. Cassandra starts without it, too.
fn report(path: &Path, algorithm: Option<Algorithm>) {
    let started = Started {
        key_algorithm: algorithm.map(|algorithm| algorithm.as_str().to_owned()),
    };
    if started != Started::default()
        && let Ok(text) = serde_json::to_string(&started)
    {
        let _ = fs::write(path, text);
    }
}

/// The folder with the certificates of a transport.
fn folder(directory: &Path, transport: NodeTransport) -> Option<PathBuf> {
    Place::of(transport).map(|place| directory.join(place.folder))
}

/// The transport that a pod was prepared for, and the folder with its certificates.
fn prepared(directory: &Path) -> (NodeTransport, PathBuf) {
    let with_tls = [NodeTransport::ManagementApi, NodeTransport::JolokiaTls];
    let mut prepared = with_tls.into_iter().filter_map(|transport| {
        let folder = folder(directory, transport).filter(|folder| folder.exists())?;
        Some((transport, folder))
    });
    let plain = || (NodeTransport::Jolokia, directory.to_owned());
    prepared.next().unwrap_or_else(plain)
}

/// The secrets of the node of this pod, for the probes of the kubelet.
///
/// # Errors
/// The files of the transport cannot be read.
pub fn access(directory: &Path) -> Result<Access, String> {
    let (transport, folder) = prepared(directory);
    let password = || jolokia::credentials(directory).map(Arc::new);
    let certificates = || certificates::certificates(&folder).map(Arc::new);
    Ok(match transport {
        NodeTransport::Jolokia => Access::Jolokia(password()?),
        NodeTransport::JolokiaTls => Access::JolokiaTls(password()?, certificates()?),
        NodeTransport::ManagementApi => Access::ManagementApi(certificates()?),
    })
}

/// Where the native transport of the node of this pod listens: host and port.
///
/// # Errors
/// The configuration cannot be read.
pub fn native_address(directory: &Path) -> Result<(String, u16), Error> {
    cassandra_yaml::native_address(directory)
}

/// Lets clients connect from the next start of Cassandra in this pod on, as they do now.
///
/// # Errors
/// A file cannot be written.
pub fn let_clients_in(directory: &Path) -> Result<(), Error> {
    cassandra_yaml::start_open(directory)?;
    restore::forget_shape(directory)
}

/// Leaves the mark of a ring that requires logins on the volume of this folder.
///
/// # Errors
/// It is not known to be on the disk.
pub fn mark_logins(data: &Path) -> Result<(), Error> {
    logins::mark(data)
}

/// Leaves the mark of a member with this host ID on the volume of this folder: the next start derives from it that the node is
/// one.
///
/// # Errors
/// It is not known to be on the disk.
pub fn mark_joined(data: &Path, host_id: &str) -> Result<(), Error> {
    let mark = data.join(JOINED_MARKER);
    if fs::read_to_string(&mark).is_ok_and(|text| text == host_id) {
        return Ok(());
    }
    files::persist(data, &mark, host_id)
}

/// Takes over certificates that were renewed while Cassandra runs. Certificates that cannot be used change nothing: the node
/// keeps those that it has. `data` is the folder of the volume.
pub fn renew(directory: &Path, data: &Path) {
    let (transport, folder) = prepared(directory);
    let renewal = match transport {
        NodeTransport::JolokiaTls => Renewal::SameAlgorithm,
        NodeTransport::Jolokia | NodeTransport::ManagementApi => Renewal::Any,
    };
    if let Some(place) = Place::of(transport) {
        // The operator reads the same Secret, and reports it in the status.
        let _ = certificates::renew(
            &folder,
            Path::new(place.secret),
            (Form::Separate, Peers::Each),
            renewal,
        );
    }
    encryption::renew(directory, data);
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_str(&files::read(path)?).map_err(|error| Error::Invalid {
        path: path.display().to_string(),
        message: error.to_string(),
    })
}
