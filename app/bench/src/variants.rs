//! The forms of the features, all from one scan.
//!
//! A scan with both directions holds, for each image, the forward feature `Σ A·M / ΣM`, the reverse one
//! `Σ A·W / ΣW` with `W = 1 − (M − low) / range`, and the map `M` itself. Both are linear in `A`, so that the unnormalised
//! feature `Σ A·M` and the spatial mean of `A` follow from them, and the model runs once instead of once per form.

use ascan_config::bench::Variant;
use ascan_core::{Error, Result, Tensor};
use ascan_engine::features::one_minus_minmax;
use ascan_math::resize::resize_map;
use ascan_store::ScanPlan;
use ascan_store::table::SliceInput;

/// The features of a scan in this form.
///
/// # Shapes
/// `input.embeddings`: `[n, 2c]`, forward before reverse; returns `[n, c]`, `[n, 2c]` for both directions, and
/// `[n, c + n_classes]` with the prediction.
///
/// # Errors
/// `Unsupported` if the scan's maps are not those that weighted its features: larger than the layer.
pub fn features(plan: &ScanPlan, input: &SliceInput, variant: Variant) -> Result<Tensor> {
    let [c, h, w] = plan.features.layer_shape;
    if plan.features.n_dims != 2 * c || plan.attribution.stored_map_size != plan.attribution.map_size {
        return Err(Error::unsupported(
            "the forms of the features cannot be computed from this scan: its maps are stored at another size",
            "use an attribution method with maps of the layer's size, such as grad_cam",
        ));
    }
    let (Some(maps), size) = (&input.maps, plan.attribution.map_size) else {
        return Err(Error::unsupported("the scan has no maps", ""));
    };
    let n = input.embeddings.n_rows();
    let mut data = Vec::with_capacity(n * 2 * c);
    for row in 0..n {
        let both = input.embeddings.row(row);
        let (forward, reverse) = both.split_at(c);
        let strength = maps.row(row).iter().map(|&v| match plan.features.settings.sign.as_str() {
            "absolute" => v.abs(),
            _ => v.max(0.0),
        });
        let map = Map::new(&resize_map(&strength.collect::<Vec<f32>>(), size, [h, w]));
        match variant {
            Variant::Weighted | Variant::WithPrediction => data.extend_from_slice(forward),
            Variant::Reverse => data.extend_from_slice(reverse),
            Variant::Both => data.extend_from_slice(both),
            // An empty map gave the spatial mean in each form.
            Variant::Unnormalised if !map.is_empty() => {
                data.extend(forward.iter().map(|&v| (f64::from(v) * map.sum) as f32));
            }
            Variant::Plain if !map.is_empty() => {
                data.extend(forward.iter().zip(reverse).map(|(&f, &r)| map.mean(f64::from(f), f64::from(r)) as f32));
            }
            Variant::Unnormalised | Variant::Plain => data.extend_from_slice(forward),
        }
    }
    let d = data.len().checked_div(n).unwrap_or(c);
    let features = Tensor::new([n, d], data)?;
    Ok(if variant == Variant::WithPrediction { beside(&features, &input.probs)? } else { features })
}

/// What of a map the identities need.
struct Map {
    n: f64,
    sum: f64,
    low: f64,
    range: f64,
    reverse_sum: f64,
}

impl Map {
    fn new(map: &[f32]) -> Self {
        let sum = |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum();
        let low = map.iter().copied().fold(f32::INFINITY, f32::min);
        let high = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        Self {
            n: map.len() as f64,
            sum: sum(map),
            low: f64::from(low),
            range: if high > low { f64::from(high) - f64::from(low) } else { 1.0 },
            reverse_sum: sum(&one_minus_minmax(map)),
        }
    }

    fn is_empty(&self) -> bool {
        self.sum <= 0.0
    }

    /// `ΣA / n`, from `Σ A·W = (1 + low / range)·ΣA − Σ A·M / range`.
    fn mean(&self, forward: f64, reverse: f64) -> f64 {
        let weighted = reverse * self.reverse_sum + forward * self.sum / self.range;
        weighted / (1.0 + self.low / self.range) / self.n
    }
}

/// Features and probabilities side by side, the probabilities scaled to the same total variance.
fn beside(features: &Tensor, probs: &Tensor) -> Result<Tensor> {
    let (of_features, of_probs) = (total_variance(features), total_variance(probs));
    let scale = if of_probs > 0.0 { (of_features / of_probs).sqrt() as f32 } else { 1.0 };
    let n = features.n_rows();
    let rows = (0..n).flat_map(|i| features.row(i).iter().copied().chain(probs.row(i).iter().map(|&p| p * scale)));
    Tensor::new([n, features.view().row_len() + probs.view().row_len()], rows.collect())
}

fn total_variance(rows: &Tensor) -> f64 {
    let (n, d) = (rows.n_rows().max(1) as f64, rows.view().row_len());
    let (mut sums, mut squares) = (vec![0.0; d], 0.0);
    for row in rows.data().chunks_exact(d.max(1)) {
        for (sum, &v) in sums.iter_mut().zip(row) {
            *sum += f64::from(v);
            squares += f64::from(v).powi(2);
        }
    }
    squares / n - sums.iter().map(|sum| (sum / n).powi(2)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_config::sections::FeaturesSection;
    use ascan_engine::features::FeatureRule;
    use ascan_store::plan::{AttributionPlan, FeaturesPlan};

    const LAYER: [usize; 3] = [3, 2, 3];

    fn rule(weighting: &str, direction: &str) -> FeatureRule {
        let (weighting, direction) = (weighting.into(), direction.into());
        FeatureRule::new(&FeaturesSection { weighting, direction, ..Default::default() }).unwrap()
    }

    /// Each form made from a scan of both directions is the one that a scan of its own would hold.
    #[test]
    fn every_form_is_that_of_a_scan_of_its_own() {
        let feature_map: Vec<f32> = (0..18).map(|i| ((i * 7) % 11) as f32 - 2.0).collect();
        let maps = [[0.5, 2.0, 1.0, 0.25, 3.0, 0.5], [0.0, -1.0, 0.0, 4.0, 0.0, 0.0], [2.0; 6], [-1.0; 6]];
        let both = rule("normalised", "both");
        let apply = |rule: FeatureRule, map: &[f32]| rule.apply(&feature_map, LAYER, map, [2, 3]).unwrap().embedding;
        let embeddings: Vec<f32> = maps.iter().flat_map(|map| apply(both, map)).collect();
        let input = SliceInput {
            embeddings: Tensor::new([4, 6], embeddings).unwrap(),
            probs: Tensor::new([4, 2], vec![0.9, 0.1, 0.2, 0.8, 0.5, 0.5, 0.7, 0.3]).unwrap(),
            maps: Some(Tensor::new([4, 2, 3], maps.concat()).unwrap()),
            ..Default::default()
        };
        let plan = ScanPlan {
            attribution: AttributionPlan { map_size: [2, 3], stored_map_size: [2, 3], ..Default::default() },
            features: FeaturesPlan { layer_shape: LAYER, n_dims: 6, ..Default::default() },
            ..Default::default()
        };
        for (variant, rule) in [
            (Variant::Weighted, rule("normalised", "forward")),
            (Variant::Unnormalised, rule("unnormalised", "forward")),
            (Variant::Plain, rule("none", "forward")),
            (Variant::Reverse, rule("normalised", "reverse")),
            (Variant::Both, both),
        ] {
            let made = features(&plan, &input, variant).unwrap();
            for (row, map) in maps.iter().enumerate() {
                let expected = apply(rule, map);
                assert_eq!(made.view().row_len(), expected.len());
                for (a, b) in made.row(row).iter().zip(&expected) {
                    assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{variant:?}, map {row}: {a} for {b}");
                }
            }
        }
        let with_prediction = features(&plan, &input, Variant::WithPrediction).unwrap();
        assert_eq!(with_prediction.shape(), [4, 5]);
        let blocks = [0..3, 3..5].map(|columns| {
            let rows = (0..4).flat_map(|i| with_prediction.row(i)[columns.clone()].to_vec()).collect::<Vec<f32>>();
            total_variance(&Tensor::new([4, columns.len()], rows).unwrap())
        });
        assert!((blocks[0] / blocks[1] - 1.0).abs() < 1e-4, "{blocks:?}");
    }

    #[test]
    fn maps_of_another_size_are_refused() {
        let plan = ScanPlan {
            attribution: AttributionPlan { map_size: [224, 224], stored_map_size: [56, 56], ..Default::default() },
            features: FeaturesPlan { layer_shape: LAYER, n_dims: 6, ..Default::default() },
            ..Default::default()
        };
        let error = features(&plan, &SliceInput::default(), Variant::Plain).unwrap_err();
        assert!(error.hint().unwrap().contains("grad_cam"), "{error}");
    }
}
