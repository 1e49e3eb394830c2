//! Removes secrets from a bundle, as far as their names reveal them. Pure.

mod text;

use serde_json::{Value, json};

pub use text::text;

/// The text that replaces a secret.
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

/// Removes secrets and managed fields from an object.
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
        Value::String(string) => *string = json(string).unwrap_or_else(|| text(string)),
        Value::Array(items) => array(items),
        Value::Object(fields) => {
            // An entry such as that of an environment variable or of an HTTP header.
            let named = fields.get("name").and_then(Value::as_str);
            let named = named.is_some_and(is_secret);
            for (name, field) in fields.iter_mut() {
                if is_secret(name) || (named && name == "value") {
                    hide(field);
                } else {
                    value(field);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Items of a list; behind an option such as `--password` the next item is its value.
fn array(items: &mut [Value]) {
    let mut hidden = false;
    for item in items {
        if hidden && item.is_string() {
            hide(item);
            hidden = false;
            continue;
        }
        hidden = item.as_str().is_some_and(is_option);
        value(item);
    }
}

/// Whether a word is an option whose secret is the next word.
fn is_option(word: &str) -> bool {
    word.starts_with('-') && !word.contains(['=', ' ']) && is_secret(word)
}

/// Replaces a secret as a whole, in any form. A reference to a Secret is none, nor is a switch.
fn hide(secret: &mut Value) {
    match secret {
        Value::Null | Value::Bool(_) => {}
        reference if is_reference(reference) => {}
        secret => *secret = REDACTED.into(),
    }
}

/// Whether a value is a reference of Kubernetes to Secrets, or a list of those: it names them, and the files that are
/// made of their keys.
fn is_reference(value: &Value) -> bool {
    let file = |item: &Value| {
        let fields = item.as_object();
        fields.is_some_and(|fields| {
            let mut names = fields.keys();
            names.all(|name| matches!(name.as_str(), "key" | "path" | "mode"))
        })
    };
    match value {
        Value::Array(items) => items.iter().all(is_reference),
        Value::Object(fields) => fields.iter().all(|(name, field)| match name.as_str() {
            "name" | "namespace" | "secretName" | "audience" | "path" => field.is_string(),
            "optional" => field.is_boolean(),
            "defaultMode" | "expirationSeconds" => field.is_number(),
            "items" => field.as_array().is_some_and(|files| files.iter().all(file)),
            _ => false,
        }),
        _ => false,
    }
}

/// A text that is an object or a list in JSON, redacted as such; nothing for any other text.
fn json(text: &str) -> Option<String> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let mut parsed: Value = serde_json::from_str(text).ok()?;
    let before = parsed.clone();
    value(&mut parsed);
    Some(if parsed == before {
        text.to_owned()
    } else {
        parsed.to_string()
    })
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

    /// A spec with a secret at every place that is free in form, and with neighbours that are no secrets.
    fn spec() -> Value {
        let variables = json!([
            { "name": "DB_PASSWORD", "value": "s3cr3t" },
            { "name": "DB_TOKEN", "value": 734_912 },
            { "name": "JVM_OPTS", "value": "-Dssl.keyPassword=s3cr3t -Xmx1G" },
            { "name": "SETTINGS", "value": "{\"auth\": {\"password\": [\"s3cr3t\"]}, \"size\": \"kept\"}" },
            { "name": "API_KEY", "valueFrom": { "secretKeyRef": { "name": "kept", "key": "token" } } },
        ]);
        let probe = json!({ "httpGet": { "path": "/kept", "httpHeaders": [
            { "name": "Authorization", "value": "Basic s3cr3t" },
            { "name": "Accept", "value": "kept" },
        ] } });
        json!({
            "cassandraImage": "cassandra:kept",
            "imageJolokiaSecret": { "name": "kept" },
            "imagePullSecret": { "name": "kept" },
            "jolokia": { "tls": { "secretName": "kept" } },
            "config": {
                "cassandra-yaml": {
                    "num_tokens": 16,
                    "client_encryption_options": { "keystore_password": "s3cr3t", "optional": false },
                    "authenticator": { "parameters": [{ "password": 734_912 }, { "user": "kept" }] },
                    "credentials": { "user": "s3cr3t", "more": [{ "deep": "s3cr3t" }] },
                    "tokens_of_access": [["s3cr3t"], 734_912],
                },
                "jvm-options": ["-Djavax.net.ssl.keyStorePassword=s3cr3t", "-Xmx1G"],
            },
            "envVars": variables,
            "backRestSidecar": { "envVars": variables },
            "pod": { "annotations": {
                "vault/token": "s3cr3t",
                "settings": "[{\"secret\": {\"value\": \"s3cr3t\"}}]",
                "backup": "post https://user:s3cr3t@backup/kept",
            } },
            "service": { "annotations": { "dns-api-key": "s3cr3t", "team": "kept" } },
            "sidecarConfigs": [{
                "env": variables,
                "envFrom": [{ "secretRef": { "name": "kept" } }],
                "command": ["run", "--password", "s3cr3t", "kept"],
                "args": ["--token=s3cr3t", "--user=kept"],
                "livenessProbe": probe,
                "lifecycle": {
                    "preStop": { "exec": { "command": ["sh", "-c", "stop --password=s3cr3t"] } },
                },
            }],
        })
    }

    fn redacted(mut whole: Value) -> String {
        object(&mut whole);
        let text = whole.to_string();
        for secret in ["s3cr3t", "734912"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        text
    }

    #[test]
    fn a_secret_at_every_place_of_a_spec() {
        let text = redacted(json!({ "spec": spec() }));
        let kept = |text: &str| text.matches("kept").count();
        assert_eq!(kept(&text), kept(&spec().to_string()), "{text}");
        assert!(text.contains("\"num_tokens\":16"), "{text}");
    }

    #[test]
    fn a_spec_within_the_text_of_a_config_map() {
        let pretty = serde_json::to_string_pretty(&spec()).unwrap();
        let yaml = serde_saphyr::to_string(&spec()).unwrap();
        for text in [spec().to_string(), pretty, yaml] {
            let redacted = redacted(json!({ "data": { "accepted": text } }));
            assert!(redacted.contains("cassandra:kept"), "{redacted}");
        }
    }

    #[test]
    fn references_to_secrets_are_kept() {
        let mut pod = json!({ "spec": {
            "automountServiceAccountToken": true,
            "imagePullSecrets": [{ "name": "kept" }],
            "volumes": [
                { "secret": { "secretName": "kept", "items": [{ "key": "a", "path": "b" }] } },
                { "projected": { "sources": [
                    { "serviceAccountToken": { "path": "token", "expirationSeconds": 3600 } },
                    { "secret": { "name": "kept", "optional": true } },
                ] } },
            ],
        } });
        let before = pod.clone();
        object(&mut pod);
        assert_eq!(pod, before);
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
