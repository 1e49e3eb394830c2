//! Colours, which never carry a meaning that the words do not.

use clap::ValueEnum;
use owo_colors::Style as Ansi;
use serde::Serialize;

/// When output has colours.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Nowhere.
    Never,
}

/// The meaning of a colour; the words beside it have the same meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// As usual.
    Plain,
    /// As it should be.
    Good,
    /// At work, or in need of attention.
    Busy,
    /// Not as it should be.
    Bad,
    /// Of lesser interest.
    Dim,
    /// A title.
    Strong,
    /// The next step.
    Hint,
}

/// Whether one stream has colours.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    color: bool,
}

impl Style {
    /// For a stream that is a terminal or not.
    pub fn new(choice: Color, terminal: bool) -> Self {
        let color = match choice {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !no_color() && !dumb(),
        };
        Self { color }
    }

    /// Without colours.
    pub fn none() -> Self {
        Self { color: false }
    }

    /// `text` in the colour of `tone`.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let ansi = match tone {
            _ if !self.color || text.is_empty() => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Good => Ansi::new().green(),
            Tone::Busy => Ansi::new().yellow(),
            Tone::Bad => Ansi::new().red(),
            Tone::Dim => Ansi::new().dimmed(),
            Tone::Strong => Ansi::new().bold(),
            Tone::Hint => Ansi::new().cyan(),
        };
        ansi.style(text).to_string()
    }
}

/// <https://no-color.org>: set and not empty.
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// A terminal that understands no escape sequences.
pub fn dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
