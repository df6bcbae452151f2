//! What is done with a scan, from slices to a better model.

/// Slices of the scan, made anew.
#[derive(Debug, Clone, PartialEq)]
pub enum SlicingCommand {
    /// Another slicer.
    Method(usize),
    /// Another value of one of its parameters.
    Param {
        /// Its place in the form.
        index: usize,
        /// As text.
        value: String,
    },
    /// Whether and by what classes are sliced apart.
    PerClass(usize),
    /// Whether only errors are sliced.
    ErrorsOnly(bool),
    /// Slice.
    Run,
    /// Put another set beside the shown one; 0: none.
    Beside(usize),
    /// Pick the images of a line of the two sets.
    PickShared(usize),
}

/// Verdicts that were spread, and what a person makes of them.
#[derive(Debug, Clone, PartialEq)]
pub enum SpreadCommand {
    /// From this spuriousness on an image is spurious; `None`: shares stay as they are.
    Threshold(Option<f32>),
    /// Decide on one image.
    Decide {
        /// The image.
        row: usize,
        /// Whether the model looks at something spurious there.
        is_spurious: bool,
    },
    /// The spread may be used.
    Accept,
}

/// A repair, and what it changed.
#[derive(Debug, Clone, PartialEq)]
pub enum RepairCommand {
    /// Another regularizer.
    Method(usize),
    /// Another value of one of its parameters.
    Param {
        /// Its place in the form.
        index: usize,
        /// As text.
        value: String,
    },
    /// Whether all weights move, or the head alone.
    WholeNet(bool),
    /// Passes over the images.
    Epochs(usize),
    /// The folder of a scan of more images to train on; may be empty.
    Also(String),
    /// The folder of the repair.
    Folder(String),
    /// Repair, or go on with the repair that is in the folder.
    Run,
    /// Stop what runs; what is done is kept.
    Stop,
    /// The folder of a scan on whose images the models are compared; empty: the open one.
    On(String),
    /// Scan the same images with the repaired model, and compare.
    Compare,
    /// Go on with the repaired model: open its scan.
    Continue,
}
