//! The report: one HTML file that explains itself, opens without a server and asks nothing of the network.

mod pictures;
mod slice;
mod summary;
mod terms;
#[cfg(test)]
mod tests;
mod view;

pub use summary::headline;

use crate::mosaic::Scene;
use crate::page::judged::section;
use crate::page::render;
use ascan_core::Result;
use ascan_engine::slices::SliceSet;
use minijinja::value::Serde;
use minijinja::{Value, context};

/// Pictures of members in a report, all slices together: about 4 MB of it.
const MAX_MEMBERS: usize = 640;
/// Slices with pictures of their members; the table lists all.
const MAX_DETAILED: usize = 160;

/// Writes the report of a set of slices.
///
/// `scanned` says what was scanned and how, as names and values, in the order of reading.
///
/// # Errors
/// `File` if a part of the scan cannot be read; `Unsupported` if the page cannot be put together, which is a defect of this program.
pub fn report(scene: &Scene, set: &SliceSet, scanned: &[(String, String)]) -> Result<String> {
    let detailed = set.slices.len().min(MAX_DETAILED);
    let n_members = (MAX_MEMBERS / (2 * detailed.max(1))).clamp(2, 8);
    let page = view::page(scene, set, detailed, n_members);
    let pictures = pictures::style(scene, set, &page.rows, detailed);
    let sizes = format!(
        ":root{{--aspect:{:.4};--columns:{};--overall:{:.2}%}}\n",
        pictures.aspect,
        page.columns,
        set.accuracy.unwrap_or(0.0) * 100.0
    );
    let of_page = context! {
        title => scene.title.as_str(),
        stats => Value::from(Serde(&page.stats)),
        judged => Value::from(Serde(section(scene, set, |at| at < detailed))),
        made => Value::from(Serde(scanned)),
        terms => Value::from(Serde(&page.terms)),
        page_style => sizes + &pictures.css,
        page_script => include_str!("script.js"),
        page => Value::from(Serde(&page)),
    };
    scene.check()?;
    render(include_str!("template.html"), of_page)
}
