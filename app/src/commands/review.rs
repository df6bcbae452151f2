//! `ascan review`: the window, or a picture of it.

use super::Result;
use crate::globals::Globals;
#[cfg(feature = "window")]
use ascan_desktop::command::View;
#[cfg(feature = "window")]
use ascan_desktop::launch::{Launch, Renderer};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
#[cfg(feature = "window")]
use std::process::ExitCode;

/// `ascan review`
#[derive(Debug, Args)]
pub struct ReviewArgs {
    /// Folder of the scan; without it the start page opens
    pub scan: Option<PathBuf>,
    /// Which slice set; default: the newest
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
    /// Colours; default: as last used
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
    /// The form for new slices
    Slicing,
    /// Verdicts that were spread
    Spread,
    /// The repair
    Repair,
}

/// A layout of the mosaic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LayoutChoice {
    /// Rows and columns
    Grid,
    /// Hexagons
    Hexagons,
    /// Voronoi cells
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

#[cfg(feature = "window")]
pub(crate) fn run(args: ReviewArgs, globals: &Globals) -> Result {
    let launch = Launch {
        scan: args.scan.clone(),
        slices: args.slices.clone(),
        renderer: match args.renderer {
            RendererChoice::Auto => Renderer::Auto,
            RendererChoice::Software => Renderer::Software,
            RendererChoice::Gpu => Renderer::Gpu,
        },
        dark: args.theme.map(|theme| theme == ThemeChoice::Dark),
        view: match args.view {
            ViewChoice::Mosaic => View::Mosaic,
            ViewChoice::Confusion => View::Confusion,
            ViewChoice::Detail | ViewChoice::Image => View::Images,
            ViewChoice::Scatter => View::Scatter,
            ViewChoice::Labels => View::Labels,
            ViewChoice::Slicing => View::Slicing,
            ViewChoice::Spread => View::Spread,
            ViewChoice::Repair => View::Repair,
        },
        layout: args.layout as usize,
        selected: args.select,
        opens_image: args.view == ViewChoice::Image,
    };
    match &args.screenshot {
        Some(picture) => {
            super::make_parent(picture)?;
            launch.draw(globals.host()?, args.size, picture)?;
            super::print(&picture.display().to_string())?;
        }
        None => launch.show(globals.host()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(not(feature = "window"))]
pub(crate) fn run(_args: ReviewArgs, _globals: &Globals) -> Result {
    let hint = "build it with its default features; `ascan report` and `ascan mosaic` need no window";
    Err(ascan_core::Error::unsupported("this ascan was built without its window", hint).into())
}
