//! State that all reconciliations of a `MultiCasskop` share. None of it is authoritative.

use kube::{Client, runtime::events::Reporter};

use crate::{metrics::Metrics, multi::sites::Sites};

/// State that all reconciliations share.
pub struct Context {
    /// The client of the home cluster.
    pub home: Client,
    /// The current sites.
    pub sites: Sites,
    /// The reporter of events.
    pub reporter: Reporter,
    /// The metrics.
    pub metrics: Metrics,
}
