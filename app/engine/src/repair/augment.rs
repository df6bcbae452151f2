//! The same picture, seen a little otherwise: mirrored, cut.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// How pictures are changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augment {
    /// Whether half of them are mirrored.
    pub flip: bool,
    /// Largest part of a side that is cut off.
    pub crop: f32,
}

/// One view of a picture: a window in shares of it, and whether it is mirrored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    flip: bool,
    x: f32,
    y: f32,
    size: f32,
}

impl Augment {
    /// The view of one picture in one epoch. Same seed, same view.
    pub fn view(self, seed: u64) -> View {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let (coin, cut, x, y): (f32, f32, f32, f32) = (rng.random(), rng.random(), rng.random(), rng.random());
        let cut = cut * self.crop;
        View { flip: self.flip && coin < 0.5, x: x * cut, y: y * cut, size: 1.0 - cut }
    }
}

impl View {
    fn is_whole(self) -> bool {
        !self.flip && self.size == 1.0
    }

    /// Planes as this view shows them, at the same size, interpolated linearly.
    ///
    /// # Shapes
    /// `planes`: `[c, h, w]`, any number of planes
    pub fn apply(self, planes: &mut [f32], [h, w]: [usize; 2]) {
        if self.is_whole() {
            return;
        }
        let rows = taps(h, self.y, self.size, false);
        let columns = taps(w, self.x, self.size, self.flip);
        for plane in planes.chunks_exact_mut(h * w) {
            let across: Vec<f32> = plane
                .chunks_exact(w)
                .flat_map(|row| columns.iter().map(|&(i, j, part)| row[i] * (1.0 - part) + row[j] * part))
                .collect();
            for (row, &(i, j, part)) in plane.chunks_exact_mut(w).zip(&rows) {
                for (x, value) in row.iter_mut().enumerate() {
                    *value = across[i * w + x] * (1.0 - part) + across[j * w + x] * part;
                }
            }
        }
    }
}

/// For each place of an axis the two places it comes from, and the share of the second.
fn taps(len: usize, start: f32, size: f32, mirrored: bool) -> Vec<(usize, usize, f32)> {
    let tap = |i: usize| {
        let i = if mirrored { len - 1 - i } else { i };
        let at = ((i as f32 + 0.5) * size + start * len as f32 - 0.5).clamp(0.0, (len - 1) as f32);
        let low = at.floor() as usize;
        (low, (low + 1).min(len - 1), at.fract())
    };
    (0..len).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_changed_unless_asked_for() {
        let plain = Augment { flip: false, crop: 0.0 };
        assert!((0..50).all(|seed| plain.view(seed).is_whole()));
    }

    #[test]
    fn half_are_mirrored_and_cuts_stay_inside() {
        let both = Augment { flip: true, crop: 0.3 };
        let views: Vec<View> = (0..400).map(|seed| both.view(seed)).collect();
        let n_mirrored = views.iter().filter(|view| view.flip).count();
        assert!((150..250).contains(&n_mirrored), "{n_mirrored}");
        let inside = |view: &View| view.size >= 0.7 && view.x + view.size <= 1.0 && view.y + view.size <= 1.0;
        assert!(views.iter().all(inside));
        assert_eq!(both.view(7), both.view(7));
    }

    #[test]
    fn a_view_moves_pixels() {
        let mirror = View { flip: true, x: 0.0, y: 0.0, size: 1.0 };
        let mut planes = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        mirror.apply(&mut planes, [1, 3]);
        assert_eq!(planes, [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
        let right_half = View { flip: false, x: 0.5, y: 0.0, size: 0.5 };
        let mut ramp: Vec<f32> = (0..8).map(|v| v as f32).collect();
        right_half.apply(&mut ramp, [1, 8]);
        let expected = [3.75, 4.25, 4.75, 5.25, 5.75, 6.25, 6.75, 7.0];
        assert!(ramp.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{ramp:?}");
    }
}
