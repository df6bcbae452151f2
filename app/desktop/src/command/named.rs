//! Commands with a name: one list for buttons, keys, the palette and the help.

use super::{
    Command, ImagesCommand, ListCommand, MosaicCommand, Overlay, RepairCommand, ScatterCommand, ShellCommand,
    SpreadCommand, Tool, VerdictsCommand, View,
};
use ascan_store::annotations::Mark;

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

/// What only the command line does: chosen, it says how.
const fn tells(id: &'static str, title: &'static str, command: &'static str) -> Named {
    named(id, title, "", Command::Shell(ShellCommand::Tell(command)))
}

const fn asks(id: &'static str, title: &'static str, key: &'static str) -> Named {
    Named { id, title, key, command: None }
}

/// All named commands.
pub const NAMED: &[Named] = &[
    named(
        "core",
        "Mark as core: the model looks at the object itself",
        "1",
        Command::Verdicts(VerdictsCommand::Judge(Some(Mark::Core))),
    ),
    named(
        "spurious",
        "Mark as spurious: the model looks at something else",
        "2",
        Command::Verdicts(VerdictsCommand::Judge(Some(Mark::Spurious))),
    ),
    named(
        "noisy",
        "Mark as noisy label: the labels are wrong",
        "3",
        Command::Verdicts(VerdictsCommand::Judge(Some(Mark::NoisyLabel))),
    ),
    named("clear", "Remove the verdict", "0", Command::Verdicts(VerdictsCommand::Judge(None))),
    named("undo", "Undo", "Ctrl+Z", Command::Verdicts(VerdictsCommand::Undo)),
    named("redo", "Redo", "Ctrl+Shift+Z", Command::Verdicts(VerdictsCommand::Redo)),
    named("next", "Next slice", "Down", Command::List(ListCommand::Step(1))),
    named("previous", "Previous slice", "Up", Command::List(ListCommand::Step(-1))),
    named("next-unjudged", "Next slice that needs a verdict", "n", Command::List(ListCommand::NextUnjudged)),
    named("next-image", "Next image", "Right", Command::Images(ImagesCommand::Step(1))),
    named("previous-image", "Previous image", "Left", Command::Images(ImagesCommand::Step(-1))),
    named("mosaic", "Show the mosaic", "m", Command::Shell(ShellCommand::Show(View::Mosaic))),
    named("confusion", "Show the confusion matrix", "c", Command::Shell(ShellCommand::Show(View::Confusion))),
    named("images", "Show the images of what is selected", "i", Command::Shell(ShellCommand::Show(View::Images))),
    named("scatter", "Show every image as a point", "e", Command::Shell(ShellCommand::Show(View::Scatter))),
    named("labels", "Show the labels that look wrong", "l", Command::Shell(ShellCommand::Show(View::Labels))),
    named("lasso", "Lasso (scatter)", "s", Command::Scatter(ScatterCommand::Tool(Tool::Lasso))),
    named("rectangle", "Rectangle (scatter)", "r", Command::Scatter(ScatterCommand::Tool(Tool::Rectangle))),
    named("pan", "Pan (scatter)", "g", Command::Scatter(ScatterCommand::Tool(Tool::Pan))),
    named("fit", "Fit the mosaic to the window", "f", Command::Mosaic(MosaicCommand::Fit)),
    named("grid", "Mosaic as a grid", "", Command::Mosaic(MosaicCommand::Layout(0))),
    named("hexagons", "Mosaic of hexagons", "", Command::Mosaic(MosaicCommand::Layout(1))),
    named("voronoi", "Mosaic of Voronoi cells", "", Command::Mosaic(MosaicCommand::Layout(2))),
    named("input", "Show images as they are", "", Command::Images(ImagesCommand::Drawing(0))),
    named("attribution", "Show attributions alone", "", Command::Images(ImagesCommand::Drawing(1))),
    named("overlay", "Show attributions over the images", "", Command::Images(ImagesCommand::Drawing(2))),
    named("right", "Only images that are right", "", Command::Images(ImagesCommand::Outcome(1))),
    named("wrong", "Only images that are wrong: all errors", "w", Command::Images(ImagesCommand::Outcome(2))),
    named("clear-filter", "All images again: no filter", "", Command::Images(ImagesCommand::ClearFilter)),
    named("clear-picked", "Clear the picked images", "", Command::Images(ImagesCommand::ClearPicked)),
    named("slice-of-picked", "Make a slice of the picked images", "", Command::Scatter(ScatterCommand::SliceOfPicked)),
    named(
        "ask-model",
        "Ask the model what each slice follows: the object, or the rest of the picture",
        "a",
        Command::Verdicts(VerdictsCommand::AskModel),
    ),
    named("slicing", "Step: make other slices", "", Command::Shell(ShellCommand::Show(View::Slicing))),
    named(
        "show-spread",
        "Step: see what the verdicts say of every image",
        "p",
        Command::Shell(ShellCommand::Show(View::Spread)),
    ),
    named("spread", "Spread the verdicts to every image", "", Command::Verdicts(VerdictsCommand::Spread)),
    named("accept", "Accept the spread verdicts", "", Command::Spread(SpreadCommand::Accept)),
    named("repair", "Step: repair the model", "t", Command::Shell(ShellCommand::Show(View::Repair))),
    named("stop", "Stop the repair or the comparison; what is done is kept", "", Command::Repair(RepairCommand::Stop)),
    named(
        "compare",
        "Step: compare the model before and the one after",
        "",
        Command::Shell(ShellCommand::Show(View::Compare)),
    ),
    named("toggle-table", "Show or hide the list of slices", "Ctrl+B", Command::Shell(ShellCommand::ToggleTable)),
    named("toggle-inspector", "Show or hide the inspector", "Ctrl+I", Command::Shell(ShellCommand::ToggleInspector)),
    named("toggle-theme", "Dark or light", "Ctrl+D", Command::Shell(ShellCommand::ToggleTheme)),
    asks("open", "Open another scan…", "Ctrl+O"),
    asks("carry", "Take over the verdicts of another scan of this model…", ""),
    named("start", "Start page: recent scans, new scan", "Ctrl+N", Command::Shell(ShellCommand::Leave)),
    named("export", "Export…", "Ctrl+E", Command::Shell(ShellCommand::Open(Overlay::Export))),
    named("palette", "All commands", "Ctrl+K", Command::Shell(ShellCommand::Open(Overlay::Palette))),
    named("settings", "Settings", "Ctrl+,", Command::Shell(ShellCommand::Open(Overlay::Settings))),
    named("help", "Keys", "?", Command::Shell(ShellCommand::Open(Overlay::Help))),
    named("about", "About, licences", "", Command::Shell(ShellCommand::Open(Overlay::About))),
    named("escape", "Close, clear the picked images, select nothing", "Esc", Command::Shell(ShellCommand::Escape)),
    tells("faithfulness", "Measure which attribution method to believe", "ascan faithfulness {}"),
    tells(
        "more-attributions",
        "Scan with further attribution methods",
        "ascan scan CONFIG --out ANOTHER --set attribution.also=[\"eigen_cam\"]",
    ),
    tells("invert", "Draw an image with the features of each slice", "ascan invert {}"),
    tells("verdicts", "List every verdict, with author and time", "ascan verdicts {}"),
    tells("suggest", "List proposed verdicts with their reasons", "ascan suggest {}"),
    tells(
        "compare-pages",
        "Write a page that compares two scans of the same images",
        "ascan compare {} ANOTHER -o compare.html",
    ),
    tells("datasets", "Export as a Hugging Face or FiftyOne data set", "ascan export {} --to hf -o FOLDER"),
    tells("gallery", "Draw the same images under all attribution methods", "ascan gallery {} -o gallery.png"),
    tells("bench-slicers", "Compare slicers, or regularizers, side by side", "ascan bench slicers CONFIG --out FOLDER"),
    asks("quit", "Quit", "Ctrl+Q"),
];

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
        assert_eq!(Named::of_key("Ctrl+Z").unwrap().command, Some(Command::Verdicts(VerdictsCommand::Undo)));
        assert!(Named::of_key("").is_none());
    }
}
