//! The window, driven as a user drives it: by what is written on it, by clicks and by keys. No display is needed.

use crate::harness::Dir;
use crate::painted::painted;
use ascan_config::host::PluginHost;
use ascan_desktop::Desktop;
use ascan_desktop::browser::Browser;
use ascan_desktop::command::{Command, ListCommand, ScatterCommand, ShellCommand, VerdictsCommand, View};
use ascan_desktop::headless::Headless;
use ascan_desktop::settings::Settings;
use ascan_engine::spread::Spread;
use ascan_store::annotations::{Annotations, Annotator, Judgement, Mark, Subject};
use i_slint_backend_testing::{AccessibleRole, ElementHandle, ElementQuery};
use slint::platform::Key;
use slint::{ComponentHandle, SharedString};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

/// The demo's scan, made once for all tests here.
pub fn demo() -> &'static Path {
    static DEMO: OnceLock<Dir> = OnceLock::new();
    DEMO.get_or_init(|| {
        let dir = Dir::new();
        dir.ascan(&["demo", "-o", "demo", "--quiet"]).exits(0);
        dir
    })
    .path()
}

/// A copy of the demo's scan that a test may write to.
pub fn scan() -> (Dir, PathBuf) {
    let dir = Dir::new();
    let to = dir.path().join("scan");
    copy(&demo().join("demo/scan"), &to);
    (dir, to)
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A user in front of the window.
pub struct User {
    screen: Headless,
    desktop: Rc<Desktop>,
}

impl User {
    pub fn sits_down(scan: Option<&Path>, width: u32, height: u32, dark: bool) -> Self {
        let screen = Headless::new(width, height).unwrap();
        let settings = Settings { dark, author: "ann".into(), ..Settings::default() };
        let host = PluginHost::discover(&[]);
        let desktop = Desktop::new(host, settings, Arc::new(|| {})).unwrap();
        desktop.forgets_settings();
        desktop.show().unwrap();
        match scan {
            Some(scan) => desktop.open(scan, None).unwrap(),
            None => desktop.show_start(),
        }
        let user = Self { screen, desktop };
        user.waits();
        user
    }

    /// What is on the screen.
    pub fn picture(&self) -> image::RgbImage {
        self.screen.picture()
    }

    /// Does a command and waits for what comes of it.
    pub fn does(&self, command: impl Into<Command>) {
        self.desktop.dispatch(command);
        self.waits();
    }

    /// The slices of the list, in its order.
    pub fn slice_ids(&self) -> Vec<i32> {
        self.desktop.slice_ids()
    }

    /// Another number of pixels to a length.
    pub fn zooms(&self, scale: f32) {
        let size = self.window().size();
        self.window().dispatch_event(slint::platform::WindowEvent::ScaleFactorChanged { scale_factor: scale });
        self.screen.resize((size.width as f32 * scale) as u32, (size.height as f32 * scale) as u32);
        self.waits();
    }

    /// Has files listed in the window, as where the system has no dialog, for the model of a new scan.
    pub fn browses(&self, browser: Browser) {
        let chosen = |desktop: &Desktop, path: &Path| {
            desktop.edit_start(|start| start.set_model(path.to_string_lossy().into_owned()));
        };
        self.desktop.browse(browser, chosen);
        self.waits();
    }

    /// Edits the configuration of a new scan.
    pub fn edits_config(&self, text: &str) {
        self.desktop.edit_start(|start| start.set_config(text.to_owned()));
        self.waits();
    }

    /// What stands in a field.
    pub fn value_of(&self, label: &str) -> String {
        let wanted = label.to_owned();
        let fields = self.all(move |label| label == wanted);
        fields.iter().find_map(|field| field.accessible_value()).unwrap_or_default().into()
    }

    /// Makes the window another size.
    pub fn resizes(&self, width: u32, height: u32) {
        self.screen.resize(width, height);
        self.waits();
    }

    /// Controls of the frame that reach beyond the window to the right, where nobody can scroll.
    pub fn leaves_the_window(&self) -> Vec<String> {
        let width = self.window().size().width as f32 + 1.0;
        let buttons = self.all_elements(|e| e.accessible_role() == Some(AccessibleRole::Button));
        let beyond = buttons.iter().filter(|e| e.absolute_position().x + e.size().width > width);
        beyond.filter_map(|e| Some(e.accessible_label()?.into())).collect()
    }

    /// Types a text.
    pub fn types(&self, text: &str) {
        self.screen.text(text);
        self.waits();
    }

    /// The window's root, for what no label finds.
    pub fn window(&self) -> &slint::Window {
        self.desktop.window.window()
    }

    pub fn waits(&self) {
        self.screen.settle(&self.desktop).unwrap();
    }

    pub fn all(&self, fits: impl Fn(&str) -> bool + 'static) -> Vec<ElementHandle> {
        let query = ElementQuery::from_root(&self.desktop.window);
        query.match_descendants().match_predicate(move |e| e.accessible_label().is_some_and(|l| fits(&l))).find_all()
    }

    /// Everything that fits.
    pub fn all_elements(&self, fits: impl Fn(&ElementHandle) -> bool + 'static) -> Vec<ElementHandle> {
        ElementQuery::from_root(&self.desktop.window).match_descendants().match_predicate(fits).find_all()
    }

    /// Lets the pointer rest on something.
    pub fn hovers(&self, element: &ElementHandle) {
        let (position, size) = (element.absolute_position(), element.size());
        self.screen.point(position.x + size.width / 2.0, position.y + size.height / 2.0);
        self.waits();
    }

    /// The control of this label.
    #[track_caller]
    pub fn sees(&self, label: &str) -> ElementHandle {
        let wanted = label.to_owned();
        let found = self.all(move |label| label == wanted).into_iter().next();
        found.unwrap_or_else(|| panic!("nothing is labelled `{label}`; there are {}", self.labels()))
    }

    /// What is there, for the message of a failed test.
    pub fn labels(&self) -> String {
        let all = self.all(|label| !label.is_empty() && label.len() < 100);
        let labels: Vec<String> = all.iter().filter_map(|e| Some(e.accessible_label()?.into())).collect();
        labels.join(" | ")
    }

    pub fn shows(&self, label: &str) -> bool {
        let wanted = label.to_owned();
        !self.all(move |label| label.contains(&wanted)).is_empty()
    }

    #[track_caller]
    pub fn clicks(&self, label: &str) {
        self.clicks_on(&self.sees(label));
    }

    pub fn clicks_on(&self, element: &ElementHandle) {
        let (position, size) = (element.absolute_position(), element.size());
        self.screen.click(position.x + size.width / 2.0, position.y + size.height / 2.0);
        self.waits();
    }

    pub fn presses(&self, key: impl Into<SharedString>, held: &[Key]) {
        self.screen.key(key, held);
        self.waits();
    }

    /// The tile of the slice that the demo planted: discs taken for squares.
    fn planted_tile(&self) -> ElementHandle {
        let tiles = self.all(|label| label.starts_with("Slice ") && label.contains("clearly worse"));
        let is_tile = |tile: &&ElementHandle| tile.size().width > 30.0 && tile.size().height > 60.0;
        tiles.iter().find(is_tile).expect("a tile that is clearly worse").clone()
    }
}

#[test]
fn a_slice_is_found_judged_undone_redone_and_exported() {
    let (dir, scan) = scan();
    let user = User::sits_down(Some(&scan), 1280, 800, true);
    let tile = user.planted_tile();
    let described = tile.accessible_label().unwrap();
    user.clicks_on(&tile);
    assert!(user.shows("Mark as spurious"), "the inspector offers verdicts");
    assert_eq!(tile.accessible_item_selected(), Some(true));

    user.presses("2", &[]);
    let comment = user.sees("Comment");
    user.clicks_on(&comment);
    user.screen.text("looks at the ground");
    user.presses(Key::Return, &[]);
    assert!(user.shows("marked spurious, “looks at the ground”"), "{}", user.labels());

    let id: i32 = described["Slice ".len()..].split(':').next().unwrap().parse().unwrap();
    let on_disk = || {
        let annotations = Annotator::open(&scan, "reader").unwrap();
        let set = ascan_engine::slices::SliceSet::load(&ascan_store::Scan::open(&scan).unwrap(), None).unwrap();
        annotations.of_slice(&set.id, id).map(|verdict| (verdict.author.clone(), verdict.judgement.clone()))
    };
    let note = || "looks at the ground".to_owned();
    let spurious = Judgement::Mark { mark: Mark::Spurious, note: note() };
    assert_eq!(on_disk(), Some(("ann".to_owned(), spurious.clone())));

    // The comment first, then the verdict.
    user.clicks("Undo");
    assert!(user.shows("marked spurious") && !user.shows("marked spurious, “"), "{}", user.labels());
    user.clicks("Undo");
    assert!(!user.shows("marked spurious"));
    assert_eq!(user.sees("Undo").accessible_enabled(), Some(false));
    user.clicks("Redo");
    user.clicks("Redo");
    assert_eq!(on_disk(), Some(("ann".to_owned(), spurious)));

    user.clicks("Export");
    for what in ["Picture of the mosaic", "Report", "Table of slices", "Table of images", "Verdicts"] {
        user.clicks(&format!("Export: {what}"));
    }
    assert!(user.shows("Written: "), "{}", user.labels());
    user.clicks("Close Export");
    let slices = std::fs::read_to_string(dir.path().join("scan-slices.csv")).unwrap();
    assert!(slices.contains("spurious,looks at the ground,ann"), "{slices}");
    for file in ["scan-mosaic.png", "scan-report.html", "scan-images.csv", "scan-verdicts.json"] {
        assert!(dir.path().join(file).metadata().unwrap().len() > 100, "{file}");
    }
}

#[test]
fn keys_reach_every_view_and_escape_comes_back() {
    let (_dir, scan) = scan();
    let user = User::sits_down(Some(&scan), 1280, 800, false);
    for (key, landmark) in [
        ("c", "Most confused"),
        ("p", "Spread the verdicts"),
        ("t", "Repair the model"),
        ("i", "Order of the images"),
        ("e", "Colour points by"),
        ("l", "Suspicious labels"),
        ("m", "Layout: Voronoi"),
    ] {
        user.presses(key, &[]);
        assert!(user.shows(landmark), "`{key}` should show `{landmark}`: {}", user.labels());
    }
    user.presses("?", &[]);
    assert!(user.shows("Close Keys"));
    user.presses(Key::Escape, &[]);
    assert!(!user.shows("Close Keys"));
    user.presses("k", &[Key::Control]);
    user.screen.text("hexagons");
    user.presses(Key::Return, &[]);
    assert_eq!(user.sees("Layout: Hexagons").accessible_checked(), Some(true));

    // Next slice that needs a verdict, then its images, then one of them.
    user.presses("n", &[]);
    user.presses("i", &[]);
    let image = user.all(|label| label.starts_with("Image ")).into_iter().next().expect("an image");
    image.invoke_accessible_default_action();
    user.waits();
    assert!(user.shows("Next image") && user.shows("Input. as the model sees it"), "{}", user.labels());
    user.presses(Key::RightArrow, &[]);
    user.presses(Key::Escape, &[]);
    assert!(!user.shows("Next image"));
}

#[test]
fn two_windows_on_one_scan_do_not_lose_verdicts() {
    let (_dir, scan) = scan();
    let user = User::sits_down(Some(&scan), 1000, 700, true);
    // The other window, as far as the disk knows it.
    let set = ascan_engine::slices::SliceSet::load(&ascan_store::Scan::open(&scan).unwrap(), None).unwrap();
    let mut other = Annotator::open(&scan, "ben").unwrap();
    let slice = set.slices[0].id;
    let rows = (0..set.assignment.len()).filter(|&row| set.assignment[row] == slice).collect();
    let subject = Subject::Slice { set: set.id.clone(), slice, rows };
    other.judge(subject, Judgement::Mark { mark: Mark::Core, note: "birds".into() }).unwrap();
    user.desktop.dispatch(VerdictsCommand::Refresh);
    user.waits();
    assert!(user.shows("marked core, “birds”"));
    let mine = set.slices[1].id;
    user.desktop.dispatch(ListCommand::Select(Some(mine)));
    user.presses("3", &[]);
    assert!(other.refresh().unwrap());
    assert_eq!(other.of_slice(&set.id, mine).unwrap().author, "ann");
    assert_eq!(other.of_slice(&set.id, slice).unwrap().author, "ben");
}

/// What spreads is what is on disk at that moment: marks, and the verdicts that they rest on. A verdict that this window
/// has not seen yet either spreads or is not named.
#[test]
fn the_model_is_asked_in_the_background_and_its_answer_is_kept() {
    let (_dir, scan) = scan();
    let user = User::sits_down(Some(&scan), 1000, 700, true);
    user.does(VerdictsCommand::AskModel);
    let opened = ascan_store::Scan::open(&scan).unwrap();
    let set = ascan_engine::slices::SliceSet::load(&opened, None).unwrap();
    let kept = ascan_engine::reliance::Reliance::kept(&opened, &set.id).expect("an answer");
    assert_eq!(kept.slices.len(), set.slices.len());
}

#[test]
fn a_verdict_of_another_window_is_a_basis_only_of_the_spread_that_it_entered() {
    let (_dir, scan) = scan();
    let user = User::sits_down(Some(&scan), 1000, 700, true);
    let opened = ascan_store::Scan::open(&scan).unwrap();
    let set = ascan_engine::slices::SliceSet::load(&opened, None).unwrap();
    let subject = |slice: i32| Subject::Slice { set: set.id.clone(), slice, rows: set.rows(slice) };
    let mark = |mark| Judgement::Mark { mark, note: String::new() };
    user.does(ListCommand::Select(Some(set.slices[0].id)));
    user.does(VerdictsCommand::Judge(Some(Mark::Spurious)));
    let mut other = Annotator::open(&scan, "ben").unwrap();
    // Until the window looks again it does not know of this.
    other.judge(subject(set.slices[1].id), mark(Mark::Core)).unwrap();
    user.does(VerdictsCommand::Spread);
    let spread = Spread::load(&opened).unwrap().unwrap();
    assert_eq!(spread.verdicts, other.basis());
    let marked = |slice: i32| set.rows(slice).into_iter().map(|row| spread.marked[row]).collect::<Vec<_>>();
    assert!(marked(set.slices[1].id).iter().all(|mark| *mark == Some(Mark::Core)), "the other's verdict spread");
    assert!(marked(set.slices[0].id).iter().all(|mark| *mark == Some(Mark::Spurious)));

    // One that comes after the marks were read is no basis of their spread.
    let read = Annotations::read(&scan).unwrap();
    other.judge(subject(set.slices[2].id), mark(Mark::Spurious)).unwrap();
    let late = Spread::of_scan(&opened, &read, &ascan_core::Context::default()).unwrap();
    assert_eq!(late.verdicts, spread.verdicts);
    assert!(set.rows(set.slices[2].id).into_iter().all(|row| late.marked[row].is_none()));
}

#[test]
fn a_lasso_picks_images_that_can_be_judged_and_become_a_slice() {
    let (_dir, scan) = scan();
    let user = User::sits_down(Some(&scan), 1280, 800, true);
    user.desktop.dispatch(ShellCommand::Show(View::Scatter));
    user.waits();
    user.presses("s", &[]);
    let field = user.sees("Every image as a point; images with similar features are near each other");
    let (at, size) = (field.absolute_position(), field.size());
    let corner = |x: f32, y: f32| (at.x + x * size.width, at.y + y * size.height);
    let path = [(0.05, 0.05), (0.6, 0.05), (0.6, 0.95), (0.05, 0.95), (0.05, 0.1)].map(|(x, y)| corner(x, y));
    user.screen.point(path[0].0, path[0].1);
    user.screen.button(path[0].0, path[0].1, true);
    for (x, y) in path {
        user.screen.point(x, y);
        user.screen.frame();
    }
    user.screen.button(path[4].0, path[4].1, false);
    user.waits();
    assert!(user.shows("Clear the picked images") || user.shows("Mark as core"), "{}", user.labels());
    user.presses("1", &[]);
    let annotations = Annotator::open(&scan, "reader").unwrap();
    let n = annotations.marks(10_000).iter().flatten().count();
    assert!(n > 5, "the lasso took {n} images");
    let n_before = std::fs::read_dir(scan.join("slices")).unwrap().count();
    user.desktop.dispatch(ScatterCommand::SliceOfPicked);
    user.waits();
    assert_eq!(std::fs::read_dir(scan.join("slices")).unwrap().count(), n_before + 1);
}

#[test]
fn a_damaged_scan_opens_as_far_as_it_can() {
    let (_dir, scan) = scan();
    let data = std::fs::read_dir(scan.join("data")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(data, b"damaged").unwrap();
    let user = User::sits_down(Some(&scan), 1000, 700, true);
    assert!(user.shows("Problem: ") && user.shows("damaged"), "{}", user.labels());
    user.clicks("Dismiss the problem");
    assert!(!user.shows("Problem: "));
}

#[test]
fn a_scan_that_still_runs_shows_what_is_done() {
    let (_dir, scan) = painted();
    let commits = scan.join("commits");
    let last = std::fs::read_dir(&commits).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    std::fs::remove_file(last).unwrap();
    let user = User::sits_down(Some(&scan), 1000, 700, true);
    assert!(user.shows("Problem: ") && user.shows("the scan is not finished"), "{}", user.labels());
    assert!(user.shows("Slice 2: disc → square"), "{}", user.labels());
}

#[test]
fn a_scan_of_a_newer_version_opens_and_says_so() {
    let (_dir, scan) = painted();
    let plan = scan.join("plan.json");
    let mut newer: serde_json::Value = serde_json::from_slice(&std::fs::read(&plan).unwrap()).unwrap();
    newer["format"] = (newer["format"].as_u64().unwrap() + 1).into();
    std::fs::write(&plan, newer.to_string()).unwrap();
    let user = User::sits_down(Some(&scan), 1000, 700, true);
    assert!(user.shows("Problem: ") && user.shows("a newer version of Attribution Scanner"), "{}", user.labels());
    assert!(user.shows("Slice 2: disc → square"), "{}", user.labels());
}

#[test]
fn a_scan_whose_images_have_moved_says_so_and_shows_the_rest() {
    let (dir, scan) = painted();
    std::fs::rename(dir.path().join("painted"), dir.path().join("elsewhere")).unwrap();
    let user = User::sits_down(Some(&scan), 1000, 700, true);
    assert!(user.shows("Problem: ") && user.shows("metadata.csv"), "{}", user.labels());
    assert!(user.shows("Slice 2: disc → square"), "{}", user.labels());
}

#[test]
fn a_scan_that_cannot_be_written_opens_and_says_so() {
    let (dir, scan) = painted();
    // Not by permissions, which root does not heed: the folder of the verdicts cannot be made.
    std::os::unix::fs::symlink(dir.path().join("nowhere/at/all"), scan.join("annotations")).unwrap();
    let user = User::sits_down(Some(&scan), 1000, 700, true);
    user.does(ListCommand::NextUnjudged);
    user.does(VerdictsCommand::Judge(Some(Mark::Core)));
    assert!(user.shows("Problem: "), "{}", user.labels());
    assert!(!user.shows("marked core"), "what is not on disk is not shown as done");
}

#[test]
fn a_scan_is_made_from_the_start_page() {
    let dir = Dir::new();
    let user = User::sits_down(None, 1280, 800, true);
    let demo = demo().join("demo");
    for (label, text) in [
        ("Model", demo.join("shortcut.onnx")),
        ("Images", demo.join("data/metadata.csv")),
        ("Scan folder", dir.path().join("made")),
    ] {
        let field =
            user.all(move |l| l == label).into_iter().find(|e| e.accessible_role() == Some(AccessibleRole::TextInput));
        user.clicks_on(&field.expect("a field to type into"));
        user.presses("a", &[Key::Control]);
        user.screen.text(&text.to_string_lossy());
        user.waits();
    }
    user.clicks("Start the scan");
    for _ in 0..6000 {
        user.waits();
        if user.shows("Slices of the mosaic") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(user.shows("Slices of the mosaic"), "{}", user.labels());
    assert!(dir.path().join("made.toml").is_file(), "the configuration is kept beside the scan");
}

#[test]
fn the_command_draws_a_picture_without_a_display() {
    let (dir, scan) = scan();
    let scan = scan.to_string_lossy().into_owned();
    for (view, theme) in [("mosaic", "dark"), ("scatter", "light")] {
        let file = format!("{view}.png");
        let run = ["review", &scan, "--screenshot", &file, "--size", "900x600", "--view", view, "--theme", theme];
        dir.ascan(&run).exits(0);
        let picture = image::open(dir.path().join(&file)).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (900, 600));
        let colors: std::collections::BTreeSet<[u8; 3]> = picture.pixels().map(|pixel| pixel.0).collect();
        assert!(colors.len() > 200, "{view} shows {} colours", colors.len());
    }
    dir.ascan(&["review", "nowhere", "--screenshot", "x.png"]).exits(1).says(&["nowhere"]);
    dir.ascan(&["review", &scan, "--screenshot", "x.png", "--size", "9x9"]).exits(2).says(&["320x240"]);
}
