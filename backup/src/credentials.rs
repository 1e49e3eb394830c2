//! Credentials: from the environment and from a mounted Secret, a file for each key; never from arguments.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::error::{Failure, Result};

/// Bytes of the largest credential.
const LARGEST: u64 = 64 << 10;
/// Keys of the Secrets of the Go CassKop, and the variables that they are.
const GO_KEYS: [(&str, &str); 6] = [
    ("awsaccesskeyid", "AWS_ACCESS_KEY_ID"),
    ("awssecretaccesskey", "AWS_SECRET_ACCESS_KEY"),
    ("awsregion", "AWS_REGION"),
    ("awsendpoint", "AWS_ENDPOINT"),
    ("azurestorageaccount", "AZURE_STORAGE_ACCOUNT_NAME"),
    ("azurestoragekey", "AZURE_STORAGE_ACCOUNT_KEY"),
];
/// The key of the Go CassKop with a service account of Google Cloud.
const GCP: (&str, &str) = ("gcp", "GOOGLE_SERVICE_ACCOUNT_KEY");

/// Settings by the names of environment variables: `AWS_…`, `GOOGLE_…`, `AZURE_…`.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<String, String>);

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Credentials {
    /// Those of the environment.
    pub fn of_environment() -> Self {
        Self::of(
            std::env::vars_os().filter_map(|(key, value)| {
                Some((key.into_string().ok()?, value.into_string().ok()?))
            }),
        )
    }

    /// Those among these variables.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let known = |key: &str| {
            ["AWS_", "GOOGLE_", "AZURE_"]
                .iter()
                .any(|prefix| key.starts_with(prefix))
        };
        Self(
            variables
                .into_iter()
                .filter(|(key, value)| known(key) && !value.is_empty())
                .collect(),
        )
    }

    /// Adds the files of a mounted Secret; they prevail over the environment.
    ///
    /// # Errors
    /// The folder or a file in it cannot be read.
    pub fn with_folder(mut self, folder: &Path) -> Result<Self> {
        let what = || format!("read the credentials in {}", folder.display());
        let entries = std::fs::read_dir(folder).map_err(|error| Failure::file(what(), &error))?;
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| Failure::file(what(), &error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Kubernetes has its folders `..data` beside the links.
            if name.starts_with('.') {
                continue;
            }
            let size = std::fs::metadata(entry.path())
                .map_err(|error| Failure::file(what(), &error))?
                .len();
            if size > LARGEST {
                return Err(Failure::failed(
                    what(),
                    format!("{name} has {size} bytes"),
                    "mount the Secret with the credentials",
                ));
            }
            let value = std::fs::read_to_string(entry.path())
                .map_err(|error| Failure::file(what(), &error))?;
            let go = GO_KEYS.iter().chain([&GCP]).find(|(key, _)| *key == name);
            let key = go.map_or(name, |(_, variable)| (*variable).to_owned());
            found.push((key, value.trim().to_owned()));
        }
        self.0.extend(Self::of(found).0);
        Ok(self)
    }

    /// Those for one provider.
    pub(crate) fn with_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .iter()
            .filter(move |(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Takes secrets out of a text: no answer of a server and no library is relied on for it. A short one stays, which would
    /// be a word of the text more often than the secret.
    pub fn redact(&self, text: &str) -> String {
        let secret = |key: &str| {
            let ends = [
                "_FILE",
                "_REGION",
                "_ENDPOINT",
                "_URL",
                "_NAME",
                "_PATH",
                "_URI",
                "_ARN",
                "_ID",
            ];
            let words = ["SECRET", "KEY", "TOKEN", "PASSWORD", "SAS"];
            words.iter().any(|word| key.contains(word))
                && !ends.iter().any(|end| key.ends_with(end))
        };
        let mut text = text.to_owned();
        for (_, value) in self
            .0
            .iter()
            .filter(|(key, value)| secret(key) && value.len() >= 8)
        {
            text = text.replace(value.as_str(), "[redacted]");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_printed() {
        let variables = [
            ("AWS_SECRET_ACCESS_KEY", "hunter22"),
            ("AWS_REGION", "eu-west-1"),
            ("PATH", "/bin"),
        ];
        let credentials =
            Credentials::of(variables.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(
            format!("{credentials:?}"),
            r#"{"AWS_REGION", "AWS_SECRET_ACCESS_KEY"}"#
        );
        assert_eq!(
            credentials.redact("eu-west-1 with hunter22"),
            "eu-west-1 with [redacted]"
        );
    }

    #[test]
    fn secrets_of_the_go_operator() {
        let folder = crate::testing::Folder::new();
        std::fs::write(folder.path().join("awsaccesskeyid"), "me\n").unwrap();
        std::fs::write(folder.path().join("gcp"), "{}").unwrap();
        std::fs::create_dir(folder.path().join("..data")).unwrap();
        let credentials = Credentials::default().with_folder(folder.path()).unwrap();
        assert_eq!(
            credentials.with_prefix("AWS_").collect::<Vec<_>>(),
            [("AWS_ACCESS_KEY_ID", "me")]
        );
        assert_eq!(credentials.with_prefix("GOOGLE_").count(), 1);
    }
}
