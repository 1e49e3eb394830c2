//! Version of Kubernetes.

use super::{Check, Finding};

/// The oldest API that the operator is built for, as major and minor version; that of the Helm chart.
pub const OLDEST: (u32, u32) = (1, 33);

pub fn check(version: &str) -> Finding {
    let check = Check::KubernetesVersion;
    let (major, minor) = OLDEST;
    match parsed(version) {
        Some(number) if number >= OLDEST => Finding::passed(check, format!("Kubernetes {version}")),
        Some(_) => Finding::failed(
            check,
            format!("Kubernetes {version} is older than {major}.{minor}"),
        )
        .next("upgrade Kubernetes first"),
        None => Finding::unknown(
            check,
            format!(
                "the API server reports the version '{version}', and needs {major}.{minor} or later"
            ),
        ),
    }
}

/// Major and minor of a version such as `v1.34.4` or `v1.33.2-gke.100`.
fn parsed(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
