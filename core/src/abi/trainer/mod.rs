//! [`Trainer`] across the boundary.

mod first;

use crate::abi::library::{free_state, state_mut};
use crate::abi::reply::{Reply, answer, ask};
use crate::abi::state::State;
use crate::abi::table::{self, Entry, Table};
use crate::abi::tensor::{AscanNamedTensor, AscanTensor, lent, named, slice};
use crate::abi::types::AscanReply;
use crate::{InputGradientPenalty, Result, StepOutcome, Tensor, Trainer, TrainingStep};
use std::ffi::c_void;

/// What a trainer steps on; see [`TrainingStep`].
#[repr(C)]
#[derive(Debug)]
pub struct AscanTrainingStep {
    /// `sizeof(AscanTrainingStep)` on the host's side.
    pub size: usize,
    /// `[n, c, h, w]`
    pub images: AscanTensor,
    /// `[n]`
    pub labels: *const usize,
    /// `[n]`
    pub weights: *const f32,
    /// Step size.
    pub learning_rate: f32,
    /// `[n, h, w]`; its shape is NULL where there is no penalty on input gradients.
    pub penalty_mask: AscanTensor,
    /// Factor of the penalty.
    pub penalty_strength: f32,
}

/// Functions of a trainer.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AscanTrainerTable {
    /// `sizeof(AscanTrainerTable)` on the library's side.
    pub size: usize,
    /// Reply tensors `losses` `[n]` and `logits` `[n, n_classes]`.
    pub step: unsafe extern "C" fn(trainer: *mut c_void, step: *const AscanTrainingStep, reply: *mut AscanReply) -> i32,
    /// A reply tensor for each trainable weight, under its name.
    pub weight_gradients:
        unsafe extern "C" fn(trainer: *mut c_void, step: *const AscanTrainingStep, reply: *mut AscanReply) -> i32,
    /// A reply tensor for each weight that training changes, under its name.
    pub weights: unsafe extern "C" fn(trainer: *mut c_void, reply: *mut AscanReply) -> i32,
    /// Reply tensors: everything that another trainer needs to go on from here.
    pub state: unsafe extern "C" fn(trainer: *mut c_void, reply: *mut AscanReply) -> i32,
    /// Goes on from the tensors that `state` gave.
    pub restore: unsafe extern "C" fn(
        trainer: *mut c_void,
        tensors: *const AscanNamedTensor,
        n_tensors: usize,
        reply: *mut AscanReply,
    ) -> i32,
    /// Frees the trainer.
    pub destroy: unsafe extern "C" fn(trainer: *mut c_void),
}

pub(in crate::abi) static EXPORT: AscanTrainerTable = AscanTrainerTable {
    size: size_of::<AscanTrainerTable>(),
    step,
    weight_gradients,
    weights,
    state,
    restore,
    destroy,
};

/// Calls `f` with the step behind `raw`.
///
/// # Safety
/// `raw` and all it points to is valid; the columns have as many rows as the images.
unsafe fn with_step<R>(raw: *const AscanTrainingStep, f: impl FnOnce(&TrainingStep) -> Result<R>) -> Result<R> {
    // SAFETY: as required of the caller.
    unsafe {
        let raw = &*raw;
        let images = raw.images.view()?;
        let n = images.n_rows();
        let mask = &raw.penalty_mask;
        let penalty = if mask.is_none() {
            None
        } else {
            Some(InputGradientPenalty { mask: mask.to_tensor()?, strength: raw.penalty_strength })
        };
        f(&TrainingStep {
            images,
            labels: slice(raw.labels, n),
            weights: slice(raw.weights, n),
            learning_rate: raw.learning_rate,
            penalty: penalty.as_ref(),
        })
    }
}

unsafe extern "C" fn step(trainer: *mut c_void, raw: *const AscanTrainingStep, reply: *mut AscanReply) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let outcome = with_step(raw, |step| state_mut::<dyn Trainer>(trainer).step(step))?;
            let losses = Tensor::new([outcome.losses.len()], outcome.losses)?;
            Ok(Reply::tensors([("losses", losses), ("logits", outcome.logits)]))
        })
    }
}

unsafe extern "C" fn weight_gradients(
    trainer: *mut c_void,
    raw: *const AscanTrainingStep,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let tensors = with_step(raw, |step| state_mut::<dyn Trainer>(trainer).weight_gradients(step))?;
            Ok(Reply { json: String::new(), tensors })
        })
    }
}

unsafe extern "C" fn weights(trainer: *mut c_void, reply: *mut AscanReply) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let tensors = state_mut::<dyn Trainer>(trainer).weights()?;
            Ok(Reply { json: String::new(), tensors })
        })
    }
}

unsafe extern "C" fn state(trainer: *mut c_void, reply: *mut AscanReply) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let tensors = state_mut::<dyn Trainer>(trainer).state()?;
            Ok(Reply { json: String::new(), tensors })
        })
    }
}

unsafe extern "C" fn restore(
    trainer: *mut c_void,
    tensors: *const AscanNamedTensor,
    n_tensors: usize,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let state = named(tensors, n_tensors)?;
            state_mut::<dyn Trainer>(trainer).restore(&state).map(|()| Reply::default())
        })
    }
}

unsafe extern "C" fn destroy(trainer: *mut c_void) {
    // SAFETY: the trainer came from the backend's `trainer`.
    let _ = std::panic::catch_unwind(|| unsafe { free_state::<dyn Trainer>(trainer) });
}

// SAFETY: a size, then a function for each entry.
unsafe impl Table for AscanTrainerTable {
    const WHAT: &'static str = "trainer";
    const ENTRIES: &'static [Entry] = &[
        Entry::needed("step"),
        Entry::needed("weight_gradients"),
        Entry::needed("weights"),
        Entry::needed("state"),
        Entry::needed("restore"),
        Entry::needed("destroy"),
    ];
}

/// A copy of a library's table of trainers, checked; the reason if it cannot be used.
///
/// # Safety
/// As [`table::read`].
pub(in crate::abi) unsafe fn read_trainers(functions: *const AscanTrainerTable) -> Result<AscanTrainerTable, String> {
    // SAFETY: as required of the caller.
    unsafe {
        match table::is_first::<first::FirstTrainerTable>(functions.cast()) {
            true => first::read_trainers(functions.cast()),
            false => table::read(functions),
        }
    }
}

/// A trainer of a library.
pub(in crate::abi) struct ForeignTrainer {
    pub state: State<AscanTrainerTable>,
    /// What its model tells apart.
    pub n_classes: usize,
}

/// Checks what the boundary cannot carry, then lends the step.
fn lend_step<R>(step: &TrainingStep, call: impl FnOnce(*const AscanTrainingStep) -> Result<R>) -> Result<R> {
    let n = step.images.n_rows();
    for (what, len) in [("labels", step.labels.len()), ("weights", step.weights.len())] {
        if len != n {
            return Err(crate::Error::shape(what, format!("[{n}], one per image"), [len]));
        }
    }
    let raw = AscanTrainingStep {
        size: size_of::<AscanTrainingStep>(),
        images: AscanTensor::new(step.images),
        labels: step.labels.as_ptr(),
        weights: step.weights.as_ptr(),
        learning_rate: step.learning_rate,
        penalty_mask: AscanTensor::optional(step.penalty.map(|penalty| penalty.mask.view())),
        penalty_strength: step.penalty.map_or(0.0, |penalty| penalty.strength),
    };
    call(&raw const raw)
}

impl Trainer for ForeignTrainer {
    fn step(&mut self, step: &TrainingStep) -> Result<StepOutcome> {
        let state = &self.state;
        let n = step.images.n_rows();
        let mut sent = lend_step(step, |raw| {
            // SAFETY: the arguments are valid for the call.
            unsafe { ask(state.plugin(), |reply| (state.table().step)(state.ptr(), raw, reply)) }
        })?;
        let losses = sent.take("losses", &[n])?;
        let finite = losses.view().is_finite();
        sent.require(finite, || "sent a loss that is not finite, and no error".into())?;
        Ok(StepOutcome { losses: losses.into_data(), logits: sent.take("logits", &[n, self.n_classes])? })
    }

    fn weight_gradients(&mut self, step: &TrainingStep) -> Result<Vec<(String, Tensor)>> {
        let state = &self.state;
        let sent = lend_step(step, |raw| {
            // SAFETY: the arguments are valid for the call.
            unsafe { ask(state.plugin(), |reply| (state.table().weight_gradients)(state.ptr(), raw, reply)) }
        })?;
        sent.take_all()
    }

    fn weights(&self) -> Result<Vec<(String, Tensor)>> {
        let state = &self.state;
        // SAFETY: the arguments are valid for the call.
        unsafe { ask(state.plugin(), |reply| (state.table().weights)(state.ptr(), reply)) }?.take_all()
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let state = &self.state;
        // SAFETY: the arguments are valid for the call.
        unsafe { ask(state.plugin(), |reply| (state.table().state)(state.ptr(), reply)) }?.take_all()
    }

    fn restore(&mut self, tensors: &[(String, Tensor)]) -> Result<()> {
        let (state, entries) = (&self.state, lent(tensors));
        // SAFETY: the arguments are valid for the call.
        unsafe {
            ask(state.plugin(), |reply| (state.table().restore)(state.ptr(), entries.as_ptr(), entries.len(), reply))
        }
        .map(drop)
    }
}
