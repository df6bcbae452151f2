//! Every page, held to what all pages have in common.

use super::*;
use crate::judged::{Judged, JudgedElsewhere};
use crate::mosaic::Scene;
use crate::mosaic::tests::scene;
use crate::{compare, report};
use ascan_engine::testing::{find_in, table};
use ascan_store::annotations::Mark;
use ascan_viz::color::hex;
use ascan_viz::theme::{DARK, LIGHT, Theme};
use std::collections::BTreeMap;
use std::process::Command;

const EVIL: &str = "\"><script>alert('1')</script>";

/// Each kind of page, of a scan whose files, classes, groups and verdicts are called [`EVIL`].
fn pages() -> Vec<(&'static str, String)> {
    pages_of(&[EVIL.to_owned()])
}

/// The same with many such names, in turn.
fn pages_of(names: &[String]) -> Vec<(&'static str, String)> {
    let mut turn = names.iter().cycle();
    let mut next = || turn.next().unwrap().clone();
    let mut table = table();
    table.uris.iter_mut().for_each(|uri| *uri = format!("{}{uri}", next()));
    table.groups[0].name = next();
    table.errors[4] = Some(next());
    let (classes, set) = ([next(), "water".to_owned()], find_in(&table));
    let judged = |name: &String| Judged { mark: Mark::NoisyLabel, note: name.clone(), author: name.clone() };
    let elsewhere = |name: &String| JudgedElsewhere { subject: name.clone(), n: 2, judged: judged(name) };
    let scene = Scene {
        verdicts: BTreeMap::from([(set.slices[0].id, judged(&next()))]),
        elsewhere: names.iter().map(elsewhere).collect(),
        title: next(),
        ..scene(&table, &classes)
    };
    let made: Vec<(String, String)> = names.iter().map(|name| (name.clone(), name.clone())).collect();
    let comparison = compare::Comparison::of(&[table.clone(), table.clone()], &set, None, &classes);
    vec![
        ("report", report::report(&scene, &set, &made).unwrap()),
        ("compare", compare::report(&comparison, &scene, &set, &made).unwrap()),
    ]
}

/// The page without its style sheets.
fn without_styles(page: &str) -> String {
    let parts = page.split("<style>").enumerate();
    parts.map(|(i, part)| if i == 0 { part } else { part.split_once("</style>").unwrap().1 }).collect()
}

/// Words that are a colour: `#1b1e23`, `rgb(…)`.
fn colors(text: &str) -> Vec<&str> {
    let is_hex = |word: &&str| {
        let digits = word.trim_start_matches('#');
        digits.len() < word.len() && matches!(digits.len(), 3 | 6) && digits.chars().all(|c| c.is_ascii_hexdigit())
    };
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '#' || c == '-'));
    words.filter(|word| is_hex(word) || ["rgb", "rgba", "hsl"].contains(word)).collect()
}

#[test]
fn all_pages_have_the_one_stylesheet_and_no_colour_beside_it() {
    assert_eq!(colors("a{color:#1b1e23} rgb(1 2 3) #section #abc"), ["#1b1e23", "rgb", "#abc"]);
    for (name, page) in pages() {
        assert_eq!(page.matches(stylesheet().trim()).count(), 1, "{name}");
        let rest = without_styles(&page);
        // What a colour map says of a figure is data.
        let data = ["--bar:", "--on-bar:"].iter().map(|name| rest.matches(name).count()).sum::<usize>();
        assert_eq!(colors(&rest).len(), data, "{name}: {:?}", colors(&rest));
        for attribute in ["fill=", "stroke=\"", "font-family", "<font", "bgcolor"] {
            assert!(!rest.contains(attribute), "{name}: {attribute}");
        }
    }
}

#[test]
fn names_from_files_cannot_become_markup() {
    for (name, page) in pages() {
        assert_eq!(page.matches("<script").count(), 1, "{name}: only its own");
        assert!(page.contains(&escape(EVIL)), "{name}: the name is still shown");
    }
}

/// Sees the pages in a browser: a name that became a script would write into the page.
#[test]
fn a_browser_runs_no_script_but_the_pages_own() {
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    let Some(browser) = browsers.iter().find(|name| Command::new(name).arg("--version").output().is_ok()) else {
        println!("skipped: there is no Chromium on this machine");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let seen = |name: &str, page: &str| {
        let path = dir.path().join(format!("{name}.html"));
        std::fs::write(&path, page).unwrap();
        let mut command = Command::new(browser);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"]);
        command.arg(format!("--user-data-dir={}", dir.path().join("profile").display()));
        let said = command.arg(format!("file://{}?theme=dark", path.display())).output().unwrap();
        String::from_utf8_lossy(&said.stdout).into_owned()
    };
    let hostile: Vec<String> = (0..500).map(hostile).collect();
    for (name, page) in pages_of(&hostile) {
        let dom = seen(name, &page);
        assert!(dom.contains("</html>"), "{name}: the browser shows nothing");
        assert!(dom.contains("data-theme=\"dark\""), "{name}: its own script does not run");
        assert!(!dom.contains(RAN), "{name}: a script of a name ran");
        // Even markup that nobody escaped runs nothing.
        let smuggled = page.replace("</main>", &format!("{}</main>", hostile.concat()));
        assert!(!seen(name, &smuggled).contains(RAN), "{name}: the policy lets a script run");
    }
    assert!(seen("free", &hostile[0]).contains(RAN), "the test would not see it");
}

/// What a script leaves in the page that ran; see [`hostile`].
const RAN: &str = "data-ran=";

/// A name that would be a script if it were taken for markup.
fn hostile(i: usize) -> String {
    let run = format!("document.documentElement.dataset.ran='{i}'");
    match i % 10 {
        0 => format!("<script>{run}</script>"),
        1 => format!("\"><script>{run}</script>"),
        2 => format!("'><img src=x onerror=\"{run}\">"),
        3 => format!("<svg onload=\"{run}\">"),
        4 => format!("</style><script>{run}</script>"),
        5 => format!("</title><script>{run}</script>"),
        6 => format!("--></script><script>{run}</script>"),
        7 => format!("<iframe srcdoc=\"<script>parent.{run}</script>\"></iframe>"),
        8 => format!("<a href=\"javascript:{run}\" autofocus onfocus=\"{run}\">x</a>"),
        _ => format!("{{{{ {run} }}}}<details open ontoggle=\"{run}\">"),
    }
}

#[test]
fn verdicts_are_on_every_page_with_why_and_who() {
    for (name, page) in pages() {
        assert!(page.contains("id=\"judged\"") && page.contains(">noisy label</span>"), "{name}");
        assert!(page.matches("class=\"mark noisy-label\"").count() >= 3, "{name}: in both lists, and at the slice");
        assert!(page.contains(&format!("<td>{}</td>", escape(EVIL))), "{name}: the author");
    }
}

#[test]
fn every_page_explains_its_words() {
    for (name, page) in pages() {
        let words = page.split("<dl class=\"terms\">").nth(1).unwrap();
        let term = if name == "report" { "<dt>Coherence</dt>" } else { "<dt>Mean accuracy</dt>" };
        assert!(words.contains(term), "{name}");
    }
    let report = &pages()[0].1;
    for figure in
        crate::figures::Figure::ALL.iter().filter(|figure| report.contains(&format!(">{}</button>", figure.title())))
    {
        assert!(report.contains(&format!("<dt>{}</dt>", figure.title())), "{} is not explained", figure.title());
    }
}

/// The window's colours are those of pages and charts.
#[test]
fn the_window_has_the_same_colours() {
    let slint = include_str!("../../../ui/ui/theme.slint").to_lowercase();
    let both = |dark: &Theme, light: &Theme| -> Vec<(&'static str, String)> {
        let pairs = dark.named().into_iter().zip(light.named());
        pairs.map(|((name, dark), (_, light))| (name, format!("dark ? {} : {}", hex(dark), hex(light)))).collect()
    };
    for (name, pair) in both(&DARK, &LIGHT) {
        let said = match name {
            "track" => format!("hover: {pair}"),
            "core" | "spurious" | "noisy-label" => format!("mark.{name} ? ({pair})"),
            name => format!("{name}: {pair}"),
        };
        assert!(slint.contains(&said), "{said} is not in theme.slint");
    }
}
