//! DNS names for the seeds of other sites: a headless Service without a selector, and an `EndpointSlice` per other
//! site. The names stay when the addresses change.

use std::{collections::BTreeMap, net::IpAddr};

use casskop_common::{api::CassandraCluster, names};
use k8s_openapi::{
    api::{
        core::v1::{Service, ServicePort, ServiceSpec},
        discovery::v1::{Endpoint, EndpointPort, EndpointSlice},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube_core::ResourceExt;

use crate::digest::digest;

/// Gossip port. DNS does not need it, but a Service without a port appears to be misconfigured.
const GOSSIP: (&str, i32) = ("gossip", 7000);

/// The Service.
pub fn service(cluster: &CassandraCluster, multi: &str) -> Service {
    Service {
        metadata: metadata(cluster, names::sites_service(&cluster.name_any()), multi),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            publish_not_ready_addresses: Some(true),
            ports: Some(vec![ServicePort {
                name: Some(GOSSIP.0.into()),
                port: GOSSIP.1,
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Name of the slice with the seeds of a site. The name contains a digest, because site names may contain characters
/// that object names may not.
pub fn slice_name(cluster: &str, site: &str) -> String {
    let digest = digest(&site);
    let (short, _) = digest.split_at(8);
    format!("{}-{short}", names::sites_service(cluster))
}

/// The slice with the seeds of a site, given as pod and address. None if no seed has an address yet.
pub fn slice(
    cluster: &CassandraCluster,
    multi: &str,
    site: &str,
    seeds: &[(String, String)],
) -> Option<EndpointSlice> {
    let is_v6 = |ip: &str| ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6());
    // The addresses of a slice belong to one family.
    let family = is_v6(&seeds.first()?.1);
    let ring = cluster.name_any();
    let mut metadata = metadata(cluster, slice_name(&ring, site), multi);
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(
        "kubernetes.io/service-name".into(),
        names::sites_service(&ring),
    );
    // Without this label, the EndpointSlice controller of Kubernetes would manage the slice.
    labels.insert(
        "endpointslice.kubernetes.io/managed-by".into(),
        names::MULTI_MANAGER.into(),
    );
    metadata.annotations = Some([(names::SITE.to_owned(), site.to_owned())].into());
    Some(EndpointSlice {
        metadata,
        address_type: if family { "IPv6" } else { "IPv4" }.into(),
        // No condition `ready`: `false` would remove the DNS name, and Cassandra itself finds out which seeds are up.
        endpoints: seeds
            .iter()
            .filter(|(_, ip)| is_v6(ip) == family)
            .map(|(pod, ip)| Endpoint {
                addresses: vec![ip.clone()],
                hostname: Some(pod.clone()),
                ..Endpoint::default()
            })
            .collect(),
        ports: Some(vec![EndpointPort {
            name: Some(GOSSIP.0.into()),
            port: Some(GOSSIP.1),
            ..EndpointPort::default()
        }]),
    })
}

/// Pods in a slice.
pub fn pods(slice: &EndpointSlice) -> impl Iterator<Item = &str> {
    slice
        .endpoints
        .iter()
        .filter_map(|endpoint| endpoint.hostname.as_deref())
}

fn metadata(cluster: &CassandraCluster, name: String, multi: &str) -> ObjectMeta {
    // The labels must not match those that the operator of the site selects its objects by.
    let labels: BTreeMap<String, String> = [
        (names::MULTI_LABEL, multi),
        ("app.kubernetes.io/managed-by", names::MULTI_MANAGER),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    ObjectMeta {
        name: Some(name),
        namespace: cluster.namespace(),
        labels: Some(labels),
        // The objects are deleted together with the cluster of the site.
        owner_references: Some(vec![OwnerReference {
            api_version: "db.orange.com/v2".into(),
            kind: "CassandraCluster".into(),
            name: cluster.name_any(),
            uid: cluster.uid().unwrap_or_default(),
            ..OwnerReference::default()
        }]),
        ..ObjectMeta::default()
    }
}
