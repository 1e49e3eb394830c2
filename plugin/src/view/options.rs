//! Options of a view.

use jiff::Timestamp;

use crate::terminal::colors::Style;

/// The time, the width and the colours of a view.
#[derive(Clone, Copy)]
pub struct View {
    /// The current time.
    pub now: Timestamp,
    /// Whether host ids, addresses and every node of an operation are shown.
    pub wide: bool,
    /// Colours.
    pub style: Style,
}
