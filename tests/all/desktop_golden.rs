//! What every view looks like, compared with pictures that were looked at.
//!
//! `ASCAN_BLESS=1 cargo test --workspace --test all golden_pictures` writes them anew; look at them before you commit.

use crate::desktop::User;
use crate::harness::workspace;
use crate::painted::painted;
use ascan_desktop::command::{ListCommand, MosaicCommand, Overlay, ShellCommand, VerdictsCommand, View};
use ascan_store::annotations::Mark;
use image::RgbImage;

/// Mean difference of a channel, over the whole picture, that anti-aliasing and rounding may make.
const TOLERANCE: f64 = 0.6;
/// The same, in the worst part of 32 × 32 pixels.
const TOLERANCE_OF_PART: f64 = 12.0;

/// Mean difference over all, and in the worst part.
fn difference(a: &RgbImage, b: &RgbImage) -> (f64, f64) {
    assert_eq!(a.dimensions(), b.dimensions());
    let columns = a.width().div_ceil(32) as usize;
    let mut parts = vec![(0u64, 0u64); columns * a.height().div_ceil(32) as usize];
    for ((x, y, a), b) in a.enumerate_pixels().zip(b.pixels()) {
        let part = &mut parts[(y / 32) as usize * columns + (x / 32) as usize];
        part.0 += a.0.iter().zip(b.0).map(|(a, b)| u64::from(a.abs_diff(b))).sum::<u64>();
        part.1 += 3;
    }
    let worst = parts.iter().map(|(sum, n)| *sum as f64 / *n as f64).fold(0.0, f64::max);
    let (sum, n) = parts.iter().fold((0, 0), |(sum, n), part| (sum + part.0, n + part.1));
    (sum as f64 / n as f64, worst)
}

#[test]
fn golden_pictures_in_the_dark() {
    look(true);
}

#[test]
fn golden_pictures_in_the_light() {
    look(false);
}

/// A thread has one screen, so each theme has a test of its own.
fn look(dark: bool) {
    let (_dir, scan) = painted();
    let folder = workspace().join("tests/golden/desktop");
    let mut failures = Vec::new();
    let mut compare = |user: &User, name: &str| {
        let file = folder.join(format!("{name}.png"));
        let found = user.picture();
        if std::env::var_os("ASCAN_BLESS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            found.save(&file).unwrap();
            return;
        }
        let golden = image::open(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).into_rgb8();
        let (mean, worst) = difference(&found, &golden);
        if mean > TOLERANCE || worst > TOLERANCE_OF_PART {
            let seen = std::env::temp_dir().join(format!("ascan-{name}.png"));
            found.save(&seen).unwrap();
            failures.push(format!("{name}: mean {mean:.2}, worst part {worst:.1}; see {}", seen.display()));
        }
    };
    let theme = if dark { "dark" } else { "light" };
    let user = User::sits_down(Some(&scan), 1280, 800, dark);
    let first = user.slice_ids()[0];
    user.does(ListCommand::Select(Some(user.slice_ids()[1])));
    user.does(VerdictsCommand::Judge(Some(Mark::Spurious)));
    // Another slice is selected: who judged, and when, stays out of the pictures.
    user.does(ListCommand::Select(Some(first)));
    compare(&user, &format!("mosaic-{theme}"));
    for (view, name) in
        [(View::Confusion, "confusion"), (View::Images, "images"), (View::Scatter, "scatter"), (View::Labels, "labels")]
    {
        user.does(ShellCommand::Show(view));
        compare(&user, &format!("{name}-{theme}"));
    }
    user.does(VerdictsCommand::Spread);
    user.does(ShellCommand::ForgetToast);
    compare(&user, &format!("spread-{theme}"));
    if dark {
        user.does(MosaicCommand::Layout(1));
        compare(&user, "hexagons-dark");
        user.does(MosaicCommand::Layout(2));
        compare(&user, "voronoi-dark");
        user.does(ShellCommand::Open(Overlay::Help));
        compare(&user, "help-dark");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
