//! The growth of a cost with the number of clusters.

/// The exponent of a cost that grows like a power of the number of clusters, beyond its value without clusters: the slope of the
/// logarithms, by least squares. Nothing with fewer than two numbers of clusters, or for a cost that does not grow.
pub fn exponent(costs: &[(usize, f64)]) -> Option<f64> {
    let base = costs
        .iter()
        .find_map(|&(number, cost)| (number == 0).then_some(cost))
        .unwrap_or(0.0);
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let points = costs
        .iter()
        .filter(|(number, cost)| *number >= LEAST && *cost > base)
        .map(|&(number, cost)| ((number as f64).ln(), (cost - base).ln()));
    let points: Vec<(f64, f64)> = points.collect();
    if points.len() < 2 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "some points")]
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (below > 0.0).then(|| above / below)
}

/// Fewest clusters whose cost is more than noise.
const LEAST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_is_that_of_the_part_that_grows() {
        let linear = [(0, 9.0), (50, 14.0), (200, 29.0), (500, 59.0)];
        let square = [(0, 1.0), (50, 26.0), (100, 101.0)];
        let found = [&linear[..], &square[..]]
            .map(|costs| exponent(costs).map(|found| format!("{found:.2}")));
        assert_eq!(found, [Some("1.00".to_owned()), Some("2.00".to_owned())]);
    }

    #[test]
    fn one_number_of_clusters_shows_no_growth() {
        assert_eq!(exponent(&[(0, 9.0), (1, 10.0), (50, 14.0)]), None);
    }
}
