//! Cells in columns. Pure.

use super::{
    colors::{Style, Tone},
    region::display_width,
};

/// A text and its colour.
pub type Cell = (String, Tone);

/// Titles of columns.
pub fn header(titles: &[&str]) -> Vec<Cell> {
    let dim = |title: &&str| ((*title).to_owned(), Tone::Dim);
    titles.iter().map(dim).collect()
}

/// Each row a line, its cells `gap` spaces apart and as wide as the widest of their column.
pub fn lay(rows: &[Vec<Cell>], gap: usize, style: Style) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|(text, _)| display_width(text))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for ((cell, tone), width) in row.iter().zip(&widths) {
            line += &style.paint(*tone, cell);
            line += &" ".repeat(width - display_width(cell) + gap);
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
