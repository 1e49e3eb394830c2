//! The command line of the operator binary.

use std::process::ExitCode;

use casskop_common::api::{CassandraCluster, MultiCasskop};
use clap::{Parser, Subcommand};
use kube::CustomResourceExt;

use crate::{bootstrap, multi, probe, run};

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
    Run(run::Args),
    /// Run the controller of rings over several Kubernetes clusters
    Multi(multi::Args),
    /// Prepare the configuration of a Cassandra pod (init container)
    Bootstrap(bootstrap::Args),
    /// Check the Cassandra node of this pod (kubelet probes)
    Probe(probe::Args),
    /// Drain the Cassandra node of this pod before its container ends
    Drain(probe::DrainArgs),
    /// Print the custom resource definitions as YAML
    Crd,
}

/// Runs the requested role.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => run::main(args).map_err(|error| error.to_string()),
        Command::Multi(args) => multi::main(args).map_err(|error| error.to_string()),
        Command::Bootstrap(args) => bootstrap::run(args),
        Command::Probe(args) => probe::main(&args),
        Command::Drain(args) => probe::drain(&args),
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
    for crd in [CassandraCluster::crd(), MultiCasskop::crd()] {
        let yaml = serde_saphyr::to_string(&crd).map_err(|error| error.to_string())?;
        println!("---\n{yaml}");
    }
    Ok(())
}

#[expect(
    clippy::print_stderr,
    reason = "the last words of a process, also before logging is set up"
)]
fn say(message: &str) {
    eprintln!("casskop-operator: {message}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    /// Manifests and pods of rings that run already start the binary by these words.
    #[test]
    fn the_roles_keep_their_names() {
        let command = Cli::command();
        let roles: Vec<&str> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        assert_eq!(
            roles,
            ["run", "multi", "bootstrap", "probe", "drain", "crd"]
        );
    }
}
