//! Manifests of other operators: what becomes of each field here, and the manifest for here. Pure.

mod cassandra_datacenter;
mod config;
mod datacenter;
mod documents;
mod draft;
mod fields;
mod go_backup;
mod go_cluster;
mod go_restore;
mod k8ssandra_cluster;
mod metadata;
mod path;
mod pod;
mod ring;
mod rules;
mod schema;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::{
    error::{CliError, Result},
    text::list,
};
use draft::Draft;
use fields::{field, set};
use path::leaves;
use schema::{Fault, Schema};
use table::Table;

pub use datacenter::Options;
pub use fields::Field;
pub use ring::Manifest;
pub use rules::is_part_of_names;
pub use table::Verdict;

/// A foreign kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    GoCluster,
    GoBackup,
    GoRestore,
    Datacenter,
    K8ssandra,
}

/// Kinds by group, versions and name.
const KINDS: [(&str, &[&str], &str, Kind); 5] = [
    (
        "db.orange.com",
        &["v1alpha1", "v2"],
        "CassandraCluster",
        Kind::GoCluster,
    ),
    (
        "db.orange.com",
        &["v1alpha1", "v2"],
        "CassandraBackup",
        Kind::GoBackup,
    ),
    (
        "db.orange.com",
        &["v1alpha1", "v2"],
        "CassandraRestore",
        Kind::GoRestore,
    ),
    (
        "cassandra.datastax.com",
        &["v1beta1"],
        "CassandraDatacenter",
        Kind::Datacenter,
    ),
    (
        "k8ssandra.io",
        &["v1alpha1"],
        "K8ssandraCluster",
        Kind::K8ssandra,
    ),
];

/// One object of the file.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Its kind; empty if it has none.
    pub kind: String,
    /// Its name; empty if it has none.
    pub name: String,
    /// Whether it is of no kind that is known here.
    pub passed_over: bool,
    /// Every value of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Notes for the user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The verdicts about a file, and the manifests for here.
#[derive(Serialize, Clone, Debug)]
pub struct Checked {
    /// Its objects.
    pub documents: Vec<Document>,
    /// The manifests for here; none if a field is refused or unknown.
    pub manifests: Vec<Manifest>,
}

impl Checked {
    /// The fields that are in the way of the manifests.
    pub fn in_the_way(&self) -> impl Iterator<Item = &Field> {
        let fields = self.documents.iter().flat_map(|document| &document.fields);
        fields.filter(|field| field.verdict.is_in_the_way())
    }
}

/// Judges every field of a file, and makes the manifests for here.
///
/// # Errors
/// When the text has no object of a known kind, or a data center to rename is not there.
pub fn check(text: &str, options: &Options) -> Result<Checked> {
    let schema = Schema::cluster();
    let mut documents = Vec::new();
    let mut drafts: Vec<(usize, Kind, Draft)> = Vec::new();
    for object in documents::objects(text)? {
        let mut document = Document {
            kind: text_at(&object, "/kind"),
            name: text_at(&object, "/metadata/name"),
            passed_over: false,
            fields: Vec::new(),
            notes: Vec::new(),
        };
        match kind(&object) {
            None if is_multi(&object) => document.fields.push(unjudged_multi()),
            None => document.passed_over = true,
            Some((kind, knows_version)) => {
                let own = judge(kind, &object, schema, options, &mut document);
                if !knows_version {
                    let next = "only v1alpha1 and v2 of the Go CassKop, v1beta1 of cass-operator and v1alpha1 of k8ssandra are known";
                    set(
                        &mut document.fields,
                        "apiVersion",
                        Verdict::Unknown { next: next.into() },
                    );
                }
                let index = documents.len();
                drafts.extend(own.into_iter().map(|draft| (index, kind, draft)));
            }
        }
        documents.push(document);
    }
    if documents.iter().all(|document| document.passed_over) {
        return Err(nothing_known(&documents));
    }
    all_renamed(&drafts, options)?;
    let mut checked = Checked {
        documents,
        manifests: Vec::new(),
    };
    assemble(&mut checked, drafts, schema);
    Ok(checked)
}

fn text_at(object: &Value, path: &str) -> String {
    let text = object.pointer(path).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn kind(object: &Value) -> Option<(Kind, bool)> {
    let (api, kind) = (text_at(object, "/apiVersion"), text_at(object, "/kind"));
    let (group, version) = api.split_once('/')?;
    let mut kinds = KINDS.iter();
    let found = kinds.find(|(own, _, name, _)| *own == group && *name == kind)?;
    Some((found.3, found.1.contains(&version)))
}

/// The resource for several Kubernetes clusters, which has the name and the group of that here.
fn is_multi(object: &Value) -> bool {
    let api = text_at(object, "/apiVersion");
    text_at(object, "/kind").eq_ignore_ascii_case("MultiCasskop")
        && api.starts_with("db.orange.com/")
}

fn unjudged_multi() -> Field {
    Field {
        path: "kind".into(),
        group: "kind".into(),
        verdict: Verdict::refused(
            "the fields of a MultiCasskop are not judged",
            "write spec.base with the override of each site as a CassandraCluster into a file, and check that; kubectl apply --dry-run=server judges the MultiCasskop by the CRD",
        ),
    }
}

fn nothing_known(documents: &[Document]) -> CliError {
    let kinds = documents
        .iter()
        .map(|document| match document.kind.as_str() {
            "" => "an object without kind",
            kind => kind,
        });
    let known: Vec<String> = KINDS
        .iter()
        .map(|(group, _, kind, _)| format!("{kind} ({group})"))
        .collect();
    let found = match documents.len() {
        0 => "it is empty".to_owned(),
        _ => format!("it has {}", list(kinds)),
    };
    CliError::failed(format!("there is no manifest to migrate: {found}"))
        .hint(format!("known are {}", known.join(", ")))
}

/// A data center that is to be renamed has to be there.
fn all_renamed(drafts: &[(usize, Kind, Draft)], options: &Options) -> Result<()> {
    let names: Vec<String> = drafts
        .iter()
        .filter_map(|(.., draft)| datacenter::name(draft))
        .collect();
    let mut renamed = options.renamed.keys();
    match renamed.find(|old| !names.contains(old)) {
        None => Ok(()),
        Some(old) => Err(CliError::usage(format!(
            "--rename-dc {old}: no CassandraDatacenter or K8ssandraCluster of the file has this data center; there are {}",
            list(&names)
        ))),
    }
}

/// Judges the fields of an object.
fn judge(
    kind: Kind,
    object: &Value,
    schema: &Schema,
    options: &Options,
    document: &mut Document,
) -> Vec<Draft> {
    let mut drafts = if kind == Kind::K8ssandra {
        k8ssandra_cluster::judge(object, schema, options, &mut document.fields)
    } else {
        let mut draft = Draft::default();
        draft
            .facts
            .insert(datacenter::RUNS, datacenter::runs(object));
        let table = Table::new(metadata::ROWS.into_iter().chain(rows(kind)));
        for leaf in leaves(object) {
            let judged = table.judge(&leaf, &mut draft, schema);
            document.fields.push(field(&leaf.path, &judged));
        }
        match kind {
            Kind::GoCluster => go_cluster::finish(&mut draft, options),
            Kind::Datacenter => {
                for (path, verdict) in datacenter::finish(&mut draft, options) {
                    let path = match path {
                        "metadata.name" => path.to_owned(),
                        path => format!("spec.{path}"),
                    };
                    set(&mut document.fields, &path, verdict);
                }
            }
            Kind::GoBackup | Kind::GoRestore | Kind::K8ssandra => return Vec::new(),
        }
        vec![draft]
    };
    for draft in &mut drafts {
        for note in draft.notes.drain(..) {
            if !document.notes.contains(&note) {
                document.notes.push(note);
            }
        }
    }
    drafts
}

fn rows(kind: Kind) -> Box<dyn Iterator<Item = table::Row>> {
    match kind {
        Kind::GoCluster => Box::new(go_cluster::ROWS.into_iter()),
        Kind::GoBackup => Box::new(go_backup::ROWS.into_iter()),
        Kind::GoRestore => Box::new(go_restore::ROWS.into_iter()),
        Kind::Datacenter => Box::new(cassandra_datacenter::rows()),
        Kind::K8ssandra => Box::new(std::iter::empty()),
    }
}

/// Makes the manifests, if nothing is in the way.
fn assemble(checked: &mut Checked, drafts: Vec<(usize, Kind, Draft)>, schema: &Schema) {
    if checked.in_the_way().next().is_some() {
        return;
    }
    let mut rings: BTreeMap<(String, String, String), (usize, Vec<Draft>)> = BTreeMap::new();
    let mut made: Vec<(usize, Result<Manifest, Vec<Fault>>)> = Vec::new();
    for (document, kind, draft) in drafts {
        if kind == Kind::GoCluster {
            made.push((document, ring::of_cluster(&draft, schema)));
            continue;
        }
        let ring = draft.built();
        let key = (
            text_at(&ring, "/metadata/name"),
            text_at(&ring, "/metadata/namespace"),
            text_at(&ring, "/dc/config/cassandra-yaml/cluster_name"),
        );
        rings
            .entry(key)
            .or_insert_with(|| (document, Vec::new()))
            .1
            .push(draft);
    }
    for (document, drafts) in rings.into_values() {
        made.push((document, ring::of_datacenters(&drafts, schema)));
    }
    made.sort_by_key(|(document, _)| *document);
    let mut names = BTreeSet::new();
    for (document, manifest) in made {
        match manifest {
            Ok(manifest) if names.insert(manifest.identity()) => checked.manifests.push(manifest),
            Ok(_) => {
                let verdict = Verdict::refused(
                    "another ring of the file has the same name here, and one would overwrite the other",
                    "check each in a file of its own, and give one of the printed manifests another name",
                );
                set(
                    &mut checked.documents[document].fields,
                    "metadata.name",
                    verdict,
                );
            }
            Err(faults) => {
                let fields = &mut checked.documents[document].fields;
                for fault in faults {
                    set(
                        fields,
                        &format!("{} (of the manifest here)", fault.path),
                        refused(fault),
                    );
                }
            }
        }
    }
    if checked.in_the_way().next().is_some() {
        checked.manifests.clear();
    }
}

fn refused(fault: Fault) -> Verdict {
    Verdict::refused(
        fault.message,
        "change the field that it comes from, or remove it",
    )
}
