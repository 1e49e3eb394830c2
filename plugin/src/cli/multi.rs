//! `multi`: one ring over several Kubernetes clusters, and the sites that it may use.

use clap::{Args, Command};

use super::{
    PROGRAM,
    see::StatusOutput,
    words::{SHORT_EXIT_CODES, object_name},
};

/// Arguments of `multi register`.
#[derive(Args, Clone, Debug)]
pub struct Register {
    /// Name of the site (default: that of its context)
    #[arg(value_name = "SITE", value_parser = site)]
    pub site: Option<String>,
    /// Context of the kubeconfig that leads to the site
    #[arg(long, value_name = "CONTEXT")]
    pub site_context: String,
    /// Namespace there (default: the same as at home)
    #[arg(long, value_name = "NAMESPACE", value_parser = super::namespace)]
    pub site_namespace: Option<String>,
    /// Address at which pods of the home cluster reach its API server (default: that of the context)
    #[arg(long, value_name = "URL", value_parser = url)]
    pub site_server: Option<String>,
    /// Let the name lead to another API server than it does now
    #[arg(long)]
    pub replace: bool,
    /// Ask nobody and write nothing, only print the objects, without the token
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `multi unregister`.
#[derive(Args, Clone, Debug)]
pub struct Unregister {
    /// Name of the site
    #[arg(value_name = "SITE", value_parser = site)]
    pub site: String,
    /// Context of the kubeconfig that leads to the site: takes the account there away, too
    #[arg(long, value_name = "CONTEXT")]
    pub site_context: Option<String>,
    /// Namespace there (default: the same as at home)
    #[arg(long, value_name = "NAMESPACE", requires = "site_context", value_parser = super::namespace)]
    pub site_namespace: Option<String>,
}

/// Arguments of `multi status`.
#[derive(Args, Clone, Debug)]
pub struct MultiStatus {
    /// Name of the resource; left out: a table of all
    #[arg(value_name = "RING", value_parser = object_name)]
    pub name: Option<String>,
    /// text, json, yaml or name
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    pub output: StatusOutput,
}

/// The command with its subcommands.
pub fn command() -> Command {
    let help = |text: &str| format!("{text}\n{SHORT_EXIT_CODES}");
    Command::new("multi")
        .about("See a ring over several Kubernetes clusters, and say which clusters there are")
        .override_usage(format!("{PROGRAM} multi COMMAND [OPTIONS]"))
        .subcommand(
            MultiStatus::augment_args(Command::new("status"))
                .about("Show a ring by site: data centers, nodes, reachability, operations")
                .after_help(help(STATUS_HELP)),
        )
        .subcommand(
            Register::augment_args(Command::new("register"))
                .about("Let the operator of the home cluster into another one, as a site")
                .after_help(help(REGISTER_HELP)),
        )
        .subcommand(
            Unregister::augment_args(Command::new("unregister"))
                .about("Take a site that no MultiCasskop uses away")
                .after_help(help(UNREGISTER_HELP)),
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
}

/// The name of a site: it is a key of a Secret and the name of a file, and files that begin with a dot are none.
///
/// # Errors
/// When it is none.
pub fn site(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if text.is_empty() || text.len() > 253 || text.starts_with('.') || !text.chars().all(known) {
        return Err(
            "the name of a site has letters, digits, '-', '_' and '.', and begins with no '.'"
                .into(),
        );
    }
    Ok(text.to_owned())
}

fn url(text: &str) -> Result<String, String> {
    let host = text
        .strip_prefix("https://")
        .or(text.strip_prefix("http://"));
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '@';
    match host {
        Some(host) if !host.is_empty() && !host.contains(odd) => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err("an address is written as https://HOST:PORT".into()),
    }
}

const STATUS_HELP: &str = "Examples:
  kubectl casskop multi status            a table of all rings over several clusters
  kubectl casskop multi status orders     one ring, site by site
  kubectl casskop multi status orders -o json

All of it comes from the status of the MultiCasskop in the home cluster; no site is asked. Of a site that
cannot be reached it is what was last seen.";

const REGISTER_HELP: &str = "The connection options choose the home cluster, where the MultiCasskop and its operator are.
In the site: a ServiceAccount, Role and RoleBinding casskop-multi with the few rights that the operator needs, and
a Secret with its token. At home: a kubeconfig with that token, as a key of the Secret casskop-multi-sites. The
operator finds it within about a minute; it needs no restart. Registering again renews it.

Examples:
  kubectl casskop multi register --site-context south
  kubectl casskop multi register south -n shop --site-context admin@south --site-server https://10.0.2.1:6443
  kubectl casskop multi register --site-context south --dry-run
";

const UNREGISTER_HELP: &str =
    "It is refused as long as a MultiCasskop of the namespace names the site.

Examples:
  kubectl casskop multi unregister south
  kubectl casskop multi unregister south --site-context admin@south
";
