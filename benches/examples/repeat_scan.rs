//! A large scan for measuring: the rows of a finished one again and again, with pictures and the newest slice set.
//!
//! `repeat_scan SCAN N_ROWS OUT` writes the folder OUT and the manifest `OUT.csv`. The images must be files where
//! they were scanned; counts in the report of the slice set are scaled.

use ascan_config::sections::{ClassMap, ColumnsSection, DataSection};
use ascan_engine::slices::{SliceReport, SliceSet};
use ascan_images::ImageSet;
use ascan_report::album::Album;
use ascan_store::{Facts, LocalStorage, Outcome, Part, Scan, ScanRow, ScanWriter};
use std::error::Error;
use std::path::{Path, absolute};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [scan, n_rows, out] = &args[..] else {
        return Err("repeat_scan SCAN N_ROWS OUT".into());
    };
    let (n_rows, out): (usize, &Path) = (n_rows.parse()?, Path::new(out));
    let album = Album::open(Scan::open(Path::new(scan))?)?;
    let n = album.table.n();
    let set = SliceSet::load(&album.scan, None)?;

    let mut config = album.scan.config.clone();
    let manifest = absolute(out.with_extension("csv"))?;
    config.data = DataSection {
        manifest: Some(manifest.clone()),
        root: Some(absolute(ImageSet::open(&album.scan.config.data)?.root)?),
        columns: ColumnsSection { path: "uri".into(), label: "label".into(), ..ColumnsSection::default() },
        class_map: ClassMap::default(),
        ..DataSection::default()
    };
    write_manifest(&album, n_rows, &manifest)?;

    let mut plan = album.scan.plan.clone();
    plan.data.n_rows = n_rows;
    let storage = LocalStorage::new(out);
    let writer = ScanWriter::begin(&storage, out, &config, &plan)?;
    for &shard in &writer.missing {
        let rows: Result<Vec<ScanRow>, _> = plan.rows(shard).map(|row| row_of(&album, row % n)).collect();
        writer.write_shard(shard, &rows?)?;
    }

    let share = n_rows as f64 / n as f64;
    let repeated = SliceSet {
        assignment: (0..n_rows).map(|row| set.assignment[row % n]).collect(),
        n: scaled(set.n, share),
        slices: set.slices.iter().map(|slice| scale(slice, share)).collect(),
        noise: set.noise.as_ref().map(|slice| scale(slice, share)),
        ..set
    };
    repeated.save(&Scan::open(out)?)?;
    println!("{}: {n_rows} rows, slice set {}", out.display(), repeated.id);
    Ok(())
}

fn write_manifest(album: &Album, n_rows: usize, path: &Path) -> Result<(), Box<dyn Error>> {
    let (table, n) = (&album.table, album.table.n());
    let mut text = String::from("uri,label\n");
    for row in (0..n_rows).map(|row| row % n) {
        let uri = &table.uris[row];
        if uri.contains([',', '"', '!']) {
            return Err(format!("{uri}: only images in files of plain names can be repeated").into());
        }
        text += &format!("{uri},{}\n", table.labels[row]);
    }
    Ok(std::fs::write(path, text)?)
}

fn row_of(album: &Album, row: usize) -> Result<ScanRow, ascan_core::Error> {
    let table = &album.table;
    let outcome = match &table.errors[row] {
        Some(error) => Err(error.clone()),
        None => Ok(Outcome {
            predicted_class: table.predicted_classes[row],
            target_class: table.target_classes[row],
            probs: album.probs(row)?,
            loss: table.losses[row],
            numbers: Vec::new(),
            map: album.map(row)?.into_data(),
            embedding: album.part(row, Part::Embeddings)?.into_data(),
            attribution_empty: table.attribution_empty[row],
            also: (0..album.scan.plan.also.len())
                .map(|i| album.part(row, Part::Also(i)).map(ascan_core::Tensor::into_data))
                .collect::<Result<_, _>>()?,
            agreement: table.agreement.as_ref().map(|agreement| agreement[row]),
            convergence_delta: table.convergence_delta.as_ref().map(|deltas| deltas[row]),
        }),
    };
    let facts = Facts {
        uri: table.uris[row].clone(),
        label: table.labels[row],
        split: table.splits.as_ref().map(|splits| splits[row].clone()),
        groups: table.groups.iter().map(|group| group.values[row].clone()).collect(),
        mask: table.masks.as_ref().map(|masks| masks[row].clone()),
        truth: Vec::new(),
    };
    Ok(ScanRow { facts, outcome })
}

fn scale(slice: &SliceReport, share: f64) -> SliceReport {
    let mut slice = slice.clone();
    slice.size = scaled(slice.size, share);
    slice.confusion.iter_mut().for_each(|cell| cell.count = scaled(cell.count, share));
    for counts in [&mut slice.labels, &mut slice.predictions] {
        counts.values_mut().for_each(|count| *count = scaled(*count, share));
    }
    slice.groups.values_mut().for_each(|count| *count = scaled(*count, share));
    slice
}

fn scaled(count: usize, share: f64) -> usize {
    (count as f64 * share).round() as usize
}
