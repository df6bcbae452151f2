//! What a model still knows when the object, or everything else, is noise.

use ascan_config::host::PluginHost;
use ascan_core::{Context, Kind, Result, metrics};
use ascan_engine::scanned;
use ascan_engine::seeds::seed_of;
use ascan_engine::workers::logits;
use ascan_images::unit::{Normalise, unit_pictures};
use ascan_store::Scan;
use ascan_store::table::ScanTable;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Accuracies on disturbed images.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sensitivity {
    /// With noise in place of everything but the object: core accuracy.
    pub background_noised: f64,
    /// With noise in place of the object.
    pub foreground_noised: f64,
}

impl Sensitivity {
    /// Relative foreground sensitivity, in [−1, 1].
    ///
    /// # Source
    /// Moayeri et al. 2022, arXiv 2201.10766.
    pub fn rfs(self) -> f64 {
        let mean = (self.background_noised + self.foreground_noised) / 2.0;
        let room = 2.0 * mean.min(1.0 - mean);
        if room > 0.0 { (self.background_noised - self.foreground_noised) / room } else { 0.0 }
    }
}

/// Standard deviation of the noise around mid-grey, where white is 1: about that of photographs.
const SIGMA: f32 = 0.25;

/// Runs the model of a scan on its images with noise over the background, and over the object.
///
/// # Errors
/// `File` if images or model have gone; what the backend reports; `Cancelled`.
pub(super) fn sensitivity(
    scan: &Scan,
    table: &ScanTable,
    masks: &[Option<Vec<f32>>],
    host: &PluginHost,
    context: &Context,
) -> Result<Sensitivity> {
    let (model, plan) = (&scan.config.model, &scan.plan);
    let images = scanned::images(scan)?;
    let pictures = unit_pictures(&model.preprocess, plan.model.input_shape)?;
    let normalise = Normalise::new(&model.preprocess);
    host.ask(&scan.dir, Kind::Backend, &plan.model.backend, &plan.model.params)?;
    let runtime = host.backend(&plan.model.backend, &plan.model.params)?;
    let open = model.open(1);
    let rows: Vec<usize> =
        table.valid_rows().into_iter().filter(|&row| table.labels[row] >= 0 && masks[row].is_some()).collect();
    let labels: Vec<i32> = rows.iter().map(|&row| table.labels[row]).collect();
    let accuracy = |noisy_inside: bool| -> Result<f64> {
        let load = |i: usize| {
            let row = rows[i];
            let mut picture = pictures.load(&images, row)?;
            if let Some(mask) = &masks[row] {
                disturb(&mut picture, mask, noisy_inside, seed_of(context.seed, [5, row as u64]));
            }
            normalise.apply(&mut picture, plan.model.input_shape);
            Ok(picture)
        };
        Ok(right(&logits(&*runtime, &open, rows.len(), &load, context)?, &labels))
    };
    Ok(Sensitivity { background_noised: accuracy(false)?, foreground_noised: accuracy(true)? })
}

/// Noise in place of the object, or of everything else; the same for the same seed.
fn disturb(picture: &mut [f32], mask: &[f32], noisy_inside: bool, seed: u64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    for plane in picture.chunks_exact_mut(mask.len()) {
        for (value, &m) in plane.iter_mut().zip(mask) {
            if (m > 0.5) == noisy_inside {
                // Three uniform numbers are as good as a normal one here, and have its variance.
                let sum: f32 = (0..3).map(|_| rng.random_range(-1.0..1.0f32)).sum();
                *value = (0.5 + SIGMA * sum).clamp(0.0, 1.0);
            }
        }
    }
}

/// The classes of logits: those of the rows that have some.
fn right(logits: &[Option<Vec<f32>>], labels: &[i32]) -> f64 {
    let predicted: Vec<(i32, i32)> = logits
        .iter()
        .zip(labels)
        .filter_map(|(logits, &label)| Some((label, metrics::argmax(logits.as_ref()?) as i32)))
        .collect();
    let (labels, classes): (Vec<i32>, Vec<i32>) = predicted.into_iter().unzip();
    metrics::accuracy(&labels, &classes)
}
