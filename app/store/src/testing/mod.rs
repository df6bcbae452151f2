//! For tests, here and in the crates above: a store in memory that can break down, and a small scan made by hand.

pub mod faults;
mod memory;

pub use memory::MemoryStorage;

use crate::plan::{AttributionPlan, DataPlan, FeaturesPlan, ModelPlan};
use crate::{Facts, Outcome, ScanPlan, ScanRow, layout};
use ascan_config::sections::FeaturesSection;

/// The plan of a scan of five rows in shards of two, its features kept as `dtype`.
pub fn plan(dtype: &str) -> ScanPlan {
    let settings = FeaturesSection { dtype: dtype.into(), ..Default::default() };
    ScanPlan {
        format: layout::FORMAT,
        data: DataPlan { n_rows: 5, group_columns: vec!["y".into(), "split".into()], ..Default::default() },
        model: ModelPlan { n_classes: 2, ..Default::default() },
        attribution: AttributionPlan { stored_map_size: [1, 3], ..Default::default() },
        features: FeaturesPlan { settings, n_dims: 2, ..Default::default() },
        shard_rows: 2,
        ..Default::default()
    }
}

/// Row `i` of that scan; row 3 failed, and row 2 has no label.
pub fn row(i: usize) -> ScanRow {
    let x = i as f32;
    let outcome = Outcome {
        predicted_class: 1,
        target_class: 1,
        probs: vec![0.25, 0.75],
        loss: if i == 2 { f32::NAN } else { x },
        numbers: Vec::new(),
        map: vec![-1.0, 0.0, 1.0 + x],
        also: Vec::new(),
        agreement: None,
        embedding: vec![x + 0.5, 1.0 / 3.0],
        attribution_empty: i == 1,
        convergence_delta: (i == 4).then_some(0.125),
    };
    let facts = Facts {
        uri: format!("blå/{i}.jpg"),
        label: if i == 2 { -1 } else { 1 },
        split: Some("test".into()),
        groups: vec![format!("{}", i % 2), "other".into()],
        mask: None,
        truth: Vec::new(),
    };
    ScanRow { facts, outcome: if i == 3 { Err("is empty".into()) } else { Ok(outcome) } }
}
