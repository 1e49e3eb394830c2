//! `decommission`: a node hands its data to the others and leaves the ring. Never requested: the operator does it where
//! the spec asks for fewer nodes than there are.

use clap::Args;

/// Arguments of `decommission`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Decommission {
    /// Leave although a keyspace then has fewer nodes than replicas
    #[arg(long)]
    pub force: bool,
}
