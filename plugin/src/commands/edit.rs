//! The output about an annotation that was written, or would be.

use casskop_common::{api::CassandraCluster, names};

use crate::{
    commands::arguments::{Edit, Output},
    error::Result,
    model::{
        managers,
        manifest::{self, Annotations},
    },
    terminal::Ui,
};

/// An annotation that was written.
pub struct Written<'a> {
    /// The cluster that it is on.
    pub name: &'a str,
    /// Namespace of the cluster, if it is known.
    pub namespace: Option<String>,
    /// The annotations; empty if nothing had to be written.
    pub annotations: Annotations,
    /// The manager of the annotation that was removed.
    pub taken_from: Option<String>,
    /// The effect in words.
    pub effect: String,
    /// The next command.
    pub next: String,
    /// The connection flags to give again.
    pub connection_args: String,
}

/// Prints it in the form that the user wants.
///
/// # Errors
/// When stdout cannot be written.
pub fn print(written: &Written, edit: &Edit, ui: &Ui) -> Result<()> {
    let Written {
        name,
        annotations,
        effect,
        ..
    } = written;
    let nothing = annotations.is_empty();
    let dry_run = edit.dry_run.is_some();
    let fragment = || manifest::fragment(name, written.namespace.as_deref(), annotations.clone());
    ui.data(&match edit.output {
        Output::Yaml => manifest::yaml(&fragment())?,
        Output::Json => manifest::json(&fragment())?,
        Output::Name => manifest::object_name(name),
        Output::Text if dry_run && !nothing => {
            manifest::annotate(name, &written.connection_args, annotations)
        }
        Output::Text => effect.clone(),
    })?;
    if dry_run && annotations.values().any(Option::is_none) {
        ui.say("in Git: take the annotation out; null says so in a patch");
    }
    if let Some(manager) = &written.taken_from {
        ui.warn(&format!(
            "the annotation came from {manager}: take it away there too, or it comes back"
        ));
    }
    if edit.output == Output::Text && !dry_run && !nothing {
        ui.say(&written.next);
    }
    Ok(())
}

/// The manager of an annotation that is to be taken away, if it is neither this plugin nor a person with `kubectl`.
pub fn taken_from(cluster: &CassandraCluster, annotations: &Annotations) -> Option<String> {
    let (key, _) = annotations.iter().find(|(_, value)| value.is_none())?;
    let manager = managers::of_annotation(cluster, key)?.name;
    (manager != names::PLUGIN_MANAGER && !manager.starts_with("kubectl")).then_some(manager)
}
