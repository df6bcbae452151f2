//! Both ends of a call: filling an [`AscanReply`] without unwinding, and reading one without believing it.

use super::tensor::{AscanNamedTensor, AscanTensor, is_readable, slice};
use super::types::{AscanReply, AscanStr};
use crate::guard::guarded;
use crate::{Error, ErrorCode, PlainError, Result, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::ffi::c_void;

/// What a call makes, on the side that makes it.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub json: String,
    pub tensors: Vec<(String, Tensor)>,
}

impl Reply {
    pub(super) fn json(value: &impl Serialize) -> Result<Self> {
        Ok(Self { json: to_json(value)?, tensors: Vec::new() })
    }

    pub(super) fn tensors<const N: usize>(tensors: [(&str, Tensor); N]) -> Self {
        let tensors = tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
        Self { json: String::new(), tensors }
    }

    pub(super) fn with(mut self, name: &str, tensor: Tensor) -> Self {
        self.tensors.push((name.to_owned(), tensor));
        self
    }
}

/// A value as JSON text.
pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::plugin("", format!("cannot describe its result: {error}"), CONTRACT))
}

/// What to do about a broken contract.
pub(super) const CONTRACT: &str = "this is a mistake in the plugin: tell its author";

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
    let result = guarded(call, |text| Error::plugin("", format!("crashed: {text}"), CONTRACT));
    let (made, error) = match result {
        Ok(made) => (made, None),
        Err(error) => {
            let plain = plain(error);
            (Reply { json: plain.facts.clone(), tensors: Vec::new() }, Some(plain))
        }
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

/// Runs the asking side of a call to `plugin`.
///
/// # Errors
/// What the plugin reports, fields and all; `Plugin` for a reply that cannot be read.
///
/// # Safety
/// `call` hands the pointer to a plugin's function that keeps the contract of [`super`].
pub(super) unsafe fn ask(plugin: &str, call: impl FnOnce(*mut AscanReply) -> i32) -> Result<Sent<'_>> {
    let mut sent = Sent { plugin, raw: AscanReply::EMPTY, tensors: Vec::new() };
    let status = call(&raw mut sent.raw);
    // SAFETY: the plugin filled the reply, and it stays valid until it is released.
    unsafe {
        if status != 0 {
            return Err(sent.failure(status));
        }
        sent.read_names()?;
    }
    Ok(sent)
}

/// Most tensors in a reply; a number above is a mistake.
const MAX_TENSORS: usize = 1 << 20;

/// What a call sent. It stays the plugin's until this goes; each piece is checked before it is taken.
pub(super) struct Sent<'a> {
    plugin: &'a str,
    raw: AscanReply,
    /// Those that nobody has taken yet.
    tensors: Vec<(String, AscanTensor)>,
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        if let Some(release) = self.raw.release {
            // SAFETY: the plugin's own release, called once with its own owner.
            unsafe { release(self.raw.owner) };
        }
    }
}

impl Sent<'_> {
    /// A sentence about what was sent.
    pub(super) fn broken(&self, message: impl Into<String>) -> Error {
        Error::plugin(self.plugin, message, CONTRACT)
    }

    /// `Ok` if what was sent is as it must be, else the sentence.
    pub(super) fn require(&self, ok: bool, message: impl FnOnce() -> String) -> Result<()> {
        if ok { Ok(()) } else { Err(self.broken(message())) }
    }

    /// The JSON text as a value.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        // SAFETY: the reply is valid until it is released.
        let text = unsafe { self.raw.json.read() }.map_err(|why| self.broken(format!("sent JSON that {why}")))?;
        serde_json::from_str(text).map_err(|error| self.broken(format!("sent a reply that cannot be read: {error}")))
    }

    /// Takes the tensor of this name and shape.
    pub(super) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let taken = self.take_optional(name, shape)?;
        taken.ok_or_else(|| self.broken(format!("did not send the tensor `{name}`")))
    }

    /// Takes the tensor of this name, of this shape if it is there.
    pub(super) fn take_optional(&mut self, name: &str, shape: &[usize]) -> Result<Option<Tensor>> {
        self.take_if(name, |got| if got == shape { Ok(()) } else { Err(format!("{shape:?}")) })
    }

    /// Takes the tensor of this name if its shape passes the check, which otherwise says what the shape should be.
    pub(super) fn take_if(
        &mut self,
        name: &str,
        check: impl FnOnce(&[usize]) -> Result<(), String>,
    ) -> Result<Option<Tensor>> {
        let Some(at) = self.tensors.iter().position(|(known, _)| known == name) else { return Ok(None) };
        let (_, raw) = self.tensors.swap_remove(at);
        // SAFETY: the reply is valid until it is released.
        let shape = unsafe { raw.shape() }.map_err(|why| self.broken(format!("sent `{name}`, which {why}")))?;
        // Before any value is looked at: of another shape there may be fewer.
        check(shape).map_err(|form| self.broken(format!("sent `{name}` of shape {shape:?} instead of {form}")))?;
        self.copy(name, &raw).map(Some)
    }

    /// Takes all tensors that are left, in order. No name comes twice.
    pub(super) fn take_all(mut self) -> Result<Vec<(String, Tensor)>> {
        let tensors = std::mem::take(&mut self.tensors);
        let names: BTreeSet<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
        self.require(names.len() == tensors.len(), || "sent two tensors of one name".into())?;
        tensors.into_iter().map(|(name, raw)| self.copy(&name, &raw).map(|tensor| (name, tensor))).collect()
    }

    fn copy(&self, name: &str, raw: &AscanTensor) -> Result<Tensor> {
        // SAFETY: the reply is valid until it is released.
        let copied = unsafe { raw.copy().and_then(|values| Ok((raw.shape()?, values))) };
        let (shape, values) = copied.map_err(|why| self.broken(format!("sent `{name}`, which {why}")))?;
        Tensor::new(shape, values)
    }

    /// # Safety
    /// The pointers in the reply are valid or NULL.
    unsafe fn read_names(&mut self) -> Result<()> {
        let (tensors, n) = (self.raw.tensors, self.raw.n_tensors);
        self.require(n <= MAX_TENSORS, || format!("sent {n} tensors, {MAX_TENSORS} at most"))?;
        self.require(n == 0 || is_readable(tensors), || format!("sent {n} tensors, and NULL for them"))?;
        // SAFETY: as required of the caller.
        let read = |entry: &AscanNamedTensor| unsafe { entry.name.read() }.map(|name| (name.to_owned(), entry.tensor));
        // SAFETY: as required of the caller.
        let entries = unsafe { slice(tensors, n) }.iter().map(read).collect::<Result<_, String>>();
        self.tensors = entries.map_err(|why| self.broken(format!("sent a tensor whose name {why}")))?;
        Ok(())
    }

    /// # Safety
    /// The texts in the reply are valid or NULL.
    unsafe fn failure(&self, status: i32) -> Error {
        // SAFETY: as required of the caller.
        let text = |text: AscanStr| Some(unsafe { text.lossy() }.into_owned()).filter(|text| !text.is_empty());
        let message = text(self.raw.message).unwrap_or_else(|| "failed and did not say why".into());
        let hint = text(self.raw.hint);
        match u32::try_from(status).map_or(ErrorCode::Plugin, ErrorCode::from_u32) {
            ErrorCode::Plugin => Error::plugin(self.plugin, message, hint.unwrap_or_default()),
            code => {
                let facts = text(self.raw.json).unwrap_or_default();
                PlainError { code, message, key: text(self.raw.key), hint, facts }.into()
            }
        }
    }
}

/// The JSON argument of a call.
///
/// # Safety
/// `text` is valid.
pub(super) unsafe fn argument<T: DeserializeOwned>(text: AscanStr) -> Result<T> {
    // SAFETY: as required of the caller.
    let text = unsafe { text.lossy() };
    let text = if text.is_empty() { "{}" } else { &text };
    serde_json::from_str(text)
        .map_err(|error| Error::param("params", error.to_string(), "this is a mistake in the host"))
}

/// Names that a call is given.
///
/// # Safety
/// `names` points to `n` valid texts.
pub(super) unsafe fn texts(names: *const AscanStr, n: usize) -> Vec<String> {
    // SAFETY: as required of the caller.
    unsafe { slice(names, n).iter().map(|name| name.lossy().into_owned()).collect() }
}
