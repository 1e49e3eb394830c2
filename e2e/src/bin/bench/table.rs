//! The table of values, and its statistics.

use std::fmt;

use casskop_e2e::figures::quantile;

/// All rows.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

/// One row: the name, every single value, the comparison, and the design's target.
#[derive(Default)]
pub struct Row {
    figure: String,
    measured: String,
    all: String,
    beside: String,
    ratio: String,
    target: String,
}

/// The unit and format of values.
#[derive(Clone, Copy)]
pub enum Unit {
    /// Seconds with two digits.
    Seconds,
    /// Seconds, written in ms.
    Millis,
    /// MiB, for memory.
    Mebibytes,
    /// Millions of bytes, for files.
    Megabytes,
    /// Events per minute.
    PerMinute,
    /// Integers.
    Count,
}

impl Unit {
    fn number(self, value: f64) -> String {
        match self {
            Self::Seconds | Self::Megabytes => format!("{value:.2}"),
            Self::Millis => format!("{:.1}", value * 1000.0),
            Self::Mebibytes | Self::PerMinute => format!("{value:.1}"),
            Self::Count => format!("{value:.0}"),
        }
    }

    fn text(self, value: f64) -> String {
        let unit = match self {
            Self::Seconds => "s",
            Self::Millis => "ms",
            Self::Mebibytes => "MiB",
            Self::Megabytes => "MB",
            Self::PerMinute => "/min",
            Self::Count => return self.number(value),
        };
        format!("{} {unit}", self.number(value))
    }
}

impl Row {
    /// The median of some values; with few values all are shown, with many the range.
    pub fn median(figure: &str, unit: Unit, values: &[f64]) -> Self {
        Self::quantile(figure, unit, values, 0.5)
    }

    /// A quantile of some values.
    pub fn quantile(figure: &str, unit: Unit, values: &[f64], share: f64) -> Self {
        let all = if values.len() <= 5 {
            let all: Vec<String> = values.iter().map(|&value| unit.number(value)).collect();
            all.join(" ")
        } else {
            format!(
                "{}…{}, n={}",
                unit.number(quantile(values, 0.0)),
                unit.number(quantile(values, 1.0)),
                values.len()
            )
        };
        Self {
            figure: figure.to_owned(),
            measured: unit.text(quantile(values, share)),
            all,
            ..Self::default()
        }
    }

    /// The median of some counts.
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    pub fn counts(figure: &str, counts: &[usize]) -> Self {
        let counts: Vec<f64> = counts.iter().map(|&count| count as f64).collect();
        Self::median(figure, Unit::Count, &counts)
    }

    /// Adds the median of other values that were measured in this run.
    pub fn beside(mut self, unit: Unit, own: &[f64], what: &str, values: &[f64]) -> Self {
        let all: Vec<String> = values.iter().map(|&value| unit.number(value)).collect();
        let (own, other) = (quantile(own, 0.5), quantile(values, 0.5));
        self.beside = format!("{what} {} ({})", unit.text(other), all.join(" "));
        self.ratio = format!("{:.2} ×", own / other);
        self
    }

    /// Adds a note.
    pub fn note(mut self, note: &str) -> Self {
        self.beside = note.into();
        self
    }

    /// Adds the design's target.
    pub fn target(mut self, target: &str) -> Self {
        self.target = target.into();
        self
    }

    fn cells(&self) -> [&str; 6] {
        [
            &self.figure,
            &self.measured,
            &self.all,
            &self.beside,
            &self.ratio,
            &self.target,
        ]
    }
}

impl Table {
    /// Adds a row.
    pub fn add(&mut self, row: Row) {
        eprintln!("bench: {}", row.cells().join("  "));
        self.rows.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["figure", "measured", "all", "beside it", "ratio", "target"];
        let lines = || std::iter::once(head).chain(self.rows.iter().map(Row::cells));
        let mut widths = [0; 6];
        for line in lines() {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for line in lines() {
            let cells: Vec<String> = line
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}
