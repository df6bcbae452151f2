//! Polygons as pixels.

/// Visits the pixels of each line of a polygon, given in pixels; what crosses itself is inside where an odd number of
/// sides lies to the left. `n_lines` lines are tried in every row of pixels.
///
/// `visit` gets the row and the ends of a stretch inside, in pixels, cut at the picture's borders.
pub fn spans(polygon: &[[f32; 2]], [width, height]: [u32; 2], n_lines: u32, mut visit: impl FnMut(u32, f32, f32)) {
    let (low, high) = polygon.iter().fold((f32::MAX, f32::MIN), |(low, high), p| (low.min(p[1]), high.max(p[1])));
    let first = (low.max(0.0) as u32).min(height);
    let last = (high.min(height as f32).ceil().max(0.0) as u32).min(height);
    let mut crossings = Vec::new();
    for line in first * n_lines..last * n_lines {
        let y = (line as f32 + 0.5) / n_lines as f32;
        crossings.clear();
        for (i, a) in polygon.iter().enumerate() {
            let b = polygon[(i + 1) % polygon.len()];
            if (a[1] <= y) != (b[1] <= y) {
                crossings.push(a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]));
            }
        }
        crossings.sort_by(f32::total_cmp);
        for pair in crossings.chunks_exact(2) {
            let (start, end) = (pair[0].max(0.0), pair[1].min(width as f32));
            if start < end {
                visit(line / n_lines, start, end);
            }
        }
    }
}

/// How much of each pixel a polygon covers, 255 for all of it.
pub fn coverage(polygon: &[[f32; 2]], size: [u32; 2]) -> Vec<u8> {
    const N_LINES: u32 = 5;
    let mut covered = vec![0.0f32; (size[0] * size[1]) as usize];
    spans(polygon, size, N_LINES, |row, start, end| {
        let pixels = &mut covered[(row * size[0]) as usize..((row + 1) * size[0]) as usize];
        let (first, last) = (start as usize, (end as usize).min(pixels.len() - 1));
        for (x, pixel) in pixels.iter_mut().enumerate().take(last + 1).skip(first) {
            *pixel += (end.min(x as f32 + 1.0) - start.max(x as f32)).max(0.0);
        }
    });
    covered.into_iter().map(|share| (share * 255.0 / N_LINES as f32).round() as u8).collect()
}

/// Which pixels have their centre inside a polygon.
pub fn mask(polygon: &[[f32; 2]], size: [u32; 2]) -> Vec<bool> {
    let mut mask = vec![false; (size[0] * size[1]) as usize];
    spans(polygon, size, 1, |row, start, end| {
        let (first, last) = ((start - 0.5).ceil() as u32, (end + 0.5).floor() as u32);
        mask[(row * size[0] + first) as usize..(row * size[0] + last.max(first)) as usize].fill(true);
    });
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_is_exact_on_pixel_borders_and_shares_out_between() {
        let half = coverage(&[[1.5, 1.0], [3.0, 1.0], [3.0, 2.0], [1.5, 2.0]], [4, 3]);
        assert_eq!(half, [0, 0, 0, 0, 0, 128, 255, 0, 0, 0, 0, 0]);
        let circle: Vec<[f32; 2]> = (0..200)
            .map(|i| (i as f32 * std::f32::consts::TAU / 200.0).sin_cos())
            .map(|(sin, cos)| [20.0 + 15.0 * cos, 20.0 + 15.0 * sin])
            .collect();
        let sum: f32 = coverage(&circle, [40, 40]).into_iter().map(|v| f32::from(v) / 255.0).sum();
        assert!((sum - std::f32::consts::PI * 225.0).abs() < 3.0, "{sum}");
    }

    #[test]
    fn a_mask_takes_pixels_by_their_centre_and_is_cut_at_the_border() {
        let mask = mask(&[[-5.0, 0.6], [2.4, 0.6], [2.4, 9.0], [-5.0, 9.0]], [4, 3]);
        let (yes, no) = (true, false);
        assert_eq!(mask, [no, no, no, no, yes, yes, no, no, yes, yes, no, no]);
        assert!(!super::mask(&[[9.0, 9.0], [12.0, 9.0], [9.0, 12.0]], [4, 4]).contains(&true));
        assert!(!super::mask(&[], [4, 4]).contains(&true) && coverage(&[], [4, 4]) == [0; 16]);
    }

    #[test]
    fn a_figure_that_crosses_itself_has_a_hole() {
        // A pentagram: its middle has two sides to the left.
        let star: Vec<[f32; 2]> = (0..5)
            .map(|i| (i as f32 * 2.0 * std::f32::consts::TAU / 5.0).sin_cos())
            .map(|(sin, cos)| [50.0 + 45.0 * sin, 50.0 - 45.0 * cos])
            .collect();
        let mask = mask(&star, [100, 100]);
        assert!(!mask[50 * 100 + 50] && mask[12 * 100 + 50]);
    }
}
