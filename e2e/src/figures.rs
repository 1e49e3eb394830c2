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

/// The value below which a share of the values lies (nearest rank).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a rank among some hundred values"
)]
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values = [4.0, 1.0, 3.0, 2.0];
        let all = [0.0, 0.5, 0.51, 0.99].map(|share| quantile(&values, share).to_string());
        assert_eq!(all, ["1", "2", "3", "4"]);
    }
}
