//! `casskop-operator`: runs Cassandra rings on Kubernetes.
//!
//! One binary in five roles: the controller of rings in one Kubernetes cluster (`run`), that of rings over several
//! (`multi`), what prepares a Cassandra pod before it starts (`bootstrap`), what the kubelet asks about it (`probe`), and
//! the CRDs that all of it needs (`crd`).

mod bootstrap;
mod cli;
mod cluster;
mod context;
mod effects;
mod executor;
mod kubernetes;
mod metrics;
mod multi;
mod node_api;
mod probe;
mod run;
mod server;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
