//! Writes a bundle: a tar.gz, or a folder.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use tar::{Builder, EntryType, Header};

use crate::model::report::Entry;

/// Mode of the files: logs are not public.
const MODE: u32 = 0o600;

/// Whether this is the name of an archive.
pub fn is_archive(path: &Path) -> bool {
    let ends = |path: &Path, with: &str| {
        path.extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case(with))
    };
    let stem = path.file_stem().map(Path::new);
    ends(path, "tgz") || (ends(path, "gz") && stem.is_some_and(|stem| ends(stem, "tar")))
}

/// Writes `entries` to `path`, below a folder `top` if it is an archive. Never over something that is there.
///
/// # Errors
/// When it is there already, or cannot be written; then nothing of an archive is left.
pub fn write(path: &Path, top: &str, entries: &[Entry], seconds: u64) -> io::Result<()> {
    if !is_archive(path) {
        return folder(path, entries);
    }
    let file = create(path)?;
    let written = archive(file, top, entries, seconds);
    if written.is_err() {
        // The reason is reported already; that a partial file could not be removed either adds nothing.
        let _ = fs::remove_file(path);
    }
    written
}

fn archive(file: File, top: &str, entries: &[Entry], seconds: u64) -> io::Result<()> {
    let mut archive = Builder::new(GzEncoder::new(file, Compression::default()));
    for entry in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(MODE);
        header.set_mtime(seconds);
        header.set_size(entry.content.len() as u64);
        archive.append_data(
            &mut header,
            format!("{top}/{}", entry.path),
            entry.content.as_bytes(),
        )?;
    }
    archive.into_inner()?.finish()?.sync_all()
}

fn folder(path: &Path, entries: &[Entry]) -> io::Result<()> {
    fs::create_dir(path)?;
    for entry in entries {
        let file = path.join(&entry.path);
        fs::create_dir_all(file.parent().unwrap_or(path))?;
        create(&file)?.write_all(entry.content.as_bytes())?;
    }
    Ok(())
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, MODE);
    options.open(path)
}
