//! What background threads make, as plain data.

use super::model::Answer;
use ::image::{GrayImage, RgbImage, RgbaImage};
use ascan_core::Result;
use ascan_viz::Heat;
use ascan_viz::shape::TileShape;

/// Tiles are drawn this much finer than they are shown at zoom 1.
const TILE_DETAIL: f64 = 1.6;
const MAX_TILE_PX: f64 = 640.0;
/// The longer side of a magnified tile's picture, at most.
const MAX_SHEET_PX: f64 = 1280.0;
/// Columns of images in a tile, at most.
const MAX_COLUMNS: u32 = 5;

/// What a tile's picture was drawn for.
#[derive(Debug, Clone, PartialEq)]
pub struct TileRequest {
    /// Its shape; `None` for a rectangle.
    pub shape: Option<TileShape>,
    /// Size of the picture.
    pub size: [u32; 2],
    /// Images beside each other; 1 is a tile as it is at zoom 1.
    pub columns: u32,
}

impl TileRequest {
    /// Of a tile of this size at zoom 1. Magnified it shows more images, not larger ones.
    pub fn new(shape: &TileShape, [width, height]: [f64; 2], shaped: bool, zoom: f32, text_scale: f32) -> Self {
        // Below the picture of a rectangle lies its bar.
        let bar = if shaped { 0.0 } else { 22.0 * f64::from(text_scale) };
        // From here on two columns have more room than one had.
        let columns = if zoom < 1.8 { 1 } else { (zoom.round() as u32).clamp(2, MAX_COLUMNS) };
        let (detail, most) = if columns == 1 { (TILE_DETAIL, MAX_TILE_PX) } else { (columns.into(), MAX_SHEET_PX) };
        let height = (height - bar / detail.min(f64::from(columns))).max(8.0);
        let detail = detail.min(most / width.max(height));
        Self {
            shape: shaped.then(|| shape.clone()),
            size: [width, height].map(|side| ((side * detail).round() as u32).max(8)),
            columns,
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
