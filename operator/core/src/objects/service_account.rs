//! Identity of the Cassandra pods: without permissions, and with a token that is not mounted.

use k8s_openapi::api::core::v1::ServiceAccount;

use crate::{desired::Desired, objects::cluster_metadata};

/// The service account of the cluster's pods.
pub fn build(desired: &Desired) -> ServiceAccount {
    ServiceAccount {
        metadata: cluster_metadata(desired),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
