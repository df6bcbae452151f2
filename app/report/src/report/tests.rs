use super::*;
use crate::judged::{Judged, JudgedElsewhere};
use crate::mosaic::tests::maps_of;
use ascan_engine::faithfulness::{Faithfulness, Figure, MethodReport};
use ascan_engine::testing::{find_in, table};
use ascan_store::annotations::Mark;
use ascan_store::table::ScanTable;
use image::RgbImage;
use std::collections::BTreeMap;

fn html(table: &ScanTable, names: &[&str], title: &str) -> String {
    html_of(table, names, title, &[], None)
}

fn html_of(
    table: &ScanTable,
    names: &[&str],
    title: &str,
    also: &[&str],
    faithfulness: Option<&Faithfulness>,
) -> String {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let pictures = |row: usize, side: u32| Ok(RgbImage::from_pixel(side, side, image::Rgb([row as u8 * 20, 60, 60])));
    let scene = Scene {
        table,
        class_names: &names,
        pictures: Box::new(pictures),
        methods: ["grad_cam"].iter().chain(also).map(|name| ((*name).to_owned(), maps_of(table))).collect(),
        classes: Vec::new(),
        faithfulness,
        inversions: BTreeMap::from([(0, RgbImage::from_pixel(8, 8, image::Rgb([1, 2, 3])))]),
        names: BTreeMap::new(),
        verdicts: BTreeMap::from([(
            0,
            Judged { mark: Mark::Spurious, note: "the <water>".into(), author: "ann".into() },
        )]),
        elsewhere: vec![JudgedElsewhere {
            subject: "images".into(),
            n: 3,
            judged: Judged { mark: Mark::NoisyLabel, note: "<swapped>".into(), author: "ben".into() },
        }],
        absolute: false,
        title: title.to_owned(),
        unread: std::sync::OnceLock::new(),
    };
    report(&scene, &find_in(table), &[("model".to_owned(), "m.onnx".to_owned())]).unwrap()
}

#[test]
fn the_report_stands_alone() {
    let html = html(&table(), &["land", "water"], "a on b");
    for outside in ["http://", "https://", "<link", " src=", "@import", "fetch("] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("default-src 'none'"));
    assert_eq!(html.matches("url(").count(), html.matches("url(data:image/").count());
}

#[test]
fn verdicts_are_shown_with_who_said_them_and_why() {
    let html = html(&table(), &["land", "water"], "a on b");
    assert!(html.contains("id=\"judged\"") && html.contains("<td>ann</td>"), "{html}");
    assert!(html.contains("the &lt;water&gt;") && !html.contains("the <water>"));
    assert!(html.contains("<td>3 images</td>") && html.contains("&lt;swapped&gt;") && html.contains("<td>ben</td>"));
    assert!(html.contains("Judged <b>spurious</b> by ann: “the &lt;water&gt;”"), "beside the slice itself: {html}");
}

#[test]
fn every_picture_that_is_used_is_there_once() {
    let html = html(&table(), &["land", "water"], "a on b");
    let used: std::collections::BTreeSet<&str> =
        html.split("<i class=\"").skip(1).flat_map(|rest| rest.split('"').next().unwrap().split(' ')).collect();
    assert!(used.contains("p1") && used.contains("m1") && used.contains("ps0") && used.len() > 12, "{used:?}");
    for class in used {
        assert_eq!(html.matches(&format!(".{class}{{")).count(), 1, "{class}");
    }
}

/// One rule for each attribution of each method; the pictures are there once.
#[test]
fn every_method_has_its_attributions() {
    let mut table = table();
    table.agreement = Some((0..9).map(|row| row as f32 / 10.0).collect());
    let html = html_of(&table, &["land", "water"], "a on b", &["layer_cam", "score_cam"], None);
    for method in 1..=2 {
        assert_eq!(html.matches(&format!(":root[data-method=\"{method}\"] .m1{{")).count(), 1);
    }
    assert_eq!(html.matches(".p1{").count(), 1);
    assert!(html.contains("<option value=\"2\">score_cam</option>"));
    assert!(html.contains("methods disagree"), "agreement of 0.1 and 0.2 is none");
    let alone = html_of(&table, &["land", "water"], "a on b", &[], None);
    assert!(!alone.contains("data-method") && !alone.contains("<select"));
}

#[test]
fn the_methods_are_judged_where_that_was_asked() {
    let figure = |mean: f64| Some(Figure { mean, error: 0.04, n: 20 });
    let of = |name: &str, road: f64| MethodReport { name: name.into(), road: figure(road), ..Default::default() };
    let failed = MethodReport { name: "chefer".into(), failed: Some("no attention".into()), ..Default::default() };
    let methods = vec![of("grad_cam", 0.271), of("(chance)", -0.013), failed];
    let found = Faithfulness { n_images: 20, methods, verdict: vec!["Trust `grad_cam` <first>.".into()] };
    let html = html_of(&table(), &["land", "water"], "a on b", &[], Some(&found));
    assert!(html.contains("Trust `grad_cam` &lt;first&gt;.") && html.contains("0.271 ± 0.040"));
    assert!(html.contains("<tr class=\"control\"><td title=\"\">(chance)</td>"));
    assert!(html.contains("do not work with this model: chefer."));
    assert!(!self::html(&table(), &["land", "water"], "a on b").contains("id=\"trust\""));
}

#[test]
fn names_from_files_cannot_become_markup() {
    let evil = "\"><script>alert(1)</script>";
    let mut table = table();
    table.uris.iter_mut().for_each(|uri| *uri = format!("{evil}{uri}"));
    table.errors[4] = Some(evil.to_owned());
    table.groups[0].name = evil.to_owned();
    let html = html(&table, &[evil, "'><img onerror=x>"], evil);
    assert_eq!(html.matches("<script").count(), 1, "only the report's own");
    assert!(!html.contains("<img") && !html.contains("alert(1)</script>"));
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "the name is still shown");
}

#[test]
fn what_stands_out_is_said_in_words() {
    let plain = html(&table(), &["land", "water"], "a on b");
    assert!(plain.contains("The model is right on 50 % of 8 images."));
    assert!(plain.contains("No slice is clearly worse"));
    assert!(plain.contains("1 image could not be read and is left out."));
    assert!(plain.contains("used only to score"));
    let mut without = table();
    without.groups.clear();
    without.labels.fill(-1);
    without.losses.fill(f32::NAN);
    let without = html(&without, &["land", "water"], "a on b");
    assert!(without.contains("have no labels") && !without.contains("used only to score"));
}

#[test]
fn every_slice_has_its_row_its_tile_and_its_detail() {
    let html = html(&table(), &["land", "water"], "a on b");
    for id in [0, 2] {
        assert_eq!(html.matches(&format!("id=\"slice-{id}\"")).count(), 1);
        assert!(html.matches(&format!("href=\"#slice-{id}\"")).count() >= 2);
    }
    assert!(html.contains("in no slice"), "noise is listed too");
    assert!(html.contains("aria-label=\"1.png: "), "pictures have words");
}
