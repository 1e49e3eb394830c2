//! The actions of a person, as text to copy: the command, the annotation, and the manifest for Git. Pure.

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
    text::{PROGRAM, plain},
};

/// Operations on all nodes that discard nothing.
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
    /// Its words: `Pause cleanup`.
    title: String,
    /// The effect in words.
    effect: String,
    /// The command of this plugin.
    command: String,
    /// The command of `kubectl` that does the same; none if one write does not do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    annotate: Option<String>,
    /// The part of a manifest that does the same; none if one write does not do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<String>,
}

/// A request that is not offered.
#[derive(Debug, Serialize)]
pub struct Refused {
    /// Its word: `Flush`.
    title: String,
    /// Why.
    reason: String,
}

impl Action {
    fn new(
        cluster: &CassandraCluster,
        (title, effect): (String, String),
        command: &[&str],
        annotations: Annotations,
        connection_args: &str,
    ) -> Self {
        let (name, namespace) = (cluster.name_any(), cluster.namespace());
        let annotate = manifest::annotate(&name, connection_args, &annotations);
        let fragment = manifest::fragment(&name, namespace.as_deref(), annotations);
        let command = shlex::try_join(command.iter().copied()).unwrap_or_default();
        Self {
            title,
            effect: plain(&effect).into_owned(),
            command: format!("{PROGRAM} {command}{connection_args}"),
            annotate: Some(annotate),
            manifest: manifest::yaml(&fragment).ok(),
        }
    }
}

/// The controls that apply to a request now; none for a kind that this version does not know.
pub fn of_request(
    cluster: &CassandraCluster,
    current: &CurrentRequest,
    connection_args: &str,
) -> Vec<Action> {
    let Some(kind) = OperationKind::from_word(&current.kind) else {
        return Vec::new();
    };
    let mut controls = vec![
        Control::Pause,
        Control::Resume,
        Control::Cancel,
        Control::Retry,
    ];
    // The checks are what keeps such a kind from data that nothing else has: a waiver is no matter of a button.
    if !kind.discards_data() {
        let failing = current.failing().into_iter().map(str::to_owned);
        controls.push(Control::Waive(failing.collect()));
    }
    let fitting = controls.into_iter().filter_map(|control| {
        if !control.fits(current, cluster) {
            return None;
        }
        let change = control.evaluate(current, cluster, connection_args).ok()?;
        if change.annotations.is_empty() {
            return None;
        }
        let (verb, name) = (control.verb(), cluster.name_any());
        let mut words = vec![verb, &name, kind.as_str()];
        if let Control::Waive(checks) = &control {
            words.extend(checks.iter().map(String::as_str));
        }
        words.extend(["--id", &current.id]);
        let mut action = Action::new(
            cluster,
            (
                format!("{} {kind}", capitalized(verb)),
                change.effect + &consequence(&control, kind, current),
            ),
            &words,
            change.annotations,
            connection_args,
        );
        // The same value written again is no change, which nothing observes.
        if control == Control::Retry && control::was_retried(current) {
            action.effect += RETRIED;
            (action.annotate, action.manifest) = (None, None);
        }
        Some(action)
    });
    fitting.collect()
}

/// The order of a retry after another one.
const RETRIED: &str = "; the annotation of the retry before has to be removed, and the operator has to observe that, before it is set again: the command does both";

/// A warning before the control is applied, if there is one.
fn consequence(control: &Control, kind: OperationKind, current: &CurrentRequest) -> String {
    let Some(operation) = &current.operation else {
        return String::new();
    };
    match control {
        Control::Resume | Control::Retry if kind.discards_data() => {
            let arguments = request::typed(&operation.arguments);
            format!("; {kind} {arguments} discards data for good")
        }
        Control::Waive(waived) => {
            let checks = operation.checks.iter();
            let checks = checks.filter(|check| waived.contains(&check.name));
            let evidence = checks.map(|check| ["; ", &check.name, ": ", &check.evidence].concat());
            evidence.collect()
        }
        _ => String::new(),
    }
}

/// The requests that a cluster takes, and those that it does not take now.
pub fn of_cluster(
    cluster: &CassandraCluster,
    connection_args: &str,
    now: Timestamp,
) -> (Vec<Action>, Vec<Refused>) {
    if cluster.metadata.deletion_timestamp.is_some() {
        return (Vec::new(), Vec::new());
    }
    let (mut actions, mut refused) = (Vec::new(), Vec::new());
    for kind in USUAL {
        match requested(cluster, kind, connection_args, now) {
            Ok(action) => actions.push(action),
            Err(reason) => refused.push(Refused {
                title: capitalized(kind.as_str()),
                reason,
            }),
        }
    }
    actions.push(reconcile(cluster, connection_args));
    (actions, refused)
}

/// The request of a kind, if the command of the plugin would write it, or the reason why not.
fn requested(
    cluster: &CassandraCluster,
    kind: OperationKind,
    connection_args: &str,
    now: Timestamp,
) -> Result<Action, String> {
    let id = new_id(cluster, kind, now);
    let own = match kind {
        // A snapshot has a name.
        OperationKind::Snapshot => vec!["--name".to_owned(), id.clone()],
        _ => Vec::new(),
    };
    let request = Request::new(kind, &id, &own)?;
    request::evaluate(cluster, &request, false, connection_args).map_err(|error| error.message)?;
    let mut effect = format!("requests a {kind} of all nodes");
    for note in request::notes(cluster, &request) {
        effect += "; ";
        effect += &note;
    }
    let name = cluster.name_any();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    Ok(Action::new(
        cluster,
        (capitalized(kind.as_str()), effect),
        &[&[kind.as_str(), &name], &own[..], &["--id", &id]].concat(),
        manifest::request(&request),
        connection_args,
    ))
}

/// Pauses the reconciliation, or resumes it.
fn reconcile(cluster: &CassandraCluster, connection_args: &str) -> Action {
    let name = cluster.name_any();
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
    Action::new(
        cluster,
        (capitalized(&verb.replace('-', " ")), effect.to_owned()),
        &[verb, &name],
        [(names::RECONCILE.to_owned(), value)].into(),
        connection_args,
    )
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
