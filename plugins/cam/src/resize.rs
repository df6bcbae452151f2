//! Bilinear resizing, as `align_corners = False` does it: pixel centres lie on pixel centres.

/// `channel [h, w]` at `[to_h, to_w]`.
pub fn bilinear(channel: &[f32], [h, w]: [usize; 2], [to_h, to_w]: [usize; 2]) -> Vec<f32> {
    let (rows, columns) = (taps(h, to_h), taps(w, to_w));
    let mut resized = Vec::with_capacity(to_h * to_w);
    for &(top, bottom, down) in &rows {
        for &(left, right, across) in &columns {
            let along = |row: usize| {
                let (a, b) = (channel[row * w + left], channel[row * w + right]);
                a + across * (b - a)
            };
            let (above, below) = (along(top), along(bottom));
            resized.push(above + down * (below - above));
        }
    }
    resized
}

/// For each target position the two source positions around it, and how far it is on the way to the second.
fn taps(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    (0..to)
        .map(|i| {
            let at = ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
            let first = (at as usize).min(from - 1);
            (first, (first + 1).min(from - 1), (at - first as f64) as f32)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.nn.functional.interpolate(torch.tensor([[[[0., 3.], [6., 12.]]]]), (3, 4), mode="bilinear")`
    #[test]
    fn values_are_those_of_torch() {
        let expected = [0.0, 0.75, 2.25, 3.0, 3.0, 4.125, 6.375, 7.5, 6.0, 7.5, 10.5, 12.0];
        let got = bilinear(&[0.0, 3.0, 6.0, 12.0], [2, 2], [3, 4]);
        assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?}");
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let channel = [1.0, -2.0, 3.5, 0.0, 5.0, 6.0];
        assert_eq!(bilinear(&channel, [2, 3], [2, 3]), channel);
    }
}
