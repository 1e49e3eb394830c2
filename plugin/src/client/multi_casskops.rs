//! `MultiCasskop`s on the API server.

use casskop_common::{api::MultiCasskop, readable::Readable};
use kube::{Api, ResourceExt, api::ListParams};

use super::{
    clusters::Clusters,
    failure::{self, Call},
    listed::Listed,
    resource::RINGS,
};
use crate::{
    error::{CliError, Result},
    text,
};

/// One.
///
/// # Errors
/// When there is none of that name, with the nearest one; or when it cannot be read.
pub async fn get(home: &Clusters, name: &str) -> Result<MultiCasskop> {
    let namespace = home.target.namespace.as_str();
    let call = Call {
        verb: "get",
        resource: &RINGS,
        name: Some(name),
        namespace: Some(namespace),
    };
    let api: Api<MultiCasskop> = Api::namespaced(home.client().clone(), namespace);
    let asked = async {
        match api.get(name).await {
            Err(kube::Error::Api(status)) if failure::is_missing_object(&status) => Ok(None),
            found => found.map(Some),
        }
    };
    if let Some(found) = home.ask(&call, asked).await? {
        return Ok(found);
    }
    let error = CliError::failed(format!(
        "there is no multicasskop {name} in namespace {namespace}"
    ));
    let Ok(others) = list(home).await else {
        return Err(error);
    };
    let names = others.names(ResourceExt::name_any);
    Err(
        match text::nearest(name, names.iter().map(String::as_str)) {
            Some(nearest) => error.hint(format!("did you mean {nearest}?")),
            None => error.hint(format!("its MultiCasskops: {}", text::list(&names))),
        },
    )
}

/// All of the namespace.
///
/// # Errors
/// When they cannot be listed.
pub async fn list(home: &Clusters) -> Result<Listed<MultiCasskop>> {
    let namespace = home.target.namespace.as_str();
    let call = Call {
        verb: "list",
        resource: &RINGS,
        name: None,
        namespace: Some(namespace),
    };
    let api: Api<Readable<MultiCasskop>> = Api::namespaced(home.client().clone(), namespace);
    let listed = home.ask(&call, api.list(&ListParams::default())).await?;
    Ok(Listed::of(&RINGS, listed))
}
