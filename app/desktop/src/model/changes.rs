//! What is to be drawn anew.

use std::ops::{BitOr, BitOrAssign};

/// Parts of the window that are to be drawn anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes(u32);

impl Changes {
    /// Title, status, undo, problems, overlays.
    pub const SHELL: Self = Self(1);
    /// Rows of the list.
    pub const LIST: Self = Self(1 << 1);
    /// Which slice is selected.
    pub const SELECTION: Self = Self(1 << 2);
    /// Tiles: places, figures, marks.
    pub const TILES: Self = Self(1 << 3);
    /// Zoom and pan of the mosaic.
    pub const MOSAIC_VIEW: Self = Self(1 << 4);
    /// Tile under the pointer.
    pub const HOVER: Self = Self(1 << 5);
    /// The inspector.
    pub const INSPECTOR: Self = Self(1 << 6);
    /// Which images are shown, and how.
    pub const IMAGES: Self = Self(1 << 7);
    /// Marks and picks of the images shown.
    pub const PICKED: Self = Self(1 << 8);
    /// The open image.
    pub const IMAGE: Self = Self(1 << 9);
    /// The points.
    pub const SCATTER: Self = Self(1 << 10);
    /// The outline being drawn.
    pub const OUTLINE: Self = Self(1 << 11);
    /// Labels that look wrong.
    pub const LABELS: Self = Self(1 << 12);
    /// The image where the keys are.
    pub const CURSOR: Self = Self(1 << 13);
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self((1 << 14) - 1);

    /// Whether any of these parts changed.
    pub fn has(self, parts: Self) -> bool {
        self.0 & parts.0 != 0
    }
}

impl BitOr for Changes {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Changes {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
