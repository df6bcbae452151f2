//! The rows of such a scan, and how they are written.

use crate::plan::VectorPlan;
use ascan_core::{Error, Reporter, Result};
use ascan_engine::memory::peak_rss_mib;
use ascan_engine::scan::ScanSummary;
use ascan_store::plan::{AttributionPlan, DataPlan, FeaturesPlan, ModelPlan};
use ascan_store::{Facts, LocalStorage, Outcome, Scan, ScanLock, ScanPlan, ScanRow, ScanWriter, layout};
use std::path::Path;
use std::time::Instant;

/// In the place of a plugin: nothing made the maps, and nothing ran.
const NONE: &str = "none";
/// At which size pictures are shown that no model takes.
const SHOWN: [usize; 3] = [3, 224, 224];

/// Writes the vectors as a scan into the folder `out`, or does what is missing of the scan that is there.
///
/// # Errors
/// `File` if `out` cannot be written or holds something else; `Cancelled` on request.
pub fn keep(plan: &VectorPlan, out: &Path, reporter: &dyn Reporter) -> Result<ScanSummary> {
    let start = Instant::now();
    let scan_plan = plan.scan_plan()?;
    let storage = LocalStorage::new(out);
    let _lock = ScanLock::take(out)?;
    let writer = ScanWriter::begin(&storage, out, &plan.config, &scan_plan)?;
    let n_missing: usize = writer.missing.iter().map(|&shard| scan_plan.rows(shard).len()).sum();
    let mut n_done = scan_plan.data.n_rows - n_missing;
    for &shard in &writer.missing {
        if !reporter.progress("keep", n_done as u64, scan_plan.data.n_rows as u64) {
            return Err(Error::Cancelled);
        }
        let rows: Vec<ScanRow> = scan_plan.rows(shard).map(|row| plan.row(row)).collect();
        writer.write_shard(shard, &rows)?;
        n_done += rows.len();
    }
    drop(writer);
    let total = start.elapsed().as_secs_f64();
    let mut summary = ScanSummary::of(&Scan::open(out)?)?;
    summary.n_resumed = scan_plan.data.n_rows - n_missing;
    summary.seconds.insert("total".into(), total);
    summary.images_per_second = n_missing as f64 / total;
    summary.peak_rss_mib = peak_rss_mib();
    Ok(summary)
}

impl VectorPlan {
    fn row(&self, row: usize) -> ScanRow {
        let sample = &self.images.samples[row];
        let mut groups = sample.groups.clone();
        if self.labels_are_groups() {
            groups.push(sample.label.clone().unwrap_or_default());
        }
        let facts = Facts {
            uri: sample.uri.clone(),
            label: self.labels[row],
            split: sample.split.clone(),
            groups,
            mask: sample.mask.clone(),
            truth: Vec::new(),
        };
        let embedding = self.given.embeddings.row(row);
        if !embedding.iter().all(|value| value.is_finite()) {
            return ScanRow { facts, outcome: Err("its vector holds NaN or infinity".into()) };
        }
        let class = self.predicted[row];
        let certain = || (0..self.class_names.len()).map(|k| f32::from(u8::from(k == class as usize))).collect();
        let probs: Vec<f32> = self.given.probs.as_ref().map_or_else(certain, |probs| probs.row(row).to_vec());
        // A prediction without probabilities says nothing about how far off it was.
        let said = self.given.probs.as_ref().and_then(|_| probs.get(usize::try_from(self.labels[row]).ok()?));
        let outcome = Outcome {
            predicted_class: class,
            target_class: class,
            loss: said.map_or(f32::NAN, |p| -p.max(f32::MIN_POSITIVE).ln()),
            probs,
            embedding: embedding.to_vec(),
            ..Outcome::default()
        };
        ScanRow { facts, outcome: Ok(outcome) }
    }

    fn scan_plan(&self) -> Result<ScanPlan> {
        let (names, n_unknown) = self.images.names();
        let labels: Vec<u8> = self.labels.iter().flat_map(|label| label.to_le_bytes()).collect();
        let mut settings = self.config.features.clone();
        let Some(source) = settings.source.take() else {
            return Err(Error::param("features.source", "is missing", ""));
        };
        settings.layer = NONE.into();
        let bytes = std::fs::read(&source).map_err(|error| Error::file(&source, error, ""))?;
        let mut group_columns = self.images.group_columns.clone();
        if self.labels_are_groups() {
            group_columns.push("label".into());
        }
        let [n_dims, n_classes] = [self.given.embeddings.view().row_len(), self.class_names.len()];
        Ok(ScanPlan {
            format: layout::FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            data: DataPlan {
                n_rows: self.n(),
                fingerprint: self.images.fingerprint(),
                names,
                n_unknown,
                labels: blake3::hash(&labels).to_hex().to_string(),
                group_columns,
            },
            model: ModelPlan {
                backend: NONE.into(),
                engine: NONE.into(),
                device: "cpu".into(),
                input_shape: SHOWN,
                n_classes,
                class_names: self.class_names.clone(),
                ..ModelPlan::default()
            },
            attribution: AttributionPlan {
                plugin: NONE.into(),
                target: "predicted".into(),
                method: "no model, so there are no maps".into(),
                ..AttributionPlan::default()
            },
            features: FeaturesPlan {
                settings,
                n_dims,
                source_hash: Some(blake3::hash(&bytes).to_hex().to_string()),
                ..FeaturesPlan::default()
            },
            seed: self.config.run.seed,
            batch_size: 1,
            shard_rows: self.config.run.shard_rows,
            ..ScanPlan::default()
        })
    }
}
