//! `pause-reconcile` and `resume-reconcile`: whether the operator acts on a cluster at all.

use casskop_common::names;
use clap::{ArgMatches, FromArgMatches};
use kube::ResourceExt;

use super::{
    control::{Written, print, taken_from},
    live, usage,
};
use crate::{
    annotations,
    cli::{Connection, PROGRAM, Reconcile},
    client,
    clusters::Clusters,
    control,
    error::Result,
    manifest::Annotations,
    ui::Ui,
};

/// Pauses all action on a cluster, or with `pause` false lets it go on.
///
/// # Errors
/// When the annotation is not written.
pub fn run(pause: bool, matches: &ArgMatches, ui: &Ui) -> Result<()> {
    let flags = Connection::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let Reconcile { name, edit } =
        Reconcile::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let again = client::again(&flags);
    let value = pause.then(|| "paused".to_owned());
    let annotations: Annotations = [(names::RECONCILE.to_owned(), value)].into();
    let mut written = Written {
        name: &name,
        namespace: None,
        annotations,
        taken_from: None,
        told: String::new(),
        next: if pause {
            format!("go on with it: {PROGRAM} resume-reconcile {name}{again}")
        } else {
            format!("look at it: {PROGRAM} status {name}{again} --watch")
        },
        again,
    };
    if edit.dry_run.is_some() {
        written.namespace = client::namespace(&flags);
        return print(&written, &edit, ui);
    }
    live(async {
        let clusters = Clusters::connect(&flags)?;
        let wanted = written.annotations.clone();
        annotations::write(&clusters, &name, |cluster| {
            annotations::refuse_deleted(cluster)?;
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
            written.told = match (pause, already) {
                (true, true) => {
                    format!("all action on cluster {name} is paused already; nothing was written")
                }
                (false, true) => {
                    format!("no action on cluster {name} is paused; nothing was written")
                }
                (true, false) => format!("all action on cluster {name} is paused"),
                (false, false) => format!("all action on cluster {name} goes on"),
            };
            written.taken_from = taken_from(cluster, &written.annotations);
            Ok(written.annotations.clone())
        })
        .await?;
        written.namespace = Some(clusters.place.namespace.clone());
        print(&written, &edit, ui)
    })
}
