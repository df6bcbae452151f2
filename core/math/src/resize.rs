//! Maps resized.

/// Resizes a map: each axis is averaged by area where it shrinks and interpolated linearly where it grows.
///
/// # Shapes
/// `map`: `[from[0], from[1]]`, returns `[to[0], to[1]]`
pub fn resize_map(map: &[f32], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    if from == to {
        return map.to_vec();
    }
    let rows = axis_weights(from[0], to[0]);
    let columns = axis_weights(from[1], to[1]);
    let mut narrow = Vec::with_capacity(from[0] * to[1]);
    for row in map.chunks_exact(from[1]) {
        narrow.extend(columns.iter().map(|taps| taps.iter().map(|&(i, weight)| weight * row[i]).sum::<f32>()));
    }
    let mut out = vec![0.0; to[0] * to[1]];
    for (taps, row) in rows.iter().zip(out.chunks_exact_mut(to[1])) {
        for &(i, weight) in taps {
            row.iter_mut().zip(&narrow[i * to[1]..]).for_each(|(v, &source)| *v += weight * source);
        }
    }
    out
}

/// For each place of the new axis, the places of the old one and their weights, which sum to 1.
fn axis_weights(from: usize, to: usize) -> Vec<Vec<(usize, f32)>> {
    let step = from as f64 / to as f64;
    (0..to)
        .map(|i| {
            if to > from {
                // Pixel centres, clamped at the border.
                let centre = ((i as f64 + 0.5) * step - 0.5).clamp(0.0, (from - 1) as f64);
                let (low, part) = (centre.floor() as usize, centre.fract());
                let taps = [(low, 1.0 - part), ((low + 1).min(from - 1), part)];
                return taps.iter().filter(|tap| tap.1 > 0.0).map(|&(i, weight)| (i, weight as f32)).collect();
            }
            let (start, end) = (i as f64 * step, (i + 1) as f64 * step);
            (start as usize..(end.ceil() as usize).min(from))
                .map(|j| (j, (((j + 1) as f64).min(end) - (j as f64).max(start)) / step))
                // Rounding of `end` may touch a pixel without covering any of it.
                .filter(|&(_, share)| share > 1e-9)
                .map(|(j, share)| (j, share as f32))
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_map_is_averaged_and_a_smaller_one_interpolated() {
        #[rustfmt::skip]
        let map = [
            1.0, 3.0, 0.0, 0.0,
            5.0, 7.0, 0.0, 4.0,
        ];
        assert_eq!(resize_map(&map, [2, 4], [1, 2]), [4.0, 1.0]);
        // Three into two: each new place covers one and a half old ones.
        assert_eq!(resize_map(&[3.0, 6.0, 9.0], [1, 3], [1, 2]), [4.0, 8.0]);
        assert_eq!(resize_map(&[0.0, 4.0], [1, 2], [1, 4]), [0.0, 1.0, 3.0, 4.0]);
        assert_eq!(resize_map(&[2.0], [1, 1], [2, 2]), [2.0; 4]);
    }

    /// `torch.nn.functional.interpolate(torch.tensor([[[[0., 3.], [6., 12.]]]]), (3, 4), mode="bilinear")`
    #[test]
    fn interpolated_values_are_those_of_torch() {
        let expected = [0.0, 0.75, 2.25, 3.0, 3.0, 4.125, 6.375, 7.5, 6.0, 7.5, 10.5, 12.0];
        let got = resize_map(&[0.0, 3.0, 6.0, 12.0], [2, 2], [3, 4]);
        assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?}");
    }

    #[test]
    fn averaging_keeps_the_mean_at_any_size() {
        let map: Vec<f32> = (0..224 * 224).map(|i| (i % 17) as f32).collect();
        let mean = |v: &[f32]| v.iter().map(|&v| f64::from(v)).sum::<f64>() / v.len() as f64;
        for side in [1, 7, 14, 55, 56, 112] {
            let small = resize_map(&map, [224, 224], [side, side]);
            assert!((mean(&small) - mean(&map)).abs() < 1e-4, "{side}");
        }
    }
}
