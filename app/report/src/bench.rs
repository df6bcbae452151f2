//! The charts of a bench: quality over time, and cost over rows.

use ascan_bench::BenchReport;
use ascan_bench::results::mean;
use ascan_core::{Error, Result};
use ascan_store::{LocalStorage, Storage};
use ascan_viz::chart::{Axis, Chart, Series};
use std::path::Path;

/// Draws the charts of a bench into its folder, each as SVG and as PNG.
///
/// # Errors
/// `File` if one cannot be written.
pub fn draw(report: &BenchReport, out: &Path) -> Result<()> {
    let storage = LocalStorage::new(out);
    for (name, chart) in charts(report) {
        storage.put(&format!("{name}.svg"), chart.to_svg().as_bytes())?;
        let file = out.join(format!("{name}.png"));
        let saved = chart.to_picture().save(&file);
        saved.map_err(|error| Error::file(&file, format!("cannot be written: {error}"), ""))?;
    }
    Ok(())
}

/// The charts of a report with their file names.
fn charts(report: &BenchReport) -> Vec<(String, Chart)> {
    let mut charts = Vec::new();
    let one = |name: &str, x: f64, y: f64| Series { name: name.into(), points: vec![[x, y]] };
    let seconds = || Axis { label: "seconds per table".into(), log: true, range: None };
    let unit = |label: &str| Axis { label: label.into(), log: false, range: Some([0.0, 1.0]) };
    let planted = report.slicers().filter_map(|name| {
        let summary = report.planted(name, |_| true)?;
        Some(one(name, summary.seconds, summary.precision_at_10))
    });
    let title = "Planted slices: precision@10 over time";
    push(&mut charts, "quality", title, seconds(), unit("precision@10, mean"), planted.collect());
    for (scan, variants) in report.scans() {
        let Some(&variant) = variants.first() else { continue };
        let series = report.slicers().filter_map(|name| {
            let measured = report.scan(name, scan, variant)?;
            let found = &measured.score.as_ref()?.found;
            Some(one(name, measured.seconds(), mean(found.iter().map(|found| found.precision_at_25))))
        });
        let series = series.filter(|series| series.points[0][1].is_finite()).collect();
        let title = format!("Scan {scan}: precision@25 over time");
        push(&mut charts, &format!("quality-{scan}"), &title, seconds(), unit("precision@25, mean"), series);
    }
    let growth = report.growth.iter().map(|growth| Series {
        name: growth.name.clone(),
        points: growth.points.iter().filter_map(|&(rows, seconds, _)| Some([rows as f64, seconds?])).collect(),
    });
    let growth = growth.filter(|series| !series.points.is_empty()).collect();
    let rows = Axis { label: "rows".into(), log: true, range: None };
    let seconds = Axis { label: "seconds".into(), log: true, range: None };
    push(&mut charts, "cost", "Cost as work grows", rows, seconds, growth);
    charts
}

fn push(charts: &mut Vec<(String, Chart)>, file: &str, title: &str, x: Axis, y: Axis, series: Vec<Series>) {
    if !series.is_empty() {
        charts.push((file.to_owned(), Chart { title: title.to_owned(), x, y, series }));
    }
}
