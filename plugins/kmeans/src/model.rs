//! What both plugins give: centres, of all images or of each class.

use crate::{GroupBy, Normalise};
use ascan_core::{Context, Error, Result, SliceModel, SliceTable, Tensor, slicer};
use ascan_math::kmeans::{self, Centres};
use ascan_math::pool;

/// The centres of one class, or of all images when slices are not made per class.
pub struct Part {
    /// The class, if there is one model for each.
    pub class: Option<i32>,
    pub centres: Centres,
}

/// Centres: each image belongs to the slice with the nearest one.
pub struct CentresModel {
    /// The plugin that fitted them.
    pub plugin: &'static str,
    pub d: usize,
    pub normalise: Normalise,
    pub group_by: GroupBy,
    pub parts: Vec<Part>,
}

impl SliceModel for CentresModel {
    fn n_slices(&self) -> usize {
        self.parts.iter().map(|part| part.centres.k()).sum()
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        table.check()?;
        let [n, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        if d != self.d {
            return Err(Error::shape("embeddings", format!("[n, {}], as at the fit", self.d), [n, d]));
        }
        let pool = pool(self.plugin, context)?;
        let mut slices = vec![None; n];
        let mut offset = 0;
        for part in &self.parts {
            let rows = self.group_by.rows(table, part.class);
            let nearest = kmeans::nearest_rows(table.embeddings, &rows, self.normalise, &part.centres, &pool)?;
            for (&row, slice) in rows.iter().zip(nearest) {
                slices[row] = Some(offset + slice);
            }
            offset += part.centres.k();
        }
        Ok(slicer::one_hot(slices.into_iter(), self.n_slices()))
    }
}

impl GroupBy {
    /// The classes to slice one by one, sorted; `None` alone stands for all images together.
    ///
    /// # Errors
    /// `Shape` if there is nothing to slice.
    pub fn classes(self, table: &SliceTable) -> Result<Vec<Option<i32>>> {
        let classes = match self.column(table) {
            None if table.n() == 0 => Vec::new(),
            None => vec![None],
            Some(column) => {
                let mut classes: Vec<i32> = column.iter().copied().filter(|&class| class >= 0).collect();
                classes.sort_unstable();
                classes.dedup();
                classes.into_iter().map(Some).collect()
            }
        };
        if classes.is_empty() {
            return Err(Error::shape("embeddings", "at least one image (with a known class, if `group_by` is set)", 0));
        }
        Ok(classes)
    }

    /// The images of a class, or all of them.
    pub fn rows(self, table: &SliceTable, class: Option<i32>) -> Vec<usize> {
        match (self.column(table), class) {
            (Some(column), Some(class)) => (0..table.n()).filter(|&i| column[i] == class).collect(),
            _ => (0..table.n()).collect(),
        }
    }

    fn column<'a>(self, table: &SliceTable<'a>) -> Option<&'a [i32]> {
        match self {
            Self::None => None,
            Self::Label => Some(table.labels),
            Self::PredictedClass => Some(table.predicted_classes),
        }
    }
}

/// The seed of the `i`-th class: another stream for each, so that equal classes are not seeded alike.
pub fn seed_of_class(context: &Context, i: usize) -> u64 {
    context.seed.wrapping_add((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Warns if there are fewer slices than asked for.
pub fn warn_if_fewer(plugin: &str, part: &Part, n_slices: usize, n: usize, context: &Context) {
    if part.centres.k() < n_slices {
        context.warn(&format!(
            "{plugin}: {} slices instead of {n_slices}{}: there are no more distinct images among the {n}",
            part.centres.k(),
            part.whose(),
        ));
    }
}

impl Part {
    /// Of which class it is, for a message.
    pub fn whose(&self) -> String {
        self.class.map(|class| format!(" of class {class}")).unwrap_or_default()
    }
}
