//! The laws of a [`Slicer`].

use super::laws::{Laws, THREADS, context, reshaped, stopping, with_value};
use super::toy_data::{ToyTable, toy_slice_table};
use crate::{ErrorCode, SliceModel, SliceTable, Slicer, Tensor};

const N: usize = 120;
const D: usize = 8;

/// Checks a slicer on small seeded tables.
///
/// # Panics
/// If the slicer breaks a law of the contract, naming both.
pub fn check_slicer(plugin: &str, slicer: &dyn Slicer) {
    let laws = Laws { plugin };
    let table = toy_slice_table(N, D, 1);
    let model = laws.succeeds("fit", || slicer.fit(&table.view(), &context(0, 1)));
    let membership = apply(&laws, model.as_ref(), &table);

    check_determinism(&laws, slicer, &table, &membership);
    check_other_tables(&laws, model.as_ref(), &table, &membership);
    check_small_tables(&laws, slicer);
    check_degenerate_tables(&laws, slicer, &table);
    check_bad_tables(&laws, "fit", &table, |table| slicer.fit(table, &context(0, 1)).map(drop));
    check_bad_tables(&laws, "membership", &table, |table| model.membership(table, &context(0, 1)).map(drop));
    check_optional_columns(&laws, slicer, &table);
    laws.cancels("a fit that is told to stop", || slicer.fit(&table.view(), &stopping()));
    laws.cancels("a membership that is told to stop", || model.membership(&table.view(), &stopping()));
}

/// Membership of a table that fits, with the laws of its values.
fn apply(laws: &Laws, model: &dyn SliceModel, table: &ToyTable) -> Tensor {
    let membership = laws.succeeds("membership", || model.membership(&table.view(), &context(0, 1)));
    laws.shape("membership", &membership, &[table.labels.len(), model.n_slices()]);
    laws.finite("membership", &membership);
    let in_range = membership.data().iter().all(|&share| (0.0..=1.0001).contains(&share));
    laws.require(in_range, "membership must lie in [0, 1]");
    membership
}

fn check_determinism(laws: &Laws, slicer: &dyn Slicer, table: &ToyTable, membership: &Tensor) {
    for n_threads in THREADS {
        let model = laws.succeeds("fit", || slicer.fit(&table.view(), &context(0, n_threads)));
        let again = laws.succeeds("membership", || model.membership(&table.view(), &context(0, n_threads)));
        laws.require(again.shape() == membership.shape(), "the number of slices must not depend on the threads");
        laws.same(
            &format!("same table and seed, same membership ({n_threads} threads)"),
            again.data(),
            membership.data(),
        );
    }
    let other = laws.succeeds("fit with another seed", || slicer.fit(&table.view(), &context(1, 1)));
    apply(laws, other.as_ref(), table);
}

fn check_other_tables(laws: &Laws, model: &dyn SliceModel, table: &ToyTable, membership: &Tensor) {
    let k = model.n_slices();
    apply(laws, model, &toy_slice_table(37, D, 2));

    let rows: Vec<usize> = (0..N).rev().step_by(4).collect();
    let some = apply(laws, model, &table.rows(&rows));
    let expected: Vec<f32> = rows.iter().flat_map(|&row| membership.row(row).iter().copied()).collect();
    laws.close("an image's membership must not depend on the other images of the table", some.data(), &expected, 1e-4);

    let empty = apply(laws, model, &table.rows(&[]));
    laws.shape("membership of an empty table", &empty, &[0, k]);

    // A slicer that looks at the embeddings must refuse others; one that does not must not be disturbed by them.
    let wider = ToyTable { embeddings: toy_slice_table(N, D + 3, 1).embeddings, ..table.clone() };
    if let Ok(membership_of_wider) =
        laws.call("membership of embeddings of another width", || model.membership(&wider.view(), &context(0, 1)))
    {
        laws.require(
            membership_of_wider == *membership,
            "embeddings of another width than at the fit must be an error (unless they are never looked at)",
        );
    }
}

fn check_small_tables(laws: &Laws, slicer: &dyn Slicer) {
    let table = toy_slice_table(30, D, 3);
    let mut small = vec![("a table of one image", table.rows(&[0])), ("an empty table", table.rows(&[]))];
    small.push(("a table of equal images", table.rows(&[4; 30])));
    for (what, table) in &small {
        if let Ok(model) = laws.call(&format!("fit to {what}"), || slicer.fit(&table.view(), &context(0, 1))) {
            apply(laws, model.as_ref(), table);
        }
    }
    let doubled: Vec<usize> = (0..30).chain(0..30).collect();
    let doubled = table.rows(&doubled);
    if let Ok(model) = laws.call("fit to a table with duplicates", || slicer.fit(&doubled.view(), &context(0, 1))) {
        let membership = apply(laws, model.as_ref(), &doubled);
        let (first, second) = membership.data().split_at(membership.data().len() / 2);
        laws.close("equal images must have equal memberships", first, second, 1e-5);
    }
}

/// Tables in which something that methods divide by, invert or count on is missing. A fit may be impossible;
/// then the error says so, by one of the codes that mean "not with this table".
fn check_degenerate_tables(laws: &Laws, slicer: &dyn Slicer, table: &ToyTable) {
    let fits = |what: &str, table: &ToyTable| -> Option<(Box<dyn SliceModel>, Tensor)> {
        let model = match laws.call(&format!("fit to {what}"), || slicer.fit(&table.view(), &context(0, 1))) {
            Ok(model) => model,
            Err(error) => {
                let clear = matches!(error.code(), ErrorCode::Param | ErrorCode::Shape | ErrorCode::Unsupported);
                laws.require(clear, &format!("{what} is of numbers: a refusal must say what it lacks, not {error}"));
                return None;
            }
        };
        let membership = apply(laws, model.as_ref(), table);
        Some((model, membership))
    };

    let class_zero: Vec<usize> = (0..N).filter(|&i| table.labels[i] == 0).collect();
    if let Some((model, _)) = fits("a table of one label", &table.rows(&class_zero)) {
        // A class that the fit never saw has no place of its own, and does no harm.
        apply(laws, model.as_ref(), table);
    }
    let right: Vec<usize> = (0..N).filter(|&i| table.labels[i] == 0 && table.predicted_classes[i] == 0).collect();
    fits("a table of one label and one predicted class", &table.rows(&right));
    let mut single = table.clone();
    single.probs = Tensor::new([N, 1], vec![1.0; N]).expect("one number per row");
    single.labels.fill(0);
    single.predicted_classes.fill(0);
    single.losses.fill(0.0);
    fits("a table of a model with one class", &single);
    let mut certain = table.clone();
    for (i, probs) in certain.probs.data_mut().chunks_exact_mut(2).enumerate() {
        probs.fill(0.0);
        probs[table.predicted_classes[i] as usize] = 1.0;
    }
    fits("a table of a model that is always certain", &certain);

    let mut flat = table.clone();
    for row in flat.embeddings.data_mut().chunks_exact_mut(D) {
        row[0] = 0.0;
        row[D - 1] = 3.5;
    }
    fits("a table with constant columns", &flat);
    let mut constant = table.clone();
    constant.embeddings.data_mut().fill(-1.25);
    fits("a table of constant embeddings", &constant);
    let mut one_column = table.clone();
    let column = table.embeddings.data().iter().copied().step_by(D).collect();
    one_column.embeddings = Tensor::new([N, 1], column).expect("one number per row");
    fits("a table of embeddings of one dimension", &one_column);

    // Few rows: more slices may be asked for than there are images, or than there are different images.
    for n in [2, 3, 5] {
        fits(&format!("a table of {n} images"), &table.rows(&(0..n).collect::<Vec<_>>()));
    }
    let repeated: Vec<usize> = (0..N).map(|i| i % 3).collect();
    fits("a table of three images repeated", &table.rows(&repeated));
}

/// Tables that must be refused, at the fit and later.
fn check_bad_tables(laws: &Laws, call: &str, table: &ToyTable, run: impl Fn(&SliceTable) -> crate::Result<()>) {
    for value in [f32::NAN, f32::INFINITY] {
        let mut bad = table.clone();
        bad.embeddings = with_value(&table.embeddings, 5, value);
        laws.fails(&format!("{call} of embeddings with {value}"), || run(&bad.view()));
    }
    let flat = reshaped(&table.embeddings, &[N * D]);
    laws.fails(&format!("{call} of embeddings of rank 1"), || {
        run(&SliceTable { embeddings: flat.view(), ..table.view() })
    });
    let deep = reshaped(&table.embeddings, &[N, D / 2, 2]);
    laws.fails(&format!("{call} of embeddings of rank 3"), || {
        run(&SliceTable { embeddings: deep.view(), ..table.view() })
    });
    let good = table.view();
    let short_probs = table.rows(&[0, 1]).probs;
    for (what, bad) in [
        ("labels", SliceTable { labels: &good.labels[1..], ..good }),
        ("predicted classes", SliceTable { predicted_classes: &good.predicted_classes[1..], ..good }),
        ("losses", SliceTable { losses: &good.losses[1..], ..good }),
        ("probs", SliceTable { probs: short_probs.view(), ..good }),
    ] {
        laws.fails(&format!("{call} of a table with too few {what}"), || run(&bad));
    }
}

/// Labels may be unknown, maps may be there: neither may crash a slicer or give a number that is none.
fn check_optional_columns(laws: &Laws, slicer: &dyn Slicer, table: &ToyTable) {
    let mut unknown = table.clone();
    unknown.labels.fill(-1);
    unknown.losses.fill(f32::NAN);
    if let Ok(model) = laws.call("fit without labels", || slicer.fit(&unknown.view(), &context(0, 1))) {
        apply(laws, model.as_ref(), &unknown);
    }
    let maps = Tensor::zeros([N, 4, 3]);
    let with_maps = SliceTable { maps: Some(maps.view()), ..table.view() };
    laws.succeeds("fit to a table with maps", || slicer.fit(&with_maps, &context(0, 1)));
}
