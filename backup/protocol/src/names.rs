//! Names that come from a store or from a job description. What is parsed here can be joined to a folder and stays in it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid {kind}: {rule}")]
pub struct InvalidName {
    text: String,
    kind: &'static str,
    rule: &'static str,
}

impl InvalidName {
    fn new(text: &str, kind: &'static str, rule: &'static str) -> Self {
        // A hostile manifest does not fill a termination message.
        let text = text.chars().take(80).collect();
        Self { text, kind, rule }
    }
}

macro_rules! text_type {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_string_form())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_string_form())
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.to_string_form()
            }
        }
    };
}

fn is_segment(text: &str) -> bool {
    (1..=250).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte))
        && text != "."
        && text != ".."
}

/// One segment of a path that is not hidden: the name of a cluster, backup, host, snapshot, keyspace or folder of a table.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn to_string_form(&self) -> String {
        self.0.clone()
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        // No +, which keys of object stores would have to encode.
        if is_segment(text) && !text.starts_with('.') && !text.contains('+') {
            Ok(Self(text.to_owned()))
        } else {
            let rule = "1 to 250 of the characters A-Z a-z 0-9 . _ -, not a dot at first";
            Err(InvalidName::new(text, "name", rule))
        }
    }
}
text_type!(Name);

/// The path of a file in the folder of its table: `nb-1-big-Data.db`, or `.by_city/nb-1-big-Data.db` in a secondary index.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FilePath(String);

impl FilePath {
    /// The path as text, with `/` between its segments.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn to_string_form(&self) -> String {
        self.0.clone()
    }
}

impl FromStr for FilePath {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let good = match text.split_once('/') {
            None => is_segment(text) && !text.starts_with('.'),
            Some((folder, file)) => {
                is_segment(folder)
                    && folder.starts_with('.')
                    && is_segment(file)
                    && !file.starts_with('.')
            }
        };
        if good {
            Ok(Self(text.to_owned()))
        } else {
            let rule =
                "a file, or a file in the folder of a secondary index, which begins with a dot";
            Err(InvalidName::new(text, "file of a table", rule))
        }
    }
}
text_type!(FilePath);

/// SHA-256 of the content of a file: the name of its object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest with these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn to_string_form(self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
        self.0
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
            .collect()
    }
}

impl FromStr for Digest {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = || InvalidName::new(text, "digest", "64 lower-case hexadecimal digits");
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(wrong()),
        };
        if text.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = value(digits[0])? << 4 | value(digits[1])?;
        }
        Ok(Self(bytes))
    }
}
text_type!(Digest);

/// A cluster: its name for people, and its UID, so that a new cluster with an old name has backups of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Name of the `CassandraCluster`.
    pub name: Name,
    /// UID of the `CassandraCluster`.
    pub uid: Name,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_in_its_folder() {
        for good in [
            "nb-1-big-Data.db",
            "nb-1-big-SAI+aa+Meta.db",
            ".by_city/nb-1-big-Data.db",
            "a..b",
        ] {
            assert_eq!(good.parse::<FilePath>().unwrap().as_str(), good);
        }
        let long = "a".repeat(251);
        for bad in [
            "",
            ".",
            "..",
            "/etc/passwd",
            "../x",
            "a/b",
            ".i/../x",
            "./x",
            "../../x",
            ".i/",
            "/x",
            ".i//x",
            ".i/.x",
            "a\0b",
            ".i/a/b",
            "a\\b",
            "ä",
            " ",
            ".hidden",
            &long,
        ] {
            assert!(bad.parse::<FilePath>().is_err(), "{bad:?}");
        }
        for bad in ["", ".", "..", "a/b", ".a", "a b"] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_digest_has_one_form() {
        let text = "00ff".repeat(16);
        assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
        for bad in [
            &text[1..],
            &text.to_uppercase(),
            &format!("{text}0"),
            &"é".repeat(32),
        ] {
            assert!(bad.parse::<Digest>().is_err());
        }
    }
}
