//! `replace`: a new node with an empty volume takes the place of one that is lost, with its tokens.

use clap::{ArgGroup, Args};

use super::Discard;

/// Arguments of `replace`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(group = ArgGroup::new("the lost node").args(["pod"]).required(true))]
pub struct Replace {
    /// Which cluster is meant.
    #[command(flatten)]
    pub discard: Discard,
}
