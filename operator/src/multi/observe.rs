//! Observation of all sites at the same time. A site that does not respond is part of the observed state, and delays
//! the others by seconds at most.

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraCluster, MultiCasskop},
    intent::Intents,
    names,
    readable::Readable,
};
use futures::future::{join, join_all};
use jiff::Timestamp;
use k8s_openapi::api::{
    core::v1::{ConfigMap, Namespace, Service},
    discovery::v1::EndpointSlice,
};
use kube::{Api, Client, ResourceExt, api::ListParams};

use crate::multi::{context::Context, sites::Site, witness};
use casskop_core::multi::{
    children::children,
    observed::{ObservedSites, RingMark, SiteState, SiteView, awaits_report, ring},
};

/// Observes the sites that may have objects of a resource.
///
/// # Errors
/// The home cluster does not respond.
pub async fn observe(ctx: &Context, multi: MultiCasskop) -> Result<ObservedSites, kube::Error> {
    let sites = ctx.sites.list();
    let (namespace, cluster) = (multi.namespace().unwrap_or_default(), ring(&multi));
    let reads = sites
        .iter()
        .map(|site| read_site(site, &namespace, cluster, awaits_report(&multi)));
    let (mut views, witness) = join(join_all(reads), witness::read(ctx, &multi)).await;
    let witness = witness?;
    let known: Vec<String> = views.iter().map(|site| site.name.clone()).collect();
    let recorded = multi.status.iter().flat_map(|status| &status.sites);
    for site in recorded.filter(|site| !known.contains(&site.name)) {
        let why = "the operator no longer knows this site; register it again (kubectl casskop multi register)";
        views.push(SiteView {
            name: site.name.clone(),
            observed: Err(why.into()),
        });
    }
    for site in &views {
        ctx.metrics.site(&site.name, site.observed.is_ok());
    }
    Ok(ObservedSites {
        witness,
        now: Timestamp::now(),
        intents: Intents::parse(multi.annotations()),
        children: children(&multi, &known),
        sites: views,
        multi,
    })
}

async fn read_site(site: &Site, namespace: &str, cluster: &str, is_first: bool) -> SiteView {
    let observed = site
        .ask(async |client: &Client| read(client, namespace, cluster, is_first).await)
        .await
        .flatten();
    SiteView {
        name: site.name.clone(),
        observed,
    }
}

/// The objects of a ring in a site, or the reason why one of them cannot be read: the site itself responds.
async fn read(
    client: &Client,
    namespace: &str,
    cluster: &str,
    is_first: bool,
) -> Result<Result<SiteState, String>, kube::Error> {
    let clusters: Api<Readable<CassandraCluster>> = Api::namespaced(client.clone(), namespace);
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), namespace);
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let service = names::sites_service(cluster);
    let ours = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    let mark = async {
        if is_first {
            mark(client, namespace, cluster).await
        } else {
            Ok(RingMark::Missing)
        }
    };
    let (namespace, cluster, service, slices, mark) = tokio::try_join!(
        namespaces.get_metadata(namespace),
        clusters.get_opt(cluster),
        services.get_opt(&service),
        slices.list(&ours),
        mark,
    )?;
    let slices: BTreeMap<String, EndpointSlice> = slices
        .items
        .into_iter()
        .map(|slice| (slice.name_any(), slice))
        .collect();
    let cluster = match cluster {
        None => None,
        Some(Readable(Ok(cluster))) => Some(cluster),
        Some(Readable(Err(unreadable))) => {
            return Ok(Err(format!(
                "its CassandraCluster {} cannot be read: {unreadable}; correct it, or apply manifests/crds of this version",
                unreadable.metadata.name.as_deref().unwrap_or_default()
            )));
        }
    };
    Ok(Ok(SiteState {
        namespace_uid: namespace.uid().unwrap_or_default(),
        cluster,
        service,
        slices,
        mark,
    }))
}

/// The mark of a formed ring in a site. The account of a site that was registered for an earlier version may not read it.
async fn mark(client: &Client, namespace: &str, ring: &str) -> Result<RingMark, kube::Error> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    match maps.get_opt(&names::ring_mark(ring)).await {
        Ok(mark) => Ok(RingMark::of(mark.as_ref())),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(RingMark::Unreadable),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api_server::ApiServer;

    #[tokio::test]
    async fn a_cluster_of_a_site_that_cannot_be_read_is_named() {
        let server = ApiServer::default();
        let path = "/apis/db.orange.com/v2/namespaces/ns/cassandraclusters/demo";
        let observed = async || read(&server.client(), "ns", "demo", true).await.unwrap();
        assert!(observed().await.is_ok_and(|site| site.cluster.is_none()));
        let broken = json!({ "metadata": { "name": "demo" }, "spec": { "nodesPerRacks": "two" } });
        server.with(|state| state.put(path, broken));
        let Err(why) = observed().await else {
            unreachable!("it is not read");
        };
        let named = "its CassandraCluster demo cannot be read: ";
        assert!(
            why.starts_with(named) && why.contains("string \"two\""),
            "{why}"
        );
    }
}
