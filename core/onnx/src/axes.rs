//! The meaning of a tensor's axes, followed through the graph: it tells feature maps from other tensors.

use ascan_core::{Error, Result, Tensor};

/// The meaning of one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    Batch,
    Channel,
    Height,
    Width,
    /// `h · w` places in row-major order, after `prefix` tokens without a place (class tokens).
    Tokens {
        prefix: usize,
        h: usize,
        w: usize,
    },
    Other,
}

/// Axes of a convolution's input and output.
pub(crate) const NCHW: [Axis; 4] = [Axis::Batch, Axis::Channel, Axis::Height, Axis::Width];
const NHWC: [Axis; 4] = [Axis::Batch, Axis::Height, Axis::Width, Axis::Channel];

/// How the model stores a feature map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `[n, c, h, w]`.
    Nchw,
    /// `[n, h, w, c]`.
    Nhwc,
    /// `[n, t, c]`: `prefix` class tokens, then `h · w` places row by row (and perhaps further tokens).
    Tokens {
        /// Tokens before the first place.
        prefix: usize,
        /// Height of the map.
        h: usize,
        /// Width of the map.
        w: usize,
    },
}

impl Layout {
    /// The layout of these axes; `None` if they are not those of a feature map.
    pub(crate) fn of(axes: &[Axis]) -> Option<Self> {
        match axes {
            axes if axes == NCHW => Some(Self::Nchw),
            axes if axes == NHWC => Some(Self::Nhwc),
            &[Axis::Batch, Axis::Tokens { prefix, h, w }, Axis::Channel] => Some(Self::Tokens { prefix, h, w }),
            _ => None,
        }
    }

    /// `[c, h, w]` of a map stored with this shape; `None` if the shape does not fit.
    pub(crate) fn map_shape(self, shape: &[usize]) -> Option<[usize; 3]> {
        match (self, shape) {
            (Self::Nchw, &[_, c, h, w]) | (Self::Nhwc, &[_, h, w, c]) => Some([c, h, w]),
            (Self::Tokens { prefix, h, w }, &[_, t, c]) if prefix + h * w <= t => Some([c, h, w]),
            _ => None,
        }
    }

    /// Converts a map from the model's layout to `[n, c, h, w]`, without the class tokens.
    ///
    /// # Shapes
    /// - `shape`, `data`: as the model gives them
    /// - returns `[n, c, h, w]`
    ///
    /// # Errors
    /// `Shape` if the shape does not fit this layout or the data.
    pub fn to_nchw(self, shape: &[usize], data: &[f32]) -> Result<Tensor> {
        let wrong = || Error::shape("feature map", format!("a shape for {self:?}"), shape);
        let [c, h, w] = self.map_shape(shape).ok_or_else(wrong)?;
        let n = shape[0];
        if shape.iter().product::<usize>() != data.len() {
            return Err(Error::shape("feature map", format!("values for {shape:?}"), data.len()));
        }
        let (first, per_image) = match self {
            Self::Nchw => return Tensor::new([n, c, h, w], data.to_vec()),
            Self::Nhwc => (0, h * w),
            Self::Tokens { prefix, .. } => (prefix, shape[1]),
        };
        let mut out = Tensor::zeros([n, c, h, w]);
        let places = out.data_mut().chunks_exact_mut((c * h * w).max(1));
        for (places, tokens) in places.zip(data.chunks_exact((per_image * c).max(1))) {
            for (i, token) in tokens[first * c..].chunks_exact(c.max(1)).take(h * w).enumerate() {
                for (k, &value) in token.iter().enumerate() {
                    places[k * h * w + i] = value;
                }
            }
        }
        Ok(out)
    }
}

impl Layout {
    /// The shape of `n` maps of `[c, h, w]` in this layout; `None` where it holds tokens beside the places.
    pub fn own_shape(self, n: usize, [c, h, w]: [usize; 3]) -> Option<Vec<usize>> {
        match self {
            Self::Nchw => Some(vec![n, c, h, w]),
            Self::Nhwc => Some(vec![n, h, w, c]),
            Self::Tokens { .. } => None,
        }
    }

    /// Overwrites the values of one image, in the model's layout, with the map `[c, h, w]`; tokens without a place are
    /// left as they are.
    ///
    /// # Errors
    /// `Shape` if the map does not fit.
    pub fn write(self, shape: &[usize], own: &mut [f32], map: &[f32]) -> Result<()> {
        let wrong = || Error::shape("feature map", format!("a map for {self:?} of shape {shape:?}"), map.len());
        let [c, h, w] = self.map_shape(shape).ok_or_else(wrong)?;
        if map.len() != c * h * w || own.len() != shape[1..].iter().product::<usize>() {
            return Err(wrong());
        }
        let first = match self {
            Self::Nchw => {
                own.copy_from_slice(map);
                return Ok(());
            }
            Self::Nhwc => 0,
            Self::Tokens { prefix, .. } => prefix,
        };
        for (i, token) in own[first * c..].chunks_exact_mut(c.max(1)).take(h * w).enumerate() {
            token.iter_mut().enumerate().for_each(|(k, value)| *value = map[k * h * w + i]);
        }
        Ok(())
    }
}

/// Axes after a `Reshape`: axes that keep their length keep their meaning, height and width that are merged become
/// tokens, tokens that are split again become height and width. Rows or columns that are split into blocks are still rows or
/// columns of blocks; what is merged into the channels is one of them (space to depth).
pub(crate) fn reshaped(axes: &[Axis], from: &[usize], to: &[usize]) -> Vec<Axis> {
    let mut out = vec![Axis::Other; to.len()];
    let (mut i, mut j) = (0, 0);
    while i < from.len() && j < to.len() {
        let (start, first) = (i, j);
        let (mut a, mut b) = (from[i], to[j]);
        while a != b {
            if a < b && i + 1 < from.len() {
                i += 1;
                a *= from[i];
            } else if a > b && j + 1 < to.len() {
                j += 1;
                b *= to[j];
            } else {
                return out;
            }
        }
        match (&axes[start..=i], &to[first..=j]) {
            ([axis], [_]) => out[first] = *axis,
            ([Axis::Height, Axis::Width], [_]) => {
                out[first] = Axis::Tokens { prefix: 0, h: from[start], w: from[i] };
            }
            ([Axis::Tokens { prefix: 0, h, w }], [a, b]) if (h, w) == (a, b) => {
                (out[first], out[j]) = (Axis::Height, Axis::Width);
            }
            (&[side @ (Axis::Height | Axis::Width)], [_, _]) => out[first] = side,
            (merged, [_]) if is_depth(merged) => out[first] = Axis::Channel,
            _ => {}
        }
        (i, j) = (i + 1, j + 1);
    }
    out
}

/// Channels, and places inside a block.
fn is_depth(axes: &[Axis]) -> bool {
    let n_channels = axes.iter().filter(|&&axis| axis == Axis::Channel).count();
    n_channels == 1 && axes.iter().all(|axis| matches!(axis, Axis::Channel | Axis::Other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_of_every_layout_become_nchw() {
        let nhwc: Vec<f32> = (0..12).map(|i| i as f32).collect(); // [1, 2, 3, 2]
        let map = Layout::Nhwc.to_nchw(&[1, 2, 3, 2], &nhwc).unwrap();
        assert_eq!(map.shape(), [1, 2, 2, 3]);
        assert_eq!(map.data(), [0., 2., 4., 6., 8., 10., 1., 3., 5., 7., 9., 11.]);

        let tokens = Layout::Tokens { prefix: 1, h: 1, w: 2 };
        let stored = [9., 9., 1., 2., 3., 4., 8., 8., 5., 6., 7., 0.]; // [2, 3, 2]
        let map = tokens.to_nchw(&[2, 3, 2], &stored).unwrap();
        assert_eq!(map.shape(), [2, 2, 1, 2]);
        assert_eq!(map.data(), [1., 3., 2., 4., 5., 7., 6., 0.]);
        assert!(tokens.to_nchw(&[2, 2, 2], &[0.0; 8]).is_err());

        let mut own = stored[..6].to_vec();
        tokens.write(&[1, 3, 2], &mut own, &[10., 30., 20., 40.]).unwrap();
        assert_eq!(own, [9., 9., 10., 20., 30., 40.]);
        assert!(tokens.write(&[1, 3, 2], &mut own, &[0.0; 6]).is_err());
        let mut own = vec![0.0; 12];
        let map = Layout::Nhwc.to_nchw(&[1, 2, 3, 2], &nhwc).unwrap();
        Layout::Nhwc.write(&[1, 2, 3, 2], &mut own, map.data()).unwrap();
        assert_eq!(own, nhwc);
    }

    #[test]
    fn reshaping_merges_and_splits_places() {
        let tokens = Axis::Tokens { prefix: 0, h: 7, w: 5 };
        assert_eq!(reshaped(&NCHW, &[2, 64, 7, 5], &[2, 64, 35]), [Axis::Batch, Axis::Channel, tokens]);
        assert_eq!(reshaped(&[Axis::Batch, tokens, Axis::Channel], &[2, 35, 8], &[2, 7, 5, 8]), NHWC);
        // Patch merging as timm's Swin writes it: rows and columns of 4 × 4 blocks, whose places become channels.
        let blocks = reshaped(&NHWC, &[2, 8, 8, 6], &[2, 2, 4, 2, 4, 6]);
        let expected = [Axis::Batch, Axis::Height, Axis::Other, Axis::Width, Axis::Other, Axis::Channel];
        assert_eq!(blocks, expected);
        let moved = [0, 1, 3, 2, 4, 5].map(|axis: usize| blocks[axis]);
        assert_eq!(reshaped(&moved, &[2, 2, 2, 4, 4, 6], &[2, 2, 2, 96]), NHWC);
        // Windows, one after the other, are no map.
        assert_eq!(Layout::of(&reshaped(&moved, &[2, 2, 2, 4, 4, 6], &[8, 4, 4, 6])), None);
    }
}
