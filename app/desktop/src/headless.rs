//! The window without a display: pictures of it for `--screenshot`, tests and benchmarks.
//!
//! Rendered by the software renderer into memory, with a clock of its own: what is seen does not depend on how fast
//! the machine is.

use super::Desktop;
use ::image::RgbImage;
use ascan_core::{Error, Result};
use slint::platform::software_renderer::{MinimalSoftwareWindow, RepaintBufferType};
use slint::platform::{Platform, PlatformError, PointerEventButton, WindowAdapter, WindowEvent};
use slint::{LogicalPosition, PhysicalSize, Rgb8Pixel, SharedString};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A frame.
const FRAME: Duration = Duration::from_millis(16);
/// Background work that takes longer than this is given up, so that nothing hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// A screen in memory.
pub struct Headless {
    window: Rc<MinimalSoftwareWindow>,
    clock: Rc<Cell<Duration>>,
    pixels: RefCell<Vec<Rgb8Pixel>>,
    size: Cell<[u32; 2]>,
    /// Nothing is on the screen yet: all of it has to be drawn.
    blank: Cell<bool>,
}

struct InMemory {
    window: Rc<MinimalSoftwareWindow>,
    clock: Rc<Cell<Duration>>,
}

impl Platform for InMemory {
    fn create_window_adapter(&self) -> Result<Rc<dyn WindowAdapter>, PlatformError> {
        Ok(self.window.clone())
    }

    fn duration_since_start(&self) -> Duration {
        self.clock.get()
    }
}

impl Headless {
    /// Makes the screen the one of this thread; before any window.
    ///
    /// # Errors
    /// `Unsupported` if this thread has a screen already.
    pub fn new(width: u32, height: u32) -> Result<Self> {
        let window = MinimalSoftwareWindow::new(RepaintBufferType::ReusedBuffer);
        let clock = Rc::new(Cell::new(Duration::ZERO));
        slint::platform::set_platform(Box::new(InMemory { window: window.clone(), clock: clock.clone() }))
            .map_err(|error| Error::unsupported(format!("a screen in memory cannot be created: {error}"), ""))?;
        let screen = Self {
            window,
            clock,
            pixels: RefCell::default(),
            size: Cell::new([width, height]),
            blank: Cell::new(true),
        };
        screen.resize(width, height);
        Ok(screen)
    }

    /// Makes the window this large, in pixels.
    pub fn resize(&self, width: u32, height: u32) {
        self.size.set([width, height]);
        self.blank.set(true);
        *self.pixels.borrow_mut() = vec![Rgb8Pixel::default(); width as usize * height as usize];
        self.window.set_size(PhysicalSize::new(width, height));
        self.window.request_redraw();
    }

    /// Lets a frame pass; whether something was drawn.
    pub fn frame(&self) -> bool {
        self.clock.set(self.clock.get() + FRAME);
        slint::platform::update_timers_and_animations();
        let width = self.size.get()[0] as usize;
        self.window.draw_if_needed(|renderer| {
            let kind = if self.blank.take() { RepaintBufferType::NewBuffer } else { RepaintBufferType::ReusedBuffer };
            renderer.set_repaint_buffer_type(kind);
            renderer.render(&mut self.pixels.borrow_mut(), width);
        })
    }

    /// Lets frames pass until nothing moves and nothing is made in the background.
    ///
    /// # Errors
    /// `Unsupported` if that takes minutes.
    pub fn settle(&self, desktop: &Desktop) -> Result<()> {
        let start = Instant::now();
        let mut still = 0;
        while still < 4 {
            desktop.take();
            let drawn = self.frame();
            if drawn || !desktop.is_idle() {
                still = 0;
                if !drawn {
                    std::thread::sleep(Duration::from_millis(1));
                }
            } else {
                still += 1;
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::unsupported("the window does not stop changing", "please report this as a defect"));
            }
        }
        Ok(())
    }

    /// What is on the screen.
    pub fn picture(&self) -> RgbImage {
        let [width, height] = self.size.get();
        let pixels = self.pixels.borrow();
        let bytes = pixels.iter().flat_map(|pixel| [pixel.r, pixel.g, pixel.b]).collect();
        RgbImage::from_raw(width, height, bytes).unwrap_or_default()
    }

    /// Moves the pointer.
    pub fn point(&self, x: f32, y: f32) {
        self.window.dispatch_event(WindowEvent::PointerMoved { position: LogicalPosition::new(x, y) });
    }

    /// Presses or lets go of the left button.
    pub fn button(&self, x: f32, y: f32, down: bool) {
        let (position, button) = (LogicalPosition::new(x, y), PointerEventButton::Left);
        self.window.dispatch_event(if down {
            WindowEvent::PointerPressed { position, button }
        } else {
            WindowEvent::PointerReleased { position, button }
        });
    }

    /// A click.
    pub fn click(&self, x: f32, y: f32) {
        self.point(x, y);
        self.button(x, y, true);
        self.frame();
        self.button(x, y, false);
        self.frame();
    }

    /// Turns the wheel, up for positive values.
    pub fn scroll(&self, x: f32, y: f32, delta_y: f32) {
        let position = LogicalPosition::new(x, y);
        self.window.dispatch_event(WindowEvent::PointerScrolled { position, delta_x: 0.0, delta_y });
    }

    /// Presses a key with what is held down meanwhile.
    pub fn key(&self, key: impl Into<SharedString>, held: &[slint::platform::Key]) {
        let text = key.into();
        let pressed = |text: SharedString| self.window.dispatch_event(WindowEvent::KeyPressed { text });
        let released = |text: SharedString| self.window.dispatch_event(WindowEvent::KeyReleased { text });
        held.iter().for_each(|key| pressed((*key).into()));
        pressed(text.clone());
        released(text);
        held.iter().for_each(|key| released((*key).into()));
        self.frame();
    }

    /// Types a text.
    pub fn text(&self, text: &str) {
        text.chars().for_each(|letter| self.key(SharedString::from(letter), &[]));
    }
}
