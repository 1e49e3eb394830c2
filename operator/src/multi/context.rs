//! What every reconciliation of a `MultiCasskop` shares. Nothing in it is truth.

use kube::{Client, runtime::events::Reporter};

use crate::{metrics::Metrics, multi::sites::Sites};

/// What every reconciliation shares.
pub struct Context {
    /// Talks to the API server of the home cluster.
    pub home: Client,
    /// The sites of now.
    pub sites: Sites,
    /// Who publishes events.
    pub reporter: Reporter,
    /// What is measured.
    pub metrics: Metrics,
}
