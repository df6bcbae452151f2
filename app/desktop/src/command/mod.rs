//! Everything that can be done in the window, nested by view.

mod named;
mod steps;

pub use named::{NAMED, Named};
pub use steps::{RepairCommand, SlicingCommand, SpreadCommand};

use ascan_store::annotations::{Fix, Mark};
use std::path::PathBuf;

/// The view in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// All slices at once.
    #[default]
    Mosaic,
    /// Images by label and prediction.
    Confusion,
    /// Members of what is selected.
    Images,
    /// Every image as a point.
    Scatter,
    /// Labels that look wrong.
    Labels,
    /// The form for new slices.
    Slicing,
    /// Verdicts that were spread.
    Spread,
    /// The repair.
    Repair,
    /// The model before and the one after.
    Compare,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// What the user wants. The model is the only one who acts on it, a view at a time.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// What is around the views.
    Shell(ShellCommand),
    /// The list of slices, and which of them is selected.
    List(ListCommand),
    /// The mosaic.
    Mosaic(MosaicCommand),
    /// What people say about slices, images and labels.
    Verdicts(VerdictsCommand),
    /// The images of what is selected, and the one that is open.
    Images(ImagesCommand),
    /// Every image as a point.
    Scatter(ScatterCommand),
    /// Slices made anew.
    Slicing(SlicingCommand),
    /// Verdicts that were spread.
    Spread(SpreadCommand),
    /// The repair, and what it changed.
    Repair(RepairCommand),
}

/// What is around the views.
#[derive(Debug, Clone, PartialEq)]
pub enum ShellCommand {
    /// Put a view in the middle.
    Show(View),
    /// Put something over the views.
    Open(Overlay),
    /// Close it.
    Close,
    /// Close what is open; then clear what is picked; then what is selected.
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
    /// Save the current view under a name.
    SaveView(String),
    /// Go to a kept view.
    UseView(usize),
    /// Show another slice set.
    ChooseSet(usize),
    /// Dismiss a problem.
    DismissProblem(usize),
    /// Search the commands.
    PaletteSearch(String),
    /// Choose another of the found commands.
    PaletteStep(i32),
    /// The word about what was done has been read.
    ForgetToast,
    /// Say which command of the command line does this; `{}` stands for the scan.
    Tell(&'static str),
    /// Leave the scan for the start page.
    Leave,
    /// Where exports go.
    ExportFolder(String),
    /// Write a file.
    Export(Artefact),
}

/// The list of slices, and which of them is selected.
#[derive(Debug, Clone, PartialEq)]
pub enum ListCommand {
    /// Select a slice, everywhere.
    Select(Option<i32>),
    /// Select the slice this many places further in the list.
    Step(i32),
    /// Select the next slice that is clearly worse and has no verdict.
    NextUnjudged,
    /// Sort the list by a column.
    Sort(usize),
    /// Search the list.
    Search(String),
    /// Only slices of a class; 0: all.
    OnlyClass(usize),
    /// Only slices with at least this many images.
    MinSize(usize),
    /// Only slices that are clearly worse.
    WorseOnly(bool),
    /// Show or hide a column.
    ToggleColumn(usize),
}

/// The mosaic.
#[derive(Debug, Clone, PartialEq)]
pub enum MosaicCommand {
    /// Room for the mosaic, in pixels.
    Resize(f32, f32),
    /// The pointer moved over the mosaic.
    Pointer(f32, f32),
    /// The pointer left the mosaic.
    PointerLeft,
    /// Select the slice there.
    Click(f32, f32),
    /// Show the images of the slice there.
    Open(f32, f32),
    /// Select the neighbouring tile.
    Step(i32, i32),
    /// Move the mosaic.
    Pan(f32, f32),
    /// Magnify the mosaic around a point.
    Zoom {
        /// Pixels from the left.
        x: f32,
        /// Pixels from the top.
        y: f32,
        /// Steps of the wheel, in for positive ones.
        steps: f32,
    },
    /// The whole mosaic.
    Fit,
    /// Another layout of the mosaic.
    Layout(usize),
    /// Another figure as colour.
    Metric(usize),
    /// Another figure as area.
    TileSize(usize),
}

/// What people say about slices, images and labels.
#[derive(Debug, Clone, PartialEq)]
pub enum VerdictsCommand {
    /// A verdict on what is picked, open or selected; `None` removes it.
    Judge(Option<Mark>),
    /// The comment of the selected slice's verdict.
    Note(String),
    /// What is being typed as the comment of the selected slice.
    Draft(String),
    /// What to call the selected slice; empty: what its images are.
    Name(String),
    /// Undo the last verdict.
    Undo,
    /// Redo it.
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
    /// A verdict on the open image.
    JudgeImage(Option<Mark>),
    /// Read the verdicts of other windows.
    Refresh,
    /// Spread the verdicts to every image.
    Spread,
    /// Ask the model what the predictions of each slice follow.
    AskModel,
    /// Take over the verdicts on the slices of the scan in this folder.
    Carry(PathBuf),
}

/// The images of what is selected, and the one that is open.
#[derive(Debug, Clone, PartialEq)]
pub enum ImagesCommand {
    /// Room for images, in pixels.
    Resize(f32, f32),
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
    Pick {
        /// The image.
        row: usize,
        /// All images up to it.
        extend: bool,
        /// It too, or no longer.
        toggle: bool,
    },
    /// Move the keyboard focus by this many images.
    MoveCursor {
        /// Places in the order of showing, back for negative ones; held at the ends.
        by: i32,
        /// Pick all images on the way.
        extend: bool,
    },
    /// Only right images, only wrong ones, or all.
    Outcome(usize),
    /// Only images of a label; 0: all.
    Label(usize),
    /// Only images of a prediction; 0: all.
    Predicted(usize),
    /// Only images with a verdict.
    Verdict(usize),
    /// Only images that the model is so sure of.
    Confidence(usize),
    /// Only images of a known group; 0: all.
    Group(usize),
    /// Only images whose address has these words.
    Words(String),
    /// All images again.
    ClearFilter,
    /// The images of a cell of the confusion matrix.
    OfCell {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
    },
    /// The images of a confused pair of classes.
    OfPair(usize),
    /// Clear the picked images.
    ClearPicked,
    /// Show one image large.
    Open(usize),
    /// Show the image this many places further.
    Step(i32),
    /// Back to all images.
    Close,
    /// Another attribution of the open image.
    Attribute(usize),
}

/// Every image as a point.
#[derive(Debug, Clone, PartialEq)]
pub enum ScatterCommand {
    /// Room for the scatter, in pixels.
    Resize(f32, f32),
    /// Another tool of the scatter.
    Tool(Tool),
    /// The button went down.
    Down {
        /// Pixels from the left.
        x: f32,
        /// Pixels from the top.
        y: f32,
        /// What the outline does to what is picked.
        pick: Pick,
    },
    /// The pointer moved with the button down.
    Move(f32, f32),
    /// The button went up.
    Up(f32, f32),
    /// The pointer moved.
    Hover(f32, f32),
    /// Magnify the scatter around a point.
    Zoom {
        /// Pixels from the left.
        x: f32,
        /// Pixels from the top.
        y: f32,
        /// Steps of the wheel, in for positive ones.
        steps: f32,
    },
    /// All points.
    Fit,
    /// Another colour of the points.
    Color(usize),
    /// Whether lines are drawn around where images lie densest.
    Contours(bool),
    /// Another projection to the plane.
    Projection(usize),
    /// Make a slice of the picked images.
    SliceOfPicked,
}

impl Command {
    /// Whether it comes by itself, as the pointer moves or the window changes: nobody asked for anything.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Mosaic(MosaicCommand::Pointer(..) | MosaicCommand::PointerLeft | MosaicCommand::Resize(..))
                | Self::Images(ImagesCommand::Resize(..) | ImagesCommand::MoveCursor { by: 0, .. })
                | Self::Scatter(ScatterCommand::Resize(..) | ScatterCommand::Move(..) | ScatterCommand::Hover(..))
                | Self::Verdicts(VerdictsCommand::Refresh | VerdictsCommand::Draft(_))
        )
    }
}

/// A command of a view is a command.
macro_rules! nest {
    ($($view:ident($command:ident)),+) => {$(
        impl From<$command> for Command {
            fn from(command: $command) -> Self {
                Self::$view(command)
            }
        }
    )+};
}

nest!(
    Shell(ShellCommand),
    List(ListCommand),
    Mosaic(MosaicCommand),
    Verdicts(VerdictsCommand),
    Images(ImagesCommand),
    Scatter(ScatterCommand),
    Slicing(SlicingCommand),
    Spread(SpreadCommand),
    Repair(RepairCommand)
);

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
