//! Completion of a command line. `kubectl` runs `kubectl_complete-casskop` with the words so far, and reads one
//! candidate from each line and a directive from the last line.

mod line;
mod live;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use crate::commands::{self, HELPER};
use line::{Line, Wanted};

/// The command that a script of that name runs.
const COMMAND: &str = "__complete";
/// The shell has no file names to offer.
const NO_FILES: &str = ":4";
/// The shell may offer file names.
const FILES: &str = ":0";

/// A word that may come next, and its description.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    word: String,
    about: String,
}

impl Candidate {
    fn new(word: impl Into<String>, about: impl Into<String>) -> Self {
        Self {
            word: word.into(),
            about: about.into(),
        }
    }
}

/// The words to complete, if the program was called for a completion.
pub fn requested(arguments: impl IntoIterator<Item = OsString>) -> Option<Vec<String>> {
    let mut arguments = arguments.into_iter();
    let program = arguments.next()?;
    let words: Vec<String> = arguments
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if Path::new(&program).file_stem()? == HELPER {
        return Some(words);
    }
    let (first, rest) = words.split_first()?;
    (first == COMMAND).then(|| rest.to_vec())
}

/// Prints the candidates, and never an error: it would appear in the middle of the typed line.
pub fn run(words: &[String]) -> ExitCode {
    let mut root = commands::command();
    root.build();
    let line = Line::read(&root, words);
    let (candidates, directive) = match line.wanted() {
        Wanted::Files => (Vec::new(), FILES),
        Wanted::Known(known) => (known, NO_FILES),
        // Without an answer there are no candidates: an error would appear in the middle of the typed line.
        Wanted::Named(objects) => (live::named(&line, objects).unwrap_or_default(), NO_FILES),
        Wanted::OfCluster(value) => (live::of_cluster(&line, value).unwrap_or_default(), NO_FILES),
    };
    let mut text = String::new();
    for Candidate { word, about } in candidates {
        let whole = format!("{}{word}", line.before);
        if !whole.starts_with(line.current) {
            continue;
        }
        let about = about.lines().next().unwrap_or_default();
        text += &whole;
        if !about.is_empty() {
            text.push('\t');
            text += about;
        }
        text.push('\n');
    }
    // The shell may be gone.
    let _ = writeln!(io::stdout().lock(), "{text}{directive}");
    ExitCode::SUCCESS
}
