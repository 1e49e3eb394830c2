//! The part of the terminal that is repainted in place.

use std::io::{self, Write};

use unicode_width::UnicodeWidthChar;

/// Terminals that do not say how large they are.
const USUAL_SIZE: (usize, usize) = (80, 24);
/// Lines that are left to the middle part however small the terminal is.
const LEAST_MIDDLE: usize = 4;

/// The last lines of a terminal, repainted as a whole.
pub struct Region<W: Write> {
    terminal: W,
    lines: usize,
}

impl<W: Write> Region<W> {
    /// Below what `terminal` shows now.
    pub fn new(terminal: W) -> Self {
        Self { terminal, lines: 0 }
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
        let mut painted = match self.lines {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r"),
        };
        painted += &clipped.replace('\n', "\x1b[K\n");
        painted += "\x1b[J";
        self.lines = clipped.lines().count();
        self.terminal.write_all(painted.as_bytes())?;
        self.terminal.flush()
    }

    /// Takes away what was painted.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn erase(&mut self) -> io::Result<()> {
        if self.lines > 0 {
            write!(self.terminal, "\x1b[{}A\r\x1b[J", self.lines)?;
            self.lines = 0;
        }
        self.terminal.flush()
    }
}

/// Columns and lines of the terminal.
fn size() -> (usize, usize) {
    use terminal_size::{Height, Width, terminal_size};
    terminal_size().map_or(USUAL_SIZE, |(Width(width), Height(height))| {
        (width.into(), height.into())
    })
}

/// Shortens `middle` so that the whole fits the terminal and what comes after it is seen, too.
pub fn fit(before: &str, middle: &str, after: &str) -> String {
    fit_within(before, middle, after, size().1.saturating_sub(1))
}

fn fit_within(before: &str, middle: &str, after: &str, height: usize) -> String {
    let taken = before.lines().count() + after.lines().count();
    let left = height.saturating_sub(taken).max(LEAST_MIDDLE);
    format!("{before}{}{after}", clip(middle, usize::MAX, left))
}

/// The part of `text` that fits, with a last line that says what does not; each line ends in a newline.
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

/// Cuts a line after `width` columns. Escape sequences take no column, and those that end a colour are kept.
fn clip_line(line: &str, width: usize) -> String {
    let mut clipped = String::new();
    let (mut columns, mut escape, mut cut) = (0, false, false);
    for c in line.chars() {
        if escape || c == '\x1b' {
            escape = !c.is_ascii_alphabetic();
            clipped.push(c);
            continue;
        }
        columns += c.width().unwrap_or(0);
        cut |= columns > width;
        if !cut {
            clipped.push(c);
        }
    }
    clipped
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
            "one\x1b[K\n… 2 more lines\x1b[K\n\x1b[J",
            "\x1b[2A\rfour\x1b[K\n\x1b[J",
            "\x1b[1A\r\x1b[J",
        ];
        assert_eq!(String::from_utf8(screen).unwrap(), expected.concat());
    }
}
