//! The rules for the user name and the password in the Jolokia Secret, for every reader: the operator, the init container
//! and the probes.

use std::collections::BTreeMap;

use casskop_common::names::NODE_CREDENTIALS_LABEL;

/// Keys of the Secret.
pub const KEYS: [&str; 2] = ["username", "password"];
/// Types of a Secret that may be meant for the nodes without a label.
const TYPES: [&str; 2] = ["Opaque", "kubernetes.io/basic-auth"];

/// Why a Secret is not meant for the nodes; nothing if it is meant for them. The values are not looked at, and the message
/// names no key: who writes the spec may not be allowed to read Secrets.
pub fn not_meant_because<'a>(
    labels: &BTreeMap<String, String>,
    kind: Option<&str>,
    mut keys: impl Iterator<Item = &'a String>,
) -> Option<&'static str> {
    match labels.get(NODE_CREDENTIALS_LABEL).map(String::as_str) {
        Some("true") => None,
        Some(_) => Some("its label db.orange.com/node-credentials is not true"),
        None if !TYPES.contains(&kind.unwrap_or(TYPES[0])) => {
            Some("its type is neither Opaque nor kubernetes.io/basic-auth")
        }
        None if keys.any(|key| !KEYS.contains(&key.as_str())) => {
            Some("it has other keys than username and password")
        }
        None => None,
    }
}

/// Why a value of the Jolokia Secret cannot be used. The value itself is never part of the message.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidKey {
    /// The value is missing, empty, or no text.
    #[error("has no {0}: add it, one line of text")]
    Missing(&'static str),
    /// The value has control characters, a line break in the middle among them.
    #[error("has a {0} with control characters: write one line of text")]
    Control(&'static str),
    /// HTTP basic authentication separates name and password by the first colon.
    #[error(
        "has a username with ':', which HTTP basic authentication cannot express: choose another username"
    )]
    Colon,
}

/// The user name in the Secret. A final line break is not part of it.
///
/// # Errors
/// The name cannot be used.
pub fn username(value: Option<&[u8]>) -> Result<String, InvalidKey> {
    let name = line("username", value)?;
    if name.contains(':') {
        return Err(InvalidKey::Colon);
    }
    Ok(name)
}

/// The password in the Secret. A final line break is not part of it.
///
/// # Errors
/// The password cannot be used.
pub fn password(value: Option<&[u8]>) -> Result<String, InvalidKey> {
    line("password", value)
}

fn line(key: &'static str, value: Option<&[u8]>) -> Result<String, InvalidKey> {
    let text = value.and_then(|bytes| std::str::from_utf8(bytes).ok());
    let text = text.unwrap_or_default().trim_end_matches('\n');
    if text.is_empty() {
        return Err(InvalidKey::Missing(key));
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidKey::Control(key));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_meant_for_the_nodes_by_its_label_or_by_its_keys_alone() {
        let is_meant = |label: Option<&str>, kind: Option<&str>, keys: &[&str]| {
            let labels = label.map(|value| (NODE_CREDENTIALS_LABEL.to_owned(), value.to_owned()));
            let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
            not_meant_because(&labels.into_iter().collect(), kind, keys.iter()).is_none()
        };
        let basic = Some("kubernetes.io/basic-auth");
        let more = ["username", "password", "uri"];
        // A Secret of the Go CassKop; what it lacks is told for itself.
        assert!(is_meant(None, Some("Opaque"), &KEYS));
        assert!(is_meant(None, None, &KEYS));
        assert!(is_meant(None, basic, &KEYS));
        assert!(is_meant(None, Some("Opaque"), &["username"]));
        assert!(is_meant(None, Some("Opaque"), &[]));
        // Of anything else.
        assert!(!is_meant(None, Some("Opaque"), &more));
        assert!(!is_meant(None, basic, &more));
        assert!(!is_meant(None, Some("example.com/user"), &KEYS));
        assert!(!is_meant(
            None,
            Some("kubernetes.io/tls"),
            &["tls.crt", "tls.key"]
        ));
        // The label decides.
        assert!(is_meant(Some("true"), basic, &more));
        assert!(is_meant(Some("true"), Some("example.com/user"), &more));
        for value in ["false", "", "True"] {
            assert!(!is_meant(Some(value), Some("Opaque"), &KEYS), "{value}");
        }
    }

    #[test]
    fn a_secret_is_usable_only_as_basic_authentication_can_express_it() {
        assert_eq!(username(Some(b"casskop\n")).as_deref(), Ok("casskop"));
        assert_eq!(password(Some(b"a:b c")).as_deref(), Ok("a:b c"));
        assert_eq!(username(Some(b"a:b")), Err(InvalidKey::Colon));
        for broken in [None, Some(&b""[..]), Some(b"\n"), Some(b"\xff")] {
            assert_eq!(username(broken), Err(InvalidKey::Missing("username")));
            assert_eq!(password(broken), Err(InvalidKey::Missing("password")));
        }
        for broken in [&b"a\r\n"[..], b"a\nb", b"a\tb"] {
            assert_eq!(username(Some(broken)), Err(InvalidKey::Control("username")));
            assert_eq!(password(Some(broken)), Err(InvalidKey::Control("password")));
        }
    }
}
