//! `casskop-operator`: runs Cassandra rings on Kubernetes.
//!
//! One binary in four roles: the controller (`run`), what prepares a Cassandra pod before it starts
//! (`bootstrap`), what the kubelet asks about it (`probe`), and the CRDs that all of it needs (`crd`).

mod bootstrap;
mod cli;
mod cluster;
mod context;
mod metrics;
mod nodes;
mod operations;
mod probe;
mod run;
mod server;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
