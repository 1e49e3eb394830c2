//! `dashboard`: a page in the browser, with all clusters.

use clap::Args;
use tokio::sync::watch;

use super::validators::{SHORT_EXIT_CODES, help};
use crate::{
    client::{clusters::Clusters, connect, connection::Connection},
    dashboard::{feed, server::Server},
    error::Result,
    model::fleet::{Fleet, Key},
    runtime::block_on,
    terminal::Ui,
    time,
    view::dashboard::{self, Inputs},
};

/// Show the clusters on a page in the browser: the ring, operations and their progress, live
#[derive(Args, Debug)]
#[command(after_help = help(HELP, SHORT_EXIT_CODES))]
pub struct Dashboard {
    /// The clusters of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Port of this machine to serve the page on; 0 is a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
}

impl Dashboard {
    /// Serves the page until Ctrl-C.
    ///
    /// # Errors
    /// When there is no usable kubeconfig, or the port is taken.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        block_on(async {
            // The page is read for hours, and its commands are copied into other shells.
            let flags = connect::pinned(flags)?;
            let clusters = Clusters::connect(&flags)?;
            let server = Server::bind(self.port).await?;
            ui.data(&server.link())?;
            ui.say("Open the link in a browser of this machine; it is as secret as a password. Ctrl-C ends the page.");
            let scope = if self.all_namespaces {
                "all namespaces".to_owned()
            } else {
                format!("namespace {}", clusters.target.namespace)
            };
            let scope = format!("{scope} of {}", clusters.target.server);
            let render = move |fleet: &Fleet, chosen: Option<&Key>| {
                let page = dashboard::page(
                    fleet,
                    chosen,
                    &Inputs {
                        scope: &scope,
                        connection_args: &|namespace| args_in(&flags, namespace),
                        now: time::now(),
                    },
                );
                serde_json::to_string(&page).unwrap_or_default()
            };
            let (sender, fleet) = watch::channel(Fleet::default());
            futures::join!(
                feed::run(&clusters, self.all_namespaces, &sender),
                server.run(fleet, Box::new(render), || time::now().to_string()),
            );
            Ok(())
        })
    }
}

/// The connection flags of commands about a namespace.
fn args_in(flags: &Connection, namespace: &str) -> String {
    let flags = Connection {
        namespace: Some(namespace.to_owned()),
        ..flags.clone()
    };
    flags.connection_args()
}

const HELP: &str = "Examples:
  kubectl casskop dashboard                 the clusters of the namespace
  kubectl casskop dashboard -A --port 8888  of all namespaces, on a port that is known

It reads clusters, and never writes: buttons have the command and the annotation to copy. The page is served to this machine
only, and shows nothing without the link that is printed.
";
