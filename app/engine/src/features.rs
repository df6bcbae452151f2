//! Attribution-weighted features: what the model looked at in an image, as one vector.

use ascan_config::sections::FeaturesSection;
use ascan_core::{Error, Result};
use ascan_math::resize::resize_map;

/// How a map weighs a feature map; the typed form of `[features]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureRule {
    weighting: Weighting,
    direction: Direction,
    sign: Sign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weighting {
    Normalised,
    Unnormalised,
    SpatialMean,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Reverse,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Positive,
    Absolute,
}

/// The feature vector of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// `[d]`, see [`FeatureRule::n_dims`].
    pub embedding: Vec<f32>,
    /// The map had no weight at all, so the plain spatial mean stands in.
    pub attribution_empty: bool,
}

impl FeatureRule {
    /// The rule that `[features]` asks for.
    ///
    /// # Errors
    /// `Param` for a word that is none of the allowed ones.
    pub fn new(section: &FeaturesSection) -> Result<Self> {
        let unknown = |key: &str, value: &str| Error::param(format!("features.{key}"), format!("got \"{value}\""), "");
        Ok(Self {
            weighting: match section.weighting.as_str() {
                "normalised" => Weighting::Normalised,
                "unnormalised" => Weighting::Unnormalised,
                "none" => Weighting::SpatialMean,
                other => return Err(unknown("weighting", other)),
            },
            direction: match section.direction.as_str() {
                "forward" => Direction::Forward,
                "reverse" => Direction::Reverse,
                "both" => Direction::Both,
                other => return Err(unknown("direction", other)),
            },
            sign: match section.sign.as_str() {
                "positive" => Sign::Positive,
                "absolute" => Sign::Absolute,
                other => return Err(unknown("sign", other)),
            },
        })
    }

    /// Length of the feature vector over a layer with `n_channels`: twice that for both directions.
    /// The spatial mean has no direction.
    pub fn n_dims(self, n_channels: usize) -> usize {
        match (self.weighting, self.direction) {
            (Weighting::Normalised | Weighting::Unnormalised, Direction::Both) => 2 * n_channels,
            _ => n_channels,
        }
    }

    /// Weighs a feature map with an attribution map.
    ///
    /// With `M` the positive (or absolute) part of the map, brought to the layer's size:
    /// forward `W = M / ΣM`, reverse `W = 1 − minmax(M)` over its own sum, and `f_k = Σ_ij A_kij · W_ij`.
    /// Unnormalised leaves the division out. A map without weight (`ΣM = 0`) gives the plain spatial mean.
    ///
    /// # Shapes
    /// - `feature_map`: `[c, h, w]` as in `layer`; `map`: `[map_h, map_w]` as in `map_size`, any size
    /// - returns `[n_dims(c)]`, forward before reverse
    ///
    /// # Errors
    /// `NotFinite`, naming the feature map or the attribution map.
    ///
    /// # Source
    /// Xuan et al. 2025, arXiv 2401.06462; reverse: Xuan et al. 2024, arXiv 2407.05594.
    pub fn apply(self, feature_map: &[f32], layer: [usize; 3], map: &[f32], map_size: [usize; 2]) -> Result<Features> {
        let [c, h, w] = layer;
        if !all_finite(map) {
            return Err(Error::NotFinite { what: "the attribution map".into() });
        }
        if !all_finite(feature_map) {
            return Err(Error::NotFinite { what: "the feature map".into() });
        }
        let strength = map.iter().map(|&v| match self.sign {
            Sign::Positive => v.max(0.0),
            Sign::Absolute => v.abs(),
        });
        let strength = resize_map(&strength.collect::<Vec<f32>>(), map_size, [h, w]);
        let attribution_empty = sum(&strength) <= 0.0;

        let mean = vec![1.0 / (h * w) as f32; h * w];
        let forward = || if attribution_empty { mean.clone() } else { self.scaled(strength.clone()) };
        let reverse = || if attribution_empty { mean.clone() } else { self.scaled(one_minus_minmax(&strength)) };
        let weights = match (self.weighting, self.direction) {
            (Weighting::SpatialMean, _) => vec![mean],
            (_, Direction::Forward) => vec![forward()],
            (_, Direction::Reverse) => vec![reverse()],
            (_, Direction::Both) => vec![forward(), reverse()],
        };
        let mut embedding = Vec::with_capacity(weights.len() * c);
        for weight in &weights {
            embedding.extend(feature_map.chunks_exact(h * w).map(|channel| dot(channel, weight)));
        }
        Ok(Features { embedding, attribution_empty })
    }

    fn scaled(self, mut weight: Vec<f32>) -> Vec<f32> {
        if self.weighting == Weighting::Normalised {
            let total = sum(&weight);
            weight.iter_mut().for_each(|v| *v = (f64::from(*v) / total) as f32);
        }
        weight
    }
}

/// A constant map has no largest place: nothing of it stands out, so all of the image counts as ignored.
pub fn one_minus_minmax(map: &[f32]) -> Vec<f32> {
    let (low, high) = map.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    let range = if high > low { high - low } else { 1.0 };
    map.iter().map(|&v| 1.0 - (v - low) / range).collect()
}

fn all_finite(values: &[f32]) -> bool {
    values.iter().all(|v| v.is_finite())
}

fn sum(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v)).sum()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYER: [usize; 3] = [2, 2, 2];
    // Two channels: 1..4 and 10..40.
    const FEATURE_MAP: [f32; 8] = [1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 40.0];

    fn rule(weighting: &str, direction: &str, sign: &str) -> FeatureRule {
        let section = FeaturesSection {
            weighting: weighting.into(),
            direction: direction.into(),
            sign: sign.into(),
            ..Default::default()
        };
        FeatureRule::new(&section).unwrap()
    }

    fn embedding(weighting: &str, direction: &str, sign: &str, map: [f32; 4]) -> Vec<f32> {
        let rule = rule(weighting, direction, sign);
        let features = rule.apply(&FEATURE_MAP, LAYER, &map, [2, 2]).unwrap();
        assert_eq!(features.embedding.len(), rule.n_dims(2));
        features.embedding
    }

    #[test]
    fn every_variant_on_numbers_worked_out_by_hand() {
        // Weights 0, 1/4, 0, 3/4: 0.5 + 3 = 3.5.
        assert_eq!(embedding("normalised", "forward", "positive", [0.0, 1.0, 0.0, 3.0]), [3.5, 35.0]);
        // Weights 0, 1, 0, 3: 2 + 12.
        assert_eq!(embedding("unnormalised", "forward", "positive", [0.0, 1.0, 0.0, 3.0]), [14.0, 140.0]);
        assert_eq!(embedding("none", "forward", "positive", [0.0, 1.0, 0.0, 3.0]), [2.5, 25.0]);
        assert_eq!(embedding("none", "both", "positive", [0.0, 1.0, 0.0, 3.0]), [2.5, 25.0]);
        // 1 − minmax of 0, 2, 0, 4 is 1, 1/2, 1, 0: 1 + 1 + 3 = 5, over a sum of 2.5.
        assert_eq!(embedding("unnormalised", "reverse", "positive", [0.0, 2.0, 0.0, 4.0]), [5.0, 50.0]);
        assert_eq!(embedding("normalised", "reverse", "positive", [0.0, 2.0, 0.0, 4.0]), [2.0, 20.0]);
        assert_eq!(embedding("normalised", "both", "positive", [0.0, 1.0, 0.0, 1.0]), [3.0, 30.0, 2.0, 20.0]);
        // A negative value is left out, or counts with its size.
        assert_eq!(embedding("normalised", "forward", "positive", [-5.0, 1.0, 0.0, 0.0]), [2.0, 20.0]);
        assert_eq!(embedding("normalised", "forward", "absolute", [-3.0, 1.0, 0.0, 0.0]), [1.25, 12.5]);
    }

    #[test]
    fn a_map_without_weight_gives_the_spatial_mean_and_says_so() {
        for (direction, sign, map) in
            [("forward", "positive", [0.0; 4]), ("forward", "positive", [-1.0; 4]), ("reverse", "absolute", [0.0; 4])]
        {
            for weighting in ["normalised", "unnormalised"] {
                let features = rule(weighting, direction, sign).apply(&FEATURE_MAP, LAYER, &map, [2, 2]).unwrap();
                assert_eq!((features.embedding, features.attribution_empty), (vec![2.5, 25.0], true));
            }
        }
        let constant = rule("normalised", "reverse", "positive").apply(&FEATURE_MAP, LAYER, &[2.0; 4], [2, 2]).unwrap();
        assert_eq!((constant.embedding, constant.attribution_empty), (vec![2.5, 25.0], false));
    }

    #[test]
    fn a_value_that_is_no_number_is_named() {
        let rule = rule("normalised", "forward", "positive");
        let map = rule.apply(&FEATURE_MAP, LAYER, &[0.0, f32::NAN, 0.0, 0.0], [2, 2]).unwrap_err();
        assert!(map.to_string().starts_with("the attribution map"), "{map}");
        let mut broken = FEATURE_MAP;
        broken[3] = f32::INFINITY;
        let layer = rule.apply(&broken, LAYER, &[1.0; 4], [2, 2]).unwrap_err();
        assert!(layer.to_string().starts_with("the feature map"), "{layer}");
    }

    #[test]
    fn the_sign_is_taken_before_the_averaging() {
        // The parts would cancel.
        let features = rule("normalised", "forward", "absolute")
            .apply(&[1.0, 2.0], [1, 1, 2], &[1.0, -1.0, 2.0, 0.0], [1, 4])
            .unwrap();
        assert_eq!((features.embedding, features.attribution_empty), (vec![1.5], false));
    }
}
