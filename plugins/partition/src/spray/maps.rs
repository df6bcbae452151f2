//! Attribution maps as rows to compare.

use ascan_core::{Error, Result, SliceTable, Tensor, TensorView};

/// The maps of a table, `[n, h, w]`.
///
/// # Errors
/// `Unsupported` if there are none, `Shape` for another rank, `NotFinite`.
pub fn maps<'a>(table: &SliceTable<'a>) -> Result<TensorView<'a>> {
    let maps = table.maps.ok_or_else(|| {
        Error::unsupported(
            "spray slices the attribution maps, and the table has none",
            "keep the maps in the scan, or use a slicer of embeddings, for example \"kmeans\"",
        )
    })?;
    let [_, h, w] = maps.dims("maps", "[n, h, w]")?;
    if h == 0 || w == 0 {
        return Err(Error::shape("maps", "at least one pixel", maps.shape()));
    }
    if !maps.is_finite() {
        return Err(Error::NotFinite { what: "maps".into() });
    }
    Ok(maps)
}

/// Averages maps `[n, h, w]` to at most `side × side`: `[n, h'·w']`. A pixel between two cells counts in both, by its
/// share.
pub fn downsample(maps: TensorView, side: usize) -> Tensor {
    let &[n, h, w] = maps.shape() else { return Tensor::zeros([0, 0]) };
    let (rows, columns) = (cells(h, side), cells(w, side));
    let mut small = Tensor::zeros([n, rows.len() * columns.len()]);
    for (map, out) in maps.data().chunks_exact(h * w).zip(small.data_mut().chunks_exact_mut(rows.len() * columns.len()))
    {
        let cells = rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column)));
        for (out, (row, column)) in out.iter_mut().zip(cells) {
            let sum = row.iter().flat_map(|&(y, share)| column.iter().map(move |&(x, part)| (y * w + x, share * part)));
            *out = sum.map(|(at, share)| map[at] * share).sum();
        }
    }
    small
}

/// The pixels of each cell and their shares of it, along one axis.
fn cells(len: usize, side: usize) -> Vec<Vec<(usize, f32)>> {
    let n_cells = len.min(side);
    let size = len as f64 / n_cells as f64;
    let cell = |cell: usize| {
        let (start, end) = (cell as f64 * size, (cell + 1) as f64 * size);
        let pixels = (start as usize)..(end.ceil() as usize).min(len);
        let share = |pixel: usize| (end.min((pixel + 1) as f64) - start.max(pixel as f64)) / size;
        pixels.map(|pixel| (pixel, share(pixel) as f32)).filter(|&(_, share)| share > 1e-6).collect()
    };
    (0..n_cells).map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_average_what_they_cover() {
        let map = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let view = TensorView::new(&[1, 2, 3], &map).unwrap();
        assert_eq!(downsample(view, 3).data(), map);
        assert_eq!(downsample(view, 1).data(), [3.5]);
        let halves = downsample(view, 2);
        let expected =
            [(1.0 + 2.0 / 2.0) / 1.5, (2.0 / 2.0 + 3.0) / 1.5, (4.0 + 5.0 / 2.0) / 1.5, (5.0 / 2.0 + 6.0) / 1.5];
        assert!(halves.data().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{halves:?}");
    }
}
