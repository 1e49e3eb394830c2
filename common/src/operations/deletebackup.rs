//! `deletebackup`: deletes a backup. Objects that no other backup has go with a later purge.

use clap::Args;

use super::value;

/// Arguments of `deletebackup`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct DeleteBackup {
    /// Store that has the backup, by its name in spec.backup.stores
    #[arg(long, value_name = "STORE", required = true, value_parser = value::object_name, add = value::ClusterValue::Store)]
    pub from: String,
    /// Id of the backup
    #[arg(long, value_name = "ID", required = true, value_parser = value::snapshot_name)]
    pub backup: String,
}
