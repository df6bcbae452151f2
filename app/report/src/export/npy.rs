//! Raw numbers as NumPy arrays, and heat maps as pictures.

use super::{Export, Table, make_dir, tables, unwritable};
use crate::mosaic::save_png;
use ascan_core::{Result, Tensor};
use ascan_store::{Part, disk};
use image::GrayImage;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

pub(super) fn write(export: &Export, dir: &Path, samples: &Table) -> Result<Vec<PathBuf>> {
    let table = export.table;
    let mut paths = Vec::new();
    let own = [("attributions", Part::Maps), ("embeddings", Part::Embeddings), ("probs", Part::Probs)];
    let also = export.also.iter().enumerate().map(|(i, name)| (format!("attributions_{name}"), Part::Also(i)));
    for (name, part) in own.map(|(name, part)| (name.to_owned(), part)).into_iter().chain(also) {
        let path = dir.join(name).with_extension("npy");
        let write = |file: &mut File| -> std::io::Result<()> {
            let mut file = BufWriter::new(file);
            // In the order of rows: shards are read one after the other.
            for row in 0..table.n() {
                let values = (export.parts)(row, part).map_err(std::io::Error::other)?;
                if row == 0 {
                    file.write_all(&header(table.n(), values.shape()))?;
                }
                values.data().iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))?;
            }
            file.flush()
        };
        disk::write_by(&path, write).map_err(|error| unwritable(&path, &error))?;
        paths.push(path);
    }
    let path = dir.join("samples.csv");
    tables::csv(&path, samples)?;
    paths.push(path);
    let heatmaps = dir.join("heatmaps");
    make_dir(&heatmaps)?;
    for row in table.valid_rows() {
        let path = heatmaps.join(format!("{row:06}.png"));
        let map = (export.parts)(row, Part::Maps)?;
        // Without a model there are none.
        if let Some(picture) = heatmap(&map).filter(|_| !map.data().is_empty()) {
            save_png(&picture, &path)?;
        }
    }
    paths.push(heatmaps);
    Ok(paths)
}

/// How an array of `n` rows begins in NumPy's format 1.0 (numpy.lib.format): little-endian f32, C order.
fn header(n: usize, row_shape: &[usize]) -> Vec<u8> {
    let dims: Vec<String> = [&[n], row_shape].concat().iter().map(ToString::to_string).collect();
    // A tuple of one needs its comma.
    let comma = if dims.len() == 1 { "," } else { "" };
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{comma}), }}", dims.join(", ")).into_bytes();
    // Magic, version and length take 10 bytes; the data begins at a multiple of 64, after a line feed.
    let padding = 63 - (10 + header.len()) % 64;
    header.resize(header.len() + padding, b' ');
    header.push(b'\n');
    [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes()[..], &header].concat()
}

/// A map as 8-bit grey, white at its own maximum; negative values are black.
fn heatmap(map: &Tensor) -> Option<GrayImage> {
    let &[h, w] = map.shape() else { return None };
    let map = map.data();
    let max = map.iter().copied().fold(0.0, f32::max);
    let grey = |v: f32| if max > 0.0 { (v / max * 255.0).round().clamp(0.0, 255.0) as u8 } else { 0 };
    GrayImage::from_raw(w as u32, h as u32, map.iter().map(|&v| grey(v)).collect())
}
