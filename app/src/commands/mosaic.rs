//! `ascan mosaic`: the slices of a scan as one picture.

use super::{Result, make_parent, note, print};
use crate::globals::Globals;
use ascan_engine::slices::SliceSet;
use ascan_report::album::Album;
use ascan_report::mosaic::{mosaic, save_png};
use ascan_store::Scan;
use ascan_viz::text::is_unreadable;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// `ascan mosaic`
#[derive(Debug, Args)]
pub struct MosaicArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// The PNG file
    #[arg(short, long = "out", alias = "output", value_name = "FILE")]
    pub output: PathBuf,
    /// Which slice set; default: the newest
    #[arg(long, value_name = "ID")]
    pub slices: Option<String>,
}

pub(crate) fn run(args: MosaicArgs, globals: &Globals) -> Result {
    let album = Album::open(Scan::open(&args.scan)?)?;
    let set = SliceSet::load(&album.scan, args.slices.as_deref())?;
    if let Some(error) = album.missing() {
        note(globals, format_args!("warning: the mosaic has no pictures: {error}"));
    }
    if let Some(name) = album.class_names.iter().find(|name| is_unreadable(name)) {
        note(
            globals,
            format_args!("warning: no font of this system has all letters of `{name}`: install one, for example Noto"),
        );
    }
    let scene = album.scene_of(&set.id, &set.slices);
    let picture = mosaic(&scene, &set);
    scene.check()?;
    make_parent(&args.output)?;
    save_png(&picture, &args.output)?;
    print(&args.output.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}
