//! `restart`: replaces pods one after the other; their volumes stay.

use clap::Args;

/// Arguments of `restart`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Restart {
    /// Drain each node first: it writes its memtables to disk and announces its shutdown, so that it starts faster
    #[arg(long)]
    pub drain: bool,
}
