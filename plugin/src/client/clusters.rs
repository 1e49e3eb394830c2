//! Calls about `CassandraCluster`s.

use std::{future::Future, time::Duration};

use casskop_common::{api::CassandraCluster, names, readable::Readable};
use futures::stream::BoxStream;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, ObjectList, Patch, PatchParams, WatchEvent, WatchParams},
};
use serde_json::Value;

use super::{
    connect,
    connection::Connection,
    failure::{self, Call},
    listed::Listed,
    resource::{API_VERSION, CLUSTERS},
    target::Target,
};
use crate::{
    error::{CliError, Result},
    text,
};

/// Seconds after which the server ends a watch, which is then opened again: this detects dead connections.
const WATCH_SECONDS: u32 = 120;

/// The result of a guarded write.
pub enum Patched {
    /// The object as it is now.
    Written(Box<CassandraCluster>),
    /// Another client wrote in between.
    Conflict,
}

/// The clusters of one namespace.
pub struct Clusters {
    api: Api<CassandraCluster>,
    client: Client,
    limit: Option<Duration>,
    /// The API server and the namespace.
    pub target: Target,
}

impl Clusters {
    /// Connects as the flags specify.
    ///
    /// # Errors
    /// When there is no usable kubeconfig.
    pub fn connect(flags: &Connection) -> Result<Self> {
        let (client, target) = connect::connect(flags)?;
        let api = Api::namespaced(client.clone(), &target.namespace);
        Ok(Self {
            api,
            client,
            limit: connect::limit(flags),
            target,
        })
    }

    /// The version of the API server, such as `v1.34.4`.
    ///
    /// # Errors
    /// When the API server cannot be reached, or refuses to tell.
    pub async fn version(&self) -> Result<String> {
        let call = Call {
            verb: "get",
            resource: &API_VERSION,
            name: None,
            namespace: None,
        };
        let info = self.ask(&call, self.client.apiserver_version()).await?;
        Ok(info.git_version)
    }

    /// One cluster.
    ///
    /// # Errors
    /// When there is none of that name, with the nearest one; or when it cannot be read.
    pub async fn get(&self, name: &str) -> Result<CassandraCluster> {
        match self.find(name).await? {
            Some(cluster) => Ok(cluster),
            None => Err(self.not_found(name).await),
        }
    }

    /// One cluster, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn find(&self, name: &str) -> Result<Option<CassandraCluster>> {
        self.ask(&self.about("get", name), self.fetch(name)).await
    }

    /// One cluster, if there is one.
    ///
    /// # Errors
    /// As the API server has them: the caller knows which it survives.
    pub async fn fetch(&self, name: &str) -> kube::Result<Option<CassandraCluster>> {
        match self.api.get(name).await {
            Err(kube::Error::Api(status)) if failure::is_missing_object(&status) => Ok(None),
            found => found.map(Some),
        }
    }

    /// The clusters of the namespace, or of `all` namespaces.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn list(&self, all: bool) -> Result<Listed<CassandraCluster>> {
        let listed = self.fetch_all(all).await?;
        let listed = listed.map_err(|error| self.all_failed("list", all, &error))?;
        Ok(Listed::of(&CLUSTERS, listed))
    }

    /// The clusters of the namespace, or of `all` namespaces, and the version of the list.
    ///
    /// # Errors
    /// A timeout; others as the API server has them: the caller knows which it survives.
    pub async fn fetch_all(
        &self,
        all: bool,
    ) -> Result<kube::Result<ObjectList<Readable<CassandraCluster>>>> {
        let call = self.about_all("list", all);
        let api = self.api_of_all(all);
        self.answer(&call, api.list(&ListParams::default())).await
    }

    /// Changes of the clusters of the namespace, or of `all` namespaces, after `version`.
    ///
    /// # Errors
    /// As the API server has them: the caller knows which it survives.
    pub async fn watch_all(
        &self,
        all: bool,
        version: &str,
    ) -> kube::Result<BoxStream<'static, kube::Result<WatchEvent<Readable<CassandraCluster>>>>>
    {
        let params = WatchParams::default().timeout(WATCH_SECONDS);
        Ok(Box::pin(
            self.api_of_all(all).watch(&params, version).await?,
        ))
    }

    /// An error of a list or watch of the clusters, explained.
    pub fn all_failed(&self, verb: &'static str, all: bool, error: &kube::Error) -> CliError {
        failure::call(error, &self.about_all(verb, all), &self.target)
    }

    fn api_of_all(&self, all: bool) -> Api<Readable<CassandraCluster>> {
        if all {
            Api::all(self.client.clone())
        } else {
            Api::namespaced(self.client.clone(), &self.target.namespace)
        }
    }

    fn about_all(&self, verb: &'static str, all: bool) -> Call<'_> {
        Call {
            verb,
            resource: &CLUSTERS,
            name: None,
            namespace: (!all).then_some(&self.target.namespace),
        }
    }

    /// Merges `patch` into a cluster, as the plugin's field manager.
    ///
    /// # Errors
    /// When it is refused for another reason than a write of another client in between.
    pub async fn patch(&self, name: &str, patch: &Value) -> Result<Patched> {
        let call = self.about("patch", name);
        let params = PatchParams {
            field_manager: Some(names::PLUGIN_MANAGER.into()),
            ..PatchParams::default()
        };
        match self
            .answer(&call, self.api.patch(name, &params, &Patch::Merge(patch)))
            .await?
        {
            Ok(cluster) => Ok(Patched::Written(Box::new(cluster))),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Patched::Conflict),
            Err(error) => Err(failure::call(&error, &call, &self.target)),
        }
    }

    /// Changes of one cluster after `version`.
    ///
    /// # Errors
    /// As the API server has them: the caller knows which it survives.
    pub async fn watch(
        &self,
        name: &str,
        version: &str,
    ) -> kube::Result<BoxStream<'static, kube::Result<WatchEvent<CassandraCluster>>>> {
        let params = WatchParams::default()
            .fields(&format!("metadata.name={name}"))
            .timeout(WATCH_SECONDS);
        Ok(Box::pin(self.api.watch(&params, version).await?))
    }

    /// An error of a watch, explained.
    pub fn watch_failed(&self, name: &str, error: &kube::Error) -> CliError {
        failure::call(error, &self.about("watch", name), &self.target)
    }

    fn about<'a>(&'a self, verb: &'static str, name: &'a str) -> Call<'a> {
        Call {
            verb,
            resource: &CLUSTERS,
            name: Some(name),
            namespace: Some(&self.target.namespace),
        }
    }

    /// The client, for objects beside the clusters.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The answer of a call.
    ///
    /// # Errors
    /// The explained error; a timeout.
    pub async fn ask<T>(
        &self,
        call: &Call<'_>,
        asked: impl Future<Output = kube::Result<T>>,
    ) -> Result<T> {
        let answer = self.answer(call, asked).await?;
        answer.map_err(|error| failure::call(&error, call, &self.target))
    }

    async fn answer<T>(&self, call: &Call<'_>, asked: impl Future<Output = T>) -> Result<T> {
        match self.limit {
            None => Ok(asked.await),
            Some(limit) => tokio::time::timeout(limit, asked)
                .await
                .map_err(|_| failure::silent(call, limit, &self.target)),
        }
    }

    /// No such cluster: names the nearest one, if listing is allowed.
    async fn not_found(&self, name: &str) -> CliError {
        let Target {
            namespace,
            connection_args,
            ..
        } = &self.target;
        let error = CliError::failed(format!(
            "there is no cassandracluster {name} in namespace {namespace}"
        ));
        let Ok(clusters) = self.list(false).await else {
            return error.hint(format!(
                "list them: kubectl casskop status{connection_args}"
            ));
        };
        let names = clusters.names(ResourceExt::name_any);
        if names.is_empty() {
            return error
                .hint(format!("namespace {namespace} has none; choose another with -n, or see all: kubectl casskop status{connection_args} -A"));
        }
        match text::nearest(name, names.iter().map(String::as_str)) {
            Some(nearest) => error.hint(format!("did you mean {nearest}?")),
            None => error.hint(format!("its clusters: {}", text::list(&names))),
        }
    }
}
