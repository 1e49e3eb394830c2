//! Headless Service: gives each pod a DNS name even before the pod is Ready, because nodes have to find their seeds.

use casskop_common::names;
use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use crate::{desired::Desired, objects::cluster_metadata};

/// The headless Service of the cluster.
pub fn build(desired: &Desired) -> Service {
    let mut metadata = cluster_metadata(desired);
    metadata.annotations = desired
        .spec
        .service
        .as_ref()
        .map(|service| service.annotations.clone())
        .filter(|annotations| !annotations.is_empty());
    Service {
        metadata,
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            publish_not_ready_addresses: Some(true),
            selector: Some(names::cluster_labels(&desired.name)),
            ports: Some(vec![ServicePort {
                name: Some("cql".into()),
                port: i32::from(names::CQL_PORT),
                protocol: Some("TCP".into()),
                target_port: Some(IntOrString::Int(i32::from(names::CQL_PORT))),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
