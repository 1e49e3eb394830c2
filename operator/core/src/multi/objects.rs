//! What gives the seeds of other sites names in the DNS of this one: a headless Service without a selector, and an
//! `EndpointSlice` for each of the other sites. The names stay when the addresses change.

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

/// Port of the gossip; DNS does not need it, but a Service without a port looks broken.
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

/// Name of the slice with the seeds of a site. Names of sites may have characters that those of objects may not.
pub fn slice_name(cluster: &str, site: &str) -> String {
    let digest = digest(&site);
    let (short, _) = digest.split_at(8);
    format!("{}-{short}", names::sites_service(cluster))
}

/// The seeds of a site, as pod and address. Nothing if none has an address yet.
pub fn slice(
    cluster: &CassandraCluster,
    multi: &str,
    site: &str,
    seeds: &[(String, String)],
) -> Option<EndpointSlice> {
    let is_v6 = |ip: &str| ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6());
    // A slice has addresses of one family.
    let family = is_v6(&seeds.first()?.1);
    let ring = cluster.name_any();
    let mut metadata = metadata(cluster, slice_name(&ring, site), multi);
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(
        "kubernetes.io/service-name".into(),
        names::sites_service(&ring),
    );
    // Without it, Kubernetes' own controller would take the slice for its own.
    labels.insert(
        "endpointslice.kubernetes.io/managed-by".into(),
        names::MULTI_MANAGER.into(),
    );
    metadata.annotations = Some([(names::SITE.to_owned(), site.to_owned())].into());
    Some(EndpointSlice {
        metadata,
        address_type: if family { "IPv6" } else { "IPv4" }.into(),
        // No condition `ready`: false would take the name away, and who is ready is Cassandra's to find out.
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

/// Pods that a slice names.
pub fn pods(slice: &EndpointSlice) -> impl Iterator<Item = &str> {
    slice
        .endpoints
        .iter()
        .filter_map(|endpoint| endpoint.hostname.as_deref())
}

fn metadata(cluster: &CassandraCluster, name: String, multi: &str) -> ObjectMeta {
    // None of the labels by which the operator of the site knows its own objects.
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
        // Goes with the cluster of the site.
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
