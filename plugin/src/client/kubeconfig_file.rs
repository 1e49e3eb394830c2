//! One kubeconfig file, read as client-go reads it: an absent and an empty value are the same, entries that are not used
//! may be incomplete, and paths are relative to the file. The types of the client are stricter, so the values are put into
//! their form first.

use std::path::Path;

use kube::config::{Kubeconfig, KubeconfigError};
use serde_json::{Map, Value};

/// Reads a file; several documents in it are merged.
///
/// # Errors
/// When the file cannot be read, or is no kubeconfig.
pub fn read(path: &Path) -> Result<Kubeconfig, KubeconfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| KubeconfigError::ReadConfig(error, path.to_owned()))?;
    let text = text.trim_start_matches('\u{feff}');
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)
        .map_err(|error| KubeconfigError::Parse(Box::new(error)))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut merged = Kubeconfig::default();
    for mut document in documents {
        normalize(&mut document, folder);
        // The parser of the client knows where a wrong value stands, and its error quotes none.
        let normal = document.to_string();
        merged = merged.merge(Kubeconfig::from_yaml(&normal)?)?;
    }
    Ok(merged)
}

fn normalize(root: &mut Value, folder: &Path) {
    let Value::Object(root) = root else {
        return;
    };
    remove_empty(root);
    for (list, entry) in [
        ("clusters", "cluster"),
        ("users", "user"),
        ("contexts", "context"),
    ] {
        let named = root.get_mut(list).and_then(Value::as_array_mut);
        for values in named.into_iter().flatten() {
            if let Some(values) = values.get_mut(entry).and_then(Value::as_object_mut) {
                remove_empty(values);
                match entry {
                    "cluster" => normalize_cluster(values, folder),
                    "user" => normalize_user(values, folder),
                    _ => {
                        values.entry("cluster").or_insert_with(|| "".into());
                    }
                }
            }
        }
    }
}

fn normalize_cluster(cluster: &mut Map<String, Value>, folder: &Path) {
    resolve(cluster, "certificate-authority", folder);
    join_lines(cluster, "certificate-authority-data");
}

fn normalize_user(user: &mut Map<String, Value>, folder: &Path) {
    for key in ["client-certificate", "client-key", "tokenFile"] {
        resolve(user, key, folder);
    }
    join_lines(user, "client-certificate-data");
    join_lines(user, "client-key-data");
    if let Some(exec) = user.get_mut("exec").and_then(Value::as_object_mut) {
        let command = exec.get("command").and_then(Value::as_str);
        // A command without a separator is one of $PATH.
        if command.is_some_and(|command| command.contains(std::path::is_separator)) {
            resolve(exec, "command", folder);
        }
    }
    read_token(user);
}

/// Of a token and a file with a token, client-go takes the file as long as it can be read, without the white space around
/// the token. The client reads the file again when the token changes; only a file that it would not understand is read
/// here.
fn read_token(user: &mut Map<String, Value>) {
    let file = user.get("tokenFile").and_then(Value::as_str);
    let Some(text) = file.and_then(|file| std::fs::read_to_string(file).ok()) else {
        return;
    };
    user.remove("token");
    if text.trim().len() < text.len() {
        user.remove("tokenFile");
        user.insert("token".to_owned(), text.trim().into());
    }
}

fn remove_empty(values: &mut Map<String, Value>) {
    values.retain(|_, value| !value.is_null() && *value != "");
}

fn resolve(values: &mut Map<String, Value>, key: &str, folder: &Path) {
    if let Some(value) = values.get_mut(key)
        && let Some(path) = value.as_str().map(|path| folder.join(path))
        && let Some(path) = path.to_str()
    {
        *value = path.into();
    }
}

/// Base64 in several lines, as `base64` prints it, is one value.
fn join_lines(values: &mut Map<String, Value>, key: &str) {
    if let Some(value) = values.get_mut(key)
        && let Some(text) = value.as_str()
    {
        *value = text.split_whitespace().collect::<String>().into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn normal(user: &Value) -> Value {
        let mut root = json!({ "users": [{ "name": "a", "user": user }] });
        normalize(&mut root, Path::new("/home/me/.kube"));
        root["users"][0]["user"].take()
    }

    #[test]
    fn an_empty_value_is_absent() {
        let mut root = json!({
            "current-context": "",
            "clusters": null,
            "contexts": [{ "name": "a", "context": { "user": "", "namespace": "" } }],
        });
        normalize(&mut root, Path::new(""));
        let contexts = json!([{ "name": "a", "context": { "cluster": "" } }]);
        assert_eq!(root, json!({ "contexts": contexts }));
        let user = json!({
            "token": "", "tokenFile": "", "client-key": null,
            "exec": { "command": "login", "env": [{ "name": "A", "value": "" }] },
        });
        let exec = json!({ "command": "login", "env": [{ "name": "A", "value": "" }] });
        assert_eq!(normal(&user), json!({ "exec": exec }));
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let user = json!({
            "client-certificate": "a b/c:d.crt", "client-key": "/pki/key", "tokenFile": "token",
            "exec": { "command": "bin/login" },
        });
        let resolved = json!({
            "client-certificate": "/home/me/.kube/a b/c:d.crt", "client-key": "/pki/key",
            "tokenFile": "/home/me/.kube/token", "exec": { "command": "/home/me/.kube/bin/login" },
        });
        assert_eq!(normal(&user), resolved);
    }

    #[test]
    fn base64_may_have_lines() {
        let user = json!({ "client-key-data": "YWJj\nZGVm\n" });
        assert_eq!(normal(&user), json!({ "client-key-data": "YWJjZGVm" }));
    }
}
