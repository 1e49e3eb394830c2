//! `install`: what puts the operator into a Kubernetes cluster.

use clap::{Args, Command};

use super::PROGRAM;

/// Image of the operator that belongs to this plugin.
const IMAGE: &str = concat!("casskop/casskop-operator:", env!("CARGO_PKG_VERSION"));

/// Arguments of `install generate`; the operator's namespace is the `--namespace` that all commands have.
#[derive(Args, Clone, Debug)]
pub struct Generate {
    /// Image of the operator
    #[arg(long, value_name = "IMAGE", default_value = IMAGE, value_parser = image)]
    pub image: String,
    /// Namespace whose clusters it runs (default: its own)
    #[arg(long, value_name = "NAMESPACE", value_parser = namespace)]
    pub watch_namespace: Option<String>,
    /// It runs the clusters of all namespaces
    #[arg(long, conflicts_with = "watch_namespace")]
    pub watch_all_namespaces: bool,
    /// Also the operator of rings over several Kubernetes clusters, which knows this one, their home, by the name SITE
    #[arg(long, value_name = "SITE", value_parser = super::site)]
    pub multi: Option<String>,
}

/// The command with its subcommand.
pub fn command() -> Command {
    let generate = Generate::augment_args(Command::new("generate"))
        .about("Print the manifests of the operator and its CRD as YAML")
        .after_help(HELP);
    Command::new("install")
        .about("Print what installs the operator, for kubectl apply or for Git")
        .override_usage(format!("{PROGRAM} install generate [OPTIONS]"))
        .subcommand(generate)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
}

fn image(text: &str) -> Result<String, String> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || !c.is_ascii();
    if text.is_empty() || text.contains(odd) {
        return Err("an image is written as name:tag or name@sha256:digest".into());
    }
    Ok(text.to_owned())
}

/// The name of a namespace, as the API server takes it (RFC 1123 label).
///
/// # Errors
/// When it is none.
pub fn namespace(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let framed = text.starts_with('-') || text.ends_with('-');
    if text.is_empty() || text.len() > 63 || framed || !text.chars().all(known) {
        return Err(
            "a namespace has at most 63 lower-case letters, digits and '-' between them".into(),
        );
    }
    Ok(text.to_owned())
}

const HELP: &str = "The operator's namespace is --namespace (default: casskop, whatever the context says); it is printed, too.
Nothing is asked of a server: the manifests are part of this plugin and fit its version.

Examples:
  kubectl casskop install generate | kubectl apply --server-side -f -
  kubectl casskop install generate -n cassandra --image mirror/casskop-operator:0.1.0
  kubectl casskop install generate --watch-namespace shop > casskop.yaml
  kubectl casskop install generate --multi north | kubectl apply --server-side -f -

Exit codes: 0 done, 1 failed, 2 wrong usage.";
