//! Every regularizer on one scan, side by side, judged on a scan of other images.

use ascan_config::host::PluginHost;
use ascan_config::repair::RepairConfig;
use ascan_config::sections::{Groups, threads};
use ascan_core::metrics::argmax;
use ascan_core::{Context, Error, Kind, OpenModel, Reporter, Result};
use ascan_engine::repair::{Evaluation, MODEL, Outcome, RepairPlan, RepairSummary, repair};
use ascan_engine::workers::logits;
use ascan_images::{ImageSet, Preprocess};
use ascan_store::table::ScanTable;
use ascan_store::{LocalStorage, Scan, Storage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

/// One repair, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Regularizer.
    pub plugin: String,
    /// Seed of the repair.
    pub seed: u64,
    /// What it learnt from; nothing for the model before.
    #[serde(default)]
    pub basis: Option<Basis>,
    /// On the test images, or why there is nothing.
    pub result: Result<Judged, String>,
}

impl Entry {
    /// The folder of its repair in that of the table.
    pub fn folder(&self, out: &Path) -> PathBuf {
        folder(out, &self.plugin, self.seed)
    }
}

/// What a repair learnt from: whoever compares two rows must know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// Images that were trained on, with the folders of their scans.
    pub trained_on: String,
    /// Images that chose the epoch.
    pub chosen_by: String,
    /// Whether annotated groups were trained with.
    pub group_labels: bool,
    /// Share of the smallest annotated group in the images that were trained on: balanced sets show here.
    pub smallest_group: Option<f64>,
}

impl Basis {
    fn of(plan: &RepairPlan, scans: impl Iterator<Item = String>) -> Self {
        let (data, repair) = (&plan.training.data, &plan.config.repair);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for &(set, row) in &data.rows {
            *counts.entry(data.sets[set].samples[row].groups.join("/")).or_default() += 1;
        }
        let smallest = counts.values().min().filter(|_| counts.len() > 1);
        Self {
            trained_on: format!("{} images of {}", data.n(), scans.collect::<Vec<_>>().join(" and ")),
            chosen_by: match &repair.validation_split {
                Some(split) => format!("{} images of split {split}", plan.validation.n()),
                None => format!("{} more of these", plan.validation.n()),
            },
            group_labels: repair.groups == Groups::Annotated,
            smallest_group: smallest.map(|&n| n as f64 / data.n() as f64),
        }
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trained_on, chosen_by, group_labels, smallest_group } = self;
        let labels = if *group_labels { "annotated groups were trained with" } else { "no group label was used" };
        // In whole percent: seeds hold out other images.
        let smallest =
            smallest_group.map_or_else(String::new, |share| format!(" (smallest group {:.0} %)", share * 100.0));
        write!(f, "trained on {trained_on}{smallest}, epoch chosen by {chosen_by}; {labels}")
    }
}

fn folder(out: &Path, plugin: &str, seed: u64) -> PathBuf {
    out.join(format!("{plugin}-{seed}"))
}

/// Figures on the test images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Mean accuracy and the like.
    pub test: Evaluation,
    /// Accuracy of the worst known group, where groups are known.
    pub worst_group_accuracy: Option<f64>,
    /// The epoch that was kept.
    pub best_epoch: usize,
    /// Seconds of the repair.
    pub seconds: f64,
    /// What its own check said, which sees no test image.
    #[serde(default)]
    pub outcome: Outcome,
}

/// Repairs as each configuration says, with each seed, into a folder of its own in `out`, and judges each model on the
/// images of `test`. The first entry is the model before.
///
/// A regularizer that cannot work on this scan says so in its entry.
///
/// # Errors
/// `File` if `out` cannot be written; `Cancelled`.
pub fn table(
    ([scan, test], also): ([&Scan; 2], Option<&Scan>),
    configs: &[RepairConfig],
    seeds: &[u64],
    host: &PluginHost,
    out: &Path,
    reporter: &dyn Reporter,
) -> Result<Vec<Entry>> {
    let judge = Judge { test, table: test.table()?, images: ImageSet::open(&test.config.data)?, host, reporter };
    let n_threads = configs.first().map_or(0, |config| config.run.n_threads);
    let before = judge.judge(&scan.config.model.path, &RepairSummary::default(), n_threads);
    let mut entries = vec![Entry {
        plugin: "before".into(),
        seed: 0,
        basis: None,
        result: before.map_err(|error| error.to_string()),
    }];
    for config in configs {
        let plugin = &config.repair.plugin;
        for &seed in seeds {
            let mut config = config.clone();
            config.run.seed = seed;
            let folder = folder(out, plugin, seed);
            let mut basis = None;
            let done = RepairPlan::compile(scan, also, config, host)
                .and_then(|mut plan| {
                    let names = [Some(scan), also].into_iter().flatten().map(|scan| name_of(&scan.dir));
                    basis = Some(Basis::of(&plan, names));
                    repair(&mut plan, host, &folder, (reporter, ""))
                })
                .and_then(|summary| judge.judge(&folder.join(MODEL), &summary, n_threads));
            if done == Err(Error::Cancelled) {
                return Err(Error::Cancelled);
            }
            entries.push(Entry {
                plugin: plugin.clone(),
                seed,
                basis,
                result: done.map_err(|error| error.to_string()),
            });
        }
    }
    let json = serde_json::to_vec_pretty(&entries)
        .map_err(|error| Error::unsupported(format!("the table cannot be written as JSON: {error}"), ""))?;
    let storage = LocalStorage::new(out);
    storage.put("table.json", &json)?;
    storage.put("table.md", markdown(&entries).as_bytes())?;
    Ok(entries)
}

/// The name of a scan's folder.
fn name_of(dir: &Path) -> String {
    let absolute = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    absolute.file_name().map_or_else(|| dir.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Judges models on the images of a scan.
struct Judge<'a> {
    test: &'a Scan,
    table: ScanTable,
    images: ImageSet,
    host: &'a PluginHost,
    reporter: &'a dyn Reporter,
}

impl Judge<'_> {
    fn judge(&self, model: &Path, summary: &RepairSummary, n_threads: usize) -> Result<Judged> {
        let (config, plan) = (&self.test.config.model, &self.test.plan.model);
        let preprocess = Preprocess::new(&config.preprocess, plan.input_shape)?;
        let rows: Vec<usize> = self.table.valid_rows().into_iter().filter(|&row| self.table.labels[row] >= 0).collect();
        let labels: Vec<usize> = rows.iter().map(|&row| self.table.labels[row] as usize).collect();
        let open = OpenModel { path: model.to_owned(), ..config.open(1) };
        let n_threads = threads(n_threads);
        let context = Context { seed: 0, n_threads, reporter: self.reporter };
        self.host.ask(&self.test.dir, Kind::Backend, &plan.backend, &plan.params)?;
        let runtime = self.host.backend(&plan.backend, &plan.params)?;
        let load = |i: usize| preprocess.load(&self.images, rows[i]);
        let found = logits(&*runtime, &open, rows.len(), &load, &context)?;
        let mut groups: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        let mut judged = Vec::new();
        for (i, logits) in found.into_iter().enumerate() {
            let Some(logits) = logits else { continue };
            if let Some(group) = self.table.group(rows[i]) {
                let (right, n) = groups.entry(group).or_default();
                *right += usize::from(argmax(&logits) == labels[i]);
                *n += 1;
            }
            judged.push((logits, labels[i]));
        }
        let worst = groups.values().map(|&(right, n)| right as f64 / n as f64).reduce(f64::min);
        Ok(Judged {
            test: Evaluation::of(&judged, plan.output_kind()),
            worst_group_accuracy: worst,
            best_epoch: summary.best_epoch,
            seconds: summary.seconds,
            outcome: summary.outcome.clone(),
        })
    }
}

/// The table in Markdown: each regularizer with the mean over its seeds and, with several, the deviation.
pub fn markdown(entries: &[Entry]) -> String {
    let mut text =
        "| regularizer | mean accuracy | worst group | worst class | its own check | seconds |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for of_plugin in entries.chunk_by(|a, b| a.plugin == b.plugin) {
        let judged: Vec<&Judged> = of_plugin.iter().filter_map(|entry| entry.result.as_ref().ok()).collect();
        let plugin = &of_plugin[0].plugin;
        // Writing to a string cannot fail.
        let _ = match of_plugin.iter().find_map(|entry| entry.result.as_ref().err()) {
            Some(error) if judged.is_empty() => writeln!(text, "| `{plugin}` | not possible: {error} | | | | |"),
            _ => {
                let cell = |value: &dyn Fn(&Judged) -> Option<f64>| spread(judged.iter().filter_map(|j| value(j)));
                writeln!(
                    text,
                    "| `{plugin}` | {} | {} | {} | {} | {:.0} |",
                    cell(&|judged| Some(judged.test.accuracy.into())),
                    cell(&|judged| judged.worst_group_accuracy),
                    cell(&|judged| Some(judged.test.worst_class_accuracy.into())),
                    checks(&judged),
                    judged.iter().map(|judged| judged.seconds).sum::<f64>() / judged.len() as f64
                )
            }
        };
    }
    // What one repair learnt from holds for all that learnt from the same.
    let mut bases: Vec<(String, Vec<&str>)> = Vec::new();
    for Entry { plugin, basis, .. } in entries {
        let Some(basis) = basis.as_ref().map(Basis::to_string) else { continue };
        match bases.iter_mut().find(|(known, _)| *known == basis) {
            Some((_, plugins)) if plugins.last() == Some(&plugin.as_str()) => {}
            Some((_, plugins)) => plugins.push(plugin),
            None => bases.push((basis, vec![plugin])),
        }
    }
    for (basis, plugins) in bases {
        let _ = writeln!(text, "\n{}: {basis}.", plugins.join(", "));
    }
    text
}

/// `helped 2 of 3`.
fn checks(judged: &[&Judged]) -> String {
    let checked = judged.iter().filter(|judged| judged.outcome != Outcome::NotChecked).count();
    let helped = judged.iter().filter(|judged| judged.outcome == Outcome::Helped).count();
    if checked == 0 { String::new() } else { format!("helped {helped} of {checked}") }
}

/// `82.8 %`, or `82.8 ± 0.6 %` of several.
fn spread(values: impl Iterator<Item = f64>) -> String {
    let values: Vec<f64> = values.map(|value| value * 100.0).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    match values.len() {
        0 => "–".to_owned(),
        1 => format!("{mean:.1} %"),
        _ => format!("{mean:.1} ± {deviation:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_of_a_regularizer_share_a_line() {
        let judged = |accuracy: f64| Judged {
            test: Evaluation { accuracy: accuracy as f32, ..Evaluation::default() },
            worst_group_accuracy: Some(accuracy / 2.0),
            best_epoch: 1,
            seconds: 2.0,
            outcome: if accuracy > 0.85 { Outcome::Helped } else { Outcome::Failed(Vec::new()) },
        };
        let basis = |group_labels| Basis {
            trained_on: "80 images of train".into(),
            chosen_by: "20 more of these".into(),
            group_labels,
            smallest_group: Some(0.021),
        };
        let entry = |plugin: &str, seed, result| Entry {
            plugin: plugin.into(),
            seed,
            basis: Some(basis(plugin == "jtt")),
            result,
        };
        let text = markdown(&[
            entry("erm", 0, Ok(judged(0.8))),
            entry("erm", 1, Ok(judged(0.9))),
            entry("jtt", 0, Err("no errors".into())),
        ]);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(lines[0], "| `erm` | 85.0 ± 7.1 % | 42.5 ± 3.5 % | 0.0 ± 0.0 % | helped 1 of 2 | 2 |");
        assert_eq!(lines[1], "| `jtt` | not possible: no errors | | | | |");
        let of_erm = "erm: trained on 80 images of train (smallest group 2 %), epoch chosen by 20 more of these; no group label was used.";
        assert_eq!((lines[3], lines.len()), (of_erm, 6));
        assert!(
            lines[5].starts_with("jtt: ") && lines[5].ends_with("annotated groups were trained with."),
            "{}",
            lines[5]
        );
    }
}
