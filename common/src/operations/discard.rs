//! Arguments of the kinds that discard data for good.

use clap::Args;

use super::value;

/// The cluster of the request. A manifest that is restored or copied elsewhere carries the UID of the old cluster, and
/// so discards no data there.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Discard {
    /// metadata.uid of the intended cluster; another cluster of the same name has another UID (the plugin adds it)
    #[arg(long, value_name = "UID", value_parser = value::uid)]
    pub cluster_uid: Option<String>,
}
