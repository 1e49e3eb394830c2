//! The committed CRDs are those that the Rust types generate.

use casskop_common::api::CassandraCluster;
use kube::CustomResourceExt;

#[test]
fn committed_crds_are_up_to_date() {
    let generated = serde_saphyr::to_string(&CassandraCluster::crd()).expect("a CRD is YAML");
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../manifests/crds/cassandraclusters.yaml"
    );
    if std::env::var_os("UPDATE_CRDS").is_some() {
        std::fs::write(path, &generated).expect("manifests/crds is writable");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == generated,
        "manifests/crds differs from the types; run `make crds` and look at the difference"
    );
}
