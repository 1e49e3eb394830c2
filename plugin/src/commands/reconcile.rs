//! `pause-reconcile` and `resume-reconcile`: whether the operator acts on a cluster at all.

use casskop_common::names;
use clap::Args;
use kube::ResourceExt;

use super::{
    arguments::Edit,
    edit::{Written, print, taken_from},
    validators::{SHORT_EXIT_CODES, object_name},
};
use crate::{
    client::{annotations, clusters::Clusters, connect, connection::Connection},
    completer::Completer,
    error::Result,
    model::{control, manifest::Annotations, request::refuse_deleted},
    runtime::block_on,
    terminal::Ui,
    text::PROGRAM,
};

/// A cluster, and the way in which its annotation is written.
#[derive(Args, Debug)]
pub struct ReconcileArgs {
    /// Name of the CassandraCluster
    #[arg(value_name = "CLUSTER", value_parser = object_name, add = Completer::Cluster)]
    name: String,
    #[command(flatten)]
    edit: Edit,
}

impl ReconcileArgs {
    /// Pauses all action on a cluster, or with `pause` false resumes it.
    ///
    /// # Errors
    /// When the annotation is not written.
    pub fn run(self, pause: bool, flags: &Connection, ui: &Ui) -> Result<()> {
        let Self { name, edit } = self;
        let connection_args = flags.connection_args();
        let value = pause.then(|| "paused".to_owned());
        let annotations: Annotations = [(names::RECONCILE.to_owned(), value)].into();
        let mut written = Written {
            name: &name,
            namespace: None,
            annotations,
            taken_from: None,
            effect: String::new(),
            next: if pause {
                format!("go on with it: {PROGRAM} resume-reconcile {name}{connection_args}")
            } else {
                format!("check it: {PROGRAM} status {name}{connection_args} --watch")
            },
            connection_args,
        };
        if edit.dry_run.is_some() {
            written.namespace = connect::namespace(flags);
            return print(&written, &edit, ui);
        }
        block_on(async {
            let clusters = Clusters::connect(flags)?;
            let wanted = written.annotations.clone();
            annotations::write(&clusters, &name, |cluster| {
                refuse_deleted(cluster)?;
                let stands = cluster.annotations().contains_key(names::RECONCILE);
                let already = if pause {
                    control::reconcile_paused(cluster)
                } else {
                    !stands
                };
                written.annotations = if already {
                    Annotations::new()
                } else {
                    wanted.clone()
                };
                written.effect = match (pause, already) {
                    (true, true) => {
                        format!(
                            "the reconciliation of cluster {name} is paused already; nothing was written"
                        )
                    }
                    (false, true) => {
                        format!("no action on cluster {name} is paused; nothing was written")
                    }
                    (true, false) => format!("the reconciliation of cluster {name} is paused"),
                    (false, false) => format!("the reconciliation of cluster {name} continues"),
                };
                written.taken_from = taken_from(cluster, &written.annotations);
                Ok(written.annotations.clone())
            })
            .await?;
            written.namespace = Some(clusters.target.namespace.clone());
            print(&written, &edit, ui)
        })
    }
}

/// Help: examples, and the `effect` on the annotation.
pub fn help(name: &str, effect: &str) -> String {
    format!(
        "Examples:
  {PROGRAM} {name} demo
  {PROGRAM} {name} demo --dry-run=client -o yaml     print what to commit to Git

{effect}
{SHORT_EXIT_CODES}"
    )
}
