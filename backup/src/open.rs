//! Opens the store of a job.

use std::sync::Arc;
use std::time::Duration;

use casskop_backup_protocol::{Azure, Gcs, Limits, S3, Store, StoreKind};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, RetryConfig};

use crate::credentials::Credentials;
use crate::error::{Failure, Result};
use crate::http::Connector;

/// The client of a store.
///
/// # Errors
/// The store is not written as it has to be, or its folder is not there.
pub fn open(
    store: &Store,
    credentials: &Credentials,
    limits: &Limits,
) -> Result<Arc<dyn ObjectStore>> {
    let unusable = |error: &dyn std::fmt::Display| {
        Failure::failed("use the store", error, "correct the store of the job")
    };
    let kind = store.kind().map_err(|error| unusable(&error))?;
    limits.check().map_err(|error| {
        Failure::failed(
            "use the limits of the job",
            error,
            "correct the limits of the job",
        )
    })?;
    let opened = match kind {
        StoreKind::S3(s3) => open_s3(s3, credentials, limits)?,
        StoreKind::Gcs(gcs) => open_gcs(gcs, credentials, limits)?,
        StoreKind::Azure(azure) => open_azure(azure, credentials, limits)?,
        // The folder is mounted: made here, it would be one of the container, and end with it.
        StoreKind::Path(path) => LocalFileSystem::new_with_prefix(path)
            .map(|folder| Arc::new(folder.with_fsync(true)) as Arc<dyn ObjectStore>)
            .map_err(|error| {
                Failure::failed(
                    format!("use the folder {path}"),
                    error,
                    "mount the volume of the store there",
                )
            })?,
    };
    Ok(opened)
}

fn retries(limits: &Limits) -> RetryConfig {
    RetryConfig {
        retry_timeout: Duration::from_secs(limits.retry_seconds.into()),
        ..RetryConfig::default()
    }
}

fn deadline(limits: &Limits) -> Duration {
    Duration::from_secs(limits.request_seconds.max(1).into())
}

fn wrong(error: &object_store::Error) -> Failure {
    Failure::failed(
        "use the store",
        error,
        "check the store of the job and its credentials",
    )
}

fn open_s3(s3: &S3, credentials: &Credentials, limits: &Limits) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = AmazonS3Builder::new();
    let mut endpoint = None;
    for (key, value) in credentials.with_prefix("AWS_") {
        if let Ok(known) = key.to_ascii_lowercase().parse() {
            builder = builder.with_config(known, value);
        }
        if key == "AWS_ENDPOINT" || key == "AWS_ENDPOINT_URL" {
            endpoint = Some(value);
        }
    }
    if let Some(region) = &s3.region {
        builder = builder.with_region(region);
    }
    endpoint = s3.endpoint.as_deref().or(endpoint);
    if let Some(url) = endpoint {
        builder = builder
            .with_endpoint(url.trim_end_matches('/'))
            .with_allow_http(url.starts_with("http://"));
    }
    let path_style = s3.path_style.unwrap_or(endpoint.is_some());
    builder
        .with_bucket_name(&s3.bucket)
        .with_virtual_hosted_style_request(!path_style)
        // Not every server knows it, and its answer does not say which objects are locked.
        .with_disable_bulk_delete(true)
        .with_retry(retries(limits))
        .with_http_connector(Connector::new(s3.ca.as_deref(), deadline(limits))?)
        .build()
        .map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
        .map_err(|error| wrong(&error))
}

fn open_gcs(gcs: &Gcs, credentials: &Credentials, limits: &Limits) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = GoogleCloudStorageBuilder::new();
    for (key, value) in credentials.with_prefix("GOOGLE_") {
        if let Ok(known) = key.to_ascii_lowercase().parse() {
            builder = builder.with_config(known, value);
        }
    }
    builder
        .with_bucket_name(&gcs.bucket)
        .with_retry(retries(limits))
        .with_http_connector(Connector::new(None, deadline(limits))?)
        .build()
        .map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
        .map_err(|error| wrong(&error))
}

fn open_azure(
    azure: &Azure,
    credentials: &Credentials,
    limits: &Limits,
) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = MicrosoftAzureBuilder::new();
    for (key, value) in credentials.with_prefix("AZURE_") {
        if let Ok(known) = key.to_ascii_lowercase().parse() {
            builder = builder.with_config(known, value);
        }
    }
    if let Some(account) = &azure.account {
        builder = builder.with_account(account);
    }
    if let Some(url) = &azure.endpoint {
        builder = builder
            .with_endpoint(url.clone())
            .with_allow_http(url.starts_with("http://"));
    }
    builder
        .with_container_name(&azure.container)
        .with_retry(retries(limits))
        .with_http_connector(Connector::new(None, deadline(limits))?)
        .build()
        .map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
        .map_err(|error| wrong(&error))
}
