//! Slices by chance. The floor: a method that does not beat it has found nothing.

use ascan_core::{Context, Error, Params, Plugin, Problems, Result, SliceModel, SliceTable, Slicer, Tensor, slicer};
use serde::{Deserialize, Serialize};

/// Parameters of [`Random`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RandomParams {
    /// Number of slices; the default is that of `kmeans`, so that the two compare.
    pub n_slices: usize,
}

impl Default for RandomParams {
    fn default() -> Self {
        Self { n_slices: 40 }
    }
}

impl Params for RandomParams {
    const HELP: &'static [(&'static str, &'static str)] = &[("n_slices", "number of slices")];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_slices", self.n_slices, 1, 100_000);
    }
}

/// Slices of about equal size that know nothing of the images.
///
/// The slice is a hash of the image's own embedding and the seed, not of its row number: so an image keeps its slice
/// in every table, and a copy of it is in the same one.
pub struct Random {
    params: RandomParams,
}

impl Plugin for Random {
    const NAME: &'static str = "random";
    const SUMMARY: &'static str = "slices by chance: the floor that every slicer must beat";
    type Params = RandomParams;

    fn new(params: RandomParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Slicer for Random {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        table.check()?;
        Ok(Box::new(Lots { n_slices: self.params.n_slices, seed: context.seed, d: table.embeddings.row_len() }))
    }
}

/// What decides the slice of an embedding.
struct Lots {
    n_slices: usize,
    seed: u64,
    d: usize,
}

impl SliceModel for Lots {
    fn n_slices(&self) -> usize {
        self.n_slices
    }

    fn membership(&self, table: &SliceTable, _context: &Context) -> Result<Tensor> {
        table.check()?;
        let [n, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        if d != self.d {
            return Err(Error::shape("embeddings", format!("[n, {}], as at the fit", self.d), [n, d]));
        }
        let slices = (0..n).map(|i| Some(self.slice(table.embeddings.row(i))));
        Ok(slicer::one_hot(slices, self.n_slices))
    }
}

impl Lots {
    fn slice(&self, embedding: &[f32]) -> usize {
        let mut hash = mix(self.seed);
        for value in embedding {
            // 0 and −0 are the same number.
            hash = mix(hash ^ u64::from((value + 0.0).to_bits()));
        }
        ((u128::from(hash) * self.n_slices as u128) >> 64) as usize
    }
}

/// Steele, Lea & Flood 2014 (SplitMix64): every bit of the result depends on every bit of the argument.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_core::testing::{ToyTable, check_slicer, toy_slice_table};

    fn assign(n_slices: usize, seed: u64, table: &ToyTable) -> Vec<i32> {
        let context = Context { seed, ..Context::default() };
        let model = Random { params: RandomParams { n_slices } }.fit(&table.view(), &context).unwrap();
        slicer::assignment(&model.membership(&table.view(), &context).unwrap())
    }

    #[test]
    fn conforms() {
        check_slicer("random", &Random { params: RandomParams::default() });
    }

    #[test]
    fn slices_are_of_about_equal_size() {
        let table = toy_slice_table(8_000, 4, 1);
        let assignment = assign(8, 0, &table);
        for slice in 0..8 {
            let size = assignment.iter().filter(|&&other| other == slice).count();
            // 1000 ± 5 standard deviations
            assert!((852..=1148).contains(&size), "slice {slice} has {size} images");
        }
    }

    /// Planted clusters, labels and errors leave no trace: the χ² of slice × cluster is that of independence.
    #[test]
    fn slices_say_nothing_about_the_images() {
        let table = toy_slice_table(5_000, 4, 2);
        let assignment = assign(10, 3, &table);
        let mut chi_squared = 0.0;
        for slice in 0..10 {
            for cluster in 0..5 {
                let pairs = assignment.iter().zip(&table.planted);
                let count = pairs.filter(|&(&a, &b)| (a, b) == (slice, cluster)).count() as f64;
                chi_squared += (count - 100.0).powi(2) / 100.0;
            }
        }
        // 36 degrees of freedom: mean 36, 99.99 % below 77.
        assert!((10.0..77.0).contains(&chi_squared), "{chi_squared}");
    }

    #[test]
    fn another_seed_draws_again() {
        let table = toy_slice_table(1_000, 4, 1);
        let (a, b) = (assign(10, 0, &table), assign(10, 1, &table));
        let same = a.iter().zip(&b).filter(|(a, b)| a == b).count();
        assert!((50..150).contains(&same), "{same} of 1000 images kept their slice");
    }
}
