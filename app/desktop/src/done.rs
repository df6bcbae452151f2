//! What background threads make, as plain data.

use super::model::Answer;
use ::image::{GrayImage, RgbImage, RgbaImage};
use ascan_core::Result;
use ascan_viz::Heat;
use ascan_viz::shape::TileShape;

/// Tiles are drawn this much finer than they are shown at zoom 1.
const TILE_DETAIL: f64 = 1.6;
const MAX_TILE_PX: f64 = 640.0;

/// What a tile's picture was drawn for.
#[derive(Debug, Clone, PartialEq)]
pub struct TileRequest {
    /// Its shape; `None` for a rectangle.
    pub shape: Option<TileShape>,
    /// Size of the picture.
    pub size: [u32; 2],
}

impl TileRequest {
    /// Of a tile of this size on the screen.
    pub fn new(shape: &TileShape, [width, height]: [f64; 2], shaped: bool, text_scale: f32) -> Self {
        // Below the picture of a rectangle lies its bar.
        let height = if shaped { height } else { (height - 22.0 * f64::from(text_scale)).max(8.0) };
        let detail = TILE_DETAIL.min(MAX_TILE_PX / width.max(height));
        Self {
            shape: shaped.then(|| shape.clone()),
            size: [width, height].map(|side| ((side * detail).round() as u32).max(8)),
        }
    }
}

/// What a background thread made.
pub enum Done {
    /// A tile.
    Tile { generation: u64, slice: i32, request: TileRequest, pixels: RgbaImage },
    /// A small picture of an image and its attribution.
    Thumb { row: usize, picture: Result<(RgbImage, GrayImage)> },
    /// A large one, with the attributions that the scan has of it: by its first method, and by its further ones.
    Large { row: usize, picture: Result<RgbImage>, heat: Heat, also: Vec<(String, Heat)> },
    /// Another attribution of an image.
    Attribution { row: usize, name: String, heat: Result<Heat> },
    /// How far a task is.
    Progress { stage: String, share: f32 },
    /// What a task says.
    Said(String),
    /// For the model.
    Answer(Answer),
}
