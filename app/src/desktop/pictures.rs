//! What background threads make: tiles, thumbnails, large pictures, and the answers to the model's tasks.

use super::cache::Cache;
use super::model::session::Session;
use super::model::{Answer, Task};
use super::tasks;
use super::workers::Pool;
use ::image::{GrayImage, RgbImage, RgbaImage};
use ascan_core::Result;
use ascan_engine::album::Album;
use ascan_engine::slices::{SliceReport, SliceSet};
use ascan_viz::heat::Look;
use ascan_viz::layout::TileShape;
use ascan_viz::tile::{self, Form, TilePicture};
use ascan_viz::{Heat, HeatSum};
use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, PoisonError};

/// Pictures behind tiles, kept so that another layout decodes nothing.
const TILE_SOURCES_BYTES: usize = 48 << 20;
/// Tiles are drawn this much finer than they are shown at zoom 1.
const TILE_DETAIL: f64 = 1.6;
const MAX_TILE_PX: f64 = 640.0;
/// Longer side of the pictures behind a tile.
const TILE_PICTURE_PX: u32 = 288;

/// What a tile's picture was drawn for.
#[derive(Debug, Clone, PartialEq)]
pub struct TileWish {
    /// Its shape; `None` for a rectangle.
    pub shape: Option<TileShape>,
    /// Size of the picture.
    pub size: [u32; 2],
}

impl TileWish {
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

/// A piece of work, so that it is not done twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Tile(i32, [u32; 2], bool),
    Thumb(usize),
    Large(usize),
    Task(String),
}

/// What a background thread made.
pub enum Done {
    /// A tile.
    Tile { generation: u64, slice: i32, wish: TileWish, pixels: RgbaImage },
    /// A small picture of an image and its attribution.
    Thumb { row: usize, picture: Result<(RgbImage, GrayImage)> },
    /// A large one, with the attributions that the scan has of it: by its first method, and by its further ones.
    Large { row: usize, picture: Result<RgbImage>, heat: Heat, also: Vec<(String, Heat)> },
    /// Another attribution of an image.
    Attribution { row: usize, name: String, heat: Result<Heat> },
    /// For the model.
    Answer(Answer),
}

/// Hands work to background threads.
pub struct Pictures {
    pool: Pool<Key>,
    album: Arc<Album>,
    done: Arc<dyn Fn(Done) + Send + Sync>,
    sources: Arc<Mutex<Cache<i32, Arc<TilePicture>>>>,
    generation: Cell<u64>,
    host: Arc<ascan_engine::host::PluginHost>,
    /// Rows that the images view shows now; others need not be decoded.
    visible: RefCell<Vec<usize>>,
}

/// Side of a thumbnail as it is kept, in pixels.
pub const THUMB_PX: u32 = 160;
/// Side of a large picture.
pub const LARGE_PX: u32 = 768;
/// Thumbnails that may wait: about two screens.
const MAX_WAITING: usize = 240;

impl Pictures {
    /// Of an album. `done` is called from background threads.
    pub fn new(
        album: Arc<Album>,
        host: Arc<ascan_engine::host::PluginHost>,
        done: Arc<dyn Fn(Done) + Send + Sync>,
    ) -> Self {
        let n_threads = std::thread::available_parallelism().map_or(2, Into::into);
        Self {
            pool: Pool::new(n_threads),
            album,
            done,
            sources: Arc::new(Mutex::new(Cache::new(TILE_SOURCES_BYTES))),
            generation: Cell::new(0),
            host,
            visible: RefCell::default(),
        }
    }

    /// Whether nothing is being made.
    pub fn is_idle(&self) -> bool {
        self.pool.is_idle()
    }

    /// The generation that tiles must have to be shown.
    pub fn generation(&self) -> u64 {
        self.generation.get()
    }

    /// Another slice set is shown: its slices have other pictures.
    pub fn forget_tiles(&self) {
        self.generation.set(self.generation.get() + 1);
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.pool.keep(|key| !matches!(key, Key::Tile(..)));
    }

    /// Asks for the picture of a tile.
    pub fn want_tile(&self, session: &Session, slice: &SliceReport, wish: TileWish) {
        let (album, done, sources) = (self.album.clone(), self.done.clone(), self.sources.clone());
        let generation = self.generation.get();
        let (id, report, set) = (slice.id, slice.clone(), session.set.id.clone());
        // The mean needs no more than an even sample of the slice.
        let members = tasks::sample(session.rows(id));
        let shaped = wish.shape.is_some();
        // An older wish for this tile is no longer wanted.
        self.pool.keep(|key| !matches!(key, Key::Tile(other, size, _) if *other == id && *size != wish.size));
        self.pool.add(Key::Tile(id, wish.size, shaped), move || {
            let known = sources.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
            let source = known.unwrap_or_else(|| {
                let scene = album.scene_of(&set, [&report]);
                let mut mean = HeatSum::default();
                members.iter().for_each(|&row| mean.add(&scene.heat(row)));
                let source = scene.tile_picture(&report, &members, &mean.mean(), &Look::default(), TILE_PICTURE_PX);
                let (source, bytes) = (Arc::new(source), 4 * (TILE_PICTURE_PX * TILE_PICTURE_PX * 3) as usize);
                sources.lock().unwrap_or_else(PoisonError::into_inner).put(id, source.clone(), bytes);
                source
            });
            let form = wish.shape.as_ref().map_or(Form::Rectangle, Form::Shape);
            let pixels = tile::tile(&source, form, wish.size);
            done(Done::Tile { generation, slice: id, wish, pixels });
        });
    }

    /// Asks for a small picture.
    pub fn want_thumb(&self, row: usize) {
        {
            let mut visible = self.visible.borrow_mut();
            visible.push(row);
            let n = visible.len();
            if n > 2 * MAX_WAITING {
                visible.drain(..n - MAX_WAITING);
                let recent: std::collections::HashSet<usize> = visible.iter().copied().collect();
                self.pool.keep(|key| !matches!(key, Key::Thumb(row) if !recent.contains(row)));
            }
        }
        let (album, done) = (self.album.clone(), self.done.clone());
        self.pool.add(Key::Thumb(row), move || {
            let picture = album.picture(row, THUMB_PX).map(|picture| {
                let plane = album.heat(row).plane(picture.width(), picture.height());
                (picture, plane)
            });
            done(Done::Thumb { row, picture });
        });
    }

    /// Asks for a large picture.
    pub fn want_large(&self, row: usize) {
        let (album, done) = (self.album.clone(), self.done.clone());
        self.pool.keep(|key| !matches!(key, Key::Large(_)));
        self.pool.add(Key::Large(row), move || {
            let (heat, also) = (album.heat(row), album.also(row));
            done(Done::Large { row, picture: album.picture(row, LARGE_PX), heat, also });
        });
    }

    /// Does a task of the model.
    pub fn start(&self, task: Task, set: &SliceSet) {
        let (album, done, host) = (self.album.clone(), self.done.clone(), self.host.clone());
        let set = set.clone();
        let key = Key::Task(format!("{task:?}"));
        self.pool.add(key, move || done(tasks::run(task, &album, &set, &host)));
    }
}
