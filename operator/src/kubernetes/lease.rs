//! The Lease object: reads and guarded writes.

use std::time::Duration;

use casskop_core::lease::Record;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ObjectMeta, PostParams},
};

/// One Lease, with a deadline for each request.
pub struct LeaseApi {
    api: Api<Lease>,
    name: String,
    deadline: Duration,
    /// Metadata of the last read: a replacement keeps the labels and annotations of others.
    metadata: ObjectMeta,
}

impl LeaseApi {
    /// The Lease of this name. The client must not be one that only a leader may use.
    pub fn new(client: Client, namespace: &str, name: &str, deadline: Duration) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            deadline,
            metadata: ObjectMeta::default(),
        }
    }

    /// Reads the Lease; nothing if it does not exist.
    ///
    /// # Errors
    /// The API server rejects the request or does not respond in time.
    pub async fn read(&mut self) -> Result<Option<Record>, kube::Error> {
        let found = self.in_time(self.api.get_opt(&self.name)).await?;
        Ok(found.map(|lease| {
            self.metadata = lease.metadata.clone();
            record(&lease)
        }))
    }

    /// Creates the Lease, or replaces the version in the record.
    ///
    /// # Errors
    /// The Lease has another version by now (409), or the API server rejects the request or does not respond in time:
    /// then it is not known whether the Lease was written.
    pub async fn write(&mut self, record_: &Record) -> Result<Record, kube::Error> {
        let mut lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(spec(record_)),
        };
        let params = PostParams::default();
        let written = match &record_.version {
            None => self.in_time(self.api.create(&params, &lease)).await?,
            Some(version) => {
                lease.metadata = ObjectMeta {
                    resource_version: Some(version.clone()),
                    managed_fields: None,
                    name: Some(self.name.clone()),
                    ..self.metadata.clone()
                };
                let replaced = self.api.replace(&self.name, &params, &lease);
                self.in_time(replaced).await?
            }
        };
        self.metadata = written.metadata.clone();
        Ok(record(&written))
    }

    async fn in_time<T>(
        &self,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, kube::Error> {
        tokio::time::timeout(self.deadline, request)
            .await
            .unwrap_or_else(|_| {
                let late = format!("no answer within {:?}", self.deadline);
                Err(kube::Error::Service(late.into()))
            })
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        seconds: u16::try_from(seconds).unwrap_or(if seconds < 0 { 0 } else { u16::MAX }),
        transitions: spec.lease_transitions.unwrap_or_default(),
        acquired: spec.acquire_time.map(|time| time.0),
        renewed: spec.renew_time.map(|time| time.0),
        version: lease.resource_version(),
    }
}

fn spec(record: &Record) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(record.holder.clone()),
        lease_duration_seconds: Some(record.seconds.into()),
        lease_transitions: Some(record.transitions),
        acquire_time: record.acquired.map(MicroTime),
        renew_time: record.renewed.map(MicroTime),
        ..LeaseSpec::default()
    }
}
