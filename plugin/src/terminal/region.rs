//! The part of the terminal that is repainted in place.

use std::io::{self, Write};

use unicode_width::UnicodeWidthChar;

/// Size of a terminal that does not report its own.
const USUAL_SIZE: (usize, usize) = (80, 24);
/// A terminal that knows these two shows what comes between them at once; others pass over them.
const BEGIN_UPDATE: &str = "\x1b[?2026h";
const END_UPDATE: &str = "\x1b[?2026l";
/// Lines that are left to the middle part however small the terminal is.
const LEAST_MIDDLE: usize = 4;

/// The last lines of a terminal, repainted as a whole.
pub struct Region<W: Write> {
    terminal: W,
    /// Columns of each line that is painted.
    painted: Vec<usize>,
}

impl<W: Write> Region<W> {
    /// Below what `terminal` shows now.
    pub fn new(terminal: W) -> Self {
        Self {
            terminal,
            painted: Vec::new(),
        }
    }

    /// Replaces what was painted before by as much of `text` as fits.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn paint(&mut self, text: &str) -> io::Result<()> {
        self.paint_within(text, size())
    }

    /// One write, line over line: nothing flickers.
    fn paint_within(&mut self, text: &str, (width, height): (usize, usize)) -> io::Result<()> {
        let clipped = clip(text, width, height.saturating_sub(1));
        let mut bytes = BEGIN_UPDATE.to_owned() + &self.to_its_top(width);
        for line in clipped.lines() {
            // Erased first: behind a line that is as wide as the terminal it would take away the last character.
            bytes.extend(["\x1b[K", line, "\n"]);
        }
        bytes.extend(["\x1b[J", END_UPDATE]);
        self.painted = clipped.lines().map(display_width).collect();
        self.terminal.write_all(bytes.as_bytes())?;
        self.terminal.flush()
    }

    /// Erases the painted lines.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn erase(&mut self) -> io::Result<()> {
        if !self.painted.is_empty() {
            let to_its_top = self.to_its_top(size().0);
            self.painted.clear();
            write!(self.terminal, "{to_its_top}\x1b[J")?;
        }
        self.terminal.flush()
    }

    /// Moves up over what was painted. Terminals that have become narrower since have broken lines into several.
    fn to_its_top(&self, width: usize) -> String {
        let rows = |columns: &usize| columns.div_ceil(width.max(1)).max(1);
        match self.painted.iter().map(rows).sum() {
            0_usize => String::new(),
            rows => format!("\x1b[{rows}A\r"),
        }
    }
}

/// Columns and lines of the terminal.
fn size() -> (usize, usize) {
    use terminal_size::{Height, Width, terminal_size};
    terminal_size().map_or(USUAL_SIZE, |(Width(width), Height(height))| {
        (width.into(), height.into())
    })
}

/// Shortens `middle` so that the whole fits the terminal and the part after it is visible, too.
pub fn fit(before: &str, middle: &str, after: &str) -> String {
    fit_within(before, middle, after, size().1.saturating_sub(1))
}

fn fit_within(before: &str, middle: &str, after: &str, height: usize) -> String {
    let taken = before.lines().count() + after.lines().count();
    let left = height.saturating_sub(taken).max(LEAST_MIDDLE);
    format!("{before}{}{after}", clip(middle, usize::MAX, left))
}

/// The part of `text` that fits, with a last line that reports the rest; each line ends in a newline.
fn clip(text: &str, width: usize, height: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut clipped = String::new();
    let fits = lines.len() <= height;
    let shown = if fits {
        lines.len()
    } else {
        height.saturating_sub(1)
    };
    for line in &lines[..shown] {
        clipped += &clip_line(line, width);
        clipped.push('\n');
    }
    if !fits && height > 0 {
        clipped += &clip_line(&format!("… {} more lines", lines.len() - shown), width);
        clipped.push('\n');
    }
    clipped
}

/// Cuts a line after `width` columns. Escape sequences are kept: they take none, and some end a colour.
fn clip_line(line: &str, width: usize) -> String {
    let (mut clipped, mut taken) = (String::new(), 0);
    for (c, columns) in measured(line) {
        taken += columns.unwrap_or(0);
        if taken <= width || columns.is_none() {
            clipped.push(c);
        }
    }
    clipped
}

/// Columns that a line takes on a terminal, without its escape sequences.
pub fn display_width(line: &str) -> usize {
    measured(line).filter_map(|(_, columns)| columns).sum()
}

/// Each character with its columns; none for those of an escape sequence.
fn measured(line: &str) -> impl Iterator<Item = (char, Option<usize>)> {
    let mut escape = false;
    line.chars().map(move |c| {
        if escape || c == '\x1b' {
            escape = !c.is_ascii_alphabetic();
            return (c, None);
        }
        (c, Some(c.width().unwrap_or(0)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_the_width_and_colours_are_ended() {
        assert_eq!(clip_line("abcdef", 4), "abcd");
        assert_eq!(clip_line("a\x1b[31mbcdef\x1b[0m", 3), "a\x1b[31mbc\x1b[0m");
        assert_eq!(clip_line("├─ 日本語", 6), "├─ 日");
    }

    #[test]
    fn what_does_not_fit_is_said() {
        assert_eq!(clip("1\n2\n3\n", 80, 3), "1\n2\n3\n");
        assert_eq!(clip("1\n2\n3\n4\n", 80, 3), "1\n2\n… 2 more lines\n");
        assert_eq!(clip("1\n2\n", 80, 0), "");
    }

    #[test]
    fn the_middle_gives_way() {
        let middle = "1\n2\n3\n4\n5\n6\n";
        assert_eq!(
            fit_within("a\n", middle, "z\n", 8),
            "a\n1\n2\n3\n4\n5\n6\nz\n"
        );
        assert_eq!(
            fit_within("a\n", middle, "z\n", 7),
            "a\n1\n2\n3\n4\n… 2 more lines\nz\n"
        );
        assert_eq!(
            fit_within("a\n", middle, "z\n", 2),
            "a\n1\n2\n3\n… 3 more lines\nz\n"
        );
    }

    #[test]
    fn a_repaint_covers_exactly_what_was_painted() {
        let mut screen = Vec::new();
        let mut region = Region::new(&mut screen);
        for text in ["one\ntwo\nthree", "four"] {
            region.paint_within(text, (80, 3)).unwrap();
        }
        region.erase().unwrap();
        let expected = [
            "\x1b[?2026h\x1b[Kone\n\x1b[K… 2 more lines\n\x1b[J\x1b[?2026l",
            "\x1b[?2026h\x1b[2A\r\x1b[Kfour\n\x1b[J\x1b[?2026l",
            "\x1b[1A\r\x1b[J",
        ];
        assert_eq!(String::from_utf8(screen).unwrap(), expected.concat());
    }

    #[test]
    fn lines_that_a_narrower_terminal_has_broken_are_covered_too() {
        let mut screen = Vec::new();
        let mut region = Region::new(&mut screen);
        region
            .paint_within("0123456789\n\x1b[31mred\x1b[0m\n", (80, 24))
            .unwrap();
        region.paint_within("x", (4, 24)).unwrap();
        let screen = String::from_utf8(screen).unwrap();
        assert!(
            screen.ends_with("\x1b[4A\r\x1b[Kx\n\x1b[J\x1b[?2026l"),
            "{screen:?}"
        );
    }
}
