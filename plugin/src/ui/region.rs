//! The part of the terminal that is repainted in place.

use std::io::{self, Write};

use unicode_width::UnicodeWidthChar;

/// Terminals that do not say how large they are.
const USUAL_SIZE: (usize, usize) = (80, 24);

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

    fn paint_within(&mut self, text: &str, (width, height): (usize, usize)) -> io::Result<()> {
        let clipped = clip(text, width, height.saturating_sub(1));
        self.erase()?;
        self.lines = clipped.lines().count();
        self.terminal.write_all(clipped.as_bytes())?;
        self.terminal.flush()
    }

    /// Takes away what was painted.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn erase(&mut self) -> io::Result<()> {
        if self.lines > 0 {
            // Up to the first line of the region, then clear to the end of the screen.
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
    fn a_repaint_covers_exactly_what_was_painted() {
        let mut screen = Vec::new();
        let mut region = Region::new(&mut screen);
        for text in ["one\ntwo\nthree", "four"] {
            region.paint_within(text, (80, 3)).unwrap();
        }
        region.erase().unwrap();
        let expected = "one\n… 2 more lines\n\x1b[2A\r\x1b[Jfour\n\x1b[1A\r\x1b[J";
        assert_eq!(String::from_utf8(screen).unwrap(), expected);
    }
}
