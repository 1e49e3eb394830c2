//! The command line of the operator binary.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use casskop_common::api::CassandraCluster;
use clap::{Args, Parser, Subcommand, ValueEnum};
use kube::CustomResourceExt;

/// Runs Apache Cassandra rings on Kubernetes.
#[derive(Parser)]
#[command(name = "casskop-operator", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the controller: in a pod, or from a shell with a kubeconfig
    Run(RunArgs),
    /// Prepare the configuration of a Cassandra pod (init container)
    Bootstrap(BootstrapArgs),
    /// Ask the Cassandra node of this pod how it is (kubelet probes)
    Probe(ProbeArgs),
    /// Print the custom resource definitions as YAML
    Crd,
}

/// Settings of the controller.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Namespace to watch; empty is all of them
    #[arg(long, env = "WATCH_NAMESPACE", default_value = "")]
    pub namespace: String,
    /// Image of the bootstrap init container: the operator's own
    #[arg(long, env = "BOOTSTRAP_IMAGE", default_value = concat!("casskop/casskop-operator:", env!("CARGO_PKG_VERSION")))]
    pub bootstrap_image: String,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Clusters that are worked on at the same time
    #[arg(long, env = "CONCURRENCY", default_value_t = 16)]
    pub concurrency: u16,
    /// Log format
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
    /// What to log, such as `info` or `casskop_operator=debug`
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}

/// How log lines look.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum LogFormat {
    /// One JSON object a line
    Json,
    /// For people
    Text,
}

/// Where the pieces of a pod's configuration are.
#[derive(Args, Debug)]
pub struct BootstrapArgs {
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

/// What the kubelet wants to know.
#[derive(Args, Debug)]
pub struct ProbeArgs {
    /// The question
    #[arg(value_enum)]
    pub question: Question,
    /// Folder with the credentials that `bootstrap` wrote
    #[arg(long, default_value = "/etc/cassandra")]
    pub directory: PathBuf,
    /// Data folder of the node
    #[arg(long, default_value = "/var/lib/cassandra")]
    pub data: PathBuf,
    /// Seconds that a starting node may take before the answer is no
    #[arg(long, default_value_t = 0)]
    pub wait: u64,
}

/// Questions of the kubelet.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Is the node NORMAL, with its native transport up?
    Ready,
    /// Does the process answer? Joining, leaving and draining are fine.
    Alive,
}

/// Runs the role that was asked for.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => crate::run::main(args).map_err(|error| error.to_string()),
        Command::Bootstrap(args) => {
            crate::bootstrap::main(&args).map_err(|error| error.to_string())
        }
        Command::Probe(args) => crate::probe::main(&args),
        Command::Crd => print_crds(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            say(&message);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the YAML is the answer")]
fn print_crds() -> Result<(), String> {
    let yaml =
        serde_saphyr::to_string(&CassandraCluster::crd()).map_err(|error| error.to_string())?;
    println!("{yaml}");
    Ok(())
}

#[expect(
    clippy::print_stderr,
    reason = "the last words of a process, also before logging is set up"
)]
fn say(message: &str) {
    eprintln!("casskop-operator: {message}");
}
