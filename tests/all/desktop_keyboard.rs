//! Without a pointer: every control has a name, Tab comes to every control, and arrows go through what a list holds.

use crate::desktop::{User, scan};
use crate::painted::painted;
use ascan_desktop::command::{ImagesCommand, ListCommand, Overlay, ShellCommand, View};
use ascan_store::annotations::Annotator;
use i_slint_backend_testing::{AccessibleRole, ElementHandle};
use i_slint_core::accessibility::AccessibleStringProperty;
use i_slint_core::item_tree::ParentItemTraversalMode;
use i_slint_core::window::WindowInner;
use slint::platform::Key;
use std::collections::BTreeSet;

/// What a user can do something with.
const CONTROLS: [AccessibleRole; 7] = [
    AccessibleRole::Button,
    AccessibleRole::Checkbox,
    AccessibleRole::Combobox,
    AccessibleRole::Slider,
    AccessibleRole::Spinbox,
    AccessibleRole::Switch,
    AccessibleRole::TextInput,
];

/// The name of what has the keyboard: its own, or that of what it is a part of.
fn focused(user: &User) -> Option<String> {
    let mut item = WindowInner::from_pub(user.window()).focus_item.borrow().upgrade()?;
    loop {
        match item.accessible_string_property(AccessibleStringProperty::Label) {
            Some(label) if !label.is_empty() => return Some(label.into()),
            _ => item = item.parent_item(ParentItemTraversalMode::FindAllParents)?,
        }
    }
}

/// All names that Tab comes by, until it comes round.
fn tab_round(user: &User) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut without_news = 0;
    for _ in 0..600 {
        user.presses(Key::Tab, &[]);
        without_news = if focused(user).is_some_and(|name| names.insert(name)) { 0 } else { without_news + 1 };
        // Names may repeat (one "Drop" an image), but not for a whole round.
        if without_news > 120 {
            break;
        }
    }
    names
}

fn is_control(element: &ElementHandle) -> bool {
    element.accessible_role().is_some_and(|role| CONTROLS.contains(&role))
}

/// The names of all controls in sight.
fn controls(user: &User) -> BTreeSet<String> {
    let [width, height] = [user.window().size().width as f32, user.window().size().height as f32];
    let in_sight = |e: &ElementHandle| {
        let (at, size) = (e.absolute_position(), e.size());
        size.width > 2.0 && size.height > 2.0 && at.x >= 0.0 && at.y >= 0.0 && at.x < width && at.y < height
    };
    let unnamed = user.all_elements(|e| is_control(e) && e.accessible_label().is_none_or(|label| label.is_empty()));
    let unnamed: Vec<_> = unnamed.iter().filter(|e| in_sight(e)).map(|e| (e.id(), e.type_name())).collect();
    assert!(unnamed.is_empty(), "controls without a name: {unnamed:?}");
    let found = user.all_elements(|e| is_control(e) && e.accessible_enabled() != Some(false));
    found.iter().filter(|e| in_sight(e)).filter_map(|e| Some(e.accessible_label()?.into())).collect()
}

#[test]
fn tab_comes_to_every_control() {
    let (_dir, scan) = scan();
    let user = User::sits_down(Some(&scan), 1600, 1000, true);
    user.does(ListCommand::NextUnjudged);
    user.clicks("Columns and filters");
    let judging = [View::Mosaic, View::Confusion, View::Images, View::Scatter, View::Labels];
    for view in judging.into_iter().chain([View::Slicing, View::Spread, View::Repair, View::Compare]) {
        user.does(ShellCommand::Show(view));
        let (there, reached) = (controls(&user), tab_round(&user));
        assert!(there.len() > 25, "{view:?} has controls: {there:?}");
        let missed: Vec<_> = there.difference(&reached).collect();
        assert!(missed.is_empty(), "{view:?}: Tab does not come to {missed:?}, only to {reached:?}");
    }
}

#[test]
fn tab_comes_to_every_control_of_what_lies_over_the_views() {
    let (_dir, scan) = scan();
    let user = User::sits_down(Some(&scan), 1280, 800, false);
    user.does(ShellCommand::SaveView("mine".into()));
    for (overlay, one) in [
        (Overlay::Help, "Close Keys"),
        (Overlay::Palette, "Search commands"),
        (Overlay::Settings, "Use the view mine"),
        (Overlay::About, "Close About"),
        (Overlay::Export, "Export: Report"),
    ] {
        user.does(ShellCommand::Open(overlay));
        let first = focused(&user);
        assert!(first.is_some_and(|name| name.starts_with("Close") || name == one), "{overlay:?} takes the keyboard");
        let reached = tab_round(&user);
        assert!(reached.contains(one), "{overlay:?}: Tab does not come to `{one}`: {reached:?}");
        user.presses(Key::Escape, &[]);
        assert!(!user.shows(one));
    }
    user.does(ListCommand::Select(user.slice_ids().first().copied()));
    user.does(ShellCommand::Show(View::Images));
    user.does(ImagesCommand::Open(0));
    let (there, reached) = (controls(&user), tab_round(&user));
    let missed: Vec<_> = ["Back to all images", "Next image"].iter().filter(|name| !reached.contains(**name)).collect();
    assert!(missed.is_empty(), "of {there:?} Tab does not come to {missed:?}");
}

#[test]
fn the_start_page_needs_no_pointer() {
    let user = User::sits_down(None, 1280, 800, true);
    let (there, reached) = (controls(&user), tab_round(&user));
    let missed: Vec<_> = there.difference(&reached).collect();
    assert!(there.contains("Start the scan") && missed.is_empty(), "Tab does not come to {missed:?} of {there:?}");
}

#[test]
fn images_are_picked_judged_and_opened_with_keys_alone() {
    let (_dir, scan) = painted();
    let user = User::sits_down(Some(&scan), 1280, 800, true);
    user.presses("i", &[]);
    let to = |name: &str| {
        for _ in 0..100 {
            if focused(&user).as_deref() == Some(name) {
                return;
            }
            user.presses(Key::Tab, &[]);
        }
        panic!("Tab does not come to {name}");
    };
    to("Images");
    user.presses(Key::RightArrow, &[]);
    user.presses(Key::RightArrow, &[Key::Shift]);
    user.presses(Key::RightArrow, &[Key::Shift]);
    assert!(user.shows("Clear the picked images"), "{}", user.labels());
    user.presses("2", &[]);
    let annotations = Annotator::open(&scan, "reader").unwrap();
    assert_eq!(annotations.marks(10_000).iter().flatten().count(), 3, "three images were picked");
    user.presses(Key::Return, &[]);
    assert!(user.shows("Next image"), "Return opens the image: {}", user.labels());
    user.presses(Key::Escape, &[]);
    assert!(!user.shows("Next image"));
}

#[test]
fn text_grows_with_the_system_and_with_the_setting() {
    let (_dir, scan) = painted();
    let user = User::sits_down(Some(&scan), 1280, 800, true);
    let height = |user: &User| user.sees("Export").size().height;
    let before = height(&user);
    user.does(ShellCommand::TextScale(1.5));
    assert!((height(&user) - 1.5 * before).abs() < 1.0, "a button grows with its text");
    user.does(ShellCommand::TextScale(1.0));
    // What a system of a higher resolution asks of every window: the same picture, finer.
    user.does(ListCommand::Select(None));
    let coarse = user.picture();
    user.zooms(2.0);
    let fine = user.picture();
    assert_eq!(fine.dimensions(), (2 * coarse.width(), 2 * coarse.height()));
    assert_eq!(height(&user), before, "lengths stay, each pixel is four now");
    let shrunk = image::imageops::resize(&fine, coarse.width(), coarse.height(), image::imageops::FilterType::Triangle);
    let differences = shrunk.as_raw().iter().zip(coarse.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b)));
    let mean = differences.sum::<f64>() / coarse.as_raw().len() as f64;
    assert!(mean < 4.0, "the finer picture differs by {mean}");
}
