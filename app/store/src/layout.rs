//! Names of the files of a scan.

use std::ops::Range;

/// Version of the layout; a scan of another version is not read.
pub const FORMAT: u32 = 1;

/// The resolved configuration.
pub const CONFIG: &str = "scan.toml";
/// What the rows depend on; see [`super::ScanPlan`].
pub const PLAN: &str = "plan.json";
/// Held while a scan is being written.
pub const LOCK: &str = ".lock";
/// Tables, one pair per shard.
pub const DATA: &str = "data";
/// One file for each shard that is complete.
pub const COMMITS: &str = "commits";
/// One folder for each slice set.
pub const SLICES: &str = "slices";
/// Can be deleted at any time.
pub const CACHE: &str = "cache";
/// What people say about slices.
pub const ANNOTATIONS: &str = "annotations";
/// What was made of the marks.
pub const SPREAD: &str = "spread";

/// Everything that may stand in the folder of a scan.
pub const TOP_LEVEL: [&str; 9] = [CONFIG, PLAN, LOCK, DATA, COMMITS, SLICES, CACHE, ANNOTATIONS, SPREAD];

/// Columns of a shard for people and other programs.
pub fn samples(shard: usize) -> String {
    format!("{DATA}/samples-{shard:05}.parquet")
}

/// Embeddings and raw attribution maps of a shard.
pub fn features(shard: usize) -> String {
    format!("{DATA}/features-{shard:05}.arrow")
}

/// The file that says that a shard is complete.
pub fn commit(shard: usize) -> String {
    format!("{COMMITS}/{shard:05}.json")
}

/// A file of a slice set.
pub fn slice_file(id: &str, file: &str) -> String {
    format!("{SLICES}/{id}/{file}")
}

/// A file of the spread.
pub fn spread_file(file: &str) -> String {
    format!("{SPREAD}/{file}")
}

/// A file of the cache.
pub fn cache_file(name: &str) -> String {
    format!("{CACHE}/{name}")
}

/// Rows of a shard.
pub fn shard_rows(shard: usize, n_rows: usize, rows_per_shard: usize) -> Range<usize> {
    let start = shard * rows_per_shard;
    start..(start + rows_per_shard).min(n_rows)
}
