//! What all pages share: the frame around them, one stylesheet, one escape, one section of verdicts. A page is one HTML file
//! that opens without a server and asks nothing of the network.

pub(crate) mod judged;
#[cfg(test)]
mod tests;

use ascan_core::{Error, Result};
use ascan_viz::words::escape;
use ascan_viz::{Rgb, chart, color, theme};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context, escape_formatter};
use sha2::{Digest, Sha256};

/// Puts a page together. `template` extends `page`, which needs `title`; `page_style` and `page_script` come after those of all pages.
///
/// # Errors
/// `Unsupported` if that is not possible, which is a defect of this program.
pub(crate) fn render(template: &str, context: Value) -> Result<String> {
    fill(template, context).map_err(|error| {
        Error::unsupported(format!("the page cannot be written: {error:#}"), "please report this as a defect")
    })
}

fn fill(template: &str, of_page: Value) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    // Every name comes from somebody's files: nothing reaches the page unescaped but our own parts.
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() => Ok(out.write_str(&escape(text))?),
        _ => escape_formatter(out, state, value),
    });
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_template("page", include_str!("page.html"))?;
    environment.add_template("judged", include_str!("judged.html"))?;
    environment.add_template("this", template)?;
    // The browser runs this script and no other: whatever a name may smuggle in, its hash is another.
    let own = of_page.get_attr("page_script")?;
    let script = [include_str!("theme.js"), own.as_str().unwrap_or_default()].join("\n");
    environment.get_template("this")?.render(context! {
        style => stylesheet(),
        script_hash => Value::from_safe_string(STANDARD.encode(Sha256::digest(&script))),
        script => script,
        version => env!("CARGO_PKG_VERSION"),
        ..of_page
    })
}

/// The stylesheet of all pages: the colours of the theme, those of charts by it, and everything else.
pub(crate) fn stylesheet() -> String {
    [theme::variables(), chart::style(), include_str!("style.css").replace("$FACE", theme::FACE)].concat()
}

/// The style of a bar or chip in a colour of a colour map: the colour itself, and what can be read on it.
pub(crate) fn bar_style(color: Rgb) -> String {
    format!("--bar:{};--on-bar:{}", color::hex(color), color::hex(color::ink_on(color)))
}
