//! Selective last-layer finetuning.

use crate::balance::{cells, draw, of_epoch};
use ascan_core::{
    Context, Error, Habits, Params, Plugin, Problems, Regularizer, Result, Selection, Strengths, TrainingSet,
};
use serde::{Deserialize, Serialize};

/// Parameters of [`Selective`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SelectiveParams {
    /// Images that are trained on, over all classes.
    pub n_images: usize,
}

impl Default for SelectiveParams {
    fn default() -> Self {
        Self { n_images: 100 }
    }
}

impl Params for SelectiveParams {
    const HELP: &'static [(&'static str, &'static str)] =
        &[("n_images", "images that are trained on, over all classes")];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_images", self.n_images, 2, 1_000_000);
    }
}

/// Trains on the images of each class, the same number of each, on which the model before disagrees most with itself when
/// parts of it are dropped.
///
/// Meant for the head alone, and for images that the model before was not trained on: scan a held-out split and repair that
/// scan. This is the variant with dropout; that with an early-stopped model needs a model from before the end of training,
/// which an ONNX file does not hold.
///
/// # Source
/// LaBonte, Muthukumar & Kumar 2023, arXiv 2309.08534.
pub struct Selective {
    params: SelectiveParams,
}

impl Plugin for Selective {
    const NAME: &'static str = "self";
    const SUMMARY: &'static str =
        "SELF: images on which the model disagrees with itself under dropout (LaBonte et al. 2023)";
    const STRENGTHS: Strengths = Strengths {
        habits: Habits { balances: true, needs_disagreement: true, ..Habits::none() },
        ..Strengths::none()
    };
    type Params = SelectiveParams;

    fn new(params: SelectiveParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Regularizer for Selective {
    fn select(&mut self, set: &TrainingSet, context: &Context) -> Result<Selection> {
        set.check()?;
        let disagreement = set.disagreement.ok_or_else(|| {
            let hint = "use it with `repair.layers = \"head\"` on a model whose head is linear in a pooled feature map";
            Error::unsupported("self needs to know where the model before disagrees with itself", hint)
        })?;
        let mut classes = cells(0..set.labels.len(), set.labels, &vec![0; set.labels.len()]);
        let n = (self.params.n_images / classes.len().max(1)).max(1);
        for rows in classes.values_mut() {
            rows.sort_by(|&a, &b| disagreement[b].total_cmp(&disagreement[a]));
            rows.truncate(n);
        }
        Ok(Selection::of(set, draw(&classes, n, of_epoch(context.seed, set.epoch))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_core::testing::check_regularizer;

    #[test]
    fn conforms() {
        check_regularizer("self", &|| Box::new(Selective::new(SelectiveParams::default()).unwrap()));
    }

    #[test]
    fn the_most_doubtful_of_each_class_are_chosen() {
        let labels = [0, 0, 0, 0, 0, 1, 1, 1];
        let disagreement = [0.1, 0.9, 0.3, 0.8, 0.0, 0.2, 0.0, 0.4];
        let set = TrainingSet { disagreement: Some(&disagreement), ..TrainingSet::new(&labels) };
        let mut selective = Selective::new(SelectiveParams { n_images: 4 }).unwrap();
        let mut rows = selective.select(&set, &Context::default()).unwrap().rows;
        rows.sort_unstable();
        assert_eq!(rows, [1, 3, 5, 7]);
        // More than a class has: its images come again.
        let mut many = Selective::new(SelectiveParams { n_images: 10 }).unwrap();
        let rows = many.select(&set, &Context::default()).unwrap().rows;
        assert_eq!((rows.iter().filter(|&&row| row < 5).count(), rows.len()), (5, 10));
        let error = selective.select(&TrainingSet::new(&labels), &Context::default()).unwrap_err();
        assert!(error.to_string().contains("disagrees with itself"), "{error}");
    }
}
