//! Where the object of a picture probably is, found without labels and without attributions.

use super::Vectors;
use super::mask::mask;
use ascan_config::sections::MasksSection;
use ascan_math::resize::resize_map;

/// Standard deviation of the prior for the middle, as a share of each side.
const SPREAD: f32 = 2.0 / 7.0;

/// Share of an object map's largest value from which a place may belong to the object. Half of it is the object itself; this
/// is where surroundings begin for certain.
pub const EDGE: f32 = 0.3;

/// From this share of its attribution on, an image is taken to be judged by its object.
pub const ON_OBJECT: f32 = 0.5;

/// Object maps of images, coarse as the layer that they come from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Objects {
    /// `[n]`, each `[h, w]` of `size`; `None` for an image without one.
    pub maps: Vectors,
    /// Height and width.
    pub size: [usize; 2],
}

impl Objects {
    /// Where the object of image `i` may be, 0 or 1, at another size.
    pub fn region(&self, i: usize, size: [usize; 2]) -> Option<Vec<f32>> {
        region(self.maps.get(i)?.as_ref()?, self.size, size)
    }
}

/// Where the object may be by its map, 0 or 1, at another size.
///
/// # Shapes
/// `map`: `map_size`; returns `[h, w]` of `size`
pub fn region(map: &[f32], map_size: [usize; 2], size: [usize; 2]) -> Option<Vec<f32>> {
    mask(map, map_size, size, false, &MasksSection { threshold: EDGE, grow: 0.0 })
}

/// An object map in [0, 1]: how strongly each place of a feature map is excited, times a Gaussian around the middle.
///
/// Nets answer to objects more strongly than to what surrounds them, and photographers put objects near the middle. Both are
/// guesses.
///
/// # Shapes
/// `features`: `[c, h, w]`; returns `[h, w]`. `None` for a map that is the same everywhere, or no number.
pub fn object_map(features: &[f32], [h, w]: [usize; 2]) -> Option<Vec<f32>> {
    let mut squares = vec![0.0f32; h * w];
    for plane in features.chunks_exact(h * w) {
        squares.iter_mut().zip(plane).for_each(|(sum, value)| *sum += value * value);
    }
    let lengths: Vec<f32> = squares.into_iter().map(f32::sqrt).collect();
    let least = lengths.iter().copied().fold(f32::INFINITY, f32::min);
    let weight = |at: usize, len: usize| {
        let distance = (at as f32 + 0.5) / len as f32 - 0.5;
        (-0.5 * (distance / SPREAD).powi(2)).exp()
    };
    let map: Vec<f32> =
        lengths.iter().enumerate().map(|(i, v)| (v - least) * weight(i / w, h) * weight(i % w, w)).collect();
    let largest = map.iter().copied().fold(0.0f32, f32::max);
    (largest.is_finite() && largest > 0.0).then(|| map.into_iter().map(|value| value / largest).collect())
}

/// The share of an attribution map that lies on the object. `None` for a map without weight.
///
/// # Shapes
/// `map`: `map_size`; `object`: `object_size`
pub fn share_on_object(
    map: &[f32],
    map_size: [usize; 2],
    absolute: bool,
    object: &[f32],
    object_size: [usize; 2],
) -> Option<f32> {
    let object = resize_map(object, object_size, map_size);
    let strength = |value: f32| if absolute { value.abs() } else { value.max(0.0) };
    let total: f32 = map.iter().map(|&value| strength(value)).sum();
    let inside: f32 = map.iter().zip(&object).filter(|(_, o)| **o > EDGE).map(|(&value, _)| strength(value)).sum();
    (total.is_finite() && total > 0.0).then(|| inside / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_excited_middle_is_the_object() {
        // Two channels over 3 × 3 places: the middle and one corner are equally excited.
        let mut features = vec![0.0f32; 18];
        (features[4], features[13], features[8]) = (3.0, 4.0, 5.0);
        let map = object_map(&features, [3, 3]).unwrap();
        assert_eq!(map[4], 1.0);
        assert!(map[8] > 0.0 && map[8] < 0.5, "{}", map[8]);
        assert_eq!(map[0], 0.0);
        assert_eq!(object_map(&[2.0; 18], [3, 3]), None);
    }

    #[test]
    fn attribution_in_the_corner_is_not_on_the_object() {
        let object = [0.0, 0.0, 0.0, 1.0];
        assert_eq!(share_on_object(&[0.0, 0.0, 0.0, 2.0], [2, 2], false, &object, [2, 2]), Some(1.0));
        assert_eq!(share_on_object(&[3.0, 0.0, -5.0, 1.0], [2, 2], false, &object, [2, 2]), Some(0.25));
        assert_eq!(share_on_object(&[0.0, 0.0, -3.0, 1.0], [2, 2], true, &object, [2, 2]), Some(0.25));
        assert_eq!(share_on_object(&[0.0; 4], [2, 2], false, &object, [2, 2]), None);
    }
}
