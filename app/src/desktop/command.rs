//! Everything that can be done in the window: one list for buttons, keys, the palette and the help.

use ascan_engine::annotations::{Fix, Mark};

/// The view in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// All slices at once.
    #[default]
    Mosaic,
    /// Slices by (label, prediction).
    Confusion,
    /// Members of what is selected.
    Images,
    /// Every image as a point.
    Scatter,
    /// Labels that look wrong.
    Labels,
}

/// What lies over the views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// Keys.
    Help,
    /// Commands by name.
    Palette,
    /// Settings.
    Settings,
    /// Version and licences.
    About,
    /// What can be exported.
    Export,
}

/// How a click or a lasso changes what is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pick {
    /// Only these.
    #[default]
    Replace,
    /// These too.
    Extend,
    /// Not these.
    Remove,
}

/// A tool of the scatter view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tool {
    /// Move the picture.
    #[default]
    Pan,
    /// Draw around points.
    Lasso,
    /// Draw a rectangle around points.
    Rectangle,
}

/// What can be written to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Artefact {
    /// The mosaic as a PNG.
    Mosaic,
    /// The report as HTML.
    Report,
    /// The slices as CSV.
    Slices,
    /// The images as CSV.
    Images,
    /// The verdicts as JSON.
    Verdicts,
    /// The labels with their corrections as CSV.
    Labels,
}

/// What the user wants. The model is the only one who acts on it.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Put a view in the middle.
    Show(View),
    /// Put something over the views.
    Open(Overlay),
    /// Take it away.
    Close,
    /// Close what is open, then forget what is picked, then what is selected.
    Escape,
    /// Dark or light.
    ToggleTheme,
    /// Show or hide the list.
    ToggleTable,
    /// Show or hide the inspector.
    ToggleInspector,
    /// Make the list wider, by pixels.
    ResizeTable(f32),
    /// Make the inspector narrower, by pixels.
    ResizeInspector(f32),
    /// Size of text, 1 is the system's.
    TextScale(f32),
    /// Who judges from now on.
    Author(String),
    /// Keep the present view under a name.
    SaveView(String),
    /// Go to a kept view.
    UseView(usize),
    /// Show another slice set.
    ChooseSet(usize),
    /// Take a problem from the window.
    DismissProblem(usize),
    /// Search the commands.
    PaletteSearch(String),
    /// Choose another of the found commands.
    PaletteStep(i32),
    /// Take over what other windows said.
    Refresh,
    /// Spread the verdicts to every image.
    Spread,
    /// Leave the scan for the start page.
    Leave,

    /// Select a slice, everywhere.
    Select(Option<i32>),
    /// Select a slice so many places on in the list.
    StepSlice(i32),
    /// Select the next slice that is clearly worse and has no verdict.
    NextUnjudged,
    /// Sort the list by a column.
    Sort(usize),
    /// Search the list.
    Search(String),
    /// Only slices of a class; 0: all.
    OnlyClass(usize),
    /// Only slices of at least so many images.
    MinSize(usize),
    /// Only slices that are clearly worse.
    WorseOnly(bool),
    /// Show or hide a column.
    ToggleColumn(usize),

    /// Room for the mosaic, in pixels.
    MosaicSize(f32, f32),
    /// The pointer moved over the mosaic.
    Pointer(f32, f32),
    /// The pointer left the mosaic.
    PointerLeft,
    /// Select the slice there.
    ClickTile(f32, f32),
    /// Show the images of the slice there.
    OpenTile(f32, f32),
    /// Select the neighbouring tile.
    StepTile(i32, i32),
    /// Move the mosaic.
    PanMosaic(f32, f32),
    /// Magnify the mosaic around a point.
    ZoomMosaic {
        /// Pixels from the left.
        x: f32,
        /// Pixels from the top.
        y: f32,
        /// Steps of the wheel, in for positive ones.
        steps: f32,
    },
    /// The whole mosaic.
    FitMosaic,
    /// Another layout of the mosaic.
    Layout(usize),
    /// Another figure as colour.
    Metric(usize),
    /// Another figure as area.
    TileSize(usize),

    /// A verdict on what is picked, open or selected; `None` takes it away.
    Judge(Option<Mark>),
    /// The comment of the selected slice's verdict.
    Note(String),
    /// Undo the last verdict.
    Undo,
    /// Give it again.
    Redo,
    /// Decide about a label.
    Fix {
        /// The image.
        row: usize,
        /// What becomes of it.
        fix: Fix,
    },
    /// Give an image the label that is suggested.
    Relabel(usize),
    /// Look at a suspicious label.
    SelectCandidate(usize),

    /// Room for images, in pixels.
    ImagesSize(f32, f32),
    /// Side of a small picture.
    ThumbSize(f32),
    /// Another order of images.
    Order(usize),
    /// Input, attribution or overlay.
    Drawing(usize),
    /// Another colour map of attributions.
    Map(usize),
    /// How strong attributions are drawn.
    Opacity(f32),
    /// Whether a line is drawn around most of the attribution.
    Contour(bool),
    /// Pick an image.
    PickImage {
        /// The image.
        row: usize,
        /// All images up to it.
        extend: bool,
        /// It too, or no longer.
        toggle: bool,
    },
    /// Go so many images on with the keys.
    MoveCursor {
        /// Places in the order of showing, back for negative ones; held at the ends.
        by: i32,
        /// Pick all images on the way.
        extend: bool,
    },
    /// Forget the picked images.
    ClearPicked,
    /// Show one image large.
    OpenImage(usize),
    /// Show the image so many places on.
    StepImage(i32),
    /// Back to all images.
    CloseImage,
    /// A verdict on the open image.
    JudgeImage(Option<Mark>),
    /// Another attribution of the open image.
    Attribute(usize),

    /// Room for the scatter, in pixels.
    ScatterSize(f32, f32),
    /// Another tool of the scatter.
    Tool(Tool),
    /// The button went down.
    ScatterDown {
        /// Pixels from the left.
        x: f32,
        /// Pixels from the top.
        y: f32,
        /// What the outline does to what is picked.
        pick: Pick,
    },
    /// The pointer moved with the button down.
    ScatterMove(f32, f32),
    /// The button went up.
    ScatterUp(f32, f32),
    /// The pointer moved.
    ScatterHover(f32, f32),
    /// Magnify the scatter around a point.
    ZoomScatter {
        /// Pixels from the left.
        x: f32,
        /// Pixels from the top.
        y: f32,
        /// Steps of the wheel, in for positive ones.
        steps: f32,
    },
    /// All points.
    FitScatter,
    /// Another colour of the points.
    ColorPoints(usize),
    /// Another projection to the plane.
    Projection(usize),
    /// Make a slice of the picked images.
    SliceOfPicked,

    /// Where exports go.
    ExportFolder(String),
    /// Write a file.
    Export(Artefact),
}

/// A command with a name: found in the palette, bound to keys, listed in the help.
pub struct Named {
    /// Stable id, for buttons.
    pub id: &'static str,
    /// What the palette and the help say.
    pub title: &'static str,
    /// Its key; `Ctrl+` and `Shift+` in front.
    pub key: &'static str,
    /// What it does; `None` for what only the window can do (file dialogs).
    pub command: Option<Command>,
}

const fn named(id: &'static str, title: &'static str, key: &'static str, command: Command) -> Named {
    Named { id, title, key, command: Some(command) }
}

const fn asks(id: &'static str, title: &'static str, key: &'static str) -> Named {
    Named { id, title, key, command: None }
}

/// All named commands.
pub const NAMED: &[Named] = &[
    named("core", "Mark as core: the model looks at the thing itself", "1", Command::Judge(Some(Mark::Core))),
    named("spurious", "Mark as spurious: the model looks beside it", "2", Command::Judge(Some(Mark::Spurious))),
    named("noisy", "Mark as noisy label: the labels are wrong", "3", Command::Judge(Some(Mark::NoisyLabel))),
    named("clear", "Take the verdict away", "0", Command::Judge(None)),
    named("undo", "Undo", "Ctrl+Z", Command::Undo),
    named("redo", "Redo", "Ctrl+Shift+Z", Command::Redo),
    named("next", "Next slice", "Down", Command::StepSlice(1)),
    named("previous", "Previous slice", "Up", Command::StepSlice(-1)),
    named("next-unjudged", "Next slice that needs a verdict", "n", Command::NextUnjudged),
    named("next-image", "Next image", "Right", Command::StepImage(1)),
    named("previous-image", "Previous image", "Left", Command::StepImage(-1)),
    named("mosaic", "Show the mosaic", "m", Command::Show(View::Mosaic)),
    named("confusion", "Show the confusion view", "c", Command::Show(View::Confusion)),
    named("images", "Show the images of what is selected", "i", Command::Show(View::Images)),
    named("scatter", "Show every image as a point", "e", Command::Show(View::Scatter)),
    named("labels", "Show the labels that look wrong", "l", Command::Show(View::Labels)),
    named("lasso", "Lasso (scatter)", "s", Command::Tool(Tool::Lasso)),
    named("rectangle", "Rectangle (scatter)", "r", Command::Tool(Tool::Rectangle)),
    named("pan", "Pan (scatter)", "g", Command::Tool(Tool::Pan)),
    named("fit", "Fit the mosaic to the window", "f", Command::FitMosaic),
    named("grid", "Mosaic as a grid", "", Command::Layout(0)),
    named("hexagons", "Mosaic of hexagons", "", Command::Layout(1)),
    named("voronoi", "Mosaic of Voronoi cells", "", Command::Layout(2)),
    named("input", "Show images as they are", "", Command::Drawing(0)),
    named("attribution", "Show attributions alone", "", Command::Drawing(1)),
    named("overlay", "Show attributions over the images", "", Command::Drawing(2)),
    named("clear-picked", "Forget the picked images", "", Command::ClearPicked),
    named("slice-of-picked", "Make a slice of the picked images", "", Command::SliceOfPicked),
    named("spread", "Spread the verdicts to every image", "", Command::Spread),
    named("toggle-table", "Show or hide the list of slices", "Ctrl+B", Command::ToggleTable),
    named("toggle-inspector", "Show or hide the inspector", "Ctrl+I", Command::ToggleInspector),
    named("toggle-theme", "Dark or light", "Ctrl+D", Command::ToggleTheme),
    asks("open", "Open another scan…", "Ctrl+O"),
    named("start", "Start page: recent scans, new scan", "Ctrl+N", Command::Leave),
    named("export", "Export…", "Ctrl+E", Command::Open(Overlay::Export)),
    named("palette", "All commands", "Ctrl+K", Command::Open(Overlay::Palette)),
    named("settings", "Settings", "Ctrl+,", Command::Open(Overlay::Settings)),
    named("help", "Keys", "?", Command::Open(Overlay::Help)),
    named("about", "About, licences", "", Command::Open(Overlay::About)),
    named("escape", "Close, forget the picked images, select nothing", "Esc", Command::Escape),
    asks("quit", "Quit", "Ctrl+Q"),
];

impl Artefact {
    /// The end of its file's name.
    pub fn file(self) -> &'static str {
        match self {
            Self::Mosaic => "mosaic.png",
            Self::Report => "report.html",
            Self::Slices => "slices.csv",
            Self::Images => "images.csv",
            Self::Verdicts => "verdicts.json",
            Self::Labels => "labels.csv",
        }
    }
}

impl Named {
    /// The command of this id.
    pub fn find(id: &str) -> Option<&'static Self> {
        NAMED.iter().find(|named| named.id == id)
    }

    /// The command of this key: `Ctrl+Z`, `m`, `Down`.
    pub fn of_key(key: &str) -> Option<&'static Self> {
        NAMED.iter().find(|named| !named.key.is_empty() && named.key == key)
    }

    /// Commands whose title has every word of the query.
    pub fn search(query: &str) -> Vec<&'static Self> {
        let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
        let fits = |named: &&Self| words.iter().all(|word| named.title.to_lowercase().contains(word));
        NAMED.iter().filter(fits).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_and_keys_are_unique() {
        let ids: BTreeSet<_> = NAMED.iter().map(|named| named.id).collect();
        assert_eq!(ids.len(), NAMED.len());
        let keys: Vec<_> = NAMED.iter().map(|named| named.key).filter(|key| !key.is_empty()).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    }

    #[test]
    fn commands_are_found_by_words_of_their_title() {
        assert_eq!(Named::search("mark spurious")[0].id, "spurious");
        assert_eq!(Named::search("").len(), NAMED.len());
        assert!(Named::search("no such thing").is_empty());
        assert_eq!(Named::of_key("Ctrl+Z").unwrap().command, Some(Command::Undo));
        assert!(Named::of_key("").is_none());
    }
}
