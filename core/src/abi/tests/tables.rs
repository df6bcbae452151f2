//! Every size of every table, every entry as NULL, every number of a descriptor.

use super::toy::{HABITS, Toy, exercise};
use crate::abi::types::{ASCAN_ABI_MAJOR, ASCAN_ABI_MINOR, ASCAN_MAGIC, AscanStr};
use crate::abi::{AscanLibrary, AscanPlugin, Library, export_plugin};
use crate::{Error, Kind, Result};
use std::ffi::c_void;

/// A word of a table: its size, or a pointer.
type Word = *const c_void;

/// Copies words to memory of their own, which has no byte more and lives on, as a library's would.
fn lasting(words: &[Word]) -> *const c_void {
    Box::leak(words.to_vec().into_boxed_slice()).as_ptr().cast()
}

/// The words of one of our own tables.
fn words<T>(table: &'static T) -> Vec<Word> {
    let n = size_of::<T>() / size_of::<Word>();
    // SAFETY: every field of a table is a word.
    unsafe { std::slice::from_raw_parts((&raw const *table).cast::<Word>(), n) }.to_vec()
}

/// The toy of a kind with another table.
fn plugin(kind: Kind, table: *const c_void) -> AscanPlugin {
    let own = match kind {
        Kind::Backend => export_plugin::<Toy, { Kind::Backend as u32 }>(),
        Kind::Attributor => export_plugin::<Toy, { Kind::Attributor as u32 }>(),
        Kind::Slicer => export_plugin::<Toy, { Kind::Slicer as u32 }>(),
        Kind::Projector => export_plugin::<Toy, { Kind::Projector as u32 }>(),
        Kind::Regularizer => export_plugin::<Toy, { Kind::Regularizer as u32 }>(),
    };
    AscanPlugin { table, ..own }
}

fn library(plugins: *const AscanPlugin, n_plugins: usize) -> AscanLibrary {
    AscanLibrary {
        magic: ASCAN_MAGIC,
        abi_major: ASCAN_ABI_MAJOR,
        abi_minor: ASCAN_ABI_MINOR,
        size: size_of::<AscanLibrary>(),
        version: AscanStr::new("1"),
        compiler: AscanStr::EMPTY,
        plugins,
        n_plugins,
    }
}

fn open(library: AscanLibrary) -> Result<Library> {
    // SAFETY: the descriptor and all that it points to lives on.
    unsafe { Library::open(Box::leak(Box::new(library)), None) }
}

/// A library of one plugin, opened.
fn open_one(plugin: AscanPlugin) -> Result<Library> {
    open(library(Box::leak(Box::new(plugin)), 1))
}

/// A table of the boundary.
struct Case {
    what: &'static str,
    kind: Kind,
    words: Vec<Word>,
    /// Words that every version has.
    n_needed: usize,
    may_be_null: &'static [usize],
    /// Words of the form that ABI 1.0 had first.
    n_first: usize,
    /// The table of the plugin, given this one.
    wrap: fn(*const c_void) -> *const c_void,
}

fn cases() -> Vec<Case> {
    use crate::abi::{attributor, backend, projector, regularizer, slicer, trainer};
    let case = |what, kind, words: Vec<Word>| Case {
        what,
        kind,
        n_needed: words.len(),
        words,
        may_be_null: &[],
        n_first: 0,
        wrap: |table| table,
    };
    let in_runtime = |table: *const c_void| {
        let mut runtime = words(&backend::EXPORT);
        runtime[4] = table;
        lasting(&runtime)
    };
    vec![
        case("runtime", Kind::Backend, words(&backend::EXPORT)),
        Case {
            n_needed: 7,
            may_be_null: &[5, 7, 8, 9, 10],
            wrap: in_runtime,
            ..case("backend", Kind::Backend, words(&backend::BACKEND))
        },
        Case {
            n_first: 5,
            wrap: |table| {
                let mut models = words(&backend::BACKEND);
                models[5] = table;
                let mut runtime = words(&backend::EXPORT);
                runtime[4] = lasting(&models);
                lasting(&runtime)
            },
            ..case("trainer", Kind::Backend, words(&trainer::EXPORT))
        },
        case("attributor", Kind::Attributor, words(&attributor::EXPORT)),
        case("slicer", Kind::Slicer, words(&slicer::EXPORT)),
        case("projector", Kind::Projector, words(&projector::EXPORT)),
        Case {
            n_needed: 6,
            may_be_null: &[6],
            n_first: 3,
            ..case("regularizer", Kind::Regularizer, words(&regularizer::EXPORT))
        },
    ]
}

#[test]
fn every_size_of_a_table_is_a_plugin_or_a_sentence() {
    for case in cases() {
        for size in 0..=size_of::<Word>() * (case.words.len() + 2) {
            let n = size / size_of::<Word>();
            let mut table = case.words.clone();
            table.resize(n.max(1), std::ptr::null());
            table[0] = std::ptr::without_provenance(size);
            let opened = open_one(plugin(case.kind, (case.wrap)(lasting(&table))));
            if case.n_first > 0 && size == case.n_first * size_of::<Word>() {
                // The functions of the first form are others: they are not to be called here.
                opened.unwrap();
            } else if n < case.n_needed {
                let error = opened.unwrap_err().to_string();
                let says = format!("its {} table says that it has {size} bytes", case.what);
                assert!(error.starts_with("plugin `toy`: its function table is too small"), "{error}");
                assert!(error.contains(&says), "{error}");
            } else {
                exercise(&opened.unwrap().plugins()[0]).unwrap();
            }
        }
    }
}

#[test]
fn every_entry_of_a_table_that_is_null_is_done_without_or_a_sentence() {
    for case in cases() {
        for i in 1..case.words.len() {
            let mut table = case.words.clone();
            table[i] = std::ptr::null();
            let opened = open_one(plugin(case.kind, (case.wrap)(lasting(&table))));
            if case.may_be_null.contains(&i) {
                exercise(&opened.unwrap().plugins()[0]).unwrap();
            } else {
                let error = opened.unwrap_err().to_string();
                assert!(error.contains("has a NULL entry: `"), "{error}");
                assert!(error.ends_with(&format!("` of its {} table", case.what)), "{error}");
            }
        }
    }
}

#[test]
fn a_table_at_an_odd_address_is_a_sentence() {
    for case in cases() {
        let odd = lasting(&[&case.words[..], &[std::ptr::null()]].concat()).wrapping_byte_add(1);
        let error = open_one(plugin(case.kind, (case.wrap)(odd))).unwrap_err().to_string();
        assert!(error.contains(&format!("there is no {} table", case.what)), "{error}");
    }
}

/// The toy slicer, whose table is good.
fn slicer() -> AscanPlugin {
    plugin(Kind::Slicer, (&raw const crate::abi::slicer::EXPORT).cast())
}

#[test]
fn what_a_plugin_is_good_at_crosses() {
    let library = open_one(slicer()).unwrap();
    let plugin = &library.plugins()[0];
    assert_eq!(plugin.speed(), 7);
    assert_eq!(plugin.map_params().unwrap()["n"], 3);
    assert_eq!(plugin.habits(), HABITS);
}

#[test]
fn every_size_of_a_descriptor_is_a_plugin_or_a_sentence() {
    let (full, first) = (size_of::<AscanPlugin>(), std::mem::offset_of!(AscanPlugin, speed));
    for size in (0..=full + 16).chain([1 << 20, usize::MAX - 7]) {
        let plugin = AscanPlugin { size, ..slicer() };
        let mut words: Vec<Word> = vec![std::ptr::null(); (size / 8).clamp(1, full / 8 + 2)];
        let n = words.len().min(full / 8);
        // SAFETY: no more words than both have.
        unsafe { words.as_mut_ptr().copy_from_nonoverlapping((&raw const plugin).cast::<Word>(), n) };
        // Twice, one after the other: the second is found by the size of the first.
        let opened = open(library(lasting(&[&words[..], &words].concat()).cast(), 2));
        if size % 8 == 0 && (first..=full + 16).contains(&size) {
            let opened = opened.unwrap();
            assert_eq!(opened.plugins().len(), 2);
            for plugin in opened.plugins() {
                exercise(plugin).unwrap();
                assert_eq!(plugin.map_params().is_some(), size >= std::mem::offset_of!(AscanPlugin, habits));
                assert_eq!(plugin.habits() == HABITS, size >= full);
            }
        } else {
            let error = opened.unwrap_err().to_string();
            assert!(error.contains("the descriptor of a plugin in it is incomplete"), "{error}");
        }
    }
}

#[test]
fn every_broken_field_of_a_descriptor_is_a_sentence() {
    static LATIN: [u8; 2] = *b"\xe9t";
    let null = |len| AscanStr { ptr: std::ptr::null(), len };
    let no_text = AscanStr { ptr: LATIN.as_ptr(), len: 2 };
    let good = slicer();
    for (plugin, says) in [
        (AscanPlugin { kind: 0, ..good }, "is of kind 0, which this program does not know"),
        (AscanPlugin { kind: 6, ..good }, "is of kind 6"),
        (AscanPlugin { name: AscanStr::EMPTY, ..good }, "it has no name"),
        (AscanPlugin { name: null(4), ..good }, "its name is NULL, and 4 bytes long"),
        (AscanPlugin { name: AscanStr { len: usize::MAX, ..no_text }, ..good }, "bytes long, "),
        (AscanPlugin { name: no_text, ..good }, "its name is not UTF-8"),
        (AscanPlugin { resolve: None, ..good }, "its descriptor has a NULL entry: `resolve`"),
        (AscanPlugin { create: None, ..good }, "its descriptor has a NULL entry: `create`"),
        (AscanPlugin { destroy: None, ..good }, "its descriptor has a NULL entry: `destroy`"),
        (AscanPlugin { table: std::ptr::null(), ..good }, "its descriptor has a NULL entry: `table`"),
        (AscanPlugin { map_params: AscanStr::new("[1]"), ..good }, "its `map_params`: invalid type"),
        (AscanPlugin { map_params: null(1), ..good }, "its `map_params` is NULL"),
    ] {
        let error = open_one(plugin).unwrap_err();
        assert!(matches!(&error, Error::Plugin { message, .. } if message.contains(says)), "{says}: {error}");
        assert_eq!(error.hint().as_deref(), Some("this is a mistake in the plugin: tell its author"));
    }
    // What is shown alone may be anything.
    open_one(AscanPlugin { summary: null(3), ..good }).unwrap();
    assert_eq!(open_one(AscanPlugin { summary: no_text, ..good }).unwrap().plugins()[0].summary(), "\u{fffd}t");
}

#[test]
fn every_broken_field_of_a_library_is_a_sentence() {
    let plugins = Box::leak(Box::new(slicer()));
    let good = library(plugins, 1);
    let odd = (&raw const *plugins).wrapping_byte_add(4);
    for (broken, says) in [
        (AscanLibrary { magic: 0, ..good }, "no plugin descriptor"),
        (AscanLibrary { abi_major: 0, ..good }, "speaks plugin ABI 0."),
        (AscanLibrary { abi_minor: ASCAN_ABI_MINOR + 1, ..good }, "speaks plugin ABI 1."),
        (AscanLibrary { size: size_of::<AscanLibrary>() - 1, ..good }, "its descriptor is incomplete"),
        (AscanLibrary { plugins: std::ptr::null(), ..good }, "its descriptor is incomplete"),
        (AscanLibrary { plugins: odd, ..good }, "its descriptor is incomplete"),
        (AscanLibrary { n_plugins: usize::MAX, ..good }, "says that it has 18446744073709551615 plugins"),
    ] {
        let error = open(broken).unwrap_err().to_string();
        assert!(error.starts_with("plugin `(built in)`: ") && error.contains(says), "{says}: {error}");
    }
    let none = AscanLibrary { plugins: std::ptr::null(), n_plugins: 0, abi_minor: 0, ..good };
    assert!(open(none).unwrap().plugins().is_empty());
}
