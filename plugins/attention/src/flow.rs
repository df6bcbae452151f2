//! Attention matrices multiplied through the layers.

use ascan_core::params::NoParams;
use ascan_core::{AttentionInfo, Error, ModelInfo, Result, Tensor};

/// Parameters: none.
pub type Params = NoParams;

/// The attention layers of a model, which all see the same tokens.
///
/// # Errors
/// `Unsupported` for a model without attention over all places, or whose layers see different numbers of tokens.
pub fn attentions(info: &ModelInfo) -> Result<&[AttentionInfo]> {
    let none = || {
        let why = "the model has no attention layer over all places of the image, so there is nothing to follow";
        Error::unsupported(why, "use `plugin = \"grad_cam\"`, which also explains transformers with windowed attention")
    };
    let first = info.attentions.first().ok_or_else(none)?;
    match info.attentions.iter().find(|other| other.n_tokens != first.n_tokens) {
        None => Ok(&info.attentions),
        Some(other) => Err(Error::unsupported(
            format!(
                "attention `{}` sees {} tokens, and `{}` {}",
                first.name, first.n_tokens, other.name, other.n_tokens
            ),
            "use `plugin = \"grad_cam\"`",
        )),
    }
}

/// How much of each source token each token contains; starts as the identity.
pub struct Flow {
    n_tokens: usize,
    /// `[t, t]`, by token and source.
    shares: Vec<f64>,
}

impl Flow {
    /// Before the first layer.
    pub fn new(n_tokens: usize) -> Self {
        let shares = (0..n_tokens * n_tokens).map(|i| f64::from(u8::from(i / n_tokens == i % n_tokens)));
        Self { n_tokens, shares: shares.collect() }
    }

    /// `shares ← own · shares + mixing · shares` for a layer that adds `mixing [t, t]` of the tokens to `own` times
    /// themselves.
    pub fn layer(&mut self, own: f64, mixing: &[f64]) {
        let t = self.n_tokens;
        let mut next: Vec<f64> = self.shares.iter().map(|share| own * share).collect();
        for (row, weights) in next.chunks_exact_mut(t).zip(mixing.chunks_exact(t)) {
            for (&weight, source) in weights.iter().zip(self.shares.chunks_exact(t)) {
                row.iter_mut().zip(source).for_each(|(value, share)| *value += weight * share);
            }
        }
        self.shares = next;
    }

    /// How much of each place the class token (the first) contains or, without one, the places contain on average: one
    /// value per place.
    pub fn at_places(&self, info: &AttentionInfo) -> Vec<f32> {
        let (t, prefix) = (self.n_tokens, info.n_prefix_tokens);
        let n_places = info.grid[0] * info.grid[1];
        let rows: Vec<usize> = if prefix > 0 { vec![0] } else { (0..n_places).collect() };
        (prefix..prefix + n_places)
            .map(|place| {
                let sum: f64 = rows.iter().map(|row| self.shares[row * t + place]).sum();
                (sum / rows.len() as f64) as f32
            })
            .collect()
    }
}

/// Mean over the heads of `term(entry)` for image `i` of `[n, heads, t, t]`, where `term` is given places in the data.
pub fn mean_over_heads(
    tensor: &Tensor,
    i: usize,
    info: &AttentionInfo,
    term: impl Fn(usize) -> f64,
) -> Result<Vec<f64>> {
    let AttentionInfo { n_heads, n_tokens, .. } = *info;
    let expected = [n_heads, n_tokens, n_tokens];
    if tensor.shape().get(1..) != Some(&expected) || i >= tensor.n_rows() {
        return Err(Error::shape(format!("attention `{}`", info.name), format!("[n, {expected:?}]"), tensor.shape()));
    }
    let area = n_tokens * n_tokens;
    let start = i * n_heads * area;
    let mean = |entry: usize| (0..n_heads).map(|head| term(start + head * area + entry)).sum::<f64>() / n_heads as f64;
    Ok((0..area).map(mean).collect())
}
