//! `replace`: a new node with an empty volume replaces a lost node and takes over its tokens.

use clap::{ArgGroup, Args};

use super::Discard;

/// Arguments of `replace`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(group = ArgGroup::new("the lost node").args(["pod"]).required(true))]
pub struct Replace {
    /// The cluster of the request.
    #[command(flatten)]
    pub discard: Discard,
}
