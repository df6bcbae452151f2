//! Calls of an engine whose graph takes a fixed number of images.

use ascan_core::TensorView;
use std::borrow::Cow;

/// Splits the images into calls of exactly `size`; the last call is padded with copies of the last image.
///
/// Yields, per call, the number of images that count and the values `[size, …]`.
pub fn calls(images: TensorView<'_>, size: usize) -> impl Iterator<Item = (usize, Cow<'_, [f32]>)> {
    let n = images.n_rows();
    let size = size.max(1);
    (0..n).step_by(size).map(move |start| {
        let end = (start + size).min(n);
        let mut values = Cow::Borrowed(images.rows(start..end));
        for _ in end..start + size {
            values.to_mut().extend_from_slice(images.row(n - 1));
        }
        (end - start, values)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_call_is_filled_up() {
        let images = TensorView::new(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let calls: Vec<_> = calls(images, 2).map(|(n, values)| (n, values.into_owned())).collect();
        assert_eq!(calls, [(2, vec![1.0, 2.0, 3.0, 4.0]), (1, vec![5.0, 6.0, 5.0, 6.0])]);
        assert_eq!(super::calls(images, 3).count(), 1);
    }
}
