//! A first session on real birds, as a new user would have it: the slice that matters is found by looking, judged,
//! taken back, judged again and exported. `ASCAN_KEEP_PICTURES=DIR` keeps what was on the screen at every step.

use crate::desktop::User;
use crate::harness::Dir;
use crate::real_data::prepare;
use ascan_store::Scan;
use ascan_store::annotations::{Annotator, Judgement, Mark, Subject};
use i_slint_backend_testing::ElementHandle;
use slint::platform::Key;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The documented scan of the test images, made once.
fn waterbirds() -> Option<&'static Path> {
    static SCAN: OnceLock<Option<Dir>> = OnceLock::new();
    let dir = SCAN.get_or_init(|| {
        let dir = prepare("waterbirds.toml")?;
        dir.ascan(&["scan", "waterbirds.toml", "--out", "scan", "--quiet"]).exits(0);
        Some(dir)
    });
    Some(dir.as_ref()?.path())
}

fn keep(user: &User, size: (u32, u32), dark: bool, step: &str) {
    if let Some(folder) = std::env::var_os("ASCAN_KEEP_PICTURES").map(PathBuf::from) {
        std::fs::create_dir_all(&folder).unwrap();
        let theme = if dark { "dark" } else { "light" };
        user.picture().save(folder.join(format!("{}-{theme}-{step}.png", size.0))).unwrap();
    }
}

fn session(size: (u32, u32), dark: bool) {
    let Some(dir) = waterbirds() else { return };
    let copy = Dir::new();
    let scan = copy.path().join("scan");
    crate::desktop::copy(&dir.join("scan"), &scan);
    let user = User::sits_down(Some(&scan), size.0, size.1, dark);
    keep(&user, size, dark, "1-mosaic");

    // What the tile says: landbirds taken for waterbirds, clearly worse. The worst is what one looks at first.
    let says = |label: &str| label.contains("landbird → waterbird") && label.contains("clearly worse");
    let right = |tile: &ElementHandle| -> f64 {
        let label = tile.accessible_label().unwrap();
        label.split(" % right").next().and_then(|words| words.rsplit(' ').next()).unwrap().parse().unwrap()
    };
    // A tile, not the row of the list: these are wider than high.
    let upright = |tile: &&ElementHandle| tile.size().height > tile.size().width;
    let tiles = user.all(move |label| label.starts_with("Slice ") && says(label));
    let tile = tiles.iter().filter(upright).min_by(|a, b| right(a).total_cmp(&right(b)));
    let tile = tile.expect("a tile of landbirds taken for waterbirds");
    let id: i32 = tile.accessible_label().unwrap()["Slice ".len()..].split(':').next().unwrap().parse().unwrap();
    user.hovers(tile);
    keep(&user, size, dark, "2-hover");
    user.clicks_on(tile);
    keep(&user, size, dark, "3-selected");
    user.presses("i", &[]);
    keep(&user, size, dark, "4-images");
    user.presses("m", &[]);

    user.clicks("Mark as spurious");
    user.clicks("Comment");
    user.types("looks at the water");
    user.presses(Key::Return, &[]);
    assert!(user.shows("marked spurious, “looks at the water”"), "{}", user.labels());
    keep(&user, size, dark, "5-judged");
    let verdict = || {
        let annotations = Annotator::open(&scan, "reader").unwrap();
        let last = annotations
            .in_force()
            .into_iter()
            .find(|verdict| matches!(&verdict.subject, Subject::Slice { slice, .. } if *slice == id));
        last.cloned()
    };
    let judged = verdict().expect("a verdict on disk");
    assert_eq!(judged.judgement, Judgement::Mark { mark: Mark::Spurious, note: "looks at the water".into() });
    user.clicks("Undo");
    user.clicks("Undo");
    assert!(verdict().is_none(), "undone");
    user.clicks("Redo");
    user.clicks("Redo");
    assert!(verdict().is_some(), "given again");

    for (key, step) in [("c", "6-confusion"), ("e", "7-scatter"), ("l", "8-labels"), ("m", "9-mosaic")] {
        user.presses(key, &[]);
        keep(&user, size, dark, step);
    }
    user.clicks("Export");
    keep(&user, size, dark, "10-export");
    user.clicks("Export: Table of slices");
    assert!(user.shows("Written: "), "{}", user.labels());
    let table = std::fs::read_to_string(copy.path().join("scan-slices.csv")).unwrap();
    assert!(
        table.lines().any(|line| line.starts_with(&format!("{id},")) && line.contains("spurious,looks at the water"))
    );

    // Nobody told: the slice is of landbirds on water.
    let Subject::Slice { rows, .. } = judged.subject else { panic!("a verdict on a slice") };
    let table = Scan::open(&scan).unwrap().overview().unwrap();
    let n = rows.iter().filter(|&&row| table.group(row).as_deref() == Some("y=0,place=1")).count();
    assert!(n * 10 >= rows.len() * 8, "{n} of {} images of the slice are landbirds on water", rows.len());
}

#[test]
fn a_first_session_in_a_small_dark_window() {
    session((1280, 800), true);
}

#[test]
fn a_first_session_in_a_large_light_window() {
    session((2560, 1440), false);
}
