//! `ascan review`: the window, or a picture of it.

use super::{Result, make_parent, print};
use crate::cli::{Globals, RendererChoice, ReviewArgs, ThemeChoice, ViewChoice};
use crate::desktop::command::{Command, View};
use crate::desktop::headless::Headless;
use crate::desktop::settings::Settings;
use crate::desktop::{self, Desktop};
use ascan_core::Error;
use ascan_engine::mosaic::save_png;
use slint::ComponentHandle;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

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
