//! The whole loop in the window: from an ONNX file to a better model, by clicks and keys.

use crate::desktop::{User, demo};
use crate::harness::Dir;
use ascan_store::Scan;
use i_slint_backend_testing::AccessibleRole;
use slint::platform::Key;
use std::path::Path;

/// Types into a field, over what is there.
fn types_into(user: &User, label: &'static str, text: &str) {
    let fields = user.all(move |l| l == label);
    let field = fields.into_iter().find(|e| e.accessible_role() == Some(AccessibleRole::TextInput));
    user.clicks_on(&field.unwrap_or_else(|| panic!("no field `{label}`: {}", user.labels())));
    user.presses("a", &[Key::Control]);
    user.types(text);
}

/// Keeps a picture for whoever wants to look: `ASCAN_LOOK=FOLDER`.
fn looks(user: &User, name: &str) {
    if let Some(folder) = std::env::var_os("ASCAN_LOOK") {
        user.picture().save(Path::new(&folder).join(format!("{name}.png"))).unwrap();
    }
}

fn waits_for(user: &User, what: &str) {
    for _ in 0..9000 {
        user.waits();
        if user.shows(what) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("`{what}` never came: {:.3000}", user.labels());
}

/// Judges the slices of both kinds, as somebody does who looks at the tiles: clearly worse ones follow the ground.
fn judges(user: &User) {
    let tiles = user.all(|label| label.starts_with("Slice ") && label.contains(" images"));
    let tiles: Vec<_> =
        tiles.into_iter().filter(|tile| tile.size().width > 30.0 && tile.size().height > 60.0).collect();
    assert!(tiles.len() >= 4, "{}", user.labels());
    for tile in tiles {
        let worse = tile.accessible_label().is_some_and(|label| label.contains("clearly worse"));
        user.clicks_on(&tile);
        user.presses(if worse { "2" } else { "1" }, &[]);
    }
}

#[test]
fn from_an_onnx_file_to_a_better_model_in_the_window() {
    let dir = Dir::new();
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let user = User::sits_down(None, 1400, 900, true);
    let demo = demo().join("demo");
    let scan = dir.path().join("made");
    types_into(&user, "Model", &text(&demo.join("shortcut.onnx")));
    types_into(&user, "Images", &text(&demo.join("data/metadata.csv")));
    types_into(&user, "Scan folder", &text(&scan));
    user.clicks("Start the scan");
    waits_for(&user, "Slices of the mosaic");
    judges(&user);

    user.clicks("Step 4: Spread");
    assert!(!user.shows("Accept the spread"), "there is nothing to accept yet");
    user.clicks("Spread the verdicts");
    waits_for(&user, "Accept the spread");
    let decided = user.all(|label| label.starts_with("Image ") && label.ends_with(" is core"));
    if let Some(first) = decided.first() {
        user.clicks_on(first);
    }
    user.clicks("Accept the spread");
    let spread = ascan_engine::spread::Spread::load(&Scan::open(&scan).unwrap()).unwrap().unwrap();
    assert!(spread.review.accepted, "what was accepted is on disk");

    looks(&user, "spread");
    user.clicks("Step 5: Repair");
    let folder = dir.path().join("better");
    types_into(&user, "Folder of the repair", &text(&folder));
    user.clicks("Repair the model");
    waits_for(&user, "Compare before and after");
    let model = folder.join("model.onnx");
    assert!(model.is_file() && folder.join("summary.json").is_file());
    assert!(user.shows("Accuracy after each epoch"), "the curves are drawn: {}", user.labels());
    assert!(user.shows("worst class: "), "{}", user.labels());

    looks(&user, "repair");
    user.clicks("Compare before and after");
    waits_for(&user, "Mosaic after");
    looks(&user, "compare");
    for what in ["Mosaic before", "mean accuracy: ", "worst class: "] {
        assert!(user.shows(what), "{what}: {}", user.labels());
    }
    assert!(!user.shows("demo/review"), "it was compared on its own images");

    // Then on images that are in neither scan, by the same model.
    user.clicks("Step 5: Repair");
    types_into(&user, "Scan to compare on", &text(&demo.join("review")));
    user.clicks("Compare before and after");
    waits_for(&user, "demo/review.");
    waits_for(&user, "Mosaic after");
    assert!(dir.path().join("better-review-scan/plan.json").is_file());
    looks(&user, "compare-on");

    // Going on leads back to the images that the model may be trained on.
    user.clicks("Scan the training images with the repaired model, and go on");
    waits_for(&user, "Slices of the mosaic");
    let opened = Scan::open(&dir.path().join("better-scan")).unwrap();
    assert_eq!(std::fs::canonicalize(&opened.config.model.path).unwrap(), std::fs::canonicalize(&model).unwrap());
    assert!(user.sees("Step 5: Repair").accessible_checked() != Some(true), "the loop begins again");
}

#[test]
fn other_slices_are_made_from_a_form() {
    let (_dir, scan) = crate::desktop::scan();
    let user = User::sits_down(Some(&scan), 1280, 800, true);
    let before = Scan::open(&scan).unwrap().slice_sets().unwrap();
    user.clicks("Step 2: Slice");
    assert!(user.shows("n_slices"), "{}", user.labels());
    types_into(&user, "n_slices", "5");
    user.clicks("Make the slices");
    waits_for(&user, "Slices of the mosaic");
    let after = Scan::open(&scan).unwrap().slice_sets().unwrap();
    assert_eq!(after.len(), before.len() + 1, "{after:?}");
    user.clicks("Step 2: Slice");
    types_into(&user, "n_slices", "many");
    user.clicks("Make the slices");
    assert!(user.shows("n_slices") && user.shows("Problem: "), "{}", user.labels());
}
