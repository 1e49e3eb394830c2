//! Events, a line each. Pure.

use jiff::Timestamp;

use crate::{
    model::events::Event,
    terminal::{
        colors::{Style, Tone},
        columns::{self, Cell},
    },
    text::plain,
    time::between,
};

/// All of them below a line of titles.
pub fn render(events: &[Event], now: Timestamp, style: Style) -> String {
    let mut rows = vec![columns::header(&[
        "LAST SEEN",
        "TYPE",
        "REASON",
        "OBJECT",
        "NOTE",
    ])];
    rows.extend(events.iter().map(|event| row(event, now)));
    columns::lay(&rows, 2, style)
}

/// One that has just come.
pub fn line(event: &Event, now: Timestamp, style: Style) -> String {
    columns::lay(&[row(event, now)], 2, style)
}

fn row(event: &Event, now: Timestamp) -> Vec<Cell> {
    let observed = event
        .last_observed()
        .map(|observed| format!("{} ago", between(observed, now)));
    let times = match event.count() {
        1 => String::new(),
        count => format!(" ({count} times)"),
    };
    let tone = if event.type_ == "Warning" {
        Tone::Bad
    } else {
        Tone::Plain
    };
    let object = format!(
        "{}/{}",
        event.regarding.kind.to_lowercase(),
        event.regarding.name
    );
    let text = |text: &str| plain(text).into_owned();
    vec![
        (observed.unwrap_or_else(|| "-".into()), Tone::Plain),
        (text(&event.type_), tone),
        (text(&event.reason), Tone::Plain),
        (text(&object), Tone::Plain),
        (text(event.note.trim()) + &times, Tone::Plain),
    ]
}
