//! Lines of equal value of a plane of bytes.

use image::GrayImage;

/// The value above which lies `share` of the sum, half a step below a byte so that no pixel is on the line.
pub(crate) fn level(plane: &GrayImage, share: f32) -> Option<f32> {
    let mut counts = [0u64; 256];
    plane.as_raw().iter().for_each(|&value| counts[usize::from(value)] += 1);
    let total: u64 = (0u64..).zip(counts).map(|(value, n)| value * n).sum();
    let wanted = share.clamp(0.0, 1.0) as f64 * total as f64;
    let mut sum = 0u64;
    for (value, n) in (1u32..256).zip(&counts[1..]).rev() {
        sum += u64::from(value) * n;
        if sum as f64 >= wanted && sum > 0 {
            return Some(value as f32 - 0.5);
        }
    }
    None
}

/// Corners of a square in the order around it; an edge lies between each and the next.
const CORNERS: [[u32; 2]; 4] = [[0, 0], [1, 0], [1, 1], [0, 1]];

/// The line, in pieces between pixel centres (marching squares).
pub(crate) fn segments(plane: &GrayImage, level: f32) -> Vec<[[f32; 2]; 2]> {
    let (width, height) = plane.dimensions();
    let mut segments = Vec::new();
    for y in 0..height.saturating_sub(1) {
        for x in 0..width.saturating_sub(1) {
            let values = CORNERS.map(|[dx, dy]| f32::from(plane.get_pixel(x + dx, y + dy).0[0]) - level);
            let n_below = values.iter().filter(|&&value| value < 0.0).count();
            // Nearly all squares lie on one side of the line.
            if (1..CORNERS.len()).contains(&n_below) {
                cross([x, y], values, &mut segments);
            }
        }
    }
    segments
}

/// The pieces in the square with this first corner: one or, at a saddle, two.
fn cross([x, y]: [u32; 2], values: [f32; 4], segments: &mut Vec<[[f32; 2]; 2]>) {
    let corner = |i: usize| [(x + CORNERS[i][0]) as f32 + 0.5, (y + CORNERS[i][1]) as f32 + 0.5];
    let mut open = None;
    for (i, next) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
        let (from, to) = (values[i], values[next]);
        if (from < 0.0) == (to < 0.0) {
            continue;
        }
        let (a, b, t) = (corner(i), corner(next), from / (from - to));
        let crossing = [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])];
        match open.take() {
            None => open = Some(crossing),
            Some(start) => segments.push([start, crossing]),
        }
    }
}
