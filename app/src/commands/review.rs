//! `ascan review`: the window, or a picture of it.

use super::{Result, make_parent, print};
use crate::cli::Globals;
use crate::desktop::command::{Command, View};
use crate::desktop::headless::Headless;
use crate::desktop::settings::Settings;
use crate::desktop::{self, Desktop};
use ascan_core::Error;
use ascan_engine::mosaic::save_png;
use clap::{Args, ValueEnum};
use slint::ComponentHandle;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// `ascan review`
#[derive(Debug, Args)]
pub struct ReviewArgs {
    /// Folder of the scan; without it the start page opens
    pub scan: Option<PathBuf>,
    /// Which slices; default: the newest
    #[arg(long, value_name = "ID")]
    pub slices: Option<String>,
    /// How the window is drawn
    #[arg(long, value_enum, default_value_t = RendererChoice::Auto)]
    pub renderer: RendererChoice,
    /// Write a picture of the window to this PNG file instead of opening it; needs no display
    #[arg(long, value_name = "FILE")]
    pub screenshot: Option<PathBuf>,
    /// Size of the picture in pixels
    #[arg(long, value_name = "WxH", default_value = "1400x900", value_parser = size)]
    pub size: [u32; 2],
    /// What the picture shows
    #[arg(long, value_enum, default_value_t = ViewChoice::Mosaic)]
    pub view: ViewChoice,
    /// Layout of the mosaic
    #[arg(long, value_enum, default_value_t = LayoutChoice::Grid)]
    pub layout: LayoutChoice,
    /// Colours; default: as the window was left
    #[arg(long, value_enum)]
    pub theme: Option<ThemeChoice>,
    /// Select this slice
    #[arg(long, value_name = "SLICE", allow_negative_numbers = true)]
    pub select: Option<i32>,
}

/// How the window is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RendererChoice {
    /// By the graphics card if there is one
    Auto,
    /// By the processor
    Software,
    /// By the graphics card
    Gpu,
}

/// A view of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ViewChoice {
    /// All slices at once
    Mosaic,
    /// Slices by label and prediction
    Confusion,
    /// The images of a slice
    Detail,
    /// Every image as a point
    Scatter,
    /// Labels that look wrong
    Labels,
    /// One image of the slice
    Image,
}

/// A layout of the mosaic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LayoutChoice {
    /// Rows and columns
    Grid,
    /// Hexagons
    Hexagons,
    /// Cells of the plane, by area
    Voronoi,
}

/// Colours of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ThemeChoice {
    /// Light on dark
    Dark,
    /// Dark on light
    Light,
}

/// `1400x900`.
fn size(text: &str) -> Result<[u32; 2], String> {
    let sides = text.split_once('x').and_then(|(width, height)| Some([width.parse().ok()?, height.parse().ok()?]));
    let fits = |[width, height]: &[u32; 2]| (320..=7680).contains(width) && (240..=4320).contains(height);
    sides
        .filter(fits)
        .ok_or_else(|| "expected width x height in pixels, from 320x240 to 7680x4320, as in 1400x900".into())
}

pub(super) fn run(args: ReviewArgs, globals: &Globals) -> Result {
    let mut settings = Settings::load();
    if let Some(theme) = args.theme {
        settings.dark = theme == ThemeChoice::Dark;
    }
    if let Some(picture) = &args.screenshot {
        screenshot(&args, settings, picture, globals)?;
        print(&picture.display().to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    choose_renderer(args.renderer)?;
    let desktop = Desktop::new(globals.host()?, settings, desktop::event_loop_wake())?;
    desktop.belongs_to_event_loop();
    match &args.scan {
        Some(scan) => desktop.open(scan, args.slices.as_deref())?,
        None => desktop.show_start(),
    }
    begin(&args, &desktop);
    desktop.window.run().map_err(|error| Error::unsupported(format!("the window cannot be shown: {error}"), ""))?;
    Ok(ExitCode::SUCCESS)
}

/// Brings the window to where the flags want it.
fn begin(args: &ReviewArgs, desktop: &Desktop) {
    if let Some(slice) = args.select {
        desktop.dispatch(Command::Select(Some(slice)));
    }
    desktop.dispatch(Command::Layout(args.layout as usize));
    let view = match args.view {
        ViewChoice::Mosaic => View::Mosaic,
        ViewChoice::Confusion => View::Confusion,
        ViewChoice::Detail | ViewChoice::Image => View::Images,
        ViewChoice::Scatter => View::Scatter,
        ViewChoice::Labels => View::Labels,
    };
    desktop.dispatch(Command::Show(view));
    if args.view == ViewChoice::Image {
        desktop.open_first_image();
    }
}

fn screenshot(args: &ReviewArgs, settings: Settings, picture: &Path, globals: &Globals) -> Result<(), Error> {
    let screen = Headless::new(args.size[0], args.size[1])?;
    let desktop = Desktop::new(globals.host()?, settings, Arc::new(|| {}))?;
    // Nothing that a picture needs is worth remembering.
    desktop.forgets_settings();
    desktop.show()?;
    match &args.scan {
        Some(scan) => desktop.open(scan, args.slices.as_deref())?,
        None => desktop.show_start(),
    }
    screen.settle(&desktop)?;
    begin(args, &desktop);
    screen.settle(&desktop)?;
    make_parent(picture)?;
    save_png(&screen.picture(), picture)
}

/// The processor draws at full speed what a graphics card would; a graphics card that the processor imitates does not.
fn choose_renderer(choice: RendererChoice) -> Result<(), Error> {
    let software = match choice {
        RendererChoice::Software => true,
        RendererChoice::Gpu => false,
        RendererChoice::Auto => !has_graphics_card(),
    };
    let selector = slint::BackendSelector::new().backend_name("winit".into());
    let selector = selector.renderer_name(if software { "software" } else { "femtovg" }.into());
    selector.select().map_err(|error| {
        Error::unsupported(format!("the window cannot be opened: {error}"), "try `--renderer software`")
    })
}

/// On Linux a card that can draw has a render node; without one OpenGL is llvmpipe, at a few frames a second.
fn has_graphics_card() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let nodes = std::fs::read_dir("/dev/dri").into_iter().flatten().flatten();
    nodes.into_iter().any(|node| node.file_name().to_string_lossy().starts_with("renderD"))
}
