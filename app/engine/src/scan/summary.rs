//! The summary of a finished scan.

use crate::question::{ClassFigures, QuantityFigures, figures_of_classes, figures_of_quantity};
use ascan_core::{OutputKind, Result};
use ascan_math::likeness::DISPUTED;
use ascan_store::{Part, Scan};
use serde::Serialize;
use std::collections::BTreeMap;

/// How many failed images are listed; the scan's table has them all.
const MAX_LISTED: usize = 20;

/// The figures of a scan: `ascan scan --json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ScanSummary {
    /// Images.
    pub n: usize,
    /// Images that could not be read or explained.
    pub n_failed: usize,
    /// Images that an earlier run had already done.
    pub n_resumed: usize,
    /// `total` is the time that passed; the stages are summed over all threads.
    pub seconds: BTreeMap<String, f64>,
    /// Images of this run over the time that passed.
    pub images_per_second: f64,
    /// The most memory the process ever held, where the system tells.
    pub peak_rss_mib: Option<f64>,
    /// Backend plugin.
    pub backend: String,
    /// Engine and version.
    pub engine: String,
    /// Layer whose features are weighted.
    pub layer: String,
    /// How the maps were computed.
    pub attribution: String,
    /// Images whose map had no weight.
    pub n_attribution_empty: usize,
    /// Mean agreement of the methods, where there are several.
    pub mean_agreement: Option<f64>,
    /// Images whose methods disagree about where the model looks: agreement below [`DISPUTED`].
    pub n_disputed: usize,
    /// Share of right predictions among the images with a label.
    pub accuracy: Option<f64>,
    /// The same for each known group.
    pub group_accuracy: BTreeMap<String, f64>,
    /// Images with a label in each known group.
    pub group_size: BTreeMap<String, usize>,
    /// The smallest of them.
    pub worst_group_accuracy: Option<f64>,
    /// How well each class is found, where an image may have several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassFigures>,
    /// How well a quantity is met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<QuantityFigures>,
    /// The first images that failed.
    pub failed: Vec<FailedImage>,
}

/// An image without a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedImage {
    /// Which.
    pub uri: String,
    /// Why.
    pub reason: String,
}

/// Right and all.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    n_right: usize,
    n: usize,
}

impl Share {
    fn value(self) -> Option<f64> {
        (self.n > 0).then(|| self.n_right as f64 / self.n as f64)
    }
}

impl ScanSummary {
    /// What the rows say; time and memory are for the caller to fill in.
    ///
    /// # Errors
    /// `File` if the scan is incomplete or cannot be read.
    pub fn of(scan: &Scan) -> Result<Self> {
        let mut summary = Self {
            n: scan.plan.data.n_rows,
            backend: scan.plan.model.backend.clone(),
            engine: scan.plan.model.engine.clone(),
            layer: scan.plan.features.settings.layer.clone(),
            attribution: scan.plan.attribution.method.clone(),
            ..Self::default()
        };
        summary.classes = figures_of_scan(scan)?;
        let mut all = Share::default();
        let (mut sum_of_agreement, mut n_agreement) = (0.0, 0usize);
        let mut groups: BTreeMap<String, Share> = BTreeMap::new();
        let (mut truth, mut values) = (Vec::new(), Vec::new());
        scan.for_each_shard(|table| {
            for (i, error) in table.errors.iter().enumerate() {
                if let Some(reason) = error {
                    summary.n_failed += 1;
                    if summary.failed.len() < MAX_LISTED {
                        summary.failed.push(FailedImage { uri: table.uris[i].clone(), reason: reason.clone() });
                    }
                    continue;
                }
                if let Some([known, said]) = table.quantities.as_ref().map(|quantities| quantities[i]) {
                    truth.push(known);
                    values.push(said);
                }
                summary.n_attribution_empty += usize::from(table.attribution_empty[i]);
                if let Some(agreement) = table.agreement.as_ref().map(|all| all[i]).filter(|v| v.is_finite()) {
                    sum_of_agreement += f64::from(agreement);
                    n_agreement += 1;
                    summary.n_disputed += usize::from(agreement < DISPUTED);
                }
                if table.labels[i] < 0 {
                    continue;
                }
                let right = table.labels[i] == table.predicted_classes[i];
                for share in [Some(&mut all), table.group(i).map(|group| groups.entry(group).or_default())] {
                    let Some(share) = share else { continue };
                    share.n_right += usize::from(right);
                    share.n += 1;
                }
            }
        })?;
        summary.quantity = figures_of_quantity(&truth, &values);
        summary.mean_agreement = (n_agreement > 0).then(|| sum_of_agreement / n_agreement as f64);
        summary.accuracy = all.value();
        summary.group_size = groups.iter().map(|(group, share)| (group.clone(), share.n)).collect();
        summary.group_accuracy =
            groups.into_iter().filter_map(|(group, share)| Some((group, share.value()?))).collect();
        summary.worst_group_accuracy = summary.group_accuracy.values().copied().reduce(f64::min);
        Ok(summary)
    }
}

/// Figures of each class of a scan whose images may have several; empty for another scan.
///
/// # Errors
/// `File` if the scan is incomplete or cannot be read.
pub fn figures_of_scan(scan: &Scan) -> Result<Vec<ClassFigures>> {
    let (names, output) = (&scan.plan.model.numbers, scan.plan.model.output.clone().unwrap_or_default());
    if output.kind != OutputKind::MultiLabel {
        return Ok(Vec::new());
    }
    let mut failed = Vec::new();
    scan.for_each_shard(|table| failed.extend(table.errors.iter().map(Option::is_some)))?;
    let (mut truth, mut probs) = (Vec::new(), Vec::new());
    for shard in 0..scan.plan.n_shards() {
        truth.extend_from_slice(scan.part(shard, Part::Truth)?.data());
        probs.extend_from_slice(scan.part(shard, Part::Numbers)?.data());
    }
    for row in (0..failed.len()).filter(|&row| failed[row]) {
        probs[row * names.len()..(row + 1) * names.len()].fill(f32::NAN);
    }
    Ok(figures_of_classes(names, &truth, &probs, output.threshold.unwrap_or(0.5)))
}

impl std::fmt::Display for ScanSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let total = self.seconds.get("total").copied().unwrap_or_default();
        write!(f, "{} images in {total:.1} s ({:.1} images/s", self.n, self.images_per_second)?;
        if let Some(peak) = self.peak_rss_mib {
            write!(f, ", peak memory {peak:.0} MiB")?;
        }
        writeln!(f, ")")?;
        if self.n_resumed > 0 {
            writeln!(f, "  {} of them were done by an earlier run", self.n_resumed)?;
        }
        writeln!(f, "  {} · {} · features of layer `{}`", self.engine, self.attribution, self.layer)?;
        if let Some(accuracy) = self.accuracy {
            writeln!(f, "  accuracy {:.1} %", 100.0 * accuracy)?;
        }
        if let Some(quantity) = &self.quantity {
            let r2 = quantity.r2.map_or_else(|| "unknown".to_owned(), |r2| format!("{r2:.3}"));
            writeln!(
                f,
                "  mean absolute error {:.4}, root mean squared error {:.4}, R² {r2} of {} images",
                quantity.mean_absolute_error, quantity.root_mean_squared_error, quantity.n
            )?;
        }
        for class in self.classes.iter().take(MAX_LISTED) {
            let precision = class.average_precision.map_or_else(|| "none".to_owned(), |ap| format!("{ap:.3}"));
            let ClassFigures { name, n_present, f1, .. } = class;
            writeln!(f, "    {name}: average precision {precision}, F1 {f1:.3}, in {n_present} images")?;
        }
        if self.classes.len() > MAX_LISTED {
            writeln!(f, "    … and {} more classes; --json has them all", self.classes.len() - MAX_LISTED)?;
        }
        for (group, accuracy) in &self.group_accuracy {
            writeln!(f, "    {group}: {:.1} % of {}", 100.0 * accuracy, self.group_size[group])?;
        }
        if self.n_attribution_empty > 0 {
            writeln!(
                f,
                "  {} maps were empty; the plain spatial mean is used for these images",
                self.n_attribution_empty
            )?;
        }
        if let Some(agreement) = self.mean_agreement {
            let n = self.n_disputed;
            writeln!(
                f,
                "  mean agreement of the methods {agreement:.2}; on {n} images they disagree about where the model looks"
            )?;
        }
        if self.n_failed > 0 {
            writeln!(f, "  {} images failed:", self.n_failed)?;
            for FailedImage { uri, reason } in &self.failed {
                writeln!(f, "    {uri}: {reason}")?;
            }
            if self.n_failed > self.failed.len() {
                writeln!(
                    f,
                    "    … and {} more; column `error` of the scan has them all",
                    self.n_failed - self.failed.len()
                )?;
            }
        }
        Ok(())
    }
}
