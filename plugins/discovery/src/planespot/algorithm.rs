//! The space in which PlaneSpot clusters, and the order of what it finds.

use super::params::Confidence;
use ascan_core::metrics::argmax;
use ascan_core::{SliceTable, Tensor, TensorView};

/// Where the plane lies: moved and scaled so that the images of the fit fill a square of side 1.
pub struct Frame {
    low: [f32; 2],
    high: [f32; 2],
}

impl Frame {
    /// The frame of these images, `[n, 1 or 2]`.
    pub fn of(plane: TensorView) -> Self {
        let mut frame = Self { low: [f32::INFINITY; 2], high: [f32::NEG_INFINITY; 2] };
        for row in (0..plane.n_rows()).map(|i| plane.row(i)) {
            for ((&value, low), high) in row.iter().zip(&mut frame.low).zip(&mut frame.high) {
                (*low, *high) = (low.min(value), high.max(value));
            }
        }
        frame
    }

    /// The plane, scaled, with the weighted confidence beside it: `[n, 3]`.
    pub fn space(&self, plane: TensorView, confidences: &[f32], weight: f64) -> Tensor {
        let mut space = Tensor::zeros([plane.n_rows(), 3]);
        for (i, out) in space.data_mut().chunks_exact_mut(3).enumerate() {
            for (j, (&value, out)) in plane.row(i).iter().zip(&mut *out).enumerate() {
                // A dimension in which nothing varies says nothing.
                let width = self.high[j] - self.low[j];
                *out = if width > 0.0 { (value - self.low[j]) / width } else { 0.0 };
            }
            out[2] = (weight * f64::from(confidences[i])) as f32;
        }
        space
    }
}

/// The model's confidence in each image.
pub fn confidences(table: &SliceTable, confidence: Confidence) -> Vec<f32> {
    let of_row = |i: usize| {
        let probs = table.probs.row(i);
        let label = usize::try_from(table.labels[i]).ok().filter(|_| confidence == Confidence::Label);
        let class = label.filter(|&label| label < probs.len()).unwrap_or_else(|| argmax(probs));
        probs.get(class).copied().unwrap_or(0.0)
    };
    (0..table.n()).map(of_row).collect()
}

/// The components, those that matter most first: by n·e², the number of their errors times the share of errors.
/// Images without a label count as no errors; components of equal importance keep their order.
pub fn by_importance(assignment: &[usize], n_components: usize, table: &SliceTable) -> Vec<usize> {
    let (mut sizes, mut errors) = (vec![0usize; n_components], vec![0usize; n_components]);
    for (i, &component) in assignment.iter().enumerate() {
        let label = table.labels[i];
        sizes[component] += 1;
        errors[component] += usize::from(label >= 0 && label != table.predicted_classes[i]);
    }
    let importance = |component: usize| (errors[component] as f64).powi(2) / sizes[component].max(1) as f64;
    let mut order: Vec<usize> = (0..n_components).collect();
    order.sort_by(|&a, &b| importance(b).total_cmp(&importance(a)));
    order
}
