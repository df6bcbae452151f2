//! What people said about a scan, and what follows from it, as it is exported.

use crate::judged::Judged;
use ascan_core::Result;
use ascan_engine::slices::SliceSet;
use ascan_engine::spread::Spread;
use ascan_store::Scan;
use ascan_store::annotations::Annotations;
use std::collections::BTreeMap;

/// What people said about a scan, and what follows from it.
#[derive(Debug, Clone, Default)]
pub struct Review {
    /// `[n]`, what holds of each row, by its place in [`Self::said`].
    pub images: Vec<Option<usize>>,
    /// Every verdict that an image has.
    pub said: Vec<Judged>,
    /// `[n]`, spuriousness after its review; empty where nothing was spread, NaN where nothing is known.
    pub spuriousness: Vec<f32>,
    /// The verdict on each slice that has one, by slice set and slice.
    pub slices: BTreeMap<(String, i32), Judged>,
}

impl Review {
    /// The review that lies with a scan.
    ///
    /// # Errors
    /// `File` if the verdicts or the spread cannot be read.
    pub fn load(scan: &Scan, sets: &[SliceSet]) -> Result<Self> {
        let annotations = Annotations::read(&scan.dir)?;
        let ids = sets.iter().flat_map(|set| set.slices.iter().map(|slice| (set.id.clone(), slice.id)));
        let marked = ids.filter_map(|(set, slice)| {
            let judged = Judged::of(annotations.of_slice(&set, slice)?)?;
            Some(((set, slice), judged))
        });
        let slices = marked.collect();
        let mut review = Self {
            spuriousness: Spread::load(scan)?.map(|spread| spread.reviewed()).unwrap_or_default(),
            slices,
            ..Self::default()
        };
        let mut places: BTreeMap<usize, usize> = BTreeMap::new();
        for source in annotations.sources(scan.plan.data.n_rows) {
            let said = source.and_then(|at| Some((at, Judged::of(&annotations.history()[at])?)));
            review.images.push(said.map(|(at, judged)| {
                *places.entry(at).or_insert_with(|| {
                    review.said.push(judged);
                    review.said.len() - 1
                })
            }));
        }
        Ok(review)
    }

    /// What holds of an image.
    pub fn of_image(&self, row: usize) -> Option<&Judged> {
        self.said.get((*self.images.get(row)?)?)
    }

    /// What was said of a slice.
    pub fn of_slice(&self, set: &str, slice: i32) -> Option<&Judged> {
        self.slices.get(&(set.to_owned(), slice))
    }
}
