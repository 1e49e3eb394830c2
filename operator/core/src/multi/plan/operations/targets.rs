//! Targets of a request: its sites, and the arguments for each site.

use casskop_common::{api::SiteOperation, intent::Request, operations::Operation};
use kube_core::ResourceExt;

use crate::multi::{
    children::{self, Child},
    observed::{ObservedSites, SiteView},
};

/// Flags that select nodes, each followed by a name.
const CHOOSING: [&str; 3] = ["--dc", "--rack", "--pod"];

/// Sites with their data centers, in the order in which they join. While the resource is refused, they are those of the
/// sites' clusters; of a site that does not answer, those that it had last.
fn all(snapshot: &ObservedSites) -> Vec<(String, Vec<String>)> {
    if let Ok(children) = &snapshot.children {
        let dcs = |child: &Child| (child.site.clone(), child.dcs());
        return children.iter().map(dcs).collect();
    }
    let recorded = |site: &SiteView| {
        let mut sites = snapshot
            .multi
            .status
            .iter()
            .flat_map(|status| &status.sites);
        let known = sites.find(|known| known.name == site.name)?;
        Some(known.cluster.as_ref()?.dcs.clone())
    };
    let dcs = |site: &SiteView| match &site.observed {
        Ok(_) => {
            let mut ours = snapshot.ours();
            let ours = ours.find(|(ours, _)| ours.name == site.name);
            ours.map(|(_, cluster)| children::dcs(cluster))
        }
        Err(_) => recorded(site),
    };
    let sites = snapshot.sites.iter();
    sites
        .filter_map(|site| Some((site.name.clone(), dcs(site)?)))
        .collect()
}

/// The sites of a request.
///
/// # Errors
/// The reason why no site matches.
pub(crate) fn sites(
    request: &Request,
    snapshot: &ObservedSites,
) -> Result<Vec<SiteOperation>, String> {
    let all = all(snapshot);
    let target = &request.arguments.shared.target;
    let ring = snapshot.ring();
    let has_dc = |dcs: &[String], dc: &str| dcs.iter().any(|known| known == dc);
    if let Some(dc) = target
        .dc
        .iter()
        .find(|dc| !all.iter().any(|(_, dcs)| has_dc(dcs, dc)))
    {
        let known: Vec<&str> = all
            .iter()
            .flat_map(|(_, dcs)| dcs)
            .map(String::as_str)
            .collect();
        return Err(format!(
            "no site has a data center {dc}: there are {}",
            known.join(", ")
        ));
    }
    let source = match &request.arguments.operation {
        Operation::Rebuild(rebuild) => Some(rebuild.from_dc.as_str()),
        _ => None,
    };
    let dead = match &request.arguments.operation {
        Operation::Remove(remove) => remove.host_id.as_deref(),
        _ => None,
    };
    let chosen: Vec<SiteOperation> = all
        .iter()
        .filter(|(_, dcs)| source.is_none_or(|source| dcs.iter().any(|dc| dc != source)))
        .filter(|(_, dcs)| {
            let any = |names: &[String], is_there: &dyn Fn(&str) -> bool| {
                names.is_empty() || names.iter().any(|name| is_there(name))
            };
            any(&target.dc, &|dc| has_dc(dcs, dc))
                && any(&target.rack, &|rack| rack_is_in(rack, dcs))
                && any(&target.pod, &|pod| pod_is_in(pod, ring, dcs))
        })
        .map(|(site, _)| SiteOperation {
            site: site.clone(),
            ..SiteOperation::default()
        })
        .collect();
    if let Some(host_id) = dead {
        return Ok(vec![site_of_dead(host_id, chosen, snapshot)?]);
    }
    if chosen.is_empty() {
        return Err(
            "no site has nodes that match the targets: correct --dc, --rack or --pod".into(),
        );
    }
    Ok(chosen)
}

/// The site that removes a dead node from the ring: the site that recorded the node, or else the first one that is
/// reachable.
fn site_of_dead(
    host_id: &str,
    chosen: Vec<SiteOperation>,
    snapshot: &ObservedSites,
) -> Result<SiteOperation, String> {
    let knew = |site: &SiteOperation| {
        let cluster = snapshot.site(&site.site).and_then(SiteView::cluster);
        let status = cluster.and_then(|cluster| cluster.status.as_ref());
        status.is_some_and(|status| {
            let mut nodes = status.cassandra_node_status.values();
            nodes.any(|node| node.host_id == host_id)
        })
    };
    let answers = |site: &SiteOperation| {
        snapshot
            .site(&site.site)
            .and_then(SiteView::cluster)
            .is_some()
    };
    let index = chosen.iter().position(knew);
    let index = index
        .or_else(|| chosen.iter().position(answers))
        .unwrap_or(0);
    let site = chosen.into_iter().nth(index);
    site.ok_or_else(|| "there is no site".to_owned())
}

/// The arguments after the ID for one site. Data centers, racks and pods of other sites are omitted, and
/// `--cluster-uid` carries the UID of the site's cluster.
pub(crate) fn words(arguments: &str, site: &str, snapshot: &ObservedSites) -> String {
    let Some(given) = shlex::split(arguments) else {
        return arguments.to_owned();
    };
    let all = all(snapshot);
    let dcs = all.iter().find(|(name, _)| name == site);
    let dcs = dcs.map(|(_, dcs)| dcs.as_slice()).unwrap_or_default();
    let uid = snapshot
        .site(site)
        .and_then(SiteView::cluster)
        .and_then(ResourceExt::uid);
    let mut words: Vec<String> = Vec::new();
    let mut given = given.into_iter();
    while let Some(word) = given.next() {
        if word == "--cluster-uid" {
            given.next();
            words.extend([word, uid.clone().unwrap_or_default()]);
        } else if CHOOSING.contains(&word.as_str()) {
            let name = given.next().unwrap_or_default();
            let is_here = match word.as_str() {
                "--dc" => dcs.contains(&name),
                "--rack" => rack_is_in(&name, dcs),
                _ => pod_is_in(&name, snapshot.ring(), dcs),
            };
            if is_here {
                words.extend([word, name]);
            }
        } else {
            words.push(word);
        }
    }
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default()
}

/// `RACK` matches any data center, `DC.RACK` only that data center.
fn rack_is_in(rack: &str, dcs: &[String]) -> bool {
    rack.split_once('.')
        .is_none_or(|(dc, _)| dcs.iter().any(|known| known == dc))
}

fn pod_is_in(pod: &str, ring: &str, dcs: &[String]) -> bool {
    children::dc_of(pod, ring).is_some_and(|dc| dcs.iter().any(|known| known == dc))
}
