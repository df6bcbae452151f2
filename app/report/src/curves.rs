//! The curves of a repair as charts: loss per step, accuracies per epoch.

use ascan_core::{Error, Result};
use ascan_engine::repair::{CURVES, Curves, EpochPoint};
use ascan_store::{LocalStorage, Storage};
use ascan_viz::chart::{Axis, Chart, Series};
use std::path::Path;

/// Draws `loss.svg` and `accuracy.svg` into the folder of a finished repair, from its `curves.json`.
///
/// # Errors
/// `File` if the curves cannot be read or the charts cannot be written.
pub fn draw(folder: &Path) -> Result<()> {
    let storage = LocalStorage::new(folder);
    let curves: Curves = serde_json::from_slice(&storage.get(CURVES)?).map_err(|error| {
        Error::file(folder.join(CURVES), format!("cannot be understood: {error}"), "repair again into a new folder")
    })?;
    for (name, chart) in charts(&curves) {
        storage.put(&format!("{name}.svg"), chart.to_svg().as_bytes())?;
    }
    Ok(())
}

/// The accuracies of each epoch.
pub fn accuracy_chart(curves: &Curves) -> Chart {
    let [_, (_, chart)] = charts(curves);
    chart
}

/// The loss of each step, and the accuracies of each epoch, with their file names.
fn charts(curves: &Curves) -> [(&'static str, Chart); 2] {
    let axis = |label: &str, range| Axis { label: label.into(), log: false, range };
    let smooth = smoothed(&curves.losses);
    let series = |name: &str, points: Vec<[f64; 2]>| Series { name: name.into(), points };
    let of_epochs = |value: &dyn Fn(&EpochPoint) -> f32| -> Vec<[f64; 2]> {
        curves.epochs.iter().enumerate().map(|(i, point)| [(i + 1) as f64, f64::from(value(point))]).collect()
    };
    let with_before = |before: f32, points: Vec<[f64; 2]>| [vec![[0.0, f64::from(before)]], points].concat();
    let loss = Chart {
        title: "Loss while training".into(),
        x: axis("step", None),
        y: axis("cross-entropy, mean over several steps", None),
        series: vec![series("training", smooth)],
    };
    let accuracy = Chart {
        title: "Accuracy after each epoch".into(),
        x: axis("epoch", None),
        y: axis("accuracy", Some([0.0, 1.0])),
        series: vec![
            series("training", of_epochs(&|point| point.train_accuracy)),
            series("validation", with_before(curves.before.accuracy, of_epochs(&|point| point.validation.accuracy))),
            series(
                "validation, worst class",
                with_before(
                    curves.before.worst_class_accuracy,
                    of_epochs(&|point| point.validation.worst_class_accuracy),
                ),
            ),
        ],
    };
    [("loss", loss), ("accuracy", accuracy)]
}

/// At most this many points of a loss curve.
const N_POINTS: usize = 60;

/// Means of equal stretches, at the step of their middle.
fn smoothed(losses: &[f32]) -> Vec<[f64; 2]> {
    let len = losses.len().div_ceil(N_POINTS).max(1);
    let mean = |part: &[f32]| part.iter().map(|&loss| f64::from(loss)).sum::<f64>() / part.len() as f64;
    let middle = |i: usize, part: &[f32]| (i * len) as f64 + part.len() as f64 / 2.0;
    losses.chunks(len).enumerate().map(|(i, part)| [middle(i, part), mean(part)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_curves_become_means_of_stretches() {
        let losses: Vec<f32> = (0..600).map(|i| i as f32).collect();
        let points = smoothed(&losses);
        assert_eq!((points.len(), points[0], points[59]), (60, [5.0, 4.5], [595.0, 594.5]));
        assert_eq!(smoothed(&[2.0, 4.0]), [[0.5, 2.0], [1.5, 4.0]]);
        let svg = charts(&Curves { losses, ..Curves::default() })[0].1.to_svg();
        assert!(svg.contains("Loss while training"));
    }
}
