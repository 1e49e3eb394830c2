//! The Secret of the home cluster with a kubeconfig for each site.

use k8s_openapi::ByteString;
use kube::{ResourceExt, api::DynamicObject};
use serde_json::{Value, json};

use super::{clusters::Clusters, resource::SECRETS, site_account::ACCOUNT, site_objects};
use crate::error::{CliError, Result};

/// Its name.
pub const SITES: &str = "casskop-multi-sites";

/// The Secret as it was read; writes are guarded by its resource version.
pub struct Sites<'a> {
    home: &'a Clusters,
    secret: Option<DynamicObject>,
}

impl<'a> Sites<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read(home: &'a Clusters) -> Result<Self> {
        let secret = site_objects::get(home, &SECRETS, SITES).await?;
        Ok(Self { home, secret })
    }

    /// Names of the registered sites.
    pub fn names(&self) -> Vec<&str> {
        let data = self
            .secret
            .iter()
            .filter_map(|secret| secret.data["data"].as_object());
        data.flat_map(|data| data.keys().map(String::as_str))
            .collect()
    }

    /// The kubeconfig of a site.
    pub fn kubeconfig(&self, site: &str) -> Option<String> {
        bytes(self.secret.as_ref()?, site).and_then(|bytes| String::from_utf8(bytes).ok())
    }

    /// Registers a site.
    ///
    /// # Errors
    /// When the Secret cannot be written, or another client wrote meanwhile.
    pub async fn put(&self, site: &str, kubeconfig: &str) -> Result<()> {
        let value = json!(ByteString(kubeconfig.as_bytes().to_vec()));
        if let Some(secret) = &self.secret {
            return self.merge(secret, site, value).await;
        }
        let mut secret = manifest(&self.home.target.namespace);
        secret["data"] = json!({ site: value });
        let secret: DynamicObject = serde_json::from_value(secret)
            .map_err(|error| CliError::failed(format!("cannot write {SITES}: {error}")))?;
        site_objects::create(self.home, &SECRETS, SITES, &secret).await
    }

    /// Unregisters a site.
    ///
    /// # Errors
    /// When the Secret cannot be written, or another client wrote meanwhile.
    pub async fn remove(&self, site: &str) -> Result<()> {
        match &self.secret {
            Some(secret) => self.merge(secret, site, Value::Null).await,
            None => Ok(()),
        }
    }

    async fn merge(&self, secret: &DynamicObject, site: &str, value: Value) -> Result<()> {
        let observed = secret.resource_version();
        let patch = json!({ "metadata": { "resourceVersion": observed }, "data": { site: value } });
        site_objects::merge(self.home, &SECRETS, SITES, &patch).await
    }
}

/// The Secret without sites.
pub fn manifest(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": SITES,
            "namespace": namespace,
            "labels": { "app.kubernetes.io/name": ACCOUNT },
        },
        "type": "Opaque",
    })
}

/// A value of a Secret.
pub fn bytes(secret: &DynamicObject, key: &str) -> Option<Vec<u8>> {
    let value = secret.data["data"].get(key)?.clone();
    let ByteString(bytes) = serde_json::from_value(value).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}
