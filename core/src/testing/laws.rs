//! What the checks have in common: calls that must not crash, and values that must agree.

use crate::{Context, Error, ErrorCode, Level, Reporter, Result, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A user who wants everything to stop.
pub struct Stop;

impl Reporter for Stop {
    fn log(&self, _level: Level, _message: &str) {}

    fn progress(&self, _stage: &str, _done: u64, _total: u64) -> bool {
        false
    }
}

/// The thread counts at which results must be the same.
pub const THREADS: [usize; 3] = [1, 2, 4];

pub fn context(seed: u64, n_threads: usize) -> Context<'static> {
    Context { seed, n_threads, ..Context::default() }
}

pub fn stopping() -> Context<'static> {
    Context { seed: 0, n_threads: 1, reporter: &Stop }
}

/// The laws of one plugin.
pub struct Laws<'a> {
    pub plugin: &'a str,
}

impl Laws<'_> {
    /// Fails the check unless `ok`.
    #[track_caller]
    pub fn require(&self, ok: bool, law: &str) {
        assert!(ok, "plugin `{}` breaks the law: {law}", self.plugin);
    }

    /// Makes a call that may fail but not crash: neither panic here nor behind the plugin boundary.
    #[track_caller]
    pub fn call<T>(&self, what: &str, call: impl FnOnce() -> Result<T>) -> Result<T> {
        let result = match catch_unwind(AssertUnwindSafe(call)) {
            Ok(result) => result,
            Err(_) => panic!("plugin `{}` breaks the law: {what} must not panic", self.plugin),
        };
        if let Err(error) = &result {
            let crashed = error.code() == ErrorCode::Plugin;
            self.require(!crashed, &format!("{what} must not crash, and it gave: {error}"));
            self.require(!error.to_string().is_empty(), &format!("{what} must say what is wrong"));
        }
        result
    }

    /// Makes a call that must succeed.
    #[track_caller]
    pub fn succeeds<T>(&self, what: &str, call: impl FnOnce() -> Result<T>) -> T {
        match self.call(what, call) {
            Ok(value) => value,
            Err(error) => panic!("plugin `{}` breaks the law: {what} must succeed, and it gave: {error}", self.plugin),
        }
    }

    /// Makes a call that must give an error.
    #[track_caller]
    pub fn fails<T>(&self, what: &str, call: impl FnOnce() -> Result<T>) {
        let failed = self.call(what, call).is_err();
        self.require(failed, &format!("{what} must be an error"));
    }

    /// Makes a call under a reporter that says stop: it may stop or finish, nothing else.
    #[track_caller]
    pub fn cancels<T>(&self, what: &str, call: impl FnOnce() -> Result<T>) {
        if let Err(error) = self.call(what, call) {
            let stopped = error == Error::Cancelled;
            self.require(stopped, &format!("{what} must end with `Cancelled` or finish, and it gave: {error}"));
        }
    }

    #[track_caller]
    pub fn shape(&self, what: &str, tensor: &Tensor, expected: &[usize]) {
        self.require(
            tensor.shape() == expected,
            &format!("{what} must have shape {expected:?}, and it has {:?}", tensor.shape()),
        );
    }

    #[track_caller]
    pub fn finite(&self, what: &str, tensor: &Tensor) {
        self.require(tensor.view().is_finite(), &format!("{what} must not hold NaN or infinity"));
    }

    /// The same bits.
    #[track_caller]
    pub fn same(&self, law: &str, a: &[f32], b: &[f32]) {
        let same = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
        self.require(same, law);
    }

    /// The same within `tolerance` of the largest magnitude (or of 1e-6, if that is larger).
    #[track_caller]
    pub fn close(&self, law: &str, a: &[f32], b: &[f32], tolerance: f32) {
        let scale = b.iter().fold(1e-6f32, |max, v| max.max(v.abs()));
        let difference = a.iter().zip(b).fold(0.0f32, |max, (a, b)| {
            let difference = (a - b).abs();
            if difference.is_nan() { f32::INFINITY } else { max.max(difference) }
        });
        self.require(
            a.len() == b.len() && difference <= tolerance * scale,
            &format!("{law} (difference {difference}, largest magnitude {scale})"),
        );
    }
}

/// The entries `rows` of the first axis.
pub fn take(tensor: &Tensor, rows: &[usize]) -> Tensor {
    let mut shape = tensor.shape().to_vec();
    shape[0] = rows.len();
    let data = rows.iter().flat_map(|&row| tensor.row(row).iter().copied()).collect();
    Tensor::new(shape, data).expect("rows of a tensor fill its shape")
}

/// The same values with one of them replaced.
pub fn with_value(tensor: &Tensor, index: usize, value: f32) -> Tensor {
    let mut tensor = tensor.clone();
    tensor.data_mut()[index] = value;
    tensor
}

/// The same values under another shape.
pub fn reshaped(tensor: &Tensor, shape: &[usize]) -> Tensor {
    Tensor::new(shape, tensor.data().to_vec()).expect("the new shape has as many values")
}
