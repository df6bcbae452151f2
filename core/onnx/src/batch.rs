//! Calls of an engine on a graph that takes one number of images only.

use ascan_core::TensorView;
use std::borrow::Cow;

/// The images in calls of exactly `size`; the last call is filled up with the last image.
///
/// Gives the number of images that count, and the call's values `[size, …]`.
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
