//! Raw numbers as NumPy arrays, and heat maps as pictures.

use super::{Export, Table, make_dir, tables, unwritable};
use ascan_core::{Result, Tensor};
use image::GrayImage;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

pub(super) fn write(export: &Export, dir: &Path, samples: &Table) -> Result<Vec<PathBuf>> {
    let table = export.table;
    let mut paths = Vec::new();
    for (name, tensor) in
        [("attributions.npy", &table.maps), ("embeddings.npy", &table.embeddings), ("probs.npy", &table.probs)]
    {
        let path = dir.join(name);
        array(&path, tensor).map_err(|error| unwritable(&path, &error))?;
        paths.push(path);
    }
    paths.push(dir.join("samples.csv"));
    tables::csv(&paths[3], samples)?;
    let heatmaps = dir.join("heatmaps");
    make_dir(&heatmaps)?;
    for row in table.valid_rows() {
        let path = heatmaps.join(format!("{row:06}.png"));
        if let Some(picture) = heatmap(&table.maps, row) {
            picture.save(&path).map_err(|error| unwritable(&path, &error))?;
        }
    }
    paths.push(heatmaps);
    Ok(paths)
}

/// An array in NumPy's format 1.0 (numpy.lib.format): little-endian f32, C order.
fn array(path: &Path, tensor: &Tensor) -> std::io::Result<()> {
    let dims: Vec<String> = tensor.shape().iter().map(ToString::to_string).collect();
    // A tuple of one needs its comma.
    let comma = if dims.len() == 1 { "," } else { "" };
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{comma}), }}", dims.join(", ")).into_bytes();
    // Magic, version and length take 10 bytes; the data begins at a multiple of 64, after a line feed.
    let padding = 63 - (10 + header.len()) % 64;
    header.resize(header.len() + padding, b' ');
    header.push(b'\n');
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&(header.len() as u16).to_le_bytes())?;
    file.write_all(&header)?;
    for value in tensor.data() {
        file.write_all(&value.to_le_bytes())?;
    }
    file.flush()
}

/// A map as 8-bit grey, white at its own maximum; negative values are black.
fn heatmap(maps: &Tensor, row: usize) -> Option<GrayImage> {
    let [_, h, w] = maps.shape() else { return None };
    let map = maps.row(row);
    let max = map.iter().copied().fold(0.0, f32::max);
    let grey = |v: f32| if max > 0.0 { (v / max * 255.0).round().clamp(0.0, 255.0) as u8 } else { 0 };
    GrayImage::from_raw(*w as u32, *h as u32, map.iter().map(|&v| grey(v)).collect())
}
