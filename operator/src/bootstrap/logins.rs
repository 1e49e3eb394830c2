//! The mark of a node whose ring requires logins, beside its data: whoever brings the volume to another ring, or another ring to
//! the volume, finds it.

use std::{fs, path::Path};

use casskop_common::{api::LoginStep, names};
use casskop_core::pod_config::{
    RackConfig,
    logins::{self, Volume},
    seeds::Seeds,
};

use crate::bootstrap::{
    Args, Error,
    files::{failed, persist},
};

/// The mark. It has no content.
const MARK: &str = ".casskop-logins";

/// Whether a volume has the mark.
pub(super) fn is_marked(data: &Path) -> Result<bool, Error> {
    let path = data.join(MARK);
    fs::exists(&path).map_err(failed("read", &path))
}

/// Checks that no node lets in everybody, and marks the volume of a node that joins a ring with logins.
pub(super) fn prepare(
    args: &Args,
    rack: &RackConfig,
    seeds: &Seeds,
    volume: Volume,
) -> Result<(), Error> {
    let own = names::pod_host(&rack.cluster_name, &rack.namespace, &args.pod_name);
    if logins::check(args.logins, &own, seeds, volume)? {
        mark(&args.data)?;
    }
    Ok(())
}

/// Leaves the mark on a volume, and returns when it is on the disk, as Cassandra's roles are.
pub(super) fn mark(data: &Path) -> Result<(), Error> {
    let path = data.join(MARK);
    if is_marked(data)? {
        return Ok(());
    }
    persist(data, &path, "")
}

/// Requirement of clients at their connection to the node, from the template of its pod.
pub(super) fn step(word: &str) -> Result<LoginStep, String> {
    let known = LoginStep::ALL.map(LoginStep::as_str).join(", ");
    LoginStep::parse(word).ok_or_else(|| format!("it is one of {known}"))
}
