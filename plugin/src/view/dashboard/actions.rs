//! What a person can do, as text to copy: the command, the annotation, and the manifest for Git. Pure.

use casskop_common::{api::CassandraCluster, intent::Request, names, operations::OperationKind};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use crate::{
    model::{
        control::{self, Control, request_ref::CurrentRequest},
        manifest::{self, Annotations},
        request,
    },
    text::PROGRAM,
};

/// Operations on all nodes that discard nothing, and that take no flag.
const USUAL: [OperationKind; 5] = [
    OperationKind::Cleanup,
    OperationKind::Flush,
    OperationKind::Repair,
    OperationKind::Restart,
    OperationKind::Snapshot,
];

/// An action: the page has it as text, and carries out none.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// What is done: `Pause cleanup`.
    title: String,
    /// The effect in words.
    effect: String,
    /// The command of this plugin.
    command: String,
    /// The command of `kubectl` that does the same.
    annotate: String,
    /// The part of a manifest that does the same.
    manifest: String,
}

impl Action {
    fn new(
        cluster: &CassandraCluster,
        (title, effect): (String, String),
        command: &str,
        annotations: Annotations,
        connection_args: &str,
    ) -> Self {
        let (name, namespace) = (cluster.name_any(), cluster.namespace());
        let annotate = manifest::annotate(&name, connection_args, &annotations);
        let fragment = manifest::fragment(&name, namespace.as_deref(), annotations);
        Self {
            title,
            effect,
            command: format!("{PROGRAM} {command}{connection_args}"),
            annotate,
            manifest: manifest::yaml(&fragment).unwrap_or_default(),
        }
    }
}

/// The controls that apply to a request now.
pub fn of_request(
    cluster: &CassandraCluster,
    current: &CurrentRequest,
    connection_args: &str,
) -> Vec<Action> {
    let failing = current.failing().into_iter().map(str::to_owned).collect();
    let controls = [
        Control::Pause,
        Control::Resume,
        Control::Cancel,
        Control::Retry,
        Control::Waive(failing),
    ];
    let fitting = controls.into_iter().filter_map(|control| {
        if !control.fits(current, cluster) {
            return None;
        }
        let change = control.evaluate(current, cluster, connection_args).ok()?;
        if change.annotations.is_empty() {
            return None;
        }
        let (verb, kind, name) = (control.verb(), &current.kind, cluster.name_any());
        let checks = match &control {
            Control::Waive(checks) => format!(" {}", checks.join(" ")),
            _ => String::new(),
        };
        Some(Action::new(
            cluster,
            (format!("{} {kind}", capitalized(verb)), change.effect),
            &format!("{verb} {name} {kind}{checks}"),
            change.annotations,
            connection_args,
        ))
    });
    fitting.collect()
}

/// What can be requested on a cluster.
pub fn of_cluster(
    cluster: &CassandraCluster,
    connection_args: &str,
    now: Timestamp,
) -> Vec<Action> {
    if cluster.metadata.deletion_timestamp.is_some() {
        return Vec::new();
    }
    let name = cluster.name_any();
    let requests = USUAL.into_iter().filter_map(|kind| {
        let id = new_id(cluster, kind, now);
        let request = Request::new(kind, &id, &[]).ok()?;
        Some(Action::new(
            cluster,
            (
                capitalized(kind.as_str()),
                format!("requests a {kind} of all nodes"),
            ),
            &format!("{kind} {name} --id {id}"),
            manifest::request(&request),
            connection_args,
        ))
    });
    let paused = control::reconcile_paused(cluster);
    let (verb, value, effect) = if paused {
        ("resume-reconcile", None, "the operator works on it again")
    } else {
        (
            "pause-reconcile",
            Some("paused".to_owned()),
            "the operator leaves it as it is, until this is taken back",
        )
    };
    let reconcile = Action::new(
        cluster,
        (capitalized(&verb.replace('-', " ")), effect.to_owned()),
        &format!("{verb} {name}"),
        [(names::RECONCILE.to_owned(), value)].into(),
        connection_args,
    );
    requests.chain([reconcile]).collect()
}

/// The day, and the first number that no request of the kind has had on it.
fn new_id(cluster: &CassandraCluster, kind: OperationKind, now: Timestamp) -> String {
    let day = now.strftime("%Y-%m-%d").to_string();
    let key = names::request_annotation(kind);
    let annotation = cluster.annotations().get(&key);
    let present = annotation.and_then(|value| value.split_whitespace().next());
    let is_new = |id: &String| {
        request::find(cluster, kind.as_str(), id).is_none() && present != Some(id.as_str())
    };
    let numbers = 1..1000;
    let mut ids = numbers.map(|number| format!("{day}-{number}"));
    ids.find(is_new).unwrap_or(day)
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
