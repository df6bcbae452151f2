//! Frozen masks: what the model before the repair looked at, at the size of its input.

use ascan_config::sections::MasksSection;
use ascan_math::resize::resize_map;

/// The mask of a raw attribution map, in [0, 1].
///
/// The positive part of the map (or its size, where `absolute`) as a share of its largest value, brought to the
/// input's size bilinearly, then cut at the threshold, then grown. A map without weight says nothing: `None`.
///
/// # Shapes
/// `map`: `map_size`; returns `[h, w]` of `size`
pub fn mask(
    map: &[f32],
    map_size: [usize; 2],
    size: [usize; 2],
    absolute: bool,
    rule: &MasksSection,
) -> Option<Vec<f32>> {
    let strength: Vec<f32> = map.iter().map(|&v| if absolute { v.abs() } else { v.max(0.0) }).collect();
    let largest = strength.iter().copied().fold(0.0f32, f32::max);
    if !(largest.is_finite() && largest > 0.0) {
        return None;
    }
    let shares: Vec<f32> = strength.iter().map(|v| v / largest).collect();
    let mut mask = resize_map(&shares, map_size, size);
    for value in &mut mask {
        *value =
            if rule.threshold > 0.0 { f32::from(u8::from(*value >= rule.threshold)) } else { value.clamp(0.0, 1.0) };
    }
    let reach = (rule.grow * size[0].max(size[1]) as f32).round() as usize;
    Some(if reach > 0 { grown(&mask, size, reach) } else { mask })
}

/// The largest value within `reach` places on all sides, a square.
fn grown(mask: &[f32], [h, w]: [usize; 2], reach: usize) -> Vec<f32> {
    let widest = |values: &dyn Fn(usize) -> f32, at: usize, len: usize| {
        (at.saturating_sub(reach)..(at + reach + 1).min(len)).map(values).fold(0.0f32, f32::max)
    };
    let across: Vec<f32> = (0..h * w).map(|i| widest(&|x| mask[i / w * w + x], i % w, w)).collect();
    (0..h * w).map(|i| widest(&|y| across[y * w + i % w], i / w, h)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(map: &[f32], rule: &MasksSection) -> Option<Vec<f32>> {
        mask(map, [1, 2], [1, 4], false, rule)
    }

    #[test]
    fn a_mask_is_the_share_of_the_largest_value() {
        let soft = MasksSection { threshold: 0.0, grow: 0.0 };
        assert_eq!(of(&[0.0, 8.0], &soft).unwrap(), [0.0, 0.25, 0.75, 1.0]);
        assert_eq!(of(&[-8.0, 4.0], &soft).unwrap(), [0.0, 0.25, 0.75, 1.0]);
        assert_eq!(mask(&[-8.0, 4.0], [1, 2], [1, 2], true, &soft).unwrap(), [1.0, 0.5]);
        let cut = MasksSection { threshold: 0.5, grow: 0.0 };
        assert_eq!(of(&[0.0, 8.0], &cut).unwrap(), [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(of(&[0.0, 8.0], &MasksSection { grow: 0.25, ..cut }).unwrap(), [0.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn a_map_without_weight_has_no_mask() {
        assert_eq!(of(&[0.0, -1.0], &MasksSection::default()), None);
        assert_eq!(of(&[f32::NAN, f32::INFINITY], &MasksSection::default()), None);
    }
}
