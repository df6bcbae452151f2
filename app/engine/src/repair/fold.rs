//! A suppressed direction, folded into the weights of the head that was trained without it.

use ascan_core::{Error, Result, Suppression, Tensor};

/// A suppression, and the weights of a linear head `W f + b` that it goes into.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    found: Suppression,
    /// Place of `W` among the weights, and whether its rows are features (`[d, n_classes]`).
    matrix: (usize, bool),
    /// Place of `b`.
    bias: usize,
}

impl Folded {
    /// Finds matrix and bias by their shapes.
    ///
    /// # Errors
    /// `Unsupported` for weights that are not one matrix and one bias.
    pub fn new(found: Suppression, weights: &[(String, Tensor)]) -> Result<Self> {
        let d = found.direction.len();
        let shape = |i: usize| -> Vec<usize> { weights[i].1.shape().iter().copied().filter(|&len| len != 1).collect() };
        let matrices: Vec<usize> =
            (0..weights.len()).filter(|&i| shape(i).len() == 2 && shape(i).contains(&d)).collect();
        let refuse = || {
            let names: Vec<&str> = weights.iter().map(|(name, _)| name.as_str()).collect();
            let message = format!("the head is not one matrix and one bias, but {}", names.join(", "));
            Error::unsupported(message, "use another regularizer")
        };
        let &[matrix] = &matrices[..] else { return Err(refuse()) };
        // For a square matrix ONNX's own order of a linear layer's weights.
        let is_transposed = shape(matrix)[1] != d;
        let n_classes = weights[matrix].1.data().len() / d;
        let biases: Vec<usize> =
            (0..weights.len()).filter(|&i| i != matrix && weights[i].1.data().len() == n_classes).collect();
        let &[bias] = &biases[..] else { return Err(refuse()) };
        Ok(Self { found, matrix: (matrix, is_transposed), bias })
    }

    /// Makes of a head for suppressed features one for features as they are: `W' = W − g (W v) vᵀ`, `b' = b + g (W v) (v·z)`,
    /// with `v` the direction, `z` the point that stays, and `g` the share that goes.
    pub fn apply(&self, weights: &mut [(String, Tensor)]) {
        let Suppression { direction: v, through, kept } = &self.found;
        let (d, gone) = (v.len(), 1.0 - kept);
        let (place, is_transposed) = self.matrix;
        let matrix = weights[place].1.data_mut();
        let n_classes = matrix.len() / d;
        let at = |class: usize, k: usize| if is_transposed { k * n_classes + class } else { class * d + k };
        let offset: f32 = v.iter().zip(through).map(|(v, z)| v * z).sum();
        let mut added = Vec::with_capacity(n_classes);
        for class in 0..n_classes {
            let along: f32 = (0..d).map(|k| matrix[at(class, k)] * v[k]).sum();
            (0..d).for_each(|k| matrix[at(class, k)] -= gone * along * v[k]);
            added.push(gone * along * offset);
        }
        weights[self.bias].1.data_mut().iter_mut().zip(added).for_each(|(bias, added)| *bias += added);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_head_says_of_features_what_the_head_says_of_suppressed_ones() {
        let found = Suppression { direction: vec![0.6, 0.0, 0.8], through: vec![1.0, 2.0, -1.0], kept: 0.25 };
        let w = [[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]];
        let (b, f) = ([0.1, -0.2], [3.0, 4.0, 5.0]);
        let product = |w: &[[f32; 3]; 2], b: &[f32], f: &[f32]| -> Vec<f32> {
            (0..2).map(|c| (0..3).map(|k| w[c][k] * f[k]).sum::<f32>() + b[c]).collect()
        };
        let mut suppressed = f.to_vec();
        found.apply(&mut suppressed);
        let expected = product(&w, &b, &suppressed);
        for is_transposed in [false, true] {
            let at = |i: usize| if is_transposed { w[i % 2][i / 2] } else { w[i / 3][i % 3] };
            let shape = if is_transposed { [3, 2] } else { [2, 3] };
            let matrix = Tensor::new(shape, (0..6).map(at).collect()).unwrap();
            let bias = Tensor::new([2], b.to_vec()).unwrap();
            let mut weights = vec![("bias".to_owned(), bias), ("weight".to_owned(), matrix)];
            Folded::new(found.clone(), &weights).unwrap().apply(&mut weights);
            let (bias, matrix) = (weights[0].1.data(), weights[1].1.data());
            let mut folded = [[0.0; 3]; 2];
            (0..6).for_each(|i| {
                if is_transposed { folded[i % 2][i / 2] = matrix[i] } else { folded[i / 3][i % 3] = matrix[i] }
            });
            for (found, expected) in product(&folded, bias, &f).iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
            }
        }
        let stranger = vec![("weight".to_owned(), Tensor::zeros([2, 3]))];
        assert!(Folded::new(found, &stranger).unwrap_err().to_string().contains("not one matrix and one bias"));
    }
}
