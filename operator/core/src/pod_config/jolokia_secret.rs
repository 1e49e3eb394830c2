//! The rules for the user name and the password in the Jolokia Secret, for every reader: the operator, the init container
//! and the probes.

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
