//! The forms that the covariance of a component may have.

use crate::{lanes, wide};
use serde::{Deserialize, Serialize};

/// The form of each component's covariance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Covariance {
    /// Any ellipsoid: d·(d + 1)/2 numbers per component.
    Full,
    /// An ellipsoid along the axes: d numbers per component.
    Diagonal,
    /// A ball: one number per component.
    Spherical,
}

impl Covariance {
    /// How many numbers describe one covariance.
    pub fn n_parameters(self, d: usize) -> usize {
        match self {
            Self::Full => d * (d + 1) / 2,
            Self::Diagonal => d,
            Self::Spherical => 1,
        }
    }

    /// How many features of a row there are: numbers whose weighted sums give the means and, unless it is full, the
    /// covariance.
    pub(super) fn n_features(self, d: usize) -> usize {
        match self {
            Self::Full => d,
            Self::Diagonal => 2 * d,
            Self::Spherical => d + 1,
        }
    }

    /// Writes the features `[CHUNK, n_features]` of the rows x of a chunk `[CHUNK, d]`: x itself; x and x²; or x and
    /// ‖x‖².
    pub(super) fn features(self, chunk: &[f32], d: usize, features: &mut [f64]) {
        let rows = chunk.chunks_exact(d).zip(features.chunks_exact_mut(self.n_features(d)));
        wide(
            #[inline(always)]
            || {
                for (row, features) in rows {
                    let (x, squares) = features.split_at_mut(d);
                    if self == Self::Diagonal {
                        for ((x, square), &value) in x.iter_mut().zip(squares).zip(row) {
                            (*x, *square) = (f64::from(value), f64::from(value) * f64::from(value));
                        }
                        continue;
                    }
                    x.iter_mut().zip(row).for_each(|(x, &value)| *x = f64::from(value));
                    if self == Self::Spherical {
                        squares[0] = lanes::sum(x.iter().map(|x| x * x));
                    }
                }
            },
        );
    }
}
