//! The layers of a crate: each top-level module may import only itself and modules of the layers before its own.
//! Tests include this file by path.

use std::{fs, path::Path};

/// The imports in `src` against the order of `layers`, and the top-level modules that are in none of them. Modules of
/// one layer do not import each other.
///
/// # Errors
/// When a file cannot be read.
pub fn violations(src: &Path, layers: &[&[&str]]) -> std::io::Result<Vec<String>> {
    let layer = |name: &str| layers.iter().position(|layer| layer.contains(&name));
    let (mut found, mut folders) = (Vec::new(), vec![src.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Some(file) = path
                .strip_prefix(src)
                .ok()
                .filter(|file| file.extension().is_some_and(|it| it == "rs"))
            else {
                continue;
            };
            let file = file.with_extension("").to_string_lossy().replace('\\', "/");
            let module: Vec<&str> = file.split('/').collect();
            let Some(own) = layer(module[0]) else {
                found.push(format!("{file}: {} is in no layer", module[0]));
                continue;
            };
            for name in imports(&module, &fs::read_to_string(&path)?) {
                let allowed = name == module[0] || layer(&name).is_none_or(|other| other < own);
                if !allowed {
                    found.push(format!("{file} imports {name}"));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The top-level modules that a file names, by `crate::` or by `super::` up to the root.
fn imports(module: &[&str], text: &str) -> Vec<String> {
    let mut names = Vec::new();
    // Modules within the file, by the indentation of their first line: the formatter ends them with the same one.
    let mut inner: Vec<usize> = Vec::new();
    let code: Vec<&str> = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    for (number, line) in code.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if line.trim() == "}" {
            inner.retain(|begin| *begin != indent);
        }
        for (at, _) in line
            .match_indices("crate::")
            .chain(line.match_indices("super::"))
        {
            let before = line[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '$')) {
                continue;
            }
            let path = code[number..].join("\n")[at..].to_owned();
            let climbed = path
                .replace("super::", "\0")
                .chars()
                .take_while(|c| *c == '\0')
                .count();
            let depth = module.len() + inner.len();
            if path.starts_with("crate::") || climbed >= depth {
                names.extend(first_words(&path["crate::".len() * climbed.max(1)..]));
            }
        }
        if line
            .trim_start()
            .trim_start_matches("pub ")
            .starts_with("mod ")
            && line.ends_with('{')
        {
            inner.push(indent);
        }
    }
    names
}

/// The first word of a path, or of each path between its braces.
fn first_words(path: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        let text = text.trim_start().chars();
        text.take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(list) = path.strip_prefix('{') else {
        return vec![word(path)];
    };
    let (mut depth, mut words, mut start) = (1, Vec::new(), 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            words.push(word(&list[start..at]));
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
