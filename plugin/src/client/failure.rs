//! Explains a failed call: its meaning, and next steps.

use std::{error::Error as _, time::Duration};

use casskop_common::api::GROUP;
use kube::{client::AuthError, core::Status};

use super::{
    resource::{CLUSTERS, Resource},
    target::Target,
};
use crate::{
    error::{CliError, Kind},
    model::manifest::without_namespace,
    text::{self, plain},
};

/// A call of the API server.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// The verb: `get`, `list`, `patch`, `watch`.
    pub verb: &'static str,
    /// The kind of object.
    pub resource: &'static Resource,
    /// Name of the object; none for all objects.
    pub name: Option<&'a str>,
    /// Namespace; none for all namespaces.
    pub namespace: Option<&'a str>,
}

impl Call<'_> {
    fn what(&self) -> String {
        let what = match self.name {
            Some(name) => format!("{} {name}", self.resource.singular),
            None => self.resource.plural.to_owned(),
        };
        format!("{what} in {}", self.scope())
    }

    fn scope(&self) -> String {
        self.namespace.map_or_else(
            || "all namespaces".into(),
            |name| format!("namespace {name}"),
        )
    }
}

/// Whether another attempt may succeed.
pub fn is_transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code >= 500 || status.code == 429 || status.code == 410,
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}

/// A call that failed.
pub fn call(error: &kube::Error, call: &Call, target: &Target) -> CliError {
    match error {
        kube::Error::Api(status) => refused(status, call, target),
        kube::Error::HyperError(_) | kube::Error::Service(_) => match credentials(error) {
            Some(error) => no_credentials(error, target),
            None => unreachable(&cause(error), target),
        },
        kube::Error::SerdeError(error) => CliError::failed(format!(
            "cannot read the answer about {}: {error}",
            call.what()
        ))
        .hint("the CRD on that server may be newer than this plugin: kubectl casskop version"),
        other => connecting(other, target),
    }
}

/// No client could be made.
pub fn connecting(error: &kube::Error, target: &Target) -> CliError {
    match error {
        kube::Error::Auth(error) => no_credentials(error, target),
        other => CliError::failed(format!("cannot use {}: {}", target.source, cause(other)))
            .hint("check it with kubectl: kubectl config view --minify"),
    }
}

/// The API server did not answer in time.
pub fn silent(call: &Call, limit: Duration, target: &Target) -> CliError {
    let message = format!(
        "no answer from {} within {}s, to {} {}",
        target.server,
        limit.as_secs_f64(),
        call.verb,
        call.what()
    );
    CliError::new(Kind::NoAnswer, message)
        .hint(format!("the server is that of {}", target.source))
        .hint(
            "wait longer with --request-timeout, or check that the server answers: kubectl version",
        )
}

fn refused(status: &Status, call: &Call, target: &Target) -> CliError {
    let (verb, what, message) = (call.verb, call.what(), plain(status.message.trim()));
    match status.code {
        401 => CliError::failed(format!(
            "{} does not accept the credentials of {}",
            target.server, target.source
        ))
        .hint(match &target.auth_provider {
            Some(provider) => format!(
                "kubectl renews the token of the provider {provider} in the kubeconfig: run kubectl version, and then again"
            ),
            None => "log in again, or check your identity: kubectl auth whoami".to_owned(),
        }),
        403 if message.contains("cannot ") => {
            let message = message.rsplit("is forbidden: ").next().unwrap_or_default();
            CliError::failed(format!("you may not {verb} {what}: {message}"))
                .hint(format!(
                    "request permission for the verb {verb} on {} in {} (docs/permissions.md has a Role)",
                    call.resource.name(),
                    call.scope()
                ))
                .hint(format!(
                    "check your identity: kubectl auth whoami{}",
                    target.connection_args
                ))
        }
        404 if !is_missing_object(status) && call.resource.group == GROUP => {
            let install = match call.resource {
                known if *known == CLUSTERS => format!(
                    "kubectl casskop install generate | kubectl apply{} --server-side -f -",
                    without_namespace(&target.connection_args)
                ),
                _ => {
                    "kubectl apply --server-side -f manifests/crds; kubectl apply -k manifests/multi".to_owned()
                }
            };
            CliError::failed(format!(
                "{} does not know {}: CassKop is not installed there",
                target.server,
                call.resource.name()
            ))
            .hint(format!("install it: {install}"))
            .hint(format!(
                "or choose another cluster with --context; this is {}",
                target.source
            ))
        }
        404 => CliError::failed(format!("there is no {what}")),
        code => {
            let how = if code >= 500 { "failed" } else { "refused" };
            let server = &target.server;
            let error = CliError::failed(format!(
                "{server} {how} to {verb} {what}: {message} (HTTP {code})"
            ));
            if code < 500 {
                return error;
            }
            error.hint(
                "the fault may be temporary: run the command again, or check the API server: kubectl get --raw '/readyz?verbose'",
            )
        }
    }
}

/// Whether the object is missing, in contrast to its kind.
pub fn is_missing_object(status: &Status) -> bool {
    let named = status
        .details
        .as_ref()
        .is_some_and(|details| !details.name.is_empty());
    status.code == 404
        && (named || status.message.ends_with("not found") && status.reason == "NotFound")
}

fn unreachable(cause: &str, target: &Target) -> CliError {
    let error = CliError::failed(format!(
        "cannot reach the API server {}: {cause}",
        target.server
    ))
    .hint(format!("the address is that of {}", target.source));
    if cause.contains("certificate") {
        return error.hint("name its authority with --certificate-authority FILE");
    }
    error.hint("is it up, and this network the right one? Others: kubectl config get-contexts")
}

fn credentials(error: &kube::Error) -> Option<&AuthError> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(auth) = error.downcast_ref() {
            return Some(auth);
        }
        source = error.source();
    }
    None
}

/// The stdout of a credential program is a secret; only its stderr is printed.
fn no_credentials(error: &AuthError, target: &Target) -> CliError {
    let why = match error {
        AuthError::AuthExecRun { out, .. } => {
            let message = String::from_utf8_lossy(&out.stderr);
            format!("it ended with {}: {}", out.status, plain(message.trim()))
        }
        AuthError::AuthExecParse(_) => "its output is no ExecCredential".into(),
        other => other.to_string(),
    };
    let program = target.credentials.as_deref().unwrap_or_default();
    let (name, install) = program.split_once(": ").unwrap_or((program, ""));
    let who = if name.is_empty() {
        String::new()
    } else {
        format!(" from {name}")
    };
    let error = CliError::failed(format!("no credentials{who} for {}: {why}", target.source));
    if install.is_empty() {
        error
    } else {
        error.hint(text::plain(install))
    }
}

/// The innermost cause.
pub fn cause(error: &kube::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}
