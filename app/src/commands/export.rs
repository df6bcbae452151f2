//! `ascan export`: a scan in an open format.

use super::{Result, print};
use crate::globals::Globals;
use ascan_engine::slices::SliceSet;
use ascan_report::album::Album;
use ascan_report::export::{Export, Format, Review};
use ascan_store::Scan;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// `ascan export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// Format
    #[arg(long, value_enum)]
    pub to: ExportFormat,
    /// Folder to write to
    #[arg(short, long = "out", alias = "output", value_name = "DIR")]
    pub output: PathBuf,
    /// Slice set to export; default: all
    #[arg(long, value_name = "ID")]
    pub slices: Option<String>,
}

/// Formats of `ascan export`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A table
    Csv,
    /// A table
    Parquet,
    /// A table
    Json,
    /// Raw f32 arrays: maps, features, probabilities
    Npy,
    /// A FiftyOne dataset
    Fiftyone,
    /// metadata.jsonl of a Hugging Face ImageFolder
    Hf,
}

pub(crate) fn run(args: ExportArgs, _globals: &Globals) -> Result {
    let album = Album::open(Scan::open(&args.scan)?)?;
    let slice_sets = match &args.slices {
        Some(id) => vec![SliceSet::load(&album.scan, Some(id))?],
        None => SliceSet::load_all(&album.scan)?,
    };
    let review = Review::load(&album.scan, &slice_sets)?;
    let also: Vec<String> = album.scan.plan.also.iter().map(|method| method.title().to_owned()).collect();
    let export = Export {
        table: &album.table,
        slice_sets: &slice_sets,
        class_names: &album.class_names,
        review: &review,
        also: &also,
        parts: &|row, part| album.part(row, part),
        images: &|row| album.original(row),
    };
    let format = match args.to {
        ExportFormat::Csv => Format::Csv,
        ExportFormat::Parquet => Format::Parquet,
        ExportFormat::Json => Format::Json,
        ExportFormat::Npy => Format::Npy,
        ExportFormat::Fiftyone => Format::FiftyOne,
        ExportFormat::Hf => Format::HuggingFace,
    };
    for path in export.write(format, &args.output)? {
        print(&path.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
