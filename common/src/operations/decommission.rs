//! `decommission`: a node hands its data to the others and leaves the ring. It cannot be requested: the operator
//! decommissions nodes if the spec requires fewer nodes than there are.

use clap::Args;

/// Arguments of `decommission`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Decommission {
    /// Leave although a keyspace then has fewer nodes than replicas
    #[arg(long)]
    pub force: bool,
}
