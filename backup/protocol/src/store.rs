//! Where backups are kept. Nothing here is secret: credentials come from the environment or from mounted files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place for backups: exactly one of `s3`, `gcs`, `azure` and `path`. It has to be strongly consistent: a list and a read
/// show every write that was acknowledged before, on every node. Amazon S3, Google Cloud Storage and Azure are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Store {
    /// A bucket of Amazon S3, or of a server that speaks its protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
    /// A bucket of Google Cloud Storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcs: Option<Gcs>,
    /// A container of Azure Blob Storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<Azure>,
    /// A folder that is mounted into the Job, of NFS or another volume. NFS needs the mount options `sync,lookupcache=none,noac`:
    /// with its caches, a purge does not see a backup that another node has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A bucket that is reached by the protocol of Amazon S3.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3 {
    /// Name of the bucket, which exists.
    pub bucket: String,
    /// Folder in the bucket. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Region of the bucket. Default: that of the environment, and otherwise us-east-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// URL of the server. Default: that of Amazon for the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether the bucket is part of the path of the URL and not of the name of the host. Default: true with `endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// Certificate authorities of the server in PEM, trusted in place of the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// A bucket of Google Cloud Storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gcs {
    /// Name of the bucket, which exists.
    pub bucket: String,
    /// Folder in the bucket. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// A container of Azure Blob Storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Azure {
    /// Name of the container, which exists.
    pub container: String,
    /// Storage account. Default: that of the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Folder in the container. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// URL of the server. Default: that of Azure for the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// The one place that a [`Store`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind<'a> {
    /// [`Store::s3`].
    S3(&'a S3),
    /// [`Store::gcs`].
    Gcs(&'a Gcs),
    /// [`Store::azure`].
    Azure(&'a Azure),
    /// [`Store::path`].
    Path(&'a str),
}

/// A store that cannot be used as it is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// None or several places.
    #[error("the store names {0} of s3, gcs, azure and path: name exactly one")]
    NotOne(usize),
    /// An empty name.
    #[error("{0} is empty: name the one that exists")]
    Empty(&'static str),
    /// A folder that is not one.
    #[error(
        "prefix {0:?} is not a folder of a store: write its segments with one / between them, without . and .."
    )]
    Prefix(String),
    /// A path that depends on the current folder.
    #[error("path {0:?} is not absolute: write the folder as it is mounted")]
    Relative(String),
    /// A server that is not a URL, or one with a password in it.
    #[error(
        "the endpoint is not http:// or https:// and a host: write it without user, password and question mark"
    )]
    Endpoint,
}

impl Store {
    /// The one place that the store names.
    ///
    /// # Errors
    /// None or several are named, or the place is not a place.
    pub fn kind(&self) -> Result<StoreKind<'_>, StoreError> {
        let all = [
            self.s3.as_ref().map(StoreKind::S3),
            self.gcs.as_ref().map(StoreKind::Gcs),
            self.azure.as_ref().map(StoreKind::Azure),
            self.path.as_deref().map(StoreKind::Path),
        ];
        let mut all = all.into_iter().flatten();
        let (Some(kind), None) = (all.next(), all.next()) else {
            return Err(StoreError::NotOne(self.places()));
        };
        match kind {
            StoreKind::S3(s3) => {
                named("bucket", &s3.bucket)?;
                endpoint(s3.endpoint.as_deref())?;
            }
            StoreKind::Gcs(gcs) => named("bucket", &gcs.bucket)?,
            StoreKind::Azure(azure) => {
                named("container", &azure.container)?;
                endpoint(azure.endpoint.as_deref())?;
            }
            StoreKind::Path(path) if !path.starts_with('/') => {
                return Err(StoreError::Relative(path.to_owned()));
            }
            StoreKind::Path(_) => {}
        }
        let prefix = self.prefix();
        let segment =
            |text: &str| !matches!(text, "" | "." | "..") && !text.chars().any(char::is_control);
        if prefix.is_empty() || prefix.split('/').all(segment) {
            Ok(kind)
        } else {
            Err(StoreError::Prefix(prefix.to_owned()))
        }
    }

    /// The folder of the store below which the clusters are, without `/` around it; empty if there is none.
    pub fn prefix(&self) -> &str {
        let s3 = self.s3.as_ref().and_then(|s3| s3.prefix.as_deref());
        let gcs = self.gcs.as_ref().and_then(|gcs| gcs.prefix.as_deref());
        let azure = self
            .azure
            .as_ref()
            .and_then(|azure| azure.prefix.as_deref());
        s3.or(gcs).or(azure).unwrap_or_default().trim_matches('/')
    }

    fn places(&self) -> usize {
        let there = [
            self.s3.is_some(),
            self.gcs.is_some(),
            self.azure.is_some(),
            self.path.is_some(),
        ];
        there.into_iter().filter(|there| *there).count()
    }
}

fn named(what: &'static str, name: &str) -> Result<(), StoreError> {
    if name.is_empty() {
        Err(StoreError::Empty(what))
    } else {
        Ok(())
    }
}

fn endpoint(url: Option<&str>) -> Result<(), StoreError> {
    let Some(url) = url else { return Ok(()) };
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['@', '?', '#', ' ']) => Ok(()),
        _ => Err(StoreError::Endpoint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(json: &str) -> Result<String, String> {
        let store: Store = serde_json::from_str(json).map_err(|error| error.to_string())?;
        store
            .kind()
            .map(|kind| format!("{kind:?} in {:?}", store.prefix()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn exactly_one_place() {
        let one = r#"{"s3":{"bucket":"b","prefix":"/a/b/","pathStyle":true,"endpoint":"https://s3:9000"}}"#;
        assert!(store(one).unwrap().ends_with(r#"in "a/b""#));
        assert!(store(r#"{"path":"/backups"}"#).is_ok());
        assert!(store("{}").unwrap_err().contains("names 0"));
        assert!(
            store(r#"{"path":"/backups","gcs":{"bucket":"b"}}"#)
                .unwrap_err()
                .contains("names 2")
        );
        assert!(
            store(r#"{"s3":{"bucket":"b"},"typo":1}"#)
                .unwrap_err()
                .contains("unknown field")
        );
        assert!(
            store(r#"{"path":"backups"}"#)
                .unwrap_err()
                .contains("not absolute")
        );
        assert!(
            store(r#"{"gcs":{"bucket":"b","prefix":"a/../b"}}"#)
                .unwrap_err()
                .contains("not a folder")
        );
    }

    #[test]
    fn no_password_in_an_endpoint() {
        let told = store(r#"{"s3":{"bucket":"b","endpoint":"https://me:secret@s3"}}"#).unwrap_err();
        assert!(told.contains("without user, password") && !told.contains("secret"));
    }
}
