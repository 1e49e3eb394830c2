//! Headless Service of the metrics of Cassandra, with the name, the label and the port that the Go `CassKop` gives it.

use casskop_common::names;
use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        core::v1::{Service, ServicePort, ServiceSpec},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube_core::ResourceExt;

use crate::{
    desired::Desired,
    objects::{metadata, pod::METRICS_PORT_NAME},
    observed::OwnedObjects,
    rollout::Removal,
};

/// The Service, of a cluster with metrics.
pub fn build(desired: &Desired) -> Option<Service> {
    desired.spec.metrics.as_ref()?;
    let (label, value) = names::METRICS_LABEL;
    let mut labels = names::cluster_labels(&desired.name);
    labels.insert(label.to_owned(), value.to_owned());
    let port = i32::from(names::METRICS_PORT);
    Some(Service {
        metadata: metadata(desired, names::metrics_service(&desired.name), labels),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            // A node that does not serve clients has metrics, too.
            publish_not_ready_addresses: Some(true),
            selector: Some(names::cluster_labels(&desired.name)),
            ports: Some(vec![ServicePort {
                name: Some(METRICS_PORT_NAME.into()),
                port,
                protocol: Some("TCP".into()),
                target_port: Some(IntOrString::Int(port)),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    })
}

/// The Service of a cluster without metrics, once no rack is to have pods with the port. Rings of the Go `CassKop` have both.
pub fn obsolete(desired: &Desired, live: &OwnedObjects) -> Option<Removal> {
    let name = names::metrics_service(&desired.name);
    let service = live.services.get(&name)?;
    let mut owners = service.owner_references().iter();
    let is_ours = owners.any(|owner| owner.uid == desired.owner.uid);
    let is_used = desired.spec.metrics.is_some() || live.stateful_sets.values().any(has_port);
    if !is_ours || is_used {
        return None;
    }
    let uid = service.uid()?;
    Some(Removal::Service { name, uid })
}

fn has_port(set: &StatefulSet) -> bool {
    let pod = set
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let containers = pod.into_iter().flat_map(|pod| &pod.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports.any(|port| {
        port.name.as_deref() == Some(METRICS_PORT_NAME)
            || port.container_port == i32::from(names::METRICS_PORT)
    })
}
