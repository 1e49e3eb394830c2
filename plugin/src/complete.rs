//! What may come next on a command line: the answer to `kubectl`'s question for plugins, which runs
//! `kubectl_complete-casskop` with the words so far and reads a candidate a line, and a last line with how to use them.

mod line;
mod live;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use crate::cli;
use line::{Line, Wanted};

/// The name under which `kubectl` looks for this program.
pub const HELPER: &str = "kubectl_complete-casskop";
/// The same question, for a script of that name.
const COMMAND: &str = "__complete";
/// The shell has no file names to offer.
const NO_FILES: &str = ":4";
/// The shell may offer file names.
const FILES: &str = ":0";

/// A word that may come next, and what it is.
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

/// The words to complete, if that is what is asked.
pub fn asked(arguments: impl IntoIterator<Item = OsString>) -> Option<Vec<String>> {
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

/// Prints the candidates. Nothing else, whatever goes wrong: it would stand in the middle of somebody's typing.
pub fn run(words: &[String]) -> ExitCode {
    let mut root = cli::command();
    root.build();
    let line = Line::read(&root, words);
    let (candidates, directive) = match line.wanted() {
        Wanted::Files => (Vec::new(), FILES),
        Wanted::Known(known) => (known, NO_FILES),
        Wanted::Live(what) => (live::candidates(&line, what).unwrap_or_default(), NO_FILES),
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
    // Whoever asked may be gone.
    let _ = writeln!(io::stdout().lock(), "{text}{directive}");
    ExitCode::SUCCESS
}
