//! Reads the parts of a bundle.

mod logs;

use casskop_common::{api::CassandraCluster, names};
use serde_json::{Value, json};

use crate::{
    client::{
        reader::Reader,
        resource::{self, Resource},
    },
    error::Result,
    model::{
        install::OPERATOR_SELECTOR,
        manifest::yaml,
        report::{Entry, redact},
    },
    terminal::colors::Style,
    time,
    view::{options::View, status::render},
};

/// The kinds of objects that the operator creates for a cluster, all with the cluster's labels.
const OWNED: [&Resource; 7] = [
    &resource::STATEFUL_SETS,
    &resource::PODS,
    &resource::VOLUMES,
    &resource::SERVICES,
    &resource::BUDGETS,
    &resource::CONFIG_MAPS,
    &resource::SERVICE_ACCOUNTS,
];

/// The cluster, and the extent of the bundle.
pub struct Scope<'a> {
    /// Name of the cluster.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Namespace of the operator, if it is known.
    pub operator: Option<&'a str>,
    /// Lines of each log.
    pub tail: u32,
    /// The cluster itself, if it could be read.
    pub cluster: Option<Value>,
}

/// All of it.
///
/// # Errors
/// Never for what an API server answers.
pub async fn collect(reader: &Reader, scope: &Scope<'_>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    if let Some(cluster) = &scope.cluster {
        entries.push(object("cluster.yaml", cluster.clone())?);
        entries.extend(status(cluster));
    }
    let labels = names::cluster_selector(scope.name);
    let mut pods = Vec::new();
    for kind in OWNED {
        let found = reader.list(kind, Some(scope.namespace), &labels).await;
        if *kind == resource::PODS {
            pods.clone_from(&found);
        }
        entries.extend(list(&format!("objects/{}.yaml", kind.plural), found)?);
    }
    entries.extend(named(reader, scope).await?);
    entries.extend(list("events.yaml", events(reader, scope).await)?);
    entries.extend(logs::of(reader, "logs", &pods, scope.tail).await);
    entries.extend(operator(reader, scope).await?);
    Ok(entries)
}

/// The ring as `status -o wide` shows it; nothing of a cluster that this plugin cannot understand.
fn status(cluster: &Value) -> Option<Entry> {
    let cluster: CassandraCluster = serde_json::from_value(cluster.clone()).ok()?;
    let view = View {
        now: time::now(),
        wide: true,
        style: Style::none(),
    };
    Some(Entry::new(
        "status.txt",
        redact::text(&render(&cluster, view).whole()),
    ))
}

/// The objects that the spec names: a ConfigMap, and Secrets, of which only the keys are kept.
async fn named(reader: &Reader, scope: &Scope<'_>) -> Result<Vec<Entry>> {
    let nothing = Value::Null;
    let spec = scope
        .cluster
        .as_ref()
        .map_or(&nothing, |cluster| &cluster["spec"]);
    let mut entries = Vec::new();
    if let Some(name) = spec["configMapName"].as_str()
        && let Some(found) = reader
            .get(&resource::CONFIG_MAPS, scope.namespace, name)
            .await
    {
        entries.push(object("objects/configmap-named.yaml", found)?);
    }
    let pointed = [
        "/imageJolokiaSecret/name",
        "/imagePullSecret/name",
        "/nodeApi/tlsSecretName",
        "/tls/internode/secretName",
        "/tls/client/secretName",
        "/authentication/superuserSecret",
    ];
    let mut secrets: Vec<String> = pointed
        .iter()
        .filter_map(|path| Some(spec.pointer(path)?.as_str()?.to_owned()))
        .collect();
    let users = spec.pointer("/authentication/users");
    let users = users.and_then(Value::as_array).into_iter().flatten();
    secrets.extend(users.filter_map(|user| Some(user["secret"].as_str()?.to_owned())));
    secrets.extend([
        names::jolokia_secret(scope.name),
        names::accepted_secret(scope.name),
        names::node_tls_secret(scope.name),
        names::internode_tls_secret(scope.name),
        names::client_tls_secret(scope.name),
        names::superuser_secret(scope.name),
        names::accepted_superuser_secret(scope.name),
    ]);
    let mut found = Vec::new();
    for name in &secrets {
        let secret = reader.get(&resource::SECRETS, scope.namespace, name).await;
        found.extend(secret.as_ref().map(redact::secret));
    }
    if !found.is_empty() {
        entries.push(Entry::new(
            "secrets.yaml",
            yaml(&json!({ "secrets": found }))?,
        ));
    }
    Ok(entries)
}

/// Events of the cluster and of what has its name before its own, whether it still is there or not.
async fn events(reader: &Reader, scope: &Scope<'_>) -> Vec<Value> {
    let mut events = reader
        .list(&resource::CORE_EVENTS, Some(scope.namespace), "")
        .await;
    let claims = format!("{}-{}", names::DATA_VOLUME, scope.name);
    events.retain(|event| {
        let about = event["involvedObject"]["name"].as_str().unwrap_or_default();
        [scope.name, &claims].iter().any(|name| {
            about
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
        })
    });
    let when = |event: &Value| {
        let times = [
            "/lastTimestamp",
            "/series/lastObservedTime",
            "/eventTime",
            "/metadata/creationTimestamp",
        ];
        let time = times.iter().find_map(|path| event.pointer(path)?.as_str());
        time.unwrap_or_default().to_owned()
    };
    events.sort_by_key(when);
    events
}

/// The operator's Deployment, its pods and their logs: in the given namespace, else beside the cluster, else anywhere.
async fn operator(reader: &Reader, scope: &Scope<'_>) -> Result<Vec<Entry>> {
    let beside = scope.operator.unwrap_or(scope.namespace);
    let mut deployments = reader
        .list(&resource::DEPLOYMENTS, Some(beside), OPERATOR_SELECTOR)
        .await;
    if deployments.is_empty() && scope.operator.is_none() {
        deployments = reader
            .list(&resource::DEPLOYMENTS, None, OPERATOR_SELECTOR)
            .await;
    }
    let mut pods = Vec::new();
    for deployment in &deployments {
        let namespace = deployment["metadata"]["namespace"]
            .as_str()
            .unwrap_or(beside);
        pods.extend(
            reader
                .list(&resource::PODS, Some(namespace), OPERATOR_SELECTOR)
                .await,
        );
    }
    let logs = logs::of(reader, "operator/logs", &pods, scope.tail).await;
    let mut entries = Vec::new();
    entries.extend(list("operator/deployments.yaml", deployments)?);
    entries.extend(list("operator/pods.yaml", pods)?);
    entries.extend(logs);
    Ok(entries)
}

fn object(path: &str, mut object: Value) -> Result<Entry> {
    redact::object(&mut object);
    Ok(Entry::new(path, yaml(&object)?))
}

/// Objects in one file, as `kubectl` can read them again; no file without objects.
fn list(path: &str, mut items: Vec<Value>) -> Result<Option<Entry>> {
    if items.is_empty() {
        return Ok(None);
    }
    items.iter_mut().for_each(redact::object);
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
    Ok(Some(Entry::new(path, yaml(&list)?)))
}
