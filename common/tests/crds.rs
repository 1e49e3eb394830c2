//! The committed CRDs are those that the Rust types generate.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test compares files of the repository"
)]

use casskop_common::api::{CassandraCluster, MultiCasskop};
use kube_core::CustomResourceExt;

fn is_committed<K: CustomResourceExt>(file: &str) {
    let generated = serde_saphyr::to_string(&K::crd()).expect("a CRD is YAML");
    let path = format!("{}/../manifests/crds/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_CRDS").is_some() {
        std::fs::write(&path, &generated).expect("manifests/crds is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "manifests/crds/{file} differs from the types; run `make crds` and look at the difference"
    );
}

#[test]
fn committed_crds_are_up_to_date() {
    is_committed::<CassandraCluster>("cassandraclusters.yaml");
    is_committed::<MultiCasskop>("multicasskops.yaml");
}
