//! The Job that brings the files of a node of a ring that is restored: beside its pod, which waits for them.

use casskop_backup_protocol::{FetchJob, Limits, NodePlace, RackShape, RestoreMarker};
use casskop_common::{
    api::{BackupStore, Restore},
    image::ImageRef,
    names::{self, RackId},
};
use k8s_openapi::api::batch::v1::Job;
use kube_core::ResourceExt;

use crate::{
    desired::Desired,
    digest::digest,
    objects::data_job::{self, Access, Beside, Frame, NoJob},
    observed::{ObservedState, RestoreInputs},
    pod_config::{
        cassandra_yaml::{self, DATA, data_directories_of},
        tokens,
    },
};

/// A node that gets its files.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its pod.
    pub pod: &'a str,
    /// Its rack.
    pub rack: &'a RackId,
}

/// Name of the Job of a pod. It is the same for each backup, so that no two of them are brought at the same time.
pub fn name((cluster, uid): (&str, &str), pod: &str) -> String {
    data_job::named_after(cluster, &digest(&("restore", uid, pod)))
}

/// The inputs of the Job of a pod.
///
/// # Errors
/// As of [`build`].
pub fn inputs(
    desired: &Desired,
    restore: &Restore,
    target: Target<'_>,
    state: &ObservedState,
) -> Result<RestoreInputs, NoJob> {
    let store = store(desired, restore)?;
    let work = describe(desired, restore, store, target)?;
    let keys = (&store.secret, &store.service_account_name, &store.volume);
    // Also without its StatefulSet.
    let end = format!("-{}", target.pod);
    let volumes = state.live.volumes.iter();
    let uids = volumes
        .filter(|(name, _)| name.ends_with(&end))
        .map(|(_, volume)| volume.uid.as_str());
    Ok(RestoreInputs {
        work: digest(&(work, keys)),
        volumes: digest(&uids.collect::<Vec<_>>()),
    })
}

fn store<'a>(desired: &'a Desired, restore: &Restore) -> Result<&'a BackupStore, NoJob> {
    let backup = desired.spec.backup.as_ref();
    let store = backup.and_then(|backup| backup.store(&restore.store));
    store.ok_or_else(|| NoJob::NoStore(restore.store.clone()))
}

/// Folder that gets the data of a node of a rack with this configuration; none if it is on no volume that a Job can have.
pub fn folder(desired: &Desired, config: &serde_json::Value) -> Option<String> {
    let first = data_directories_of(config).into_iter().next()?;
    let storage = &desired.spec.storage_configs;
    let theirs = storage.iter().map(|storage| storage.mount_path.as_str());
    let mut mounted = theirs.chain([DATA]);
    mounted
        .any(|mounted| cassandra_yaml::is_below(&first, mounted))
        .then_some(first)
}

/// The description of the work.
///
/// # Errors
/// A name cannot be a part of a path in the store, or the folder of the data is on no volume.
pub fn describe(
    desired: &Desired,
    restore: &Restore,
    store: &BackupStore,
    target: Target<'_>,
) -> Result<FetchJob, NoJob> {
    let racks = desired.racks.iter();
    let own = racks.clone().find(|rack| rack.id == *target.rack);
    let into = own.and_then(|rack| folder(desired, &rack.config));
    let ordinal = names::ordinal(target.pod).and_then(|ordinal| u32::try_from(ordinal).ok());
    let gone = || NoJob::NoVolume(target.pod.to_owned());
    let ring = racks.map(|rack| RackShape {
        dc: rack.id.dc.clone(),
        rack: rack.id.rack.clone(),
        nodes: u32::try_from(rack.replicas).unwrap_or_default(),
    });
    let mut ring: Vec<RackShape> = ring.collect();
    // Their order in the spec means nothing, and files that were brought count in any.
    ring.sort_by(|one, other| (&one.dc, &one.rack).cmp(&(&other.dc, &other.rack)));
    let volumes = desired.spec.storage_configs.iter();
    let release = ImageRef::parse(&desired.image).release();
    Ok(FetchJob {
        cluster: data_job::named(&restore.cluster.name, &restore.cluster.uid)?,
        store: store.place(),
        backup: restore.backup.parse()?,
        host_id: None,
        place: Some(NodePlace {
            dc: target.rack.dc.clone(),
            rack: target.rack.rack.clone(),
            ordinal: ordinal.ok_or_else(gone)?,
            ring,
            logins: desired.logins.has_logins(),
        }),
        into: into.ok_or_else(gone)?,
        keyspaces: Vec::new(),
        cassandra: release.map(|(major, minor)| format!("{major}.{minor}")),
        num_tokens: own.and_then(|rack| tokens::number_of(&rack.config)),
        marker: Some(format!("{DATA}/{}", RestoreMarker::FILE)),
        volumes: volumes.map(|storage| storage.mount_path.clone()).collect(),
        // No node serves clients yet.
        limits: Limits::default(),
    })
}

/// The Job.
///
/// # Errors
/// As of [`describe`]; or the pod has no volume to share, or the spec has no such store.
pub fn build(
    desired: &Desired,
    restore: &Restore,
    target: Target<'_>,
    inputs: &RestoreInputs,
    beside: &Beside<'_>,
) -> Result<Job, NoJob> {
    let store = store(desired, restore)?;
    let description = describe(desired, restore, store, target)?;
    let description = serde_json::to_string(&description).unwrap_or_default();
    let uid = desired.owner.uid.as_str();
    let frame = Frame {
        cluster: (&desired.namespace, &desired.name, uid),
        name: name((&desired.name, uid), target.pod),
        id: &restore.backup,
        store,
        image: &desired.bootstrap_image,
        arguments: vec![
            "fetch".into(),
            "--termination-log=/dev/termination-log".into(),
        ],
        description: &description,
        volumes: Some(Access::Write),
    };
    let mut job = data_job::build(frame, beside)?;
    job.annotations_mut().extend([
        (names::INPUTS_DIGEST.to_owned(), inputs.work.clone()),
        (names::RESTORED_VOLUMES.to_owned(), inputs.volumes.clone()),
    ]);
    Ok(job)
}
