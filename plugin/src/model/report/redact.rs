//! Keeps secrets out of a bundle, as far as they can be told by their names. Pure.

mod text;

use serde_json::{Value, json};

pub use text::text;

/// What stands for a secret.
pub const REDACTED: &str = "REDACTED";
/// Holds the whole object once more, with what is redacted in it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Words whose values are secrets.
const SECRET: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "authorization",
    "apikey",
    "accesskey",
    "privatekey",
];
/// Ends of words that name where a secret is, or are Cassandra's own tokens.
const HARMLESS: [&str; 9] = [
    "name",
    "ref",
    "refs",
    "tokens",
    "initialtoken",
    "file",
    "path",
    "timeout",
    "validity",
];

/// Whether what stands under this name is a secret.
pub fn is_secret(name: &str) -> bool {
    let letters = |c: &char| c.is_ascii_alphanumeric();
    let word: String = name
        .chars()
        .filter(letters)
        .collect::<String>()
        .to_ascii_lowercase();
    SECRET.iter().any(|secret| word.contains(secret))
        && !HARMLESS.iter().any(|harmless| word.ends_with(harmless))
}

/// Takes secrets, and what only machines keep there, out of an object.
pub fn object(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.remove(LAST_APPLIED);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    value(object);
}

/// Of a Secret only its name and its keys.
pub fn secret(object: &Value) -> Value {
    let mut keys: Vec<&String> = ["data", "stringData"]
        .iter()
        .filter_map(|field| object[field].as_object())
        .flat_map(serde_json::Map::keys)
        .collect();
    keys.sort();
    json!({ "name": object["metadata"]["name"], "type": object["type"], "keys": keys })
}

fn value(of: &mut Value) {
    match of {
        Value::String(string) => *string = text(string),
        Value::Array(items) => items.iter_mut().for_each(value),
        Value::Object(fields) => {
            let named = fields
                .get("name")
                .and_then(Value::as_str)
                .is_some_and(is_secret);
            for (name, field) in fields.iter_mut() {
                match field {
                    Value::String(literal) if is_secret(name) || (named && name == "value") => {
                        REDACTED.clone_into(literal);
                    }
                    other => value(other),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_their_names() {
        for name in [
            "PASSWORD",
            "keystore_password",
            "MYSQL_PWD",
            "AWS_SECRET_ACCESS_KEY",
            "api-key",
            "authToken",
            "Authorization",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "secretName",
            "imagePullSecretRef",
            "initial_token",
            "num_tokens",
            "credentials_validity",
            "key",
            "passwordFile",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn an_object_keeps_all_but_its_secrets() {
        let mut pod = json!({
            "metadata": {
                "name": "demo-dc1-rack1-0",
                "managedFields": [{}],
                "annotations": { LAST_APPLIED: "{\"value\":\"s3cr3t\"}", "team": "db" },
            },
            "spec": { "containers": [{
                "env": [
                    { "name": "DB_PASSWORD", "value": "s3cr3t" },
                    { "name": "HEAP", "value": "1G" },
                    { "name": "API_TOKEN", "valueFrom": { "secretKeyRef": { "name": "api", "key": "token" } } },
                    { "name": "JVM_OPTS", "value": "-Dssl.keyPassword=s3cr3t -Xmx1G" },
                ],
            }] },
            "data": { "cassandra.yaml": "seeds: a\nkeystore_password: s3cr3t\ncluster_name: demo\n", "password": "s3cr3t" },
        });
        object(&mut pod);
        assert!(!pod.to_string().contains("s3cr3t"), "{pod}");
        let env = &pod["spec"]["containers"][0]["env"];
        assert_eq!(env[0]["value"], REDACTED);
        assert_eq!(env[1]["value"], "1G");
        assert_eq!(env[2]["valueFrom"]["secretKeyRef"]["name"], "api");
        assert_eq!(env[3]["value"], "-Dssl.keyPassword=REDACTED -Xmx1G");
        assert_eq!(
            pod["data"]["cassandra.yaml"],
            "seeds: a\nkeystore_password: REDACTED\ncluster_name: demo\n"
        );
        assert_eq!(
            pod["metadata"],
            json!({ "name": "demo-dc1-rack1-0", "annotations": { "team": "db" } })
        );
    }

    #[test]
    fn of_a_secret_only_the_keys_are_kept() {
        let whole = json!({
            "metadata": { "name": "jolokia", "annotations": { LAST_APPLIED: "s3cr3t" } },
            "type": "Opaque",
            "data": { "username": "czNjcjN0", "password": "czNjcjN0" },
        });
        assert_eq!(
            secret(&whole),
            json!({ "name": "jolokia", "type": "Opaque", "keys": ["password", "username"] })
        );
    }
}
