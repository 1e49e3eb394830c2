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
    objects::{Published, is_applied, metadata, pod::METRICS_PORT_NAME, selects_otherwise},
    observed::{ObservedState, is_owned_by},
};

/// The change of the Service.
pub type MetricsService = Published<Service>;

/// Decides about the Service; nothing if it is as it should be. It goes once no rack is to have pods with the port. Rings of the
/// Go `CassKop` have both.
pub fn decide(desired: &Desired, state: &ObservedState) -> Option<MetricsService> {
    let name = names::metrics_service(&desired.name);
    let live = state.live.services.get(&name);
    if desired.spec.metrics.is_some() {
        let service = build(desired, name);
        let is_there = is_applied(&service, live) && !selects_otherwise(&service, live);
        return (!is_there).then(|| MetricsService::Apply(Box::new(service)));
    }
    let ours = live.filter(|live| is_owned_by(live.owner_references(), &state.cluster))?;
    let is_used = state.live.stateful_sets.values().any(has_port);
    let uid = ours.uid().filter(|_| !is_used)?;
    Some(MetricsService::Remove { name, uid })
}

fn build(desired: &Desired, name: String) -> Service {
    let (label, value) = names::METRICS_LABEL;
    let mut labels = names::cluster_labels(&desired.name);
    labels.insert(label.to_owned(), value.to_owned());
    let port = i32::from(names::METRICS_PORT);
    Service {
        metadata: metadata(desired, name, labels),
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
    }
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
