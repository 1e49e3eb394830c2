//! `casskop-operator`: runs Cassandra rings on Kubernetes.
//!
//! One binary with five roles: the controller of rings in one Kubernetes cluster (`run`), the controller of rings
//! over several clusters (`multi`), the preparation of a Cassandra pod before it starts (`bootstrap`), the probes of
//! the kubelet (`probe`), and the CRDs (`crd`).

#[cfg(test)]
mod api_server;
mod bootstrap;
mod cli;
mod cluster;
mod context;
mod effects;
mod executor;
mod identity;
mod kubernetes;
mod leader;
mod leadership;
mod metrics;
mod multi;
mod node_api;
mod probe;
mod random;
mod run;
mod server;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
