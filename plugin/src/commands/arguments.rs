//! Arguments that several commands share.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::validators::{id, kind, object_name};
use crate::{completer::Completer, error::Result, model::manifest, terminal::Ui};

/// The form of an annotation or an operation.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For Git and people.
    Yaml,
    /// For programs.
    Json,
    /// Only the name of the object.
    Name,
}

/// The form of an object and its state.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusOutput {
    /// For people.
    #[default]
    Text,
    /// With host ids, addresses and every node of an operation.
    Wide,
    /// The object, for programs.
    Json,
    /// The object.
    Yaml,
    /// Only the name of the object.
    Name,
}

/// The form of a list.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListOutput {
    /// For people.
    #[default]
    Text,
    /// For programs; documented.
    Json,
    /// The same.
    Yaml,
}

impl ListOutput {
    /// Prints `data` to stdout in this form; `text` is the one for people.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn print<T: Serialize>(
        self,
        data: &T,
        text: impl FnOnce() -> String,
        ui: &Ui,
    ) -> Result<()> {
        ui.data(&match self {
            Self::Text => text(),
            Self::Json => manifest::json(data)?,
            Self::Yaml => manifest::yaml(data)?,
        })
    }
}

/// The form in which a command prints its findings.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// text, json or yaml
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    pub output: ListOutput,
}

/// A cluster, and the form in which a command prints what it reads of it.
#[derive(Args, Clone, Debug)]
pub struct ViewArgs {
    /// Name of the CassandraCluster
    #[arg(value_name = "CLUSTER", value_parser = object_name, add = Completer::Cluster)]
    pub name: String,
    #[command(flatten)]
    pub printed: ListArgs,
}

/// A request on a cluster.
#[derive(Args, Clone, Debug)]
pub struct RequestArgs {
    /// Name of the CassandraCluster
    #[arg(value_name = "CLUSTER", value_parser = object_name, add = Completer::Cluster)]
    pub name: String,
    /// Kind of the operation, such as cleanup; may be omitted if only one request qualifies
    #[arg(value_name = "KIND", value_parser = kind, add = Completer::Kind)]
    pub kind: Option<String>,
    /// Id of the request (default: the present request)
    #[arg(long, value_name = "ID", value_parser = id, add = Completer::RequestId)]
    pub id: Option<String>,
}

/// The way in which an annotation is written.
#[derive(Args, Clone, Debug)]
pub struct Edit {
    /// Write nothing, only print the annotation, for Git
    #[arg(long, value_name = "client", num_args = 0..=1, require_equals = true, default_missing_value = "client", value_parser = ["client"], hide_possible_values = true)]
    pub dry_run: Option<String>,
    /// text, yaml, json or name: the annotation, as a manifest for Git
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    pub output: Output,
}
