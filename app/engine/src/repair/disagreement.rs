//! How far a model disagrees with itself when parts of what its head reads are dropped.

use super::RepairPlan;
use crate::scanned::Extractor;
use crate::seeds::seed_of;
use crate::workers::logits;
use ascan_core::{Context, Error, Result};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Draws of what is dropped, for each image.
const N_DRAWS: u64 = 8;

/// `[n]`, of the training images: see [`ascan_core::TrainingSet::disagreement`]. 0 for an image that cannot be read.
///
/// # Errors
/// `Unsupported` for a head that is not linear in a pooled feature map; whatever the model reports; `Cancelled`.
pub fn disagreement(plan: &RepairPlan, context: &Context) -> Result<Vec<f32>> {
    let (model, data) = (&plan.model, &plan.training.data);
    let head = model.info.linear_head.as_ref().ok_or_else(|| {
        let message =
            "the head of this model is not linear in a pooled feature map, so nothing can be dropped before it";
        Error::unsupported(message, "use another regularizer")
    })?;
    let features = Extractor::new(model, context)?.images(data, super::stage::TRAINING)?;
    let [n_classes, d] = head.weight.view().dims("head", "[n_classes, d]")?;
    let product = |features: &mut dyn FnMut(usize) -> f32| -> Vec<f32> {
        let read: Vec<f32> = (0..d).map(features).collect();
        (0..n_classes).map(|class| head.weight.row(class).iter().zip(&read).map(|(w, f)| w * f).sum()).collect()
    };
    let Some(first) = features.iter().position(Option::is_some) else { return Ok(vec![0.0; data.n()]) };
    // What the head adds, by the logits of one image.
    let said = logits(&*model.runtime, &model.open, 1, &|_| data.load(&model.preprocess, first), context)?;
    let bias: Vec<f32> = match (&said[0], &features[first]) {
        (Some(said), Some(own)) => said.iter().zip(product(&mut |k| own[k])).map(|(logit, sum)| logit - sum).collect(),
        _ => vec![0.0; n_classes],
    };
    let kind = model.info.output;
    let probs = |sums: Vec<f32>| kind.probs(&sums.iter().zip(&bias).map(|(sum, bias)| sum + bias).collect::<Vec<_>>());
    let of_image = |(i, own): (usize, &Option<Vec<f32>>)| {
        let Some(own) = own else { return 0.0 };
        let whole = probs(product(&mut |k| own[k]));
        let draws = (0..N_DRAWS).map(|draw| {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed_of(plan.config.run.seed, [10 + draw, i as u64]));
            divergence(
                kind.is_sigmoid(),
                &whole,
                &probs(product(&mut |k| if rng.random() { 2.0 * own[k] } else { 0.0 })),
            )
        });
        draws.sum::<f32>() / N_DRAWS as f32
    };
    Ok(features.iter().enumerate().map(of_image).collect())
}

/// Kullback–Leibler divergence of `q` from `p`, in nats: of one choice among all classes, or summed over classes that are
/// each there or not.
fn divergence(each: bool, p: &[f32], q: &[f32]) -> f32 {
    let term = |p: f32, q: f32| if p > 0.0 { p * (p / q.max(f32::MIN_POSITIVE)).ln() } else { 0.0 };
    let of_class = |(&p, &q): (&f32, &f32)| term(p, q) + if each { term(1.0 - p, 1.0 - q) } else { 0.0 };
    p.iter().zip(q).map(of_class).sum::<f32>().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_predictions_do_not_diverge() {
        assert_eq!(divergence(false, &[0.25, 0.75], &[0.25, 0.75]), 0.0);
        assert!((divergence(false, &[1.0, 0.0], &[0.5, 0.5]) - 2f32.ln()).abs() < 1e-6);
        assert!((divergence(true, &[1.0, 0.0], &[0.5, 0.5]) - 2.0 * 2f32.ln()).abs() < 1e-6);
        assert!(divergence(false, &[0.5, 0.5], &[1.0, 0.0]).is_finite());
    }
}
