//! Slices of each class separately, by any slicer.

use super::{Both, assign as assign_all};
use ascan_config::sections::PerClass;
use ascan_core::{Context, Error, Result, SliceTable, Slicer, Tensor, TensorView};

/// The classes by which a table is divided; `None` if it is not.
pub(super) fn column<'a>(per_class: PerClass, table: &SliceTable<'a>) -> Option<&'a [i32]> {
    match per_class {
        PerClass::None => None,
        PerClass::Label => Some(table.labels),
        PerClass::PredictedClass => Some(table.predicted_classes),
    }
}

/// The slice of each image of a table, and of each image of `onto`, by one model for each class of the table: its slices are
/// numbered after those of the classes before it.
///
/// Images without a class (−1) are in no slice, nor are those of a class that cannot be sliced (too few images, say), which is
/// a warning. Only an assignment is made, never the membership of all images in the slices of all classes.
///
/// # Errors
/// The first class's, if no class can be sliced; `Param` if no image has a class; `Cancelled`.
pub(super) fn assign(
    slicer: &dyn Slicer,
    (table, classes): (&SliceTable, &[i32]),
    onto: Option<(&SliceTable, &[i32])>,
    context: &Context,
) -> Result<Both> {
    table.check()?;
    let mut known: Vec<i32> = classes.iter().copied().filter(|&class| class >= 0).collect();
    known.sort_unstable();
    known.dedup();
    let (mut assignment, mut others) = (vec![-1; table.n()], vec![-1; onto.map_or(0, |(onto, _)| onto.n())]);
    let of_class =
        |classes: &[i32], class: i32| -> Vec<usize> { (0..classes.len()).filter(|&i| classes[i] == class).collect() };
    let (mut n_slices, mut failure) = (0, None);
    for &class in &known {
        let rows = of_class(classes, class);
        let part = Part::of(table, &rows)?;
        let rows_onto = onto.map_or_else(Vec::new, |(_, classes)| of_class(classes, class));
        let part_onto = match onto.filter(|_| !rows_onto.is_empty()) {
            Some((onto, _)) => Some(Part::of(onto, &rows_onto)?),
            None => None,
        };
        let view_onto = part_onto.as_ref().map(Part::view);
        // Another stream for each class, so that equal classes are not seeded alike.
        let seed = context.seed.wrapping_add((class as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        match assign_all(slicer, &part.view(), view_onto.as_ref(), &Context { seed, ..*context }) {
            Ok(((own, found), k)) => {
                let number = |slice: i32| if slice < 0 { -1 } else { n_slices as i32 + slice };
                rows.iter().zip(own).for_each(|(&row, slice)| assignment[row] = number(slice));
                rows_onto.iter().zip(found).for_each(|(&row, slice)| others[row] = number(slice));
                n_slices += k;
            }
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => {
                context.warn(&format!("the {} images of class {class} are in no slice: {error}", rows.len()));
                failure.get_or_insert(error);
            }
        }
    }
    match failure {
        _ if known.is_empty() => {
            Err(Error::param("per_class", "no image has a class to be sliced by", "per_class = \"predicted_class\""))
        }
        Some(error) if n_slices == 0 => Err(error),
        _ => Ok((assignment, others)),
    }
}

/// Some rows of a table.
struct Part {
    embeddings: Tensor,
    labels: Vec<i32>,
    predicted_classes: Vec<i32>,
    probs: Tensor,
    losses: Vec<f32>,
    maps: Option<Tensor>,
}

impl Part {
    fn of(table: &SliceTable, rows: &[usize]) -> Result<Self> {
        let pick = |values: &[i32]| rows.iter().map(|&row| values[row]).collect();
        Ok(Self {
            embeddings: take(table.embeddings, rows)?,
            labels: pick(table.labels),
            predicted_classes: pick(table.predicted_classes),
            probs: take(table.probs, rows)?,
            losses: rows.iter().map(|&row| table.losses[row]).collect(),
            maps: table.maps.map(|maps| take(maps, rows)).transpose()?,
        })
    }

    fn view(&self) -> SliceTable<'_> {
        SliceTable {
            embeddings: self.embeddings.view(),
            labels: &self.labels,
            predicted_classes: &self.predicted_classes,
            probs: self.probs.view(),
            losses: &self.losses,
            maps: self.maps.as_ref().map(Tensor::view),
        }
    }
}

fn take(tensor: TensorView, rows: &[usize]) -> Result<Tensor> {
    let mut shape = tensor.shape().to_vec();
    shape[0] = rows.len();
    Tensor::new(shape, rows.iter().flat_map(|&row| tensor.row(row)).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_core::testing::{ToyTable, toy_slice_table};
    use ascan_core::{Level, Reporter, SliceModel, slicer};
    use std::sync::Mutex;

    /// Halves by the first embedding value around the mean of the table; refuses a table of one image.
    struct Halves;

    struct Around(f32);

    impl Slicer for Halves {
        fn fit(&self, table: &SliceTable, _: &Context) -> Result<Box<dyn SliceModel>> {
            if table.n() < 2 {
                return Err(Error::param("n", "one image has no halves", ""));
            }
            let first = (0..table.n()).map(|i| table.embeddings.row(i)[0]);
            Ok(Box::new(Around(first.sum::<f32>() / table.n() as f32)))
        }
    }

    impl SliceModel for Around {
        fn n_slices(&self) -> usize {
            2
        }

        fn membership(&self, table: &SliceTable, _: &Context) -> Result<Tensor> {
            Ok(slicer::one_hot((0..table.n()).map(|i| Some(usize::from(table.embeddings.row(i)[0] > self.0))), 2))
        }
    }

    #[derive(Default)]
    struct Memory(Mutex<Vec<String>>);

    impl Reporter for Memory {
        fn log(&self, _: Level, message: &str) {
            self.0.lock().unwrap().push(message.to_owned());
        }

        fn progress(&self, _: &str, _: u64, _: u64) -> bool {
            true
        }
    }

    fn divided(table: &ToyTable, per_class: PerClass, context: &Context) -> Result<Vec<i32>> {
        let (view, classes) = (&table.view(), column(per_class, &table.view()).unwrap());
        let (own, others) = assign(&Halves, (view, classes), Some((view, classes)), context)?;
        assert_eq!(own, others, "the same images are in the same slices");
        Ok(own)
    }

    #[test]
    fn slices_never_mix_classes_and_unknown_labels_are_noise() {
        let mut table = toy_slice_table(200, 6, 1);
        table.labels[3] = -1;
        for per_class in [PerClass::Label, PerClass::PredictedClass] {
            let assignment = divided(&table, per_class, &Context::default()).unwrap();
            let view = table.view();
            let classes = column(per_class, &view).unwrap();
            for (i, &slice) in assignment.iter().enumerate() {
                let expected = if classes[i] < 0 { -1 } else { classes[i] };
                assert_eq!(slice.div_euclid(2), expected, "image {i}");
            }
            let used: std::collections::BTreeSet<i32> = assignment.iter().copied().filter(|&s| s >= 0).collect();
            assert_eq!(used.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
        }
        assert_eq!(column(PerClass::None, &table.view()), None);
    }

    #[test]
    fn a_class_that_cannot_be_sliced_is_a_warning_and_the_others_go_on() {
        let mut table = toy_slice_table(50, 6, 1);
        table.labels = (0..50).map(|i| if i == 7 { 0 } else { 3 }).collect();
        let memory = Memory::default();
        let context = Context { reporter: &memory, ..Context::default() };
        let assignment = divided(&table, PerClass::Label, &context).unwrap();
        assert!(assignment[7] == -1 && assignment[8] >= 0);
        let warnings = memory.0.into_inner().unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains("class 0"), "{warnings:?}");
    }

    #[test]
    fn no_class_at_all_is_an_error() {
        let mut table = toy_slice_table(10, 3, 1);
        table.labels.fill(-1);
        let error = divided(&table, PerClass::Label, &Context::default()).unwrap_err();
        assert_eq!(error.key(), Some("per_class"));
        table.labels = (0..10).collect();
        let error = divided(&table, PerClass::Label, &Context::default()).unwrap_err();
        assert!(error.to_string().contains("no halves"), "{error}");
    }
}
