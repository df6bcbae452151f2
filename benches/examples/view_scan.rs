//! What a viewer waits for: seconds of each step on a finished scan, and the most memory held so far.
//!
//! `view_scan SCAN [all]`; with `all` also what takes long: neighbours, a layout (over its cache), the mosaic.

use ascan_config::host::PluginHost;
use ascan_core::Silent;
use ascan_engine::slices::SliceSet;
use ascan_report::album::Album;
use ascan_report::mosaic::mosaic;
use ascan_store::Scan;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

/// Rows whose map is asked for, spread over the scan as in a list that is scrolled through.
const N_HEATS: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (dir, all) = match &args[..] {
        [dir] => (Path::new(dir), false),
        [dir, all] if all == "all" => (Path::new(dir), true),
        _ => return Err("view_scan SCAN [all]".into()),
    };
    let scan = timed("open", || Scan::open(dir))?;
    timed("overview", || scan.overview())?;
    drop(scan);
    let album = timed("album", || Album::open_partial(dir))?;
    for problem in &album.problems {
        println!("{problem}");
    }
    let set = timed("slice set", || SliceSet::load(&album.scan, None))?;
    let rows: Vec<usize> = (0..N_HEATS).map(|i| i * 7919 % album.table.n()).collect();
    timed("1,000 heats, far apart", || Ok(rows.iter().filter(|&&row| !album.heat(row).is_empty()).count()))?;
    timed("the same again", || Ok(rows.iter().filter(|&&row| !album.heat(row).is_empty()).count()))?;
    timed("image set and first picture", || album.picture(rows[1], 224))?;
    timed("next picture", || album.picture(rows[2], 224))?;
    if all {
        let host = PluginHost::with_static(&[ascan_projection::ascan_library])?;
        timed("20 neighbours", || album.neighbours(rows[0], 20))?;
        timed("pca", || album.layout(&host, "pca", &Silent))?;
        timed("umap", || album.layout(&host, "umap", &Silent))?;
        timed("umap from the cache", || album.layout(&host, "umap", &Silent))?;
        timed("mosaic", || Ok(mosaic(&album.scene_of(&set.id, &set.slices), &set)))?;
    }
    Ok(())
}

fn timed<T>(what: &str, work: impl FnOnce() -> ascan_core::Result<T>) -> Result<T, Box<dyn Error>> {
    let start = Instant::now();
    let result = work()?;
    println!("{what:<28} {:>9.1} ms   peak {:>5} MiB", start.elapsed().as_secs_f64() * 1e3, peak_mib()?);
    Ok(result)
}

fn peak_mib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? / 1024)
}
