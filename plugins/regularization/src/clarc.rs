//! What [`crate::p_clarc`] and [`crate::rr_clarc`] share: the direction from core to spurious images.

use ascan_core::{Error, Habits, Result, Strengths, Suppression, TensorView, TrainingSet};
use std::collections::BTreeMap;

/// Of a method that suppresses a direction.
pub(crate) const SUPPRESSES: Strengths =
    Strengths { habits: Habits { suppresses: true, ..Habits::none() }, ..Strengths::none() };

/// The direction along which features go with spuriousness inside a class, Σ (s − s̄_y)(f − f̄_y), through the mean of the core
/// images. What classes differ in does not enter.
pub(crate) fn suppression(features: TensorView, set: &TrainingSet, kept: f32) -> Result<Suppression> {
    set.check()?;
    let [n, d] = features.dims("features", "[n, d]")?;
    if n != set.labels.len() {
        return Err(Error::shape("features", format!("{} rows, one per image", set.labels.len()), n));
    }
    let hint =
        "mark slices of one class as `core` and `spurious` with `ascan mark`, and spread the marks with `ascan spread`";
    let spuriousness = set.spuriousness.ok_or_else(|| Error::unsupported("clarc needs verdicts", hint))?;
    let known = || (0..n).filter(|&i| !spuriousness[i].is_nan());
    // Of each class: images, sum of spuriousness, sums of features.
    let mut sums: BTreeMap<usize, (f64, f64, Vec<f64>)> = BTreeMap::new();
    for i in known() {
        let (count, s, f) = sums.entry(set.labels[i]).or_insert_with(|| (0.0, 0.0, vec![0.0; d]));
        (*count, *s) = (*count + 1.0, *s + f64::from(spuriousness[i]));
        f.iter_mut().zip(features.row(i)).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    let mut direction = vec![0.0f64; d];
    let (mut n_core, mut through) = (0.0, vec![0.0f64; d]);
    for i in known() {
        let (count, s, f) = &sums[&set.labels[i]];
        let away = f64::from(spuriousness[i]) - s / count;
        for (k, &value) in features.row(i).iter().enumerate() {
            direction[k] += away * (f64::from(value) - f[k] / count);
        }
        if spuriousness[i] < 0.5 {
            n_core += 1.0;
            through.iter_mut().zip(features.row(i)).for_each(|(sum, &value)| *sum += f64::from(value));
        }
    }
    let length = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
    if !(length.is_finite() && length > 1e-9 && n_core > 0.0) {
        return Err(Error::unsupported(
            "no class has both core and spurious images, so there is no direction between them",
            hint,
        ));
    }
    Ok(Suppression {
        direction: direction.iter().map(|v| (v / length) as f32).collect(),
        through: through.iter().map(|sum| (sum / n_core) as f32).collect(),
        kept,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_core::Tensor;

    /// Two classes that differ along the first axis; spurious images lie 2 further along the second. Class 1 has more of them.
    fn images() -> (Tensor, Vec<usize>, Vec<f32>) {
        let labels: Vec<usize> = (0..40).map(|i| i % 2).collect();
        let spuriousness: Vec<f32> =
            (0..40).map(|i| if i % 10 == 0 || (i % 2 == 1 && i % 3 > 0) { 1.0 } else { 0.0 }).collect();
        let row = |i: usize| [10.0 * labels[i] as f32, 2.0 * spuriousness[i], 0.5];
        (Tensor::new([40, 3], (0..40).flat_map(row).collect()).unwrap(), labels, spuriousness)
    }

    #[test]
    fn the_direction_is_that_of_the_artifact_and_not_of_the_class() {
        let (features, labels, spuriousness) = images();
        let set = TrainingSet { spuriousness: Some(&spuriousness), ..TrainingSet::new(&labels) };
        let found = suppression(features.view(), &set, 0.0).unwrap();
        assert!(found.direction.iter().zip([0.0, 1.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        assert_eq!((found.through[1], found.kept), (0.0, 0.0));
        let mut spurious = features.row(0).to_vec();
        found.apply(&mut spurious);
        assert_eq!(spurious, features.row(2), "a spurious image becomes a core one of its class");
    }

    #[test]
    fn without_both_verdicts_in_a_class_there_is_no_direction() {
        let (features, labels, _) = images();
        let by_class: Vec<f32> = labels.iter().map(|&label| label as f32).collect();
        for spuriousness in [&by_class[..], &[0.0; 40]] {
            let set = TrainingSet { spuriousness: Some(spuriousness), ..TrainingSet::new(&labels) };
            let error = suppression(features.view(), &set, 0.0).unwrap_err();
            assert!(error.to_string().contains("no class has both"), "{error}");
        }
    }
}
