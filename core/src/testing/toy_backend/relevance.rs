//! [`RelevanceRule`]s of the toy network, written out by hand.

use super::{ToyNet, Trace, for_each_tap, transposed_product};
use crate::RelevanceRule;

/// Relevance of each value of image number `index`.
pub fn relevance(net: &ToyNet, image: &[f32], index: usize, class: usize, rule: &RelevanceRule) -> Vec<f64> {
    let trace = net.forward(image);
    match *rule {
        RelevanceRule::DeepLift { baselines } => deep_lift(net, &trace, &net.forward(baselines.row(index)), class),
        RelevanceRule::LrpEpsilon { epsilon } => lrp(net, &trace, class, 0.0, f64::from(epsilon)),
        RelevanceRule::LrpGammaComposite { gamma, epsilon } => {
            lrp(net, &trace, class, f64::from(gamma), f64::from(epsilon))
        }
    }
}

/// Row of the last layer that makes the logit of a class.
fn head_row<'a>(net: &'a ToyNet, trace: &Trace, class: usize) -> &'a [f64] {
    let n = trace.last.len();
    &net.head[class * n..(class + 1) * n]
}

/// `Δoutput / Δinput`, or the slope where nothing changes.
fn multiplier(input: f64, reference: f64, function: fn(f64) -> f64, slope: fn(f64) -> f64) -> f64 {
    let change = input - reference;
    if change.abs() < 1e-10 { slope(input) } else { (function(input) - function(reference)) / change }
}

fn deep_lift(net: &ToyNet, trace: &Trace, baseline: &Trace, class: usize) -> Vec<f64> {
    let mut back = head_row(net, trace, class).to_vec();
    if let Some(hidden) = &net.hidden {
        let sums = |trace: &Trace| -> Vec<f64> { trace.last.iter().map(|t| t.atanh()).collect() };
        for ((back, x), r) in back.iter_mut().zip(sums(trace)).zip(sums(baseline)) {
            *back *= multiplier(x, r, f64::tanh, |x| 1.0 - x.tanh().powi(2));
        }
        back = transposed_product(hidden, &back, trace.pooled.len());
    }
    let area = trace.features.len() / trace.pooled.len();
    let mut image = vec![0.0; trace.image.len()];
    for_each_tap(|out, weight, pixel| {
        let relu = multiplier(trace.conv[out], baseline.conv[out], |x| x.max(0.0), |x| f64::from(u8::from(x > 0.0)));
        image[pixel] += net.conv[weight] * relu * back[out / area] / area as f64;
    });
    image.iter().zip(&trace.image).zip(&baseline.image).map(|((m, x), r)| m * (x - r)).collect()
}

fn lrp(net: &ToyNet, trace: &Trace, class: usize, gamma: f64, epsilon: f64) -> Vec<f64> {
    // R_i = x_i Σ_j w_ij R_j / z_j: `share` is R_j / z_j, kept from zero by ε.
    let share = |relevance: f64, z: f64| match z + epsilon * if z < 0.0 { -1.0 } else { 1.0 } {
        0.0 => 0.0,
        z => relevance / z,
    };
    let logit = share(trace.logits[class], trace.logits[class]);
    let mut relevance: Vec<f64> =
        head_row(net, trace, class).iter().zip(&trace.last).map(|(w, x)| x * w * logit).collect();
    if let Some(hidden) = &net.hidden {
        let shares: Vec<f64> = relevance.iter().zip(&trace.last).map(|(r, t)| share(*r, t.atanh())).collect();
        let back = transposed_product(hidden, &shares, trace.pooled.len());
        relevance = back.iter().zip(&trace.pooled).map(|(b, x)| b * x).collect();
    }
    let area = trace.features.len() / trace.pooled.len();
    let features: Vec<f64> = (trace.features.iter().enumerate())
        .map(|(i, x)| x / area as f64 * share(relevance[i / area], trace.pooled[i / area]))
        .collect();
    let favoured = |weight: usize| net.conv[weight] + gamma * net.conv[weight].max(0.0);
    let mut sums = vec![0.0; trace.conv.len()];
    for_each_tap(|out, weight, pixel| sums[out] += favoured(weight) * trace.image[pixel]);
    let mut image = vec![0.0; trace.image.len()];
    for_each_tap(|out, weight, pixel| {
        image[pixel] += trace.image[pixel] * favoured(weight) * share(features[out], sums[out]);
    });
    image
}
