//! Everything that a reply can lie about.

use crate::abi::reply::{answer, ask};
use crate::abi::tensor::{AscanNamedTensor, AscanTensor};
use crate::abi::types::{AscanReply, AscanStr};
use crate::{Error, ErrorCode, Result, Tensor};
use std::ptr::null;

const TEXT_OF_NOTHING: AscanStr = AscanStr { ptr: null(), len: 9 };

/// What the host makes of a reply.
fn sent<R>(status: i32, reply: AscanReply, read: impl FnOnce(super::super::reply::Sent) -> Result<R>) -> Result<R> {
    let call = |into: *mut AscanReply| {
        // SAFETY: `ask` gives a reply that may be written.
        unsafe { into.write(reply) };
        status
    };
    // SAFETY: all that the replies of these tests point to is there, or NULL.
    unsafe { ask("liar", call) }.and_then(read)
}

/// The sentence about a reply with this tensor, of which `[2, 3]` is expected.
fn sentence(tensor: AscanTensor) -> String {
    let entry = AscanNamedTensor { name: AscanStr::new("x"), tensor };
    let reply = AscanReply { tensors: &raw const entry, n_tensors: 1, ..AscanReply::EMPTY };
    let taken = sent(0, reply, |mut sent| sent.take("x", &[2, 3]));
    taken.map_or_else(|error| error.to_string(), |tensor| format!("{:?}", tensor.data()))
}

#[test]
fn every_lie_about_a_tensor_is_a_sentence() {
    let values = [0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0];
    let (shape, other, huge) = ([2usize, 3], [3usize, 2], [usize::MAX, 2]);
    let good = AscanTensor { data: values.as_ptr(), shape: shape.as_ptr(), n_dims: 2, strides: null() };
    let odd = values.as_ptr().wrapping_byte_add(1);
    let (turned, far, over) = ([1isize, 2], [isize::MAX, 1], [1isize << 62, 1 << 62]);
    for (tensor, says) in [
        (good, "[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]"),
        (AscanTensor { strides: turned.as_ptr(), ..good }, "[0.0, 2.0, 4.0, 1.0, 3.0, 5.0]"),
        (AscanTensor { data: null(), ..good }, "sent `x`, which has no values"),
        (AscanTensor { data: odd, ..good }, "sent `x`, which has no values"),
        (AscanTensor { data: null(), strides: turned.as_ptr(), ..good }, "sent `x`, which has no values"),
        (AscanTensor { shape: null(), ..good }, "sent `x`, which has no shape"),
        (AscanTensor { n_dims: 17, ..good }, "sent `x`, which has 17 axes, 16 at most"),
        (AscanTensor { n_dims: usize::MAX, ..good }, "16 at most"),
        (AscanTensor { n_dims: 0, ..good }, "of shape [] instead of [2, 3]"),
        (AscanTensor { shape: other.as_ptr(), ..good }, "sent `x` of shape [3, 2] instead of [2, 3]"),
        (AscanTensor { shape: huge.as_ptr(), ..good }, "of shape [18446744073709551615, 2] instead of [2, 3]"),
        (AscanTensor { strides: far.as_ptr(), ..good }, "which lead out of all memory"),
        (AscanTensor { strides: over.as_ptr(), ..good }, "which lead out of all memory"),
    ] {
        let sentence = sentence(tensor);
        assert!(sentence.contains(says), "{says}: {sentence}");
    }
    assert_eq!(sentence(AscanTensor { data: null(), ..good }), "plugin `liar`: sent `x`, which has no values");
}

#[test]
fn where_any_shape_is_good_no_absurd_one_is() {
    for (shape, says) in [
        ([usize::MAX, 2], "more than any memory holds"),
        ([1 << 31, 1 << 31], "more than any memory holds"),
        // Nothing is behind it, and nothing is looked at.
        ([0, 1 << 20], "[]"),
    ] {
        let tensor = AscanTensor { data: null(), shape: shape.as_ptr(), n_dims: 2, strides: null() };
        let entry = AscanNamedTensor { name: AscanStr::new("x"), tensor };
        let reply = AscanReply { tensors: &raw const entry, n_tensors: 1, ..AscanReply::EMPTY };
        let taken = sent(0, reply, |sent| sent.take_all());
        let sentence = taken.map_or_else(|error| error.to_string(), |all| format!("{:?}", all[0].1.data()));
        assert!(sentence.contains(says), "{says}: {sentence}");
    }
}

#[test]
fn every_lie_about_a_list_of_tensors_is_a_sentence() {
    static LATIN: [u8; 1] = [0xe9];
    let (values, shape) = ([1.0f32], [1usize]);
    let tensor = AscanTensor { data: values.as_ptr(), shape: shape.as_ptr(), n_dims: 1, strides: null() };
    let one = |name| AscanNamedTensor { name, tensor };
    let twice = [one(AscanStr::new("x")), one(AscanStr::new("x"))];
    let named = |entries: &[AscanNamedTensor]| (entries.as_ptr(), entries.len());
    let unnamed = [one(TEXT_OF_NOTHING)];
    let latin = [one(AscanStr { ptr: LATIN.as_ptr(), len: 1 })];
    for ((tensors, n_tensors), says) in [
        ((null(), 1), "sent 1 tensors, and NULL for them"),
        ((twice.as_ptr().wrapping_byte_add(4), 1), "sent 1 tensors, and NULL for them"),
        ((twice.as_ptr(), usize::MAX), "sent 18446744073709551615 tensors, 1048576 at most"),
        (named(&twice), "sent two tensors of one name"),
        (named(&unnamed), "sent a tensor whose name is NULL, and 9 bytes long"),
        (named(&latin), "sent a tensor whose name is not UTF-8"),
    ] {
        let reply = AscanReply { tensors, n_tensors, ..AscanReply::EMPTY };
        let error = sent(0, reply, |sent| sent.take_all()).unwrap_err();
        assert!(error.to_string().starts_with("plugin `liar`: sent ") && error.to_string().contains(says), "{error}");
    }
    let missing = sent(0, AscanReply::EMPTY, |mut sent| sent.take("maps", &[1])).unwrap_err();
    assert_eq!(missing.to_string(), "plugin `liar`: did not send the tensor `maps`");
}

#[test]
fn every_lie_about_json_is_a_sentence() {
    let deep = "[".repeat(1_000_000);
    for (json, says) in [
        (AscanStr::EMPTY, "sent a reply that cannot be read"),
        (AscanStr::new("{"), "sent a reply that cannot be read"),
        (AscanStr::new(r#"{"n": -1}"#), "sent a reply that cannot be read"),
        (AscanStr::new(&deep), "sent a reply that cannot be read"),
        (TEXT_OF_NOTHING, "sent JSON that is NULL"),
        (AscanStr { len: usize::MAX, ..AscanStr::new("{}") }, "sent JSON that is 18446744073709551615 bytes long"),
    ] {
        #[derive(Debug, serde::Deserialize)]
        struct Facts {
            #[expect(dead_code)]
            n: usize,
        }
        let reply = AscanReply { json, ..AscanReply::EMPTY };
        let error = sent(0, reply, |sent| sent.json::<Facts>()).unwrap_err().to_string();
        assert!(error.starts_with("plugin `liar`: ") && error.contains(says), "{says}: {error}");
    }
}

#[test]
fn every_status_is_an_error_of_its_kind_or_the_plugins_fault() {
    for status in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, -1, -8, i32::MIN, i32::MAX] {
        let lies = AscanReply {
            json: TEXT_OF_NOTHING,
            message: TEXT_OF_NOTHING,
            key: TEXT_OF_NOTHING,
            hint: TEXT_OF_NOTHING,
            tensors: null(),
            n_tensors: usize::MAX,
            ..AscanReply::EMPTY
        };
        let error = sent(status, lies, |_| Ok(())).unwrap_err();
        let expected = if (1..=8).contains(&status) { ErrorCode::from_u32(status as u32) } else { ErrorCode::Plugin };
        assert_eq!(error.code(), expected, "{status}");
        match expected {
            ErrorCode::Cancelled => assert_eq!(error, Error::Cancelled),
            ErrorCode::Plugin => assert_eq!(error.to_string(), "plugin `liar`: failed and did not say why"),
            _ => assert_eq!(error.to_string(), "failed and did not say why"),
        }
    }
}

#[test]
fn an_error_keeps_its_fields() {
    let error = Error::unknown_name("layer", "conv9", ["conv1"]);
    // SAFETY: `answer` keeps the contract of replies.
    let crossed = unsafe { ask("p", |reply| answer(reply, || Err(error.clone()))) }.err().unwrap();
    assert!(matches!(&crossed, Error::UnknownName { kind, name, available }
        if kind == "layer" && name == "conv9" && available == &["conv1"]));
    // The name that the host knows a plugin by, not the one it gives itself.
    let own = Error::plugin("myself", "is tired", "wait");
    // SAFETY: as above.
    let crossed = unsafe { ask("p", |reply| answer(reply, || Err(own))) }.err().unwrap();
    assert_eq!(crossed, Error::plugin("p", "is tired", "wait"));
}

#[test]
fn a_reply_is_released_once_whatever_becomes_of_it() {
    use std::cell::Cell;
    thread_local!(static RELEASED: Cell<u32> = const { Cell::new(0) });
    unsafe extern "C" fn release(_owner: *mut std::ffi::c_void) {
        RELEASED.set(RELEASED.get() + 1);
    }
    let reply = || AscanReply { release: Some(release), ..AscanReply::EMPTY };
    sent(0, reply(), |_| Ok(())).unwrap();
    sent(1, reply(), |_| Ok(())).unwrap_err();
    sent(0, reply(), |mut sent| sent.take("x", &[])).unwrap_err();
    sent(0, AscanReply { n_tensors: 1, ..reply() }, |_| Ok(())).unwrap_err();
    let panics = std::panic::catch_unwind(|| sent::<Tensor>(0, reply(), |_| panic!("on purpose")));
    assert!(panics.is_err());
    assert_eq!(RELEASED.get(), 5);
}
