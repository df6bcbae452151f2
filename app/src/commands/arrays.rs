//! `ascan arrays`: vectors and maps of a scan as plain arrays, for other programs to map into memory.

use super::{Result, print, print_json};
use crate::globals::Globals;
use ascan_core::Error;
use ascan_store::{Part, Scan};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// What the vectors are called.
const EMBEDDINGS: &str = "embeddings";

/// `ascan arrays`
#[derive(Debug, Args)]
pub struct ArraysArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// embeddings, or an attribution method of the scan
    #[arg(default_value = EMBEDDINGS)]
    pub array: String,
}

/// `ascan arrays --json`.
#[derive(Serialize)]
struct Array {
    /// In the scan's cache.
    file: PathBuf,
    /// `[n, d]` of embeddings, `[n, h, w]` of maps; rows in the order of the scan, zeros for an image that failed.
    shape: Vec<usize>,
    /// The machine's own order of bytes, row-major, from the first byte on.
    dtype: &'static str,
}

pub(crate) fn run(args: ArraysArgs, globals: &Globals) -> Result {
    let scan = Scan::open(&args.scan)?;
    let (file, shape) = scan.laid_out(part(&scan, &args.array)?)?;
    let array = Array { file, shape, dtype: "float32" };
    if globals.json {
        print_json(&array)?;
    } else {
        print(&format!("{} {} {:?}", array.file.display(), array.dtype, array.shape))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn part(scan: &Scan, name: &str) -> Result<Part, Error> {
    let methods: Vec<&str> = scan.plan.methods().map(|method| method.title()).collect();
    let parts = std::iter::once(Part::Maps).chain((0..).map(Part::Also));
    let known = methods.iter().copied().zip(parts).chain([(EMBEDDINGS, Part::Embeddings)]);
    let found = known.clone().find(|(known, _)| *known == name).map(|(_, part)| part);
    found.ok_or_else(|| Error::unknown_name("array", name, known.map(|(name, _)| name)))
}
