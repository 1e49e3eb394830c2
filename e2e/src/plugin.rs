//! The plugin, run as a separate program.

use std::path::Path;

use crate::{
    command::{self, Output, setting},
    kubectl::Kubectl,
};

/// Runs `kubectl casskop` in the namespace of `kubectl`.
pub fn casskop(kubectl: &Kubectl, args: &[&str]) -> Output {
    let mut command = kubectl.site.inside(&setting("KUBECTL_CASSKOP"));
    command.args(["-n", &kubectl.namespace]).args(args);
    command::run(command, "")
}

/// The same with the credentials of a different user.
pub fn casskop_as(kubeconfig: &Path, kubectl: &Kubectl, args: &[&str]) -> Output {
    let mut command = kubectl.site.inside(&setting("KUBECTL_CASSKOP"));
    command
        .env("KUBECONFIG", kubeconfig)
        .args(["-n", &kubectl.namespace])
        .args(args);
    command::run(command, "")
}
