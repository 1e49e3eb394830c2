//! A question on the terminal that a person confirms by typing a name.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::{
    error::{CliError, Result},
    text::plain,
};

/// Asks for the name of a `what`, such as a pod; succeeds only if a person types exactly `word`.
///
/// # Errors
/// When another word is typed, or stdin or stderr is no terminal.
pub fn confirm(what: &str, word: &str) -> Result<()> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(CliError::failed(
            "there is no terminal to confirm it on; nothing was requested",
        )
        .hint("confirm it on the command line: --yes")
        .hint("preview the plan: --dry-run"));
    }
    ask(
        what,
        word,
        &mut io::stdin().lock(),
        &mut io::stderr().lock(),
    )
}

fn ask(what: &str, word: &str, typed: &mut impl BufRead, screen: &mut impl Write) -> Result<()> {
    let mut line = String::new();
    let asked = write!(screen, "Type the name of the {what} to confirm ({word}): ")
        .and_then(|()| screen.flush())
        .and_then(|()| typed.read_line(&mut line));
    match asked {
        Ok(_) if line.trim() == word => Ok(()),
        Ok(read) if line.trim().is_empty() => {
            if read == 0 {
                // Without an answer the cursor is still behind the question.
                let _ = writeln!(screen);
            }
            Err(CliError::failed("not confirmed; nothing was requested"))
        }
        Ok(_) => Err(CliError::failed(format!(
            "not confirmed: '{}' is not {word}; nothing was requested",
            plain(line.trim())
        ))),
        Err(error) => Err(CliError::failed(format!(
            "the confirmation cannot be read: {error}; nothing was requested"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(typed: &str) -> (Option<String>, String) {
        let mut screen = Vec::new();
        let result = ask(
            "pod",
            "demo-dc1-rack1-0",
            &mut typed.as_bytes(),
            &mut screen,
        );
        let screen = String::from_utf8(screen).unwrap();
        (result.err().map(|error| error.message), screen)
    }

    #[test]
    fn only_the_word_itself_confirms() {
        let question = "Type the name of the pod to confirm (demo-dc1-rack1-0): ";
        assert_eq!(answer("demo-dc1-rack1-0\n"), (None, question.into()));
        for typed in ["", "\n", "y\n", "demo-dc1-rack1-00\n"] {
            assert!(
                answer(typed)
                    .0
                    .is_some_and(|why| why.contains("nothing was requested")),
                "{typed}"
            );
        }
    }
}
