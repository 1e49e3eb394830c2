//! Figures: what a run has measured or tried. Tests require none of them, and a run prints them.

/// The mark of a line with a figure, in the output of a test.
const MARK: &str = "figure: ";

/// Reports a figure.
#[expect(
    clippy::print_stderr,
    reason = "the output of a test is how it reports to the run"
)]
pub fn report_figure(figure: &str) {
    eprintln!("{MARK}{figure}");
}

/// The figures in the output of tests.
pub fn figures(output: &str) -> impl Iterator<Item = &str> {
    output.lines().filter_map(|line| line.strip_prefix(MARK))
}
