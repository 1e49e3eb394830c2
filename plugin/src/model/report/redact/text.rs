//! Secrets in lines of configuration, options of a program, and logs.

use super::{REDACTED, is_option, is_secret};

/// A text without the values that stand behind secret names (`password: x`, `-Dpassword=x`, `"token":"x"`), without
/// passwords in URLs and without private keys. Below a secret name that ends its line, the lines of a YAML block are
/// removed, and with a YAML entry `name: PASSWORD` its `value`.
pub fn text(text: &str) -> String {
    let mut within_key = false;
    let mut block = Block::default();
    let lines = text.split_inclusive('\n').filter_map(|line| {
        let (begins, ends) = (marks(line, "BEGIN"), marks(line, "END"));
        let hidden = within_key && !ends;
        within_key = (within_key || begins) && !ends;
        match (hidden, begins) {
            (true, _) => None,
            (_, true) if !ends => Some(format!("{line}{REDACTED}\n")),
            _ => block.line(line),
        }
    });
    lines.collect()
}

/// Blocks of YAML between the lines of a text.
#[derive(Default)]
struct Block {
    /// Indentation of the secret name above the lines of its value.
    secret: Option<usize>,
    /// Indentation of the fields of an entry whose name is secret.
    named: Option<usize>,
    /// Indentation of the item of a list that is an option such as `--password`.
    option: Option<usize>,
}

impl Block {
    /// A line without secrets; nothing if it is part of a secret value.
    fn line(&mut self, line: &str) -> Option<String> {
        let content = line.trim_end();
        let fields = content.trim_start_matches([' ', '-']);
        let item = content.trim_start().starts_with("- ");
        let indent = content.len() - content.trim_start().len();
        let column = content.len() - fields.len();
        if let Some(secret) = self.secret {
            if content.is_empty() || indent > secret || (item && indent == secret) {
                return None;
            }
            self.secret = None;
        }
        if item && self.option == Some(indent) {
            self.option = None;
            return Some(format!(
                "{}- {REDACTED}{}",
                &line[..indent],
                &line[content.len()..]
            ));
        }
        let word = content[indent..].strip_prefix("- ").unwrap_or_default();
        self.option = is_option(word.trim_matches(['"', '\''])).then_some(indent);
        if item || column != self.named.unwrap_or(column) {
            self.named = None;
        }
        let Some((name, value)) = fields.split_once(':') else {
            return Some(urls(&values(line)));
        };
        let name = name.trim_matches(['"', '\'']);
        let value = value.trim();
        let secret = name == "value" && self.named == Some(column);
        let above = value.is_empty() || value.starts_with(['|', '>']);
        let above = above && !name.contains(' ') && (secret || is_secret(name));
        if name == "name" && is_secret(value.trim_matches(['"', '\''])) {
            self.named = Some(column);
        }
        self.secret = above.then_some(column);
        if secret || above {
            let (before, end) = (content.trim_end_matches(value), &line[content.len()..]);
            return Some(format!("{} {REDACTED}{end}", before.trim_end()));
        }
        Some(urls(&values(line)))
    }
}

fn marks(line: &str, what: &str) -> bool {
    line.contains(&format!("-----{what}")) && line.contains("PRIVATE KEY-----")
}

/// Goes from one `=` or `:` to the next and checks the word before it.
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
    if value.starts_with(['[', '{']) {
        return Some((lead, brackets(value)));
    }
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

/// The length of a list or an object up to the bracket that ends it, or to the end of the line.
fn brackets(value: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in value.char_indices() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            '\n' | '\r' => return at,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    value.len()
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
            ("passwords: [a, b] # c", "passwords: REDACTED # c"),
            (
                r#"{"tokens_of": {"a": ["b", "c"]}, "user": "joe"}"#,
                r#"{"tokens_of": REDACTED, "user": "joe"}"#,
            ),
            ("num_tokens: 256", "num_tokens: 256"),
            (
                "MountVolume failed for volume \"my-secret\" : secret \"x\" not found",
                "MountVolume failed for volume \"my-secret\" : secret \"x\" not found",
            ),
            ("password:", "password: REDACTED"),
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
    fn blocks_of_yaml() {
        for (block, redacted) in [
            (
                "password: |\n  a\n\n  b\nuser: c\n",
                "password: REDACTED\nuser: c\n",
            ),
            (
                "passwords:\n- a\n- b\nuser: c\n",
                "passwords: REDACTED\nuser: c\n",
            ),
            (
                "- name: API_KEY\n  value:\n    deep: a\n- name: HEAP\n  value: 1G\n",
                "- name: API_KEY\n  value: REDACTED\n- name: HEAP\n  value: 1G\n",
            ),
            (
                "args:\n- --password\n- a\n- b\n",
                "args:\n- --password\n- REDACTED\n- b\n",
            ),
        ] {
            assert_eq!(text(block), redacted);
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
