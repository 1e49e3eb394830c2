//! The `CassandraCluster` of every site, merged from `base` and `override`.

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraCluster, MultiCasskop},
    conditions::Reason,
    names,
};
use kube_core::ResourceExt;
use serde_json::{Value, json};

use crate::refusal::Refusal;

/// The desired `CassandraCluster` of a site, without the parts that depend on the other sites.
#[derive(Clone, Debug)]
pub struct Child {
    /// The site.
    pub site: String,
    /// The resource.
    pub cluster: CassandraCluster,
}

impl Child {
    /// Its data centers.
    pub fn dcs(&self) -> Vec<String> {
        dcs(&self.cluster)
    }
}

/// The data centers of a cluster.
pub fn dcs(cluster: &CassandraCluster) -> Vec<String> {
    let topology = cluster.spec.topology.iter();
    let dcs: Vec<String> = topology
        .flat_map(|topology| &topology.dc)
        .map(|dc| dc.name.clone())
        .collect();
    if dcs.is_empty() {
        vec![names::DEFAULT_DC.to_owned()]
    } else {
        dcs
    }
}

/// The data center of a pod. Pods are named `<ring>-<dc>-<rack>-<n>`, and the names of data centers contain no `-`.
pub fn dc_of<'a>(pod: &'a str, ring: &str) -> Option<&'a str> {
    let rest = pod.strip_prefix(ring)?.strip_prefix('-')?;
    rest.split('-').next()
}

/// The clusters of all sites in `override`, in the order of `sites`.
///
/// # Errors
/// The reason why the resource is refused. A refused resource changes no site.
pub fn children(multi: &MultiCasskop, sites: &[String]) -> Result<Vec<Child>, Refusal> {
    let unknown = |site: &&String| !sites.contains(site);
    if let Some(site) = multi.spec.override_.keys().find(unknown) {
        return Err(refused(
            Reason::UnknownSite,
            format!(
                "override names the site {site}, and the operator knows {}: correct the name, or register the site (kubectl casskop multi register)",
                sites.join(", ")
            ),
        ));
    }
    let named = sites
        .iter()
        .filter_map(|site| Some((site, multi.spec.override_.get(site)?)));
    let children = named
        .map(|(site, change)| child(multi, site, change))
        .collect::<Result<Vec<_>, _>>()?;
    refuse_shared_dcs(&children)?;
    refuse_encryption(&children)?;
    refuse_logins(&children)?;
    Ok(children)
}

/// Whether the resource requires that the volumes of a site are deleted with its cluster. None for a site that was taken
/// out: its cluster keeps its own spec.
pub fn deletes_volumes(multi: &MultiCasskop, site: &str) -> Option<bool> {
    let change = multi.spec.override_.get(site)?;
    let mut merged = multi.spec.base.clone();
    json_patch::merge(&mut merged, change);
    Some(merged["spec"]["deletePVC"] == true)
}

/// Settings that are accepted but not used.
pub fn warnings(multi: &MultiCasskop) -> Vec<String> {
    let mut warnings = Vec::new();
    if multi.spec.base.get("status").is_some() {
        warnings.push("base.status is not used: the seeds of the other sites are kept by the operator; for addresses of your own use base.spec.seeds".to_owned());
    }
    let asks = |key: &String| key.starts_with(names::OPERATIONS_PREFIX);
    let annotations = multi.spec.base["metadata"]["annotations"].as_object();
    if annotations.is_some_and(|annotations| annotations.keys().any(asks)) {
        warnings.push("operations in base.metadata.annotations are not carried out: annotate the MultiCasskop itself".to_owned());
    }
    warnings
}

fn child(multi: &MultiCasskop, site: &str, change: &Value) -> Result<Child, Refusal> {
    let mut merged = multi.spec.base.clone();
    json_patch::merge(&mut merged, change);
    let name = &multi.spec.base["metadata"]["name"];
    let namespace = multi.namespace().unwrap_or_default();
    if merged["metadata"]["name"] != *name {
        return Err(refused(
            Reason::NameMismatch,
            format!(
                "override.{site} changes metadata.name: it is the name of the ring, and the same in every site; remove it"
            ),
        ));
    }
    match &merged["metadata"]["namespace"] {
        Value::Null => {}
        Value::String(other) if *other == namespace => {}
        other => {
            return Err(refused(
                Reason::NamespaceMismatch,
                format!(
                    "the namespace in every site is that of the MultiCasskop, {namespace}, and not {other}: remove metadata.namespace from base and override.{site}"
                ),
            ));
        }
    }
    let wanted = json!({
        "apiVersion": "db.orange.com/v2",
        "kind": "CassandraCluster",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": merged["metadata"]["labels"],
            "annotations": merged["metadata"]["annotations"],
        },
        "spec": merged.get("spec").cloned().unwrap_or_else(|| json!({})),
    });
    let given = wanted["spec"].clone();
    let mut cluster: CassandraCluster = serde_json::from_value(wanted).map_err(|error| {
        refused(
            Reason::InvalidCluster,
            format!("base with override.{site} is not a CassandraCluster: {error}"),
        )
    })?;
    let kept = serde_json::to_value(&cluster.spec).unwrap_or_default();
    if let Some(path) = unknown_field(&given, &kept, "spec") {
        return Err(refused(
            Reason::UnknownField,
            format!(
                "{path} of base with override.{site} is not a field of a CassandraCluster: correct or remove it"
            ),
        ));
    }
    mark(&mut cluster, multi, site);
    Ok(Child {
        site: site.to_owned(),
        cluster,
    })
}

/// Marks the cluster with its owner.
fn mark(cluster: &mut CassandraCluster, multi: &MultiCasskop, site: &str) {
    let annotations = cluster.annotations_mut();
    annotations.retain(|key, _| {
        !key.starts_with(names::OPERATIONS_PREFIX)
            && key != "kubectl.kubernetes.io/last-applied-configuration"
    });
    annotations.insert(names::MULTI_OWNER.into(), multi.uid().unwrap_or_default());
    annotations.insert(names::SITE.into(), site.to_owned());
    cluster
        .labels_mut()
        .insert(names::MULTI_LABEL.into(), multi.name_any());
}

/// The path of the first given field that the types do not know. Empty values are ignored, because they have no effect.
fn unknown_field(given: &Value, kept: &Value, path: &str) -> Option<String> {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Object(object) => object.is_empty(),
        Value::Array(array) => array.is_empty(),
        _ => false,
    };
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => given
            .iter()
            .filter(|(_, value)| !is_empty(value))
            .find_map(|(key, value)| {
                let path = format!("{path}.{key}");
                match kept.get(key) {
                    Some(kept) => unknown_field(value, kept, &path),
                    // The types omit default values when they are serialized.
                    None if *value == json!(false) || *value == json!("") => None,
                    None => Some(path),
                }
            }),
        (Value::Array(given), Value::Array(kept)) => {
            let mut diffs = given.iter().zip(kept).enumerate();
            diffs.find_map(|(index, (given, kept))| {
                unknown_field(given, kept, &format!("{path}[{index}]"))
            })
        }
        _ => None,
    }
}

fn refuse_shared_dcs(children: &[Child]) -> Result<(), Refusal> {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for child in children {
        for dc in child.dcs() {
            let Some(other) = owners.insert(dc.clone(), &child.site) else {
                continue;
            };
            if other != child.site {
                return Err(refused(
                    Reason::DuplicateDataCenter,
                    format!(
                        "the sites {other} and {} both have a data center {dc}: a data center belongs to one site; give each its own in override.<site>.spec.topology",
                        child.site
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// The nodes of all sites are of one ring: they have one mode, and one authority, which the operator of a site cannot make.
fn refuse_encryption(children: &[Child]) -> Result<(), Refusal> {
    let mode = |child: &Child| child.cluster.spec.internode_mode();
    let differing = children
        .windows(2)
        .find(|pair| mode(&pair[0]) != mode(&pair[1]));
    if let Some([one, other]) = differing {
        return Err(refused(
            Reason::InvalidCluster,
            format!(
                "tls.internode.mode is {} in the site {} and {} in {}: the nodes of all sites are one ring, so set it in base",
                mode(one).as_str(),
                one.site,
                mode(other).as_str(),
                other.site
            ),
        ));
    }
    let is_unnamed = |child: &&Child| {
        let tls = child.cluster.spec.internode_tls();
        tls.is_some_and(|tls| {
            tls.mode.has_tls() && tls.secret_name.as_ref().is_none_or(String::is_empty)
        })
    };
    match children.iter().find(is_unnamed) {
        None => Ok(()),
        Some(child) => Err(refused(
            Reason::InvalidCluster,
            format!(
                "tls.internode of site {} names no Secret: the operator of a site makes an authority for its own nodes, which the nodes of other sites do not trust. Create a Secret of one authority in every site, and name it in tls.internode.secretName",
                child.site
            ),
        )),
    }
}

/// The operators of all sites would have to know the logins of the ring.
fn refuse_logins(children: &[Child]) -> Result<(), Refusal> {
    let mut children = children.iter();
    match children.find(|child| child.cluster.spec.authentication.is_some()) {
        None => Ok(()),
        Some(child) => Err(refused(
            Reason::NotSupported,
            format!(
                "authentication of site {}: logins of a ring over several sites are not supported: remove it",
                child.site
            ),
        )),
    }
}

fn refused(reason: Reason, message: String) -> Refusal {
    Refusal { reason, message }
}
