//! Secrets in lines of configuration, options of a program, and logs.

use super::{REDACTED, is_secret};

/// A text without the values that stand behind secret names (`password: x`, `-Dpassword=x`, `"token":"x"`), without
/// passwords in URLs and without private keys.
pub fn text(text: &str) -> String {
    let mut within_key = false;
    let lines = text.split_inclusive('\n').filter_map(|line| {
        let (begins, ends) = (marks(line, "BEGIN"), marks(line, "END"));
        let hidden = within_key && !ends;
        within_key = (within_key || begins) && !ends;
        match (hidden, begins) {
            (true, _) => None,
            (_, true) if !ends => Some(format!("{line}{REDACTED}\n")),
            _ => Some(urls(&values(line))),
        }
    });
    lines.collect()
}

fn marks(line: &str, what: &str) -> bool {
    line.contains(&format!("-----{what}")) && line.contains("PRIVATE KEY-----")
}

/// Goes from one `=` or `:` to the next and looks at the word before it.
fn values(line: &str) -> String {
    let mut done = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['=', ':']) {
        let (before, behind) = rest.split_at(at + 1);
        done.push_str(before);
        rest = behind;
        // `volume "jolokia-secret" : no such file` is a sentence.
        let sentence = &before[at..] == ":" && before[..at].ends_with(' ');
        let value = (!sentence && is_secret(word(&before[..at])))
            .then(|| length(rest, &before[at..] == ":"))
            .flatten();
        if let Some((lead, length)) = value {
            done.push_str(&rest[..lead]);
            done.push_str(REDACTED);
            rest = &rest[lead + length..];
        }
    }
    done + rest
}

/// The name before a separator: `keystore_password` of `  "keystore_password" `.
fn word(before: &str) -> &str {
    let before = before.trim_end_matches([' ', '"', '\'', '\\']);
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let start = before.rfind(|c| !part(c)).map_or(0, |at| {
        at + before[at..].chars().next().map_or(1, char::len_utf8)
    });
    &before[start..]
}

/// How much stands before a value, and how long the value is. Behind a `:` without quotes it goes to the end of the
/// line or to what ends a value within JSON, for there is no telling which word of it is the secret.
fn length(rest: &str, colon: bool) -> Option<(usize, usize)> {
    let fillers = [' ', '\t', '"', '\'', '\\'];
    let lead = rest.len() - rest.trim_start_matches(fillers).len();
    let value = &rest[lead..];
    let quoted = rest[..lead].contains(['"', '\'']);
    let end = value.find(|c: char| match c {
        '\n' | '\r' => true,
        '"' | '\'' | '\\' => quoted,
        ',' | '}' | ';' | '&' => !quoted,
        c => !quoted && !colon && c.is_whitespace(),
    });
    let length = end.unwrap_or(value.len());
    (length > 0).then_some((lead, length))
}

/// `scheme://user:password@host` loses its password.
fn urls(line: &str) -> String {
    let mut done = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, behind) = rest.split_at(at + 3);
        done.push_str(before);
        let authority = behind
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\''))
            .unwrap_or(behind.len());
        let password = behind[..authority]
            .split_once(':')
            .and_then(|(user, more)| Some((user, more.rfind('@')?)));
        rest = match password {
            Some((user, length)) => {
                done.push_str(user);
                done.push(':');
                done.push_str(REDACTED);
                &behind[user.len() + 1 + length..]
            }
            None => behind,
        };
    }
    done + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_behind_secret_names() {
        for (line, redacted) in [
            (
                "keystore_password: cassandra\n",
                "keystore_password: REDACTED\n",
            ),
            (
                "  truststore_password: 'a b' # c",
                "  truststore_password: 'REDACTED' # c",
            ),
            (
                "-Djavax.password=x -Xmx1G",
                "-Djavax.password=REDACTED -Xmx1G",
            ),
            (
                r#"{"token":"abc","user":"joe"}"#,
                r#"{"token":"REDACTED","user":"joe"}"#,
            ),
            (
                r#"{\"password\":\"abc\",\"a\":1}"#,
                r#"{\"password\":\"REDACTED\",\"a\":1}"#,
            ),
            ("Authorization: Basic abc==", "Authorization: REDACTED"),
            (
                "jdbc?user=a&password=b&ssl=true",
                "jdbc?user=a&password=REDACTED&ssl=true",
            ),
            (
                "WITH PASSWORD = 'x' AND LOGIN = true",
                "WITH PASSWORD = 'REDACTED' AND LOGIN = true",
            ),
            ("num_tokens: 256", "num_tokens: 256"),
            (
                "MountVolume failed for volume \"my-secret\" : secret \"x\" not found",
                "MountVolume failed for volume \"my-secret\" : secret \"x\" not found",
            ),
            ("password:", "password:"),
            ("at 12:30: the secret is out", "at 12:30: the secret is out"),
            ("passwörter: a=b", "passwörter: a=b"),
            (
                "http://joe:pa:ss@proxy:3128/x",
                "http://joe:REDACTED@proxy:3128/x",
            ),
            ("http://proxy:3128/a@b", "http://proxy:3128/a@b"),
        ] {
            assert_eq!(text(line), redacted);
        }
    }

    #[test]
    fn private_keys() {
        let pem =
            "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabcd\n-----END RSA PRIVATE KEY-----\nb\n";
        let redacted =
            "a\n-----BEGIN RSA PRIVATE KEY-----\nREDACTED\n-----END RSA PRIVATE KEY-----\nb\n";
        assert_eq!(text(pem), redacted);
    }
}
