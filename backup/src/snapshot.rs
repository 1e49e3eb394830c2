//! The walk over a snapshot. One of which a part is gone is not backed up: it may end by its time to live, or be cleared.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use casskop_backup_protocol::{Digest, FilePath, Name, NodeJob, TableName};
use ring::digest::{Context, SHA256};
use serde::Deserialize;

use crate::error::{Failure, Result};
use crate::files::{Source, finish};

/// Keyspace of the definitions of all tables: every node has files of it.
const SCHEMA: &str = "system_schema";
/// End of the name of each file with the rows of an `SSTable`.
const DATA: &str = "-Data.db";
/// Begin of the name of the snapshot that Cassandra makes of a table that is dropped.
const DROPPED: &str = "dropped-";
/// The folder that a new file system has of its own.
const LOST_AND_FOUND: &str = "lost+found";
/// Bytes of the largest `manifest.json` of a table.
const MAX_NAMES: u64 = 64 << 20;

/// The files that are looked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    data: Vec<PathBuf>,
    tag: Name,
    keyspaces: Vec<Name>,
    taken: Vec<Name>,
    tables: Vec<TableName>,
}

/// A table's part of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) keyspace: Name,
    pub(crate) directory: Name,
    pub(crate) files: BTreeMap<FilePath, Source>,
}

/// Cassandra's list of the SSTables of a table in a snapshot, `manifest.json`.
#[derive(Deserialize)]
struct Names {
    files: Vec<String>,
}

#[derive(Default)]
struct Parts {
    files: BTreeMap<FilePath, Source>,
    /// By `manifest.json`; none if there was none.
    named: Option<BTreeSet<String>>,
    /// When the newest `manifest.json` was written.
    named_at: Option<SystemTime>,
}

impl Wanted {
    pub(crate) fn new(job: &NodeJob) -> Self {
        Self {
            data: job.data_directories.iter().map(PathBuf::from).collect(),
            tag: job.snapshot.clone(),
            keyspaces: job.keyspaces.clone(),
            taken: job.taken.clone(),
            tables: job.tables.clone(),
        }
    }

    fn partial(&self, why: impl std::fmt::Display) -> Failure {
        Failure::failed(
            format!("back up snapshot {}", self.tag),
            why,
            "make a new snapshot that lives longer than the backup, and begin a new backup",
        )
    }

    /// The tables of the snapshot, in the order of their names.
    pub(crate) fn walk(&self) -> Result<Vec<Table>> {
        let mut found: BTreeMap<(Name, Name), Parts> = BTreeMap::new();
        for root in &self.data {
            let folders = folders(root)?.ok_or_else(|| {
                let missing = std::io::Error::from(ErrorKind::NotFound);
                Failure::file(format!("read the folder {}", root.display()), &missing)
            })?;
            for (keyspace, folder) in folders {
                let name = keyspace.parse::<Name>();
                let wanted = match &name {
                    Ok(name) => self.keyspaces.is_empty() || self.keyspaces.contains(name),
                    Err(_) => keyspace != LOST_AND_FOUND,
                };
                if wanted {
                    self.keyspace(name.ok().as_ref(), &folder, &mut found)?;
                }
            }
        }
        self.check(&found)?;
        let table = |((keyspace, directory), parts): (_, Parts)| Table {
            keyspace,
            directory,
            files: parts.files,
        };
        Ok(found.into_iter().map(table).collect())
    }

    fn keyspace(
        &self,
        keyspace: Option<&Name>,
        folder: &Path,
        found: &mut BTreeMap<(Name, Name), Parts>,
    ) -> Result<()> {
        // The keyspace may be dropped meanwhile.
        for (directory, folder) in folders(folder)?.unwrap_or_default() {
            let snapshots = folder.join("snapshots");
            let tag = snapshots.join(self.tag.as_str());
            if !is_folder(&snapshots)? || !is_folder(&tag)? {
                continue;
            }
            let (Some(keyspace), Ok(directory)) = (keyspace, directory.parse::<Name>()) else {
                return Err(self.partial(format!(
                    "{} has a name that no backup can have",
                    folder.display()
                )));
            };
            // A table has a folder in each data directory.
            let parts = found.entry((keyspace.clone(), directory)).or_default();
            self.table(&tag, parts)?;
        }
        Ok(())
    }

    fn table(&self, tag: &Path, parts: &mut Parts) -> Result<()> {
        for (path, source) in files_of(tag)? {
            if path.as_str() == "manifest.json" {
                let names = self.names(&source)?;
                parts.named.get_or_insert_default().extend(names);
                let written = fs::symlink_metadata(&source.path).and_then(|meta| meta.modified());
                let written = written.map_err(|error| unread(&source.path, &error))?;
                parts.named_at = parts.named_at.max(Some(written));
            }
            match parts.files.get(&path) {
                None => {
                    parts.files.insert(path, source);
                }
                Some(_) if is_description(&path) => {}
                Some(other) => {
                    let why = format!(
                        "{} and {} are both there",
                        other.path.display(),
                        source.path.display()
                    );
                    return Err(self.partial(why));
                }
            }
        }
        Ok(())
    }

    fn names(&self, source: &Source) -> Result<Vec<String>> {
        let mut content = Vec::new();
        source
            .open_here()?
            .take(MAX_NAMES)
            .read_to_end(&mut content)
            .map_err(|error| unread(&source.path, &error))?;
        serde_json::from_slice::<Names>(&content)
            .map(|names| names.files)
            .map_err(|error| {
                self.partial(format!("{} cannot be read: {error}", source.path.display()))
            })
    }

    /// Everything is there that the job and Cassandra name.
    fn check(&self, found: &BTreeMap<(Name, Name), Parts>) -> Result<()> {
        for ((keyspace, directory), parts) in found {
            let table = format!("{keyspace}/{directory}");
            let Some(named) = &parts.named else {
                return Err(self.partial(format!(
                    "table {table} has no manifest.json, which Cassandra writes last"
                )));
            };
            let missing = |name: &&String| {
                !name
                    .parse()
                    .is_ok_and(|path: FilePath| parts.files.contains_key(&path))
            };
            if let Some(missing) = named.iter().find(missing) {
                return Err(self.partial(format!(
                    "{missing} of table {table} is missing, and its manifest.json names it"
                )));
            }
        }
        for keyspace in &self.keyspaces {
            if !found.keys().any(|(found, _)| found == keyspace) {
                return Err(self.partial(format!("no table of keyspace {keyspace} has it")));
            }
        }
        self.check_taken(found)?;
        for TableName {
            keyspace,
            directory,
        } in &self.tables
        {
            if !found.contains_key(&(keyspace.clone(), directory.clone())) {
                return Err(self.partial(format!("table {keyspace}/{directory} has none")));
            }
        }
        if found.is_empty() {
            let data: Vec<_> = self
                .data
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            return Err(Failure::failed(
                format!("back up snapshot {}", self.tag),
                format!("no table in {} has it", data.join(", ")),
                "check the tag, the keyspaces and the data directories",
            ));
        }
        Ok(())
    }

    /// Every table of the keyspaces of the snapshot that had files when it was taken has it. Something else may have cleared a part
    /// of it, and the tables that are left say nothing of the others.
    fn check_taken(&self, found: &BTreeMap<(Name, Name), Parts>) -> Result<()> {
        // Cassandra writes the list of a table after it has flushed it. A table that is made later has later files only.
        let taken_at = found.values().filter_map(|parts| parts.named_at).max();
        for keyspace in &self.taken {
            let has_some = found.keys().any(|(found, _)| found == keyspace);
            if !has_some && keyspace.as_str() == SCHEMA {
                return Err(self.partial(format!("no table of keyspace {keyspace} has it")));
            }
            for root in &self.data {
                for (directory, table) in
                    folders(&root.join(keyspace.as_str()))?.unwrap_or_default()
                {
                    let is_found = directory
                        .parse()
                        .is_ok_and(|name| found.contains_key(&(keyspace.clone(), name)));
                    if !is_found && !was_dropped(&table)? && has_files(&table, taken_at)? {
                        return Err(self.partial(format!(
                            "{} has files of that time, and no such snapshot (a table that was dropped long ago may have left the folder: move it away)",
                            table.display()
                        )));
                    }
                }
            }
        }
        Ok(())
    }

    /// The snapshot as it was seen is there to the end.
    pub(crate) fn same(&self, seen: &Digest) -> Result<()> {
        if fingerprint(&self.walk()?) == *seen {
            return Ok(());
        }
        Err(self.partial("its files have changed while they were read"))
    }
}

/// The digest of all names, lengths and identities.
pub(crate) fn fingerprint(tables: &[Table]) -> Digest {
    let mut context = Context::new(&SHA256);
    for table in tables {
        context.update(format!("{}/{}\n", table.keyspace, table.directory).as_bytes());
        for (path, source) in &table.files {
            context.update(format!("{path} {} {}\n", source.size, source.identity).as_bytes());
        }
    }
    finish(context)
}

/// Whether a table was dropped: Cassandra keeps a snapshot of it.
fn was_dropped(table: &Path) -> Result<bool> {
    let snapshots = folders(&table.join("snapshots"))?.unwrap_or_default();
    Ok(snapshots.iter().any(|(name, _)| name.starts_with(DROPPED)))
}

/// Whether the folder of a table has an `SSTable` that is not newer than this, or any.
fn has_files(table: &Path, until: Option<SystemTime>) -> Result<bool> {
    let gone = |error: &std::io::Error| error.kind() == ErrorKind::NotFound;
    let listed = match fs::read_dir(table) {
        Ok(listed) => listed,
        // The table was dropped meanwhile.
        Err(error) if gone(&error) => return Ok(false),
        Err(error) => return Err(unread(table, &error)),
    };
    for entry in listed {
        let entry = entry.map_err(|error| unread(table, &error))?;
        if !entry.file_name().to_string_lossy().ends_with(DATA) {
            continue;
        }
        match entry.metadata().and_then(|meta| meta.modified()) {
            Ok(at) if until.is_none_or(|until| at <= until) => return Ok(true),
            Ok(_) => {}
            // It was compacted away meanwhile.
            Err(error) if gone(&error) => {}
            Err(error) => return Err(unread(&entry.path(), &error)),
        }
    }
    Ok(false)
}

/// Whether a file describes the snapshot and is none of its SSTables.
pub(crate) fn is_description(path: &FilePath) -> bool {
    matches!(path.as_str(), "schema.cql" | "manifest.json")
}

/// Whether there is a folder, and no link to one. Something else with the name is a failure: the snapshot is not looked past.
fn is_folder(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(true),
        Ok(_) => Err(strange(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unread(path, &error)),
    }
}

fn strange(path: &Path) -> Failure {
    Failure::failed(
        format!("read the snapshot at {}", path.display()),
        "it is neither a file nor a folder where Cassandra makes one",
        "report it: the snapshot is not as Cassandra makes it",
    )
}

fn unread(path: &Path, error: &std::io::Error) -> Failure {
    Failure::file(format!("read {}", path.display()), error)
}

/// The folders in a folder, if it is there.
fn folders(folder: &Path) -> Result<Option<Vec<(String, PathBuf)>>> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unread(folder, &error)),
    };
    let mut all = Vec::new();
    for entry in listed {
        let entry = entry.map_err(|error| unread(folder, &error))?;
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                let name = entry.file_name().to_string_lossy().into_owned();
                all.push((name, entry.path()));
            }
            // Cassandra would follow it, and its tables would be missing.
            Ok(kind) if kind.is_symlink() && entry.path().is_dir() => {
                return Err(strange(&entry.path()));
            }
            Ok(_) => {}
            // Another table was dropped meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(unread(&entry.path(), &error)),
        }
    }
    Ok(Some(all))
}

/// The entries of a folder of the snapshot; one that is gone while it is read is a failure.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf, Metadata)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unread(folder, &error))? {
        let entry = entry.map_err(|error| unread(folder, &error))?;
        // Not that of what a link points to: nothing outside of the folder is read.
        let meta = entry
            .metadata()
            .map_err(|error| unread(&entry.path(), &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        all.push((name, entry.path(), meta));
    }
    Ok(all)
}

fn files_of(tag: &Path) -> Result<Vec<(FilePath, Source)>> {
    let mut files = Vec::new();
    for (name, path, meta) in entries(tag)? {
        if meta.is_file() {
            files.push(found(&name, path, &meta)?);
        } else if meta.is_dir() && name.starts_with('.') {
            for (file, path, meta) in entries(&path)? {
                if !meta.is_file() {
                    return Err(strange(&path));
                }
                files.push(found(&format!("{name}/{file}"), path, &meta)?);
            }
        } else {
            return Err(strange(&path));
        }
    }
    Ok(files)
}

fn found(path: &str, source: PathBuf, meta: &Metadata) -> Result<(FilePath, Source)> {
    let path = path.parse().map_err(|error| {
        Failure::failed(
            format!("read the snapshot file {}", source.display()),
            error,
            "report it: no version of Cassandra is known to write it",
        )
    })?;
    Ok((path, Source::new(source, meta)))
}
