//! `verifybackup`: checks that a backup has everything.

use clap::Args;

use super::value;

/// Arguments of `verifybackup`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct VerifyBackup {
    /// Store that has the backup, by its name in spec.backup.stores
    #[arg(long, value_name = "STORE", required = true, value_parser = value::object_name, add = value::ClusterValue::Store)]
    pub from: String,
    /// Id of the backup
    #[arg(long, value_name = "ID", required = true, value_parser = value::snapshot_name)]
    pub backup: String,
    /// Read every object and compare its content, instead of the lengths alone
    #[arg(long)]
    pub deep: bool,
}
