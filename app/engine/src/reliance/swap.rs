//! Two images exchange a region, and the model says what it sees then.

use super::one_class;
use crate::scanned::mask::mask;
use crate::scanned::object::{object_map, region, share_on_object};
use crate::scanned::{Extractor, ScannedModel};
use crate::seeds::seed_of;
use crate::workers::Workers;
use ascan_config::sections::MasksSection;
use ascan_core::{Context, ModelBackend, Result, TensorView};
use ascan_images::ImageSet;
use ascan_store::table::ScanTable;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;

/// Pictures that each image exchanges a region with.
const N_PARTNERS: usize = 14;

/// One pass for the object map; then two regions, exchanged both ways.
pub const N_PASSES: usize = 1 + 4 * N_PARTNERS;

/// What the prediction of one image follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OfImage {
    /// Reliance on the attributed region, in [0, 1]; `None` for an image without attribution.
    pub region: Option<f64>,
    /// Reliance on the object, in [0, 1]; `None` for an image without an object map.
    pub object: Option<f64>,
    /// Share of the attribution on the object.
    pub on_object: Option<f64>,
}

/// An object in a picture.
struct Object {
    /// Its map, `size`.
    map: Vec<f32>,
    size: [usize; 2],
    /// `[h, w]` of the picture, 0 or 1: where it may be.
    region: Vec<f32>,
}

/// A picture that lends its pixels.
struct Lender {
    predicted_class: i32,
    /// `[c, h, w]` in [0, 1]
    picture: Vec<f32>,
}

/// Asks the model about images.
pub struct Swapper<'a> {
    model: &'a ScannedModel,
    table: &'a ScanTable,
    images: &'a ImageSet,
    layer: &'a str,
    workers: Workers,
    seed: u64,
    lenders: Vec<Lender>,
}

impl<'a> Swapper<'a> {
    /// With the pictures of these rows.
    ///
    /// # Errors
    /// `Unsupported` for a model without a feature map, or if no two of the pictures get different predictions; what
    /// the engine reports.
    pub fn new(
        model: &'a ScannedModel,
        table: &'a ScanTable,
        images: &'a ImageSet,
        lenders: &[usize],
        context: &'a Context<'a>,
    ) -> Result<Self> {
        let layer = Extractor::new(model, context)?.layer();
        let workers = Workers::open(&*model.runtime, &model.open, context)?;
        let mut swapper = Self { model, table, images, layer, workers, seed: context.seed, lenders: Vec::new() };
        let found = swapper.workers.map(lenders.len(), |_, i| {
            let row = lenders[i];
            // A picture that cannot be read lends nothing.
            let picture = model.unit.load(images, row).ok();
            Ok(picture.map(|picture| Lender { predicted_class: table.predicted_classes[row], picture }))
        })?;
        swapper.lenders = found.into_iter().flatten().collect();
        let mut classes = swapper.lenders.iter().map(|lender| lender.predicted_class);
        let first = classes.next();
        if classes.all(|class| Some(class) == first) {
            return Err(one_class());
        }
        Ok(swapper)
    }

    /// What the prediction of each of these images follows; `None` for one that cannot be read. `before` of `n` images have
    /// been asked about before these.
    ///
    /// # Errors
    /// What the engine reports; `Cancelled`.
    pub fn ask(&self, rows: &[usize], [before, n]: [usize; 2], context: &Context) -> Result<Vec<Option<OfImage>>> {
        self.workers.map(rows.len(), |backend, i| {
            context.progress("exchanging regions", before + i, n)?;
            self.of_image(backend, rows[i])
        })
    }

    fn of_image(&self, backend: &dyn ModelBackend, row: usize) -> Result<Option<OfImage>> {
        let [_, h, w] = self.model.unit.input_shape();
        let Ok(own) = self.model.unit.load(self.images, row) else { return Ok(None) };
        let (map, map_size) = (self.table.maps.row(row), [self.table.maps.shape()[1], self.table.maps.shape()[2]]);
        let attributed = mask(map, map_size, [h, w], self.model.absolute, &MasksSection::default());
        let object = self.object(backend, &own)?;
        let on_object = object.as_ref().and_then(|object| {
            share_on_object(map, map_size, self.model.absolute, &object.map, object.size).map(f64::from)
        });
        let reliance = |region: Option<&Vec<f32>>| match region {
            Some(region) => self.reliance(backend, row, &own, region),
            None => Ok(None),
        };
        Ok(Some(OfImage {
            region: reliance(attributed.as_ref())?,
            object: reliance(object.as_ref().map(|object| &object.region))?,
            on_object,
        }))
    }

    /// The object in a picture.
    fn object(&self, backend: &dyn ModelBackend, picture: &[f32]) -> Result<Option<Object>> {
        let [c, h, w] = self.model.unit.input_shape();
        let mut input = picture.to_vec();
        self.model.normalise.apply(&mut input, [c, h, w]);
        let forward = backend.forward(TensorView::new(&[1, c, h, w], &input)?, &[self.layer])?;
        let Some(features) = forward.feature_map(self.layer) else { return Ok(None) };
        let size = [features.shape()[2], features.shape()[3]];
        let map = object_map(features.row(0), size);
        Ok(map.and_then(|map| Some(Object { region: region(&map, size, [h, w])?, map, size })))
    }

    /// How far the prediction of an image follows a region: the mean log odds that it does, over exchanges with other images, as
    /// a probability.
    fn reliance(&self, backend: &dyn ModelBackend, row: usize, own: &[f32], region: &[f32]) -> Result<Option<f64>> {
        let predicted_class = self.table.predicted_classes[row];
        let mut partners: Vec<&Lender> =
            self.lenders.iter().filter(|lender| lender.predicted_class != predicted_class).collect();
        partners.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed_of(self.seed, [23, row as u64])));
        partners.truncate(N_PARTNERS);
        if partners.is_empty() {
            return Ok(None);
        }
        let rest: Vec<f32> = region.iter().map(|m| 1.0 - m).collect();
        // Of each exchange: the picture that has this image's region, and the one that has its rest.
        let pictures: Vec<f32> = (partners.iter())
            .flat_map(|lender| [region, &rest].map(|keep| self.model.mixed(own.to_vec(), &lender.picture, keep)))
            .flatten()
            .collect();
        let [c, h, w] = self.model.unit.input_shape();
        let n = 2 * partners.len();
        let forward = backend.forward(TensorView::new(&[n, c, h, w], &pictures)?, &[])?;
        let odds = |i: usize| log_odds(forward.logits.row(i), predicted_class as usize);
        let followed = (0..n).map(|i| if i % 2 == 0 { odds(i) } else { -odds(i) });
        let mean = followed.sum::<f64>() / n as f64;
        Ok(Some(1.0 / (1.0 + (-mean).exp())))
    }
}

/// The logarithm of how much more probable a class is than all others together.
fn log_odds(logits: &[f32], class: usize) -> f64 {
    let others = || (0..logits.len()).filter(|&k| k != class).map(|k| f64::from(logits[k]));
    let largest = others().fold(f64::NEG_INFINITY, f64::max);
    f64::from(logits[class]) - largest - others().map(|logit| (logit - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_core::metrics;

    #[test]
    fn log_odds_are_those_of_the_softmax() {
        let probs = metrics::softmax(&[1.0, -0.5, 2.0]);
        for (class, &p) in probs.iter().enumerate() {
            let expected = f64::from(p / (1.0 - p)).ln();
            assert!((log_odds(&[1.0, -0.5, 2.0], class) - expected).abs() < 1e-5);
        }
        assert_eq!(log_odds(&[700.0, -700.0], 0), 1400.0);
    }
}
