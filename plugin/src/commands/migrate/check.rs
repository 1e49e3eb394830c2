//! `migrate check`: the verdict about each field of a manifest of another operator, and the manifest for here.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
};

use clap::{Args, ValueHint};

use crate::{
    commands::{
        arguments::{ListArgs, ListOutput},
        validators::{SHORT_EXIT_CODES, help},
    },
    error::{CliError, Result},
    model::{
        manifest,
        migrate::{self, Checked, Options},
    },
    terminal::Ui,
    text::{PROGRAM, count},
    view,
};

/// Largest file that is read, in bytes. An object of Kubernetes has at most some 1.5 MiB.
const LARGEST: u64 = 16 * 1024 * 1024;
/// The name of stdin.
const STDIN: &str = "-";

/// Tell what becomes of each field of foreign manifests, and print the manifests for this operator
#[derive(Args, Debug)]
#[command(after_help = help(HELP, SHORT_EXIT_CODES))]
pub struct Check {
    /// File with the manifests, YAML or JSON; - is stdin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: String,
    /// Another name for a data center, such as dc-1=dc1; may be repeated
    #[arg(long, value_name = "OLD=NEW", value_parser = renamed)]
    rename_dc: Vec<(String, String)>,
    /// A node of the ring that the new nodes are to join, by name or address; may be repeated
    #[arg(long, value_name = "HOST", value_parser = host)]
    seed: Vec<String>,
    #[command(flatten)]
    printed: ListArgs,
}

impl Check {
    /// Reads, judges and prints: the report to stderr, the manifests to stdout.
    ///
    /// # Errors
    /// When the file cannot be read, or a field is refused or unknown.
    pub fn run(self, ui: &Ui) -> Result<()> {
        let text = read(&self.file)?;
        let options = Options {
            renamed: self.rename_dc.iter().cloned().collect::<BTreeMap<_, _>>(),
            seeds: self.seed.clone(),
        };
        let checked = migrate::check(&text, &options).map_err(|error| CliError {
            message: format!("cannot use {}: {}", shown(&self.file), error.message),
            ..error
        })?;
        if self.printed.output == ListOutput::Text {
            ui.say(&view::migrate::render(&checked, ui.err));
            if !checked.manifests.is_empty() {
                ui.data(&manifests(&checked)?)?;
            }
        } else {
            self.printed.output.print(&checked, String::new, ui)?;
        }
        match checked.in_the_way().count() {
            0 => Ok(()),
            fields => Err(CliError::failed(format!(
                "no manifest is printed: {} refused or unknown",
                match fields {
                    1 => "1 field is".to_owned(),
                    _ => format!("{} are", count(fields, "field")),
                }
            ))
            .hint(format!(
                "change them in a copy of the manifests, then: {PROGRAM} migrate check COPY"
            ))),
        }
    }
}

fn shown(file: &str) -> &str {
    if file == STDIN { "stdin" } else { file }
}

fn manifests(checked: &Checked) -> Result<String> {
    let manifests = checked.manifests.iter().map(manifest::yaml);
    Ok(manifests.collect::<Result<Vec<_>>>()?.join("---\n"))
}

/// The text of a file, or of stdin.
fn read(file: &str) -> Result<String> {
    let failed =
        |error: &io::Error| CliError::failed(format!("cannot read {}: {error}", shown(file)));
    let source: Box<dyn Read> = match file {
        STDIN => Box::new(io::stdin()),
        path => Box::new(File::open(path).map_err(|error| failed(&error))?),
    };
    let mut bytes = Vec::new();
    source
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(&error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(CliError::failed(format!(
            "cannot read {}: it has more than {} MiB",
            shown(file),
            LARGEST / 1024 / 1024
        ))
        .hint("put only the manifests of the rings into the file"));
    }
    String::from_utf8(bytes).map_err(|_| {
        CliError::failed(format!(
            "cannot read {}: it is not text (UTF-8)",
            shown(file)
        ))
    })
}

fn renamed(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && migrate::is_part_of_names(new) => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err("is written as OLD=NEW, and NEW has lower-case letters and digits only".into()),
    }
}

fn host(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
    if !text.is_empty() && text.len() <= 253 && text.chars().all(known) {
        return Ok(text.to_owned());
    }
    Err("a node is given by its name or address, without a port".into())
}

const HELP: &str = "Known are CassandraCluster, CassandraBackup and CassandraRestore of the Go CassKop, CassandraDatacenter of
cass-operator, and K8ssandraCluster; other objects are passed over. Data centers of one ring become one
CassandraCluster, and a MultiCasskop where they are in several Kubernetes clusters. The report goes to stderr,
the manifests to stdout; nothing is printed there while a field is refused or unknown. No server is asked.

Examples:
  kubectl casskop migrate check cassandra.yaml > casskop.yaml
  kubectl get cassandradatacenter dc1 -o yaml |
    kubectl casskop migrate check - --rename-dc dc1=dc2 --seed orders-seed-service
  kubectl casskop migrate check dc1.yaml --rename-dc dc1=dc2 --seed demo-seed-service
  kubectl casskop migrate check cassandra.yaml -o json
";
