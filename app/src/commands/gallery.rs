//! `ascan gallery`: the same few images under all attribution methods, as one picture.

use super::{Failure, Result, make_parent, print};
use crate::globals::Globals;
use crate::progress::Terminal;
use ascan_core::{Context, Error, Kind};
use ascan_report::album::Album;
use ascan_report::gallery::gallery;
use ascan_report::mosaic::save_png;
use ascan_store::Scan;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// `ascan gallery`
#[derive(Debug, Args)]
pub struct GalleryArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// The PNG file
    #[arg(short, long = "out", alias = "output", value_name = "FILE")]
    pub output: PathBuf,
    /// Methods to show, separated by commas; default: all
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub methods: Vec<String>,
    /// Number of images, spread evenly over the scan
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=12))]
    pub images: u32,
    /// Rows of the images to show, separated by commas
    #[arg(long, value_name = "ROWS", value_delimiter = ',', conflicts_with = "images")]
    pub rows: Vec<usize>,
}

pub(crate) fn run(args: GalleryArgs, globals: &Globals) -> Result {
    let album = Album::open(Scan::open(&args.scan)?)?;
    let host = globals.host()?;
    let rows = rows(&album, &args)?;
    let methods: Vec<&str> = match args.methods.is_empty() {
        true => host.names(Kind::Attributor),
        false => args.methods.iter().map(String::as_str).collect(),
    };
    let terminal = Terminal::new(globals.quiet);
    let n_threads = album.scan.config.run.threads();
    let context = Context { seed: album.scan.plan.seed, n_threads, reporter: &terminal };
    let picture = gallery(&album, &rows, &methods, &host, &context)?;
    make_parent(&args.output)?;
    save_png(&picture, &args.output)?;
    print(&args.output.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// The rows that were asked for, or some of the whole scan.
fn rows(album: &Album, args: &GalleryArgs) -> Result<Vec<usize>> {
    let valid = album.table.valid_rows();
    if let Some(row) = args.rows.iter().find(|row| valid.binary_search(row).is_err()) {
        let message = format!("row {row} is not in the scan, or has no result");
        return Err(Failure::Usage(Error::param("--rows", message, "`ascan export` lists the rows as `id`")));
    }
    if !args.rows.is_empty() {
        return Ok(args.rows.clone());
    }
    let n = (args.images as usize).min(valid.len());
    // The middle of each of `n` equal parts.
    Ok((0..n).map(|i| valid[(2 * i + 1) * valid.len() / (2 * n)]).collect())
}
