//! Both ends of a call: filling an [`AscanReply`] without unwinding, and reading one.

use super::types::{AscanNamedTensor, AscanReply, AscanStr, AscanTensor, slice};
use crate::{Error, ErrorCode, PlainError, Result, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a call makes, on either side.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub json: String,
    pub tensors: Vec<(String, Tensor)>,
}

impl Reply {
    pub(super) fn json(value: &impl Serialize) -> Result<Self> {
        let json = serde_json::to_string(value)
            .map_err(|error| Error::plugin("", format!("cannot describe its result: {error}"), ""))?;
        Ok(Self { json, tensors: Vec::new() })
    }

    pub(super) fn tensors<const N: usize>(tensors: [(&str, Tensor); N]) -> Self {
        let tensors = tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
        Self { json: String::new(), tensors }
    }

    pub(super) fn with(mut self, name: &str, tensor: Tensor) -> Self {
        self.tensors.push((name.to_owned(), tensor));
        self
    }

    /// The JSON text as a value.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.json)
            .map_err(|error| Error::plugin("", format!("sent a reply that cannot be read: {error}"), CONTRACT))
    }

    /// Takes the tensor of this name.
    pub(super) fn take(&mut self, name: &str) -> Result<Tensor> {
        self.take_optional(name).ok_or_else(|| Error::plugin("", format!("did not send the tensor `{name}`"), CONTRACT))
    }

    pub(super) fn take_optional(&mut self, name: &str) -> Option<Tensor> {
        let at = self.tensors.iter().position(|(known, _)| known == name)?;
        Some(self.tensors.swap_remove(at).1)
    }
}

const CONTRACT: &str = "this is a mistake in the plugin: tell its author";

/// Everything that a filled [`AscanReply`] points to.
struct Owner {
    json: String,
    names: Vec<String>,
    tensors: Vec<Tensor>,
    entries: Vec<AscanNamedTensor>,
    error: Option<PlainError>,
}

/// Runs the plugin's side of a call: catches panics, fills the reply, returns the status.
///
/// # Safety
/// `reply` points to a reply that may be written.
pub(super) unsafe fn answer(reply: *mut AscanReply, call: impl FnOnce() -> Result<Reply>) -> i32 {
    let result = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Error::plugin("", format!("crashed: {text}"), CONTRACT))
    });
    let (made, error) = match result {
        Ok(made) => (made, None),
        Err(error) => (Reply::default(), Some(plain(error))),
    };
    let (names, tensors) = made.tensors.into_iter().unzip();
    let mut owner = Box::new(Owner { json: made.json, names, tensors, entries: Vec::new(), error });
    owner.entries = (owner.names.iter().zip(&owner.tensors))
        .map(|(name, tensor)| AscanNamedTensor { name: AscanStr::new(name), tensor: AscanTensor::new(tensor.view()) })
        .collect();
    let text = |text: &Option<String>| text.as_deref().map_or(AscanStr::EMPTY, AscanStr::new);
    let status = owner.error.as_ref().map_or(0, |error| error.code as i32);
    let filled = AscanReply {
        json: AscanStr::new(&owner.json),
        tensors: owner.entries.as_ptr(),
        n_tensors: owner.entries.len(),
        message: owner.error.as_ref().map_or(AscanStr::EMPTY, |error| AscanStr::new(&error.message)),
        key: owner.error.as_ref().map_or(AscanStr::EMPTY, |error| text(&error.key)),
        hint: owner.error.as_ref().map_or(AscanStr::EMPTY, |error| text(&error.hint)),
        owner: Box::into_raw(owner).cast(),
        release: Some(release),
    };
    // SAFETY: as required of the caller; the box keeps every address in `filled` alive.
    unsafe { reply.write(filled) };
    status
}

/// The host knows the plugin's name better than the plugin itself, so it is left to `ask` to say it.
fn plain(error: Error) -> PlainError {
    let mut plain = error.to_plain();
    if let Error::Plugin { message, .. } = error {
        plain.message = message;
    }
    plain
}

unsafe extern "C" fn release(owner: *mut c_void) {
    // SAFETY: the pointer came from `Box::into_raw` in `answer` and comes back once.
    drop(unsafe { Box::from_raw(owner.cast::<Owner>()) });
}

/// Runs the host's side of a call to `plugin`: copies the reply and gives it back to its owner.
///
/// # Safety
/// `call` hands the pointer to a plugin's function that keeps the contract of [`super`].
pub(super) unsafe fn ask(plugin: &str, call: impl FnOnce(*mut AscanReply) -> i32) -> Result<Reply> {
    let mut raw = AscanReply::EMPTY;
    let status = call(&raw mut raw);
    // SAFETY: the plugin filled the reply, and it stays valid until `release`.
    let result = unsafe { read(plugin, status, &raw) };
    if let Some(release) = raw.release {
        // SAFETY: the plugin's own release, called once with its own owner.
        unsafe { release(raw.owner) };
    }
    result
}

/// # Safety
/// The pointers in `raw` are valid.
unsafe fn read(plugin: &str, status: i32, raw: &AscanReply) -> Result<Reply> {
    // SAFETY: as required of the caller.
    unsafe {
        if status != 0 {
            let optional = |text: AscanStr| Some(text.get().into_owned()).filter(|text| !text.is_empty());
            let code = ErrorCode::from_u32(status.unsigned_abs());
            let message = optional(raw.message).unwrap_or_else(|| "failed and did not say why".into());
            return Err(match code {
                ErrorCode::Plugin => Error::plugin(plugin, message, optional(raw.hint).unwrap_or_default()),
                _ => PlainError { code, message, key: optional(raw.key), hint: optional(raw.hint) }.into(),
            });
        }
        let entries = slice(raw.tensors, raw.n_tensors);
        let tensors = entries.iter().map(|entry| Ok((entry.name.get().into_owned(), entry.tensor.to_tensor()?)));
        Ok(Reply { json: raw.json.get().into_owned(), tensors: tensors.collect::<Result<_>>()? })
    }
}

/// The JSON argument of a call.
///
/// # Safety
/// `text` is valid.
pub(super) unsafe fn argument<T: DeserializeOwned>(text: AscanStr) -> Result<T> {
    // SAFETY: as required of the caller.
    let text = unsafe { text.get() };
    let text = if text.is_empty() { "{}" } else { &text };
    serde_json::from_str(text)
        .map_err(|error| Error::param("params", error.to_string(), "this is a mistake in the host"))
}
