//! How the window begins: on the screen, or as a picture in a file.

use crate::command::{ListCommand, MosaicCommand, ShellCommand, View};
use crate::headless::Headless;
use crate::settings::Settings;
use crate::{Desktop, event_loop_wake};
use ascan_config::host::PluginHost;
use ascan_core::{Error, Result};
use ascan_report::mosaic::save_png;
use slint::ComponentHandle;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// What the window shows when it opens.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// Folder of the scan; without one the start page opens.
    pub scan: Option<PathBuf>,
    /// Which slice set; `None` is the newest.
    pub slices: Option<String>,
    /// How the window is drawn.
    pub renderer: Renderer,
    /// Light on dark, or dark on light; `None`: as the window was left.
    pub dark: Option<bool>,
    /// The view in the middle.
    pub view: View,
    /// Layout of the mosaic, by its place in the list of layouts.
    pub layout: usize,
    /// The selected slice.
    pub selected: Option<i32>,
    /// Whether the first image of what is selected is opened.
    pub opens_image: bool,
}

/// How the window is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Renderer {
    /// By the graphics card if there is one.
    #[default]
    Auto,
    /// By the processor.
    Software,
    /// By the graphics card.
    Gpu,
}

impl Launch {
    /// Opens the window and returns when it is closed.
    ///
    /// # Errors
    /// `Unsupported` without a display; `File` for a folder that holds no scan.
    pub fn show(&self, host: PluginHost) -> Result<()> {
        self.renderer.choose()?;
        let desktop = Desktop::new(host, self.settings(), event_loop_wake())?;
        desktop.belongs_to_event_loop();
        self.open(&desktop)?;
        self.begin(&desktop);
        desktop.window.run().map_err(|error| Error::unsupported(format!("the window cannot be shown: {error}"), ""))
    }

    /// Draws the window into a PNG file of `size` pixels, without a display.
    ///
    /// # Errors
    /// `File` for a folder that holds no scan, or a file that cannot be written.
    pub fn draw(&self, host: PluginHost, size: [u32; 2], picture: &Path) -> Result<()> {
        let screen = Headless::new(size[0], size[1])?;
        let desktop = Desktop::new(host, self.settings(), Arc::new(|| {}))?;
        // Nothing that a picture needs is worth remembering.
        desktop.forgets_settings();
        desktop.show()?;
        self.open(&desktop)?;
        screen.settle(&desktop)?;
        self.begin(&desktop);
        screen.settle(&desktop)?;
        save_png(&screen.picture(), picture)
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings::load();
        settings.dark = self.dark.unwrap_or(settings.dark);
        settings
    }

    fn open(&self, desktop: &Rc<Desktop>) -> Result<()> {
        match &self.scan {
            Some(scan) => desktop.open(scan, self.slices.as_deref())?,
            None => desktop.show_start(),
        }
        Ok(())
    }

    /// Brings the open window to where it should begin.
    fn begin(&self, desktop: &Desktop) {
        if self.selected.is_some() {
            desktop.dispatch(ListCommand::Select(self.selected));
        }
        desktop.dispatch(MosaicCommand::Layout(self.layout));
        desktop.dispatch(ShellCommand::Show(self.view));
        if self.opens_image {
            desktop.open_first_image();
        }
    }
}

impl Renderer {
    /// Makes it the one of this process. The processor draws at full speed what a graphics card would; a graphics card
    /// that the processor imitates does not.
    fn choose(self) -> Result<()> {
        let is_software = match self {
            Self::Software => true,
            Self::Gpu => false,
            Self::Auto => !has_graphics_card(),
        };
        let selector = slint::BackendSelector::new().backend_name("winit".into());
        let selector = selector.renderer_name(if is_software { "software" } else { "femtovg" }.into());
        selector.select().map_err(|error| {
            Error::unsupported(format!("the window cannot be opened: {error}"), "try `--renderer software`")
        })
    }
}

/// On Linux a card that can draw has a render node; without one OpenGL is llvmpipe, at a few frames per second.
fn has_graphics_card() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let nodes = std::fs::read_dir("/dev/dri").into_iter().flatten().flatten();
    nodes.into_iter().any(|node| node.file_name().to_string_lossy().starts_with("renderD"))
}
