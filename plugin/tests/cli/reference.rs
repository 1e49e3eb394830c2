//! The committed command reference is what the commands say of themselves.

use std::{env, fs, path::PathBuf};

use crate::run::binary;

/// Headings of the options that every command has besides its own; documented once.
const SHARED: [&str; 2] = ["Connection:", "Output:"];

fn help(words: &[&str]) -> String {
    let arguments = [words, &["--help"]].concat();
    let output = binary(&arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned()
}

/// The names of the commands that a help lists. At the top they stand in groups, each below its title.
fn commands(help: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut listing = false;
    for line in help
        .lines()
        .skip_while(|line| !line.starts_with("Usage:"))
        .skip(1)
    {
        match line {
            "Options:" => break,
            title if title.ends_with(':') && !title.starts_with(' ') => {
                listing = title != "Arguments:";
            }
            entry if listing && entry.starts_with("  ") && !entry.starts_with("   ") => {
                names.extend(entry.split_whitespace().next().map(str::to_owned));
            }
            _ => {}
        }
    }
    names
}

/// Without the sections that are the same in every command.
fn own(help: &str) -> String {
    let mut shown = true;
    let kept = help.lines().filter(|line| {
        if !line.starts_with(' ') && !line.is_empty() {
            shown = !SHARED.contains(line);
        }
        shown
    });
    kept.collect::<Vec<_>>().join("\n")
}

fn section(words: &[&str], text: &str) -> String {
    let title = [&["kubectl casskop"], words].concat().join(" ");
    format!("\n## `{title}`\n\n```text\n{text}\n```\n")
}

fn reference() -> String {
    let root = help(&[]);
    let mut text = "# Commands of `kubectl casskop`\n\n\
        What each command says with `--help`; `make docs` writes this file. What they are for: [plugin.md](../plugin.md).\n\
        The connection and output options of the first section go with every command.\n"
        .to_owned();
    text += &section(&[], &root);
    for name in commands(&root) {
        let words = [name.as_str()];
        let of = help(&words);
        text += &section(&words, &own(&of));
        for inner in commands(&of) {
            let words = [name.as_str(), inner.as_str()];
            text += &section(&words, &own(&help(&words)));
        }
    }
    text
}

#[test]
fn committed_reference_is_up_to_date() {
    let generated = reference();
    for command in ["status", "cleanup", "install generate", "report", "version"] {
        assert!(
            generated.contains(&format!("\n## `kubectl casskop {command}`\n")),
            "{command}"
        );
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/plugin.md");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "docs/reference/plugin.md differs from the commands; run `make docs` and look at the difference"
    );
}
