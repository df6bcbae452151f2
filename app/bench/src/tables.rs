//! The results as text: Markdown for people, CSV with one figure per line for programs.

use super::job::Task;
use super::planted::PlantedKind;
use super::results::{BenchReport, PlantedSummary, mean};
use super::score::Score;
use ascan_config::bench::Variant;
use ascan_core::{Error, Result};
use std::collections::BTreeSet;
use std::fmt::Write;

impl BenchReport {
    /// `table.md`.
    pub fn to_markdown(&self) -> String {
        let mut text = String::from("# Slicers side by side\n");
        self.planted_tables(&mut text);
        for (scan, variants) in self.scans() {
            self.scan_tables(&mut text, scan, variants);
        }
        self.cost_table(&mut text);
        self.failures(&mut text);
        text
    }

    fn planted_tables(&self, text: &mut String) {
        let kinds: Vec<PlantedKind> =
            PlantedKind::ALL.into_iter().filter(|kind| !kind.strengths(&self.config.planted).is_empty()).collect();
        let rows: Vec<(&str, PlantedSummary)> =
            self.slicers().filter_map(|name| Some((name, self.planted(name, |_| true)?))).collect();
        if rows.is_empty() {
            return;
        }
        let section = &self.config.planted;
        heading(
            text,
            "Planted slices",
            &format!(
                "{} tables of each kind and strength, {} rows of {} dimensions to fit and as many to score. \
                 *found*: precision@10 of 0.8 or more. *false*: share of the slices called clearly worse that hold no planted one. \
                 Seconds and memory are those of one table, projection included.{}",
                section.n_tables,
                section.n_rows,
                section.n_dims,
                more_tries(rows.iter().map(|(_, all)| all.n_slices))
            ),
        );
        let mut header = vec!["slicer".to_owned()];
        header.extend(kinds.iter().map(|kind| format!("{} P@10", kind.name().replace('_', " "))));
        header.extend(["P@25", "AP", "found", "false", "NMI", "ARI", "slices", "s", "MiB"].map(str::to_owned));
        let body = rows.iter().map(|(name, all)| {
            let of_kind = |kind: &PlantedKind| {
                self.planted(name, |table| table.kind == *kind).map(|summary| summary.precision_at_10)
            };
            let mut row = vec![(*name).to_owned()];
            row.extend(kinds.iter().map(|kind| figure(of_kind(kind))));
            row.extend([all.precision_at_25, all.average_precision].map(|v| figure(Some(v))));
            row.extend([percent(Some(all.found)), percent(all.false_discoveries)]);
            row.extend([figure(Some(all.nmi)), figure(Some(all.ari)), format!("{:.0}", all.n_slices)]);
            row.extend([seconds(Some(all.seconds)), mib(all.peak_mib)]);
            row
        });
        table(text, &header, body);

        heading(text, "Planted slices by strength", "Precision@10, mean.");
        let strengths: Vec<(PlantedKind, f64)> =
            kinds.iter().flat_map(|&kind| kind.strengths(section).iter().map(move |&s| (kind, s))).collect();
        let mut header = vec!["slicer".to_owned()];
        header.extend(strengths.iter().map(|(kind, strength)| format!("{} {strength}", kind.name().replace('_', " "))));
        let body = rows.iter().map(|(name, _)| {
            let of = |&(kind, strength): &(PlantedKind, f64)| {
                let found = self.planted(name, |table| table.kind == kind && table.strength == strength);
                figure(found.map(|summary| summary.precision_at_10))
            };
            std::iter::once((*name).to_owned()).chain(strengths.iter().map(of)).collect()
        });
        table(text, &header, body);
    }

    fn scan_tables(&self, text: &mut String, scan: &str, variants: &[Variant]) {
        let Some(&first) = variants.first() else { return };
        let scores: Vec<(&str, &Score)> =
            self.slicers().filter_map(|name| Some((name, self.scan(name, scan, first)?.score.as_ref()?))).collect();
        let Some((_, any)) = scores.first() else { return };
        let groups: Vec<&str> = any.found.iter().map(|found| found.slice.as_str()).collect();
        let more = more_tries(scores.iter().map(|(_, score)| score.n_slices as f64));
        let note = format!(
            "Fitted to one split, scored on the other; features: {}. AP is the mean over the groups, NMI and homogeneity are \
             those with all known groups.{more}",
            first.name()
        );
        heading(text, &format!("Scan {scan}"), &note);
        let mut header = vec!["slicer".to_owned()];
        header.extend(groups.iter().map(|group| format!("{group} P@25")));
        header.extend(["P@10", "AP", "slices", "NMI", "homogeneity", "s", "MiB"].map(str::to_owned));
        let body = scores.iter().map(|(name, score)| {
            let measured = self.scan(name, scan, first);
            let mut row = vec![(*name).to_owned()];
            row.extend(score.found.iter().map(|found| figure(Some(found.precision_at_25))));
            row.push(figure(Some(mean(score.found.iter().map(|found| found.precision_at_10)))));
            row.push(figure(Some(mean(score.found.iter().map(|found| found.average_precision)))));
            row.push(score.n_slices.to_string());
            row.extend([score.nmi, score.homogeneity].map(|v| figure(Some(v))));
            row.extend([seconds(measured.map(|m| m.seconds())), mib(measured.and_then(|m| m.peak_mib))]);
            row
        });
        table(text, &header, body);
        if variants.len() < 2 {
            return;
        }
        for (what, of) in [
            ("Precision@25", (|score| mean(score.found.iter().map(|f| f.precision_at_25))) as fn(&Score) -> f64),
            ("Average precision", |score| mean(score.found.iter().map(|f| f.average_precision))),
        ] {
            heading(text, &format!("Scan {scan}: form of the features"), &format!("{what}, mean over the groups."));
            let mut header = vec!["slicer".to_owned()];
            header.extend(variants.iter().map(|variant| variant.name().replace('_', " ")));
            let value = |name: &str, variant: Variant| Some(of(self.scan(name, scan, variant)?.score.as_ref()?));
            let mut body: Vec<Vec<String>> = Vec::new();
            for name in self.slicers() {
                let row = variants.iter().map(|&variant| figure(value(name, variant)));
                body.push(std::iter::once(name.to_owned()).chain(row).collect());
            }
            let of_all = variants.iter().map(|&variant| {
                let values = self.slicers().filter_map(|name| value(name, variant)).filter(|v| v.is_finite());
                figure(median(values.collect()))
            });
            body.push(std::iter::once("**median**".to_owned()).chain(of_all).collect());
            table(text, &header, body.into_iter());
        }
    }

    fn cost_table(&self, text: &mut String) {
        let sizes: BTreeSet<usize> =
            self.growth.iter().flat_map(|growth| growth.points.iter().map(|point| point.0)).collect();
        if sizes.is_empty() {
            return;
        }
        let note = format!(
            "Fit and membership of one table of {} dimensions, in seconds, and the most memory of the process, the table included, \
             in MiB. *exponent*: of rows in seconds, fitted to the tables that took 10 ms or more.",
            self.config.cost.n_dims
        );
        heading(text, "Cost as work grows", &note);
        let mut header = vec!["method".to_owned()];
        header.extend(sizes.iter().map(|&n| format!("{} rows", grouped(n))));
        header.push("exponent".to_owned());
        let body = self.growth.iter().map(|growth| {
            let cell = |size: &usize| match growth.points.iter().find(|point| point.0 == *size) {
                Some((_, Some(s), peak)) => format!("{} s, {} MiB", seconds(Some(*s)), mib(*peak)),
                Some(_) => "failed".to_owned(),
                None => String::new(),
            };
            let name = if growth.is_projector { format!("{} (projector)", growth.name) } else { growth.name.clone() };
            let exponent = figure(growth.exponent);
            std::iter::once(name).chain(sizes.iter().map(cell)).chain([exponent]).collect()
        });
        table(text, &header, body);
    }

    fn failures(&self, text: &mut String) {
        let failed = self.results.iter().filter_map(|result| Some((&result.job.name, result.error.as_ref()?)));
        let failed: BTreeSet<_> = failed.collect();
        if !failed.is_empty() {
            heading(text, "Failed", "");
            for (name, error) in failed {
                let _ = writeln!(text, "- {name}: {error}");
            }
        }
    }

    /// `table.csv`: one figure per line.
    ///
    /// # Errors
    /// `File` if it cannot be made.
    pub fn to_csv(&self) -> Result<String> {
        let failed = |error: &dyn std::fmt::Display| Error::file("table.csv", error, "");
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = ["method", "table", "setting", "seed", "slice", "figure", "value"];
        writer.write_record(header).map_err(|error| failed(&error))?;
        for result in &self.results {
            let Some(outcome) = &result.outcome else { continue };
            for (i, measured) in outcome.measured.iter().enumerate() {
                let (table, setting, seed) = match &result.job.task {
                    Task::Planted { tables, .. } => {
                        let planted = &tables[i];
                        (planted.kind.name().to_owned(), planted.strength.to_string(), planted.seed)
                    }
                    Task::Slicer { n_rows, .. } => ("cost".into(), n_rows.to_string(), result.job.seed),
                    Task::Projector { n_rows, .. } => ("projector cost".into(), n_rows.to_string(), result.job.seed),
                    Task::Scan { scan, variant, .. } => (scan.clone(), variant.name().into(), result.job.seed),
                };
                let mut figures: Vec<(String, &str, f64)> = vec![
                    (String::new(), "project_seconds", measured.project_seconds),
                    (String::new(), "fit_seconds", measured.fit_seconds),
                    (String::new(), "apply_seconds", measured.apply_seconds),
                ];
                figures.extend(measured.peak_mib.map(|peak| (String::new(), "peak_mib", peak)));
                if let Some(score) = &measured.score {
                    for found in &score.found {
                        let slice = || found.slice.clone();
                        figures.push((slice(), "size", found.size as f64));
                        figures.push((slice(), "precision_at_10", found.precision_at_10));
                        figures.push((slice(), "precision_at_25", found.precision_at_25));
                        figures.push((slice(), "average_precision", found.average_precision));
                    }
                    figures.extend([
                        (String::new(), "n_slices", score.n_slices as f64),
                        (String::new(), "n_flagged", score.n_flagged as f64),
                        (String::new(), "n_false", score.n_false as f64),
                        (String::new(), "nmi", score.nmi),
                        (String::new(), "ari", score.ari),
                        (String::new(), "homogeneity", score.homogeneity),
                    ]);
                }
                for (slice, figure, value) in figures {
                    let line =
                        [&result.job.name, &table, &setting, &seed.to_string(), &slice, figure, &value.to_string()];
                    writer.write_record(line).map_err(|error| failed(&error))?;
                }
            }
        }
        let bytes = writer.into_inner().map_err(|error| failed(&error))?;
        String::from_utf8(bytes).map_err(|error| failed(&error))
    }
}

// Writing to a string cannot fail, here and below.
fn heading(text: &mut String, title: &str, note: &str) {
    let _ = writeln!(text, "\n## {title}\n");
    if !note.is_empty() {
        let _ = writeln!(text, "{note}\n");
    }
}

/// What to mind where methods made different numbers of slices; empty where they did not.
pub(crate) fn more_tries(n_slices: impl Iterator<Item = f64>) -> String {
    let (few, many) = n_slices.fold((f64::INFINITY, 0.0_f64), |(few, many), n| (few.min(n), many.max(n)));
    if few >= many {
        return String::new();
    }
    format!(
        " The methods made {few:.0} to {many:.0} slices: a precision is that of the best slice, so that more slices are more tries."
    )
}

fn table(text: &mut String, header: &[String], rows: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(text, "| {} |", header.join(" | "));
    let _ = writeln!(text, "|---|{}", "--:|".repeat(header.len() - 1));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
}

fn figure(value: Option<f64>) -> String {
    value.filter(|v| v.is_finite()).map_or_else(|| "–".into(), |v| format!("{v:.2}"))
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |v| format!("{:.0} %", 100.0 * v))
}

/// Three digits.
fn seconds(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        Some(v) if v < 0.1 => format!("{v:.3}"),
        Some(v) if v < 1.0 => format!("{v:.2}"),
        Some(v) if v < 10.0 => format!("{v:.1}"),
        Some(v) => format!("{v:.0}"),
    }
}

fn mib(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |v| format!("{v:.0}"))
}

/// `1,000,000`.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let parts: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|part| std::str::from_utf8(part).unwrap_or_default()).collect();
    parts.join(",")
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([grouped(7), grouped(1_000), grouped(1_234_567)], ["7", "1,000", "1,234,567"]);
        assert_eq!([0.0123, 0.456, 4.56, 45.6].map(|s| seconds(Some(s))), ["0.012", "0.46", "4.6", "46"]);
        assert_eq!([figure(None), figure(Some(f64::NAN)), percent(Some(0.25))], ["–", "–", "25 %"]);
        assert_eq!([median(vec![]), median(vec![3.0, 1.0, 2.0]), median(vec![4.0, 1.0])], [None, Some(2.0), Some(2.5)]);
    }
}
