//! `ascan mosaic`: the slices of a scan as one picture.

use super::{Result, make_parent, note, print};
use crate::cli::{Globals, MosaicArgs};
use ascan_engine::album::Album;
use ascan_engine::mosaic::{mosaic, save_png};
use ascan_engine::slices::SliceSet;
use ascan_engine::store::Scan;
use std::process::ExitCode;

pub(super) fn run(args: MosaicArgs, globals: &Globals) -> Result {
    let album = Album::open(Scan::open(&args.scan)?)?;
    let set = SliceSet::load(&album.scan, args.slices.as_deref())?;
    if let Some(error) = album.missing() {
        note(globals, format_args!("warning: the mosaic has no pictures: {error}"));
    }
    let picture = mosaic(&album.scene_of(&set.id, &set.slices), &set);
    make_parent(&args.output)?;
    save_png(&picture, &args.output)?;
    print(&args.output.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}
