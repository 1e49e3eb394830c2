//! The parts of a pod for logins of clients.

use casskop_common::{api::LoginStep, names};
use k8s_openapi::api::core::v1::{Volume, VolumeMount};

use crate::{
    desired::Desired,
    objects::pod::{containers::mount, transport::secret},
    pod_config::logins::{SUPERUSER, SUPERUSER_KEYS, SUPERUSER_VOLUME},
};

/// The annotation that tells the step; none is `Disabled`.
pub(super) fn annotation(desired: &Desired) -> Option<(String, String)> {
    let step = desired.logins;
    step.has_logins()
        .then(|| (names::LOGINS.to_owned(), step.as_str().to_owned()))
}

/// The arguments of the init container that prepares the pod.
pub(super) fn arguments(desired: &Desired) -> Vec<String> {
    let step = desired.logins;
    let words = ["--logins", step.as_str()].map(str::to_owned);
    if step.has_logins() {
        words.into()
    } else {
        Vec::new()
    }
}

/// The superuser that the readiness probe sets up; no other pod has it.
pub(super) fn mounts(desired: &Desired) -> Option<VolumeMount> {
    (desired.logins == LoginStep::SetUp).then(|| mount(SUPERUSER_VOLUME, SUPERUSER))
}

/// The volume of its Secret: the operator's own, which no user changes while the superuser is set up.
pub(super) fn volume(desired: &Desired) -> Option<Volume> {
    let name = names::accepted_superuser_secret(&desired.name);
    (desired.logins == LoginStep::SetUp).then(|| secret(SUPERUSER_VOLUME, &name, &SUPERUSER_KEYS))
}
