//! What a person made of spread marks, kept apart from what was computed.

use super::Spread;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a person made of a spread.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Review {
    /// Whether it may be used.
    pub accepted: bool,
    /// From this spuriousness on an image is spurious, below it core; `None` leaves the shares as they are.
    pub threshold: Option<f32>,
    /// Single images that are spurious, or are not, whatever was computed.
    pub overrides: BTreeMap<usize, bool>,
}

impl Spread {
    /// `[n]`: spuriousness after the review. A threshold makes 0 and 1 of it, then single overrides replace it; NaN
    /// where nothing is known stays.
    pub fn reviewed(&self) -> Vec<f32> {
        let decide = |value: f32| match self.review.threshold {
            Some(threshold) if !value.is_nan() => f32::from(u8::from(value >= threshold)),
            _ => value,
        };
        let mut reviewed: Vec<f32> = self.spuriousness.iter().map(|&value| decide(value)).collect();
        for (&row, &is_spurious) in &self.review.overrides {
            if let Some(value) = reviewed.get_mut(row) {
                *value = f32::from(u8::from(is_spurious));
            }
        }
        reviewed
    }
}
