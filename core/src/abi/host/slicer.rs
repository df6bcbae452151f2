//! The foreign half of a slicer: [`Slicer`] and [`SliceModel`] over a table.

use super::context::lend;
use crate::abi::reply::ask;
use crate::abi::slicer::{AscanSliceTable, AscanSlicerTable};
use crate::abi::state::State;
use crate::abi::tensor::AscanTensor;
use crate::{Context, Result, SliceModel, SliceTable, Slicer, Tensor};

/// Most slices; a number above is a mistake.
const MAX_SLICES: usize = 1 << 24;
/// What sums of shares may be off by.
const ROUNDING: f32 = 1e-3;

/// A slicer of a library.
pub(super) struct ForeignSlicer(pub State<AscanSlicerTable>);

struct ForeignModel {
    state: State<AscanSlicerTable>,
    n_slices: usize,
}

fn lend_table<R>(table: &SliceTable, call: impl FnOnce(*const AscanSliceTable) -> R) -> R {
    let raw = AscanSliceTable {
        size: size_of::<AscanSliceTable>(),
        embeddings: AscanTensor::new(table.embeddings),
        labels: table.labels.as_ptr(),
        predicted_classes: table.predicted_classes.as_ptr(),
        probs: AscanTensor::new(table.probs),
        losses: table.losses.as_ptr(),
        maps: AscanTensor::optional(table.maps),
    };
    call(&raw const raw)
}

impl Slicer for ForeignSlicer {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        // The boundary passes bare pointers for columns: their lengths must be right before it.
        table.check()?;
        let (slicer, functions) = (&self.0, self.0.table());
        let mut model = std::ptr::null_mut();
        let sent = lend(context, |host| {
            lend_table(table, |raw| {
                // SAFETY: the arguments are valid for the call.
                unsafe { ask(slicer.plugin(), |reply| (functions.fit)(slicer.ptr(), raw, host, &raw mut model, reply)) }
            })
        })?;
        // SAFETY: the slicer just made it.
        let state = unsafe { State::made(slicer.plugin(), model, *functions, functions.destroy_model) }?;
        #[derive(serde::Deserialize)]
        struct Facts {
            n_slices: usize,
        }
        let Facts { n_slices } = sent.json()?;
        sent.require(n_slices <= MAX_SLICES, || format!("made {n_slices} slices, {MAX_SLICES} at most"))?;
        Ok(Box::new(ForeignModel { n_slices, state }))
    }
}

impl SliceModel for ForeignModel {
    fn n_slices(&self) -> usize {
        self.n_slices
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        table.check()?;
        let state = &self.state;
        let mut sent = lend(context, |host| {
            lend_table(table, |raw| {
                // SAFETY: the arguments are valid for the call.
                unsafe { ask(state.plugin(), |reply| (state.table().membership)(state.ptr(), raw, host, reply)) }
            })
        })?;
        let membership = sent.take("membership", &[table.n(), self.n_slices])?;
        match membership.data().iter().find(|share| !(-ROUNDING..=1.0 + ROUNDING).contains(*share)) {
            Some(share) => Err(sent.broken(format!("sent a share of {share} in a slice, which is not in [0, 1]"))),
            None => Ok(membership),
        }
    }
}
