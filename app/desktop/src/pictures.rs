//! Hands work to background threads: tiles, thumbnails, large pictures, and the model's tasks.

use super::cache::Cache;
use super::done::{Done, TileRequest};
use super::model::Task;
use super::model::session::Session;
use super::tasks;
use super::telling::Telling;
use super::workers::Pool;
use ascan_engine::slices::{SliceReport, SliceSet};
use ascan_report::album::Album;
use ascan_viz::HeatSum;
use ascan_viz::heat::Look;
use ascan_viz::tile::{self, Form, TilePicture};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Pictures behind tiles, kept so that another layout decodes nothing.
const TILE_SOURCES_BYTES: usize = 48 << 20;
/// Longer side of the pictures behind a tile.
const TILE_PICTURE_PX: u32 = 288;

/// A piece of work, so that it is not done twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Tile(i32, [u32; 2], bool, u32),
    Thumb(usize),
    Large(usize),
    Task(Task),
}

/// Hands work to background threads.
pub struct Pictures {
    pool: Pool<Key>,
    album: Arc<Album>,
    done: Arc<dyn Fn(Done) + Send + Sync>,
    sources: Arc<Mutex<Cache<i32, Arc<TilePicture>>>>,
    generation: Cell<u64>,
    host: Arc<ascan_config::host::PluginHost>,
    /// Set when the long task is to stop.
    stop: Arc<AtomicBool>,
    /// Set when the scan is left: nobody waits for an answer, and the window must not wait for the task.
    gone: Arc<AtomicBool>,
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
        host: Arc<ascan_config::host::PluginHost>,
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
            stop: Arc::default(),
            gone: Arc::default(),
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

    /// Slices have other pictures: another set is shown, or they are drawn otherwise.
    pub fn forget_tiles(&self) {
        self.generation.set(self.generation.get() + 1);
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.pool.keep(|key| !matches!(key, Key::Tile(..)));
    }

    /// Asks for the picture of a tile.
    pub fn want_tile(&self, session: &Session, slice: &SliceReport, look: Look, request: TileRequest) {
        let (album, done, sources) = (self.album.clone(), self.done.clone(), self.sources.clone());
        let generation = self.generation.get();
        let (id, report, set) = (slice.id, slice.clone(), session.set.id.clone());
        // The mean needs no more than an even sample of the slice.
        let members = tasks::sample(session.rows(id));
        let shaped = request.shape.is_some();
        // An older request for this tile is out of date.
        self.pool.keep(|key| !matches!(key, Key::Tile(other, size, ..) if *other == id && *size != request.size));
        self.pool.add(Key::Tile(id, request.size, shaped, request.columns), move || {
            if request.columns > 1 {
                let n = (request.columns * tile::sheet_rows(request.columns, request.size)) as usize;
                let drawn = album.scene_of(&set, [&report]).sheet(&report, &members, n, &look, THUMB_PX);
                let pixels = tile::sheet(&drawn, request.columns, request.shape.as_ref(), request.size);
                return done(Done::Tile { generation, slice: id, request, pixels });
            }
            let known = sources.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
            let source = known.unwrap_or_else(|| {
                let scene = album.scene_of(&set, [&report]);
                let mut mean = HeatSum::default();
                members.iter().for_each(|&row| mean.add(&scene.heat(row)));
                let source = scene.tile_picture(&report, &members, &mean.mean(), &look, TILE_PICTURE_PX);
                let (source, bytes) = (Arc::new(source), 4 * (TILE_PICTURE_PX * TILE_PICTURE_PX * 3) as usize);
                sources.lock().unwrap_or_else(PoisonError::into_inner).put(id, source.clone(), bytes);
                source
            });
            let form = request.shape.as_ref().map_or(Form::Rectangle, Form::Shape);
            let pixels = tile::tile(&source, form, request.size);
            done(Done::Tile { generation, slice: id, request, pixels });
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
        let key = Key::Task(task.clone());
        let stop = if task.is_long() {
            self.stop.store(false, Ordering::Relaxed);
            self.stop.clone()
        } else {
            Arc::default()
        };
        let reporter = Telling::new(done.clone(), [stop, self.gone.clone()]);
        self.pool.add(key, move || done(tasks::run(task, &album, &set, &host, &reporter)));
    }

    /// Asks what runs to stop.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Drop for Pictures {
    fn drop(&mut self) {
        // The pool waits for its threads next.
        self.gone.store(true, Ordering::Relaxed);
    }
}
