//! A distance for those who have none in mind.

/// Where sorted values begin to rise steeply: the point farthest below the line from the first to the last.
///
/// The last hundredth is left out: a few images far from everything would pull the line up, and the point with it.
///
/// # Source
/// The sorted distances to the k-th neighbour: Ester et al. 1996; the point: Satopää et al. 2011.
pub fn knee(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values.truncate((values.len() * 99).div_ceil(100));
    let (Some(&first), Some(&last)) = (values.first(), values.last()) else { return 0.0 };
    let line = |i: usize| first + (last - first) * i as f32 / (values.len() - 1).max(1) as f32;
    let below = values.iter().enumerate().map(|(i, &value)| (value, line(i) - value));
    below.reduce(|best, next| if next.1 >= best.1 { next } else { best }).map_or(0.0, |(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knee_is_where_the_rise_begins() {
        let values = (0..200).map(|i| if i < 150 { 1.0 + i as f32 * 1e-3 } else { 1.15 + (i - 150) as f32 * 0.2 });
        let found = knee(values.collect());
        assert!((1.0..1.6).contains(&found), "{found}");
        assert_eq!(knee(vec![2.0; 9]), 2.0);
        assert_eq!(knee(Vec::new()), 0.0);
    }
}
