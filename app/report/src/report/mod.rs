//! The report: one HTML file that explains itself, opens without a server and asks nothing of the network.

mod pictures;
mod summary;
#[cfg(test)]
mod tests;
mod view;

pub use summary::headline;

use crate::mosaic::Scene;
use ascan_core::{Error, Result};
use ascan_engine::slices::SliceSet;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, context};

/// Pictures of members in a report, all slices together: about 4 MB of it.
const MAX_MEMBERS: usize = 640;
/// Slices with pictures of their members; the table lists all.
const MAX_DETAILED: usize = 160;

/// Writes the report of a set of slices.
///
/// `scanned` says what was scanned and how, as names and values, in the order of reading.
///
/// # Errors
/// `Unsupported` if the page cannot be put together, which is a defect of this program.
pub fn report(scene: &Scene, set: &SliceSet, scanned: &[(String, String)]) -> Result<String> {
    let detailed = set.slices.len().min(MAX_DETAILED);
    let n_members = (MAX_MEMBERS / (2 * detailed.max(1))).clamp(2, 8);
    let page = view::page(scene, set, scanned, detailed, n_members);
    let pictures = pictures::style(scene, set, &page.rows, detailed);
    render(&page, &pictures).map_err(|error| {
        Error::unsupported(format!("the report cannot be written: {error}"), "please report this as a defect")
    })
}

fn render(page: &view::Page, pictures: &pictures::Pictures) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    // Every name comes from somebody's files: nothing reaches the page unescaped but our own parts.
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_template("report", include_str!("template.html"))?;
    environment.get_template("report")?.render(context! {
        page => Value::from(Serde(page)),
        pictures => pictures.css.as_str(),
        aspect => pictures.aspect,
        style => include_str!("style.css"),
        script => include_str!("script.js"),
        version => env!("CARGO_PKG_VERSION"),
    })
}
