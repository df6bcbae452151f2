//! What makes the window pleasant: names, a list of files, a configuration that can be edited, more images when magnified.

use crate::desktop::{User, demo, scan};
use crate::harness::Dir;
use ascan_config::host::PluginHost;
use ascan_desktop::browser::{Browser, Wanted};
use ascan_desktop::command::{
    ImagesCommand, ListCommand, MosaicCommand, ScatterCommand, ShellCommand, VerdictsCommand, View,
};
use ascan_store::annotations::Annotator;
use slint::platform::Key;

#[test]
fn a_slice_is_named_everywhere() {
    let (dir, scan) = scan();
    let user = User::sits_down(Some(&scan), 1280, 800, true);
    let id = user.slice_ids()[0];
    user.does(ListCommand::Select(Some(id)));
    user.clicks("Name this slice");
    user.types("grey discs");
    user.presses(Key::Return, &[]);
    assert!(user.shows(&format!("Slice {id}: grey discs,")), "{}", user.labels());
    let set = ascan_engine::slices::SliceSet::load(&ascan_store::Scan::open(&scan).unwrap(), None).unwrap();
    assert_eq!(Annotator::open(&scan, "reader").unwrap().name_of(&set.id, id), Some("grey discs"));
    dir.ascan(&["report", "scan", "-o", "report.html"]).exits(0);
    assert!(std::fs::read_to_string(dir.path().join("report.html")).unwrap().contains("grey discs"));

    // On the command line too; the window sees it, and the name can be taken away.
    dir.ascan(&["mark", "scan", "--slice", &id.to_string(), "--name", "discs"]).exits(0).prints(&["called \"discs\""]);
    user.does(VerdictsCommand::Refresh);
    assert!(user.shows(&format!("Slice {id}: discs,")), "{}", user.labels());
    user.does(VerdictsCommand::Name(String::new()));
    assert!(!user.shows("discs,"), "{}", user.labels());
}

#[test]
fn a_magnified_tile_shows_more_images_not_larger_ones() {
    let (_dir, scan) = scan();
    let user = User::sits_down(Some(&scan), 1280, 800, true);
    let before = user.picture();
    user.does(MosaicCommand::Zoom { x: 300.0, y: 300.0, steps: 8.0 });
    let many = user.picture();
    assert!(many != before);
    user.does(MosaicCommand::Fit);
    assert!(user.picture() == before, "back at the whole mosaic everything is as it was");
}

#[test]
fn density_lines_are_drawn_and_can_be_left_out() {
    let (_dir, scan) = scan();
    let user = User::sits_down(Some(&scan), 1280, 800, true);
    user.does(ShellCommand::Show(View::Scatter));
    let with = user.picture();
    user.does(ScatterCommand::Contours(false));
    let without = user.picture();
    let differing = with.pixels().zip(without.pixels()).filter(|(a, b)| a != b).count();
    assert!(differing > 200, "{differing}");
}

#[test]
fn only_attributions_that_go_with_the_model_are_offered() {
    let (_dir, scan) = scan();
    let user = User::sits_down(Some(&scan), 1280, 800, true);
    user.does(ImagesCommand::Open(0));
    assert!(user.shows("Another attribution of this image"), "{}", user.labels());
    let model = ascan_store::Scan::open(&scan).unwrap().config.model;
    let names = ascan_engine::plan::applicable(&model, &PluginHost::discover(&[])).unwrap();
    assert!(names.iter().any(|name| name == "grad_cam"), "{names:?}");
    assert!(!names.iter().any(|name| name == "attention_rollout"), "the demo's net has no attention: {names:?}");
}

#[test]
fn files_are_listed_in_the_window_where_the_system_has_no_dialog() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path().join("nets")).unwrap();
    std::fs::copy(demo().join("demo/shortcut.onnx"), dir.path().join("nets/shortcut.onnx")).unwrap();
    let user = User::sits_down(None, 1280, 800, true);
    user.browses(Browser::new("Model", Wanted::File(&[".onnx"]), dir.path()));
    assert!(user.shows("Files for: Model"), "{}", user.labels());
    user.clicks("folder nets");
    user.clicks("file shortcut.onnx");
    assert!(!user.shows("Files for: Model"));
    assert!(user.value_of("Model").ends_with("nets/shortcut.onnx"), "{}", user.value_of("Model"));
    user.browses(Browser::new("Model", Wanted::File(&[".onnx"]), dir.path()));
    user.clicks("The folder that holds this one");
    user.clicks("Choose nothing");
    assert!(user.value_of("Model").ends_with("nets/shortcut.onnx"), "nothing was chosen");
}

#[test]
fn the_configuration_can_be_edited_and_what_is_wrong_is_told_at_once() {
    let user = User::sits_down(None, 1280, 800, true);
    let demo = demo().join("demo");
    let sound = format!(
        "[data]\nimages = {:?}\n[model]\npath = {:?}\npreprocess = {{ preset = \"unit\" }}\n",
        demo.join("data"),
        demo.join("shortcut.onnx")
    );
    user.edits_config(&format!("{sound}[slicing]\nslicer = 1\n"));
    assert!(user.shows("unknown key `slicer`"), "the unknown key is named: {}", user.labels());
    user.edits_config(&sound);
    assert!(!user.shows("Error: "), "{}", user.labels());
}
