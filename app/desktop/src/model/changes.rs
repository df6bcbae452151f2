//! What is to be drawn anew.

bitflags::bitflags! {
    /// Parts of the window that are to be drawn anew.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Changes: u16 {
        /// Title, status, undo, problems, overlays.
        const SHELL = 1;
        /// Rows of the list.
        const LIST = 1 << 1;
        /// Which slice is selected.
        const SELECTION = 1 << 2;
        /// Tiles: places, figures, marks.
        const TILES = 1 << 3;
        /// Zoom and pan of the mosaic.
        const MOSAIC_VIEW = 1 << 4;
        /// Tile under the pointer.
        const HOVER = 1 << 5;
        /// The inspector.
        const INSPECTOR = 1 << 6;
        /// Which images are shown, and how.
        const IMAGES = 1 << 7;
        /// Marks and picks of the images shown.
        const PICKED = 1 << 8;
        /// The open image.
        const IMAGE = 1 << 9;
        /// The points.
        const SCATTER = 1 << 10;
        /// The outline being drawn.
        const OUTLINE = 1 << 11;
        /// Labels that look wrong.
        const LABELS = 1 << 12;
        /// The image where the keys are.
        const CURSOR = 1 << 13;
        /// Steps from slices to a better model.
        const STEPS = 1 << 14;
        /// The confusion matrix.
        const CONFUSION = 1 << 15;
    }
}

impl Changes {
    /// Nothing.
    pub const NONE: Self = Self::empty();
    /// Everything.
    pub const ALL: Self = Self::all();
}
