//! The current sites: a client for each, and whether the site responds. A site that does not respond is not called
//! for a short time, so that reconciliations do not wait for it repeatedly.

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use casskop_core::multi::plan::PAUSE;
use kube::{Client, Config};
use tokio::task::JoinHandle;

use crate::{kubernetes::gate, leadership::Leadership, multi::sources::Source};

/// Longest time for a response of a site.
const DEADLINE: Duration = Duration::from_secs(4);

/// Longest silence of a watch: a watch requests bookmarks and ends earlier by itself.
const SILENCE: Duration = Duration::from_secs(300);

/// A Kubernetes cluster.
pub struct Site {
    /// Name of the site.
    pub name: String,
    /// The client, or the reason why there is none.
    client: Result<Client, String>,
    fingerprint: u64,
    failed: Mutex<Option<(Instant, String)>>,
}

impl Site {
    fn new(source: Source, leadership: &Leadership) -> Self {
        Self {
            name: source.name,
            client: source.config.and_then(|config| connect(config, leadership)),
            fingerprint: source.fingerprint,
            failed: Mutex::default(),
        }
    }

    /// The client of the site.
    ///
    /// # Errors
    /// The reason why there is no client.
    pub fn client(&self) -> Result<&Client, String> {
        self.client.as_ref().map_err(Clone::clone)
    }

    /// Sends a request to the site, with a deadline.
    ///
    /// # Errors
    /// The reason, as text, why there is no result: the site does not respond, or denies access. A site that failed a
    /// moment ago is not called.
    pub async fn ask<T>(
        &self,
        request: impl AsyncFnOnce(&Client) -> Result<T, kube::Error>,
    ) -> Result<T, String> {
        let client = self.client()?;
        if let Some(why) = self.failed_just_now() {
            return Err(why);
        }
        let (outcome, answers) = match tokio::time::timeout(DEADLINE, request(client)).await {
            Ok(Ok(answer)) => (Ok(answer), true),
            Ok(Err(error)) => (Err(in_words(&error)), is_about_an_object(&error)),
            Err(_) => {
                let limit = DEADLINE.as_secs();
                let late = format!("its API server did not answer within {limit} s");
                (Err(late), false)
            }
        };
        let failed = outcome.as_ref().err().filter(|_| !answers);
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) =
            failed.map(|why| (Instant::now(), why.clone()));
        outcome
    }

    fn failed_just_now(&self) -> Option<String> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, why) = failed.as_ref()?;
        (at.elapsed() < PAUSE).then(|| why.clone())
    }
}

/// The configuration of a client, with the deadlines of a site.
pub fn within(mut config: Config) -> Config {
    config.connect_timeout = Some(DEADLINE);
    config.read_timeout = Some(SILENCE);
    config
}

/// A client that writes only while this process is the leader.
fn connect(config: Config, leadership: &Leadership) -> Result<Client, String> {
    gate::client(within(config), leadership).map_err(|error| format!("set up the client: {error}"))
}

/// Whether an error is about one object or one namespace: it does not imply anything about the others of the site.
fn is_about_an_object(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code < 500 && !matches!(status.code, 401 | 429),
        kube::Error::SerdeError(_) => true,
        _ => false,
    }
}

/// Text of an error of a site: the cause and the next action.
fn in_words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 401 => {
            "its API server refuses the token (401), which may have expired: register the site again"
                .into()
        }
        kube::Error::Api(status) if status.code == 403 => format!(
            "its API server denies the request (403): {}; register the site again, or grant the permission",
            status.message
        ),
        kube::Error::Api(status) if status.code == 404 => format!(
            "it lacks something (404): {}; create the namespace there, and apply manifests/crds",
            status.message
        ),
        kube::Error::Api(status) => {
            format!("its API server answers {}: {}", status.code, status.message)
        }
        kube::Error::SerdeError(error) => format!("the answer of its API server cannot be read: {error}"),
        error => format!("its API server does not answer: {}", chain(error)),
    }
}

/// The text of an error and its causes; the cause explains the failure.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        below = error.source();
    }
    text
}

/// All sites, the home cluster first.
pub struct Sites {
    all: RwLock<Vec<Arc<Watched>>>,
    leadership: Leadership,
}

/// A site and the task that watches it. The task ends with this value.
pub struct Watched {
    /// The site.
    pub site: Arc<Site>,
    task: JoinHandle<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sites {
    /// No sites yet.
    pub fn new(leadership: Leadership) -> Self {
        Self {
            all: RwLock::default(),
            leadership,
        }
    }

    /// The current sites.
    pub fn list(&self) -> Vec<Arc<Site>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|watched| watched.site.clone()).collect()
    }

    /// Replaces the list of sites and keeps the sites that did not change. Returns whether any site changed.
    pub fn update(
        &self,
        sources: Vec<Source>,
        watch: impl Fn(Arc<Site>) -> JoinHandle<()>,
    ) -> bool {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = all.len() != sources.len();
        let next = sources
            .into_iter()
            .map(|source| {
                let same = all.iter().find(|old| {
                    old.site.name == source.name
                        && old.site.fingerprint == source.fingerprint
                        // A file that could not be read is retried.
                        && old.site.client.is_ok() == source.config.is_ok()
                });
                if let Some(same) = same {
                    return same.clone();
                }
                changed = true;
                let site = Arc::new(Site::new(source, &self.leadership));
                tracing::info!(site = site.name, error = site.client.as_ref().err(), "site");
                Arc::new(Watched {
                    task: watch(site.clone()),
                    site,
                })
            })
            .collect();
        *all = next;
        changed
    }
}

#[cfg(test)]
mod tests {
    use casskop_common::{api::CassandraCluster, readable::Readable};
    use kube::{Api, api::ListParams};
    use serde_json::json;

    use super::*;
    use crate::api_server::ApiServer;

    #[tokio::test]
    async fn an_answer_about_one_object_pauses_no_site() {
        let server = ApiServer::default();
        let path = "/apis/db.orange.com/v2/namespaces/ns/cassandraclusters/demo";
        server.with(|state| {
            state.put(
                path,
                json!({ "metadata": { "name": "demo" }, "spec": "no" }),
            )
        });
        let site = Site {
            name: "paris".into(),
            client: Ok(server.client()),
            fingerprint: 0,
            failed: Mutex::default(),
        };
        let all = async |client: &Client| {
            let clusters: Api<Readable<CassandraCluster>> = Api::namespaced(client.clone(), "ns");
            clusters.list(&ListParams::default()).await
        };
        let get = async |client: &Client, name: &str| {
            let clusters: Api<CassandraCluster> = Api::namespaced(client.clone(), "ns");
            clusters.get(name).await
        };
        for (name, said) in [("demo", "cannot be read"), ("other", "(404)")] {
            let why = site
                .ask(async |client: &Client| get(client, name).await)
                .await
                .unwrap_err();
            assert!(why.contains(said), "{why}");
            assert!(site.ask(all).await.is_ok(), "{name}");
        }
        server.with(|state| state.is_away = true);
        assert!(site.ask(all).await.is_err());
        server.with(|state| state.is_away = false);
        assert!(
            site.ask(all).await.is_err(),
            "a site that is silent is not called for a while"
        );
    }
}
