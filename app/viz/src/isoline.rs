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

/// The line, in pieces between pixel centres (marching squares).
pub(crate) fn segments(plane: &GrayImage, level: f32) -> Vec<[[f32; 2]; 2]> {
    let (width, height) = plane.dimensions();
    let value = |x: u32, y: u32| f32::from(plane.get_pixel(x, y).0[0]);
    let mut segments = Vec::new();
    for y in 0..height.saturating_sub(1) {
        for x in 0..width.saturating_sub(1) {
            // Corners in the order around the square; an edge lies between each and the next.
            let corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
                .map(|(dx, dy)| ([(x + dx) as f32 + 0.5, (y + dy) as f32 + 0.5], value(x + dx, y + dy) - level));
            let mut crossings = Vec::with_capacity(4);
            for i in 0..4 {
                let ((a, from), (b, to)) = (corners[i], corners[(i + 1) % 4]);
                if (from < 0.0) != (to < 0.0) {
                    let t = from / (from - to);
                    crossings.push([a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])]);
                }
            }
            // Two or, at a saddle, four.
            segments.extend(crossings.chunks_exact(2).map(|pair| [pair[0], pair[1]]));
        }
    }
    segments
}
