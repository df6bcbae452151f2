//! Libraries in which something is missing.

use crate::{compile, file};
use ascan_core::abi::Library;
use tempfile::tempdir;

#[test]
fn a_table_with_a_hole_is_a_sentence_for_each_kind() {
    let dir = tempdir().unwrap();
    let backend = "BACKEND";
    for (kind, table, entry, what) in [
        (backend, "OF_KIND", "3", "`open` of its runtime table"),
        (backend, "BACKEND", "2", "`forward` of its backend table"),
        (backend, "TRAINER", "1", "`step` of its trainer table"),
        ("ATTRIBUTOR", "OF_KIND", "2", "`attribute` of its attributor table"),
        ("SLICER", "OF_KIND", "3", "`destroy_model` of its slicer table"),
        ("PROJECTOR", "OF_KIND", "1", "`fit` of its projector table"),
        ("REGULARIZER", "OF_KIND", "2", "`prepare` of its regularizer table"),
    ] {
        let (kind, table) = (format!("-DKIND=ASCAN_KIND_{kind}"), format!("-DTABLE={table}"));
        let shown = what.rsplit_once("of ").unwrap().1;
        for (flag, says) in [
            (format!("-DHOLE={entry}"), what.to_owned()),
            ("-DSIZE=8".to_owned(), format!("{shown} says that it has 8 bytes")),
            ("-DSIZE=0".to_owned(), format!("{shown} says that it has 0 bytes")),
        ] {
            // A file of its own: what was loaded once stays.
            let stem = format!("{kind}{table}{flag}").replace(|c: char| !c.is_alphanumeric(), "_");
            let folder = dir.path().join(stem);
            std::fs::create_dir(&folder).unwrap();
            let library = folder.join("libholes.so");
            compile(&file("tests/plugins/holes/holes.c"), &library, &[&kind, &table, &flag]);
            let error = Library::load(&library).unwrap_err().to_string();
            let begins = "plugin `holes`: its function table is too small or has a NULL entry: ";
            assert!(error.starts_with(begins) && error.contains(&says), "{says}: {error}");
        }
    }
}

/// The dependency is deleted before the library is loaded.
#[test]
fn a_library_that_is_missing_is_named() {
    let dir = tempdir().unwrap();
    let compiled = |name: &str, code: &str, flags: &[&str]| {
        let (source, library) = (dir.path().join(format!("{name}.c")), dir.path().join(format!("lib{name}.so")));
        std::fs::write(&source, code).unwrap();
        compile(&source, &library, flags);
        library
    };
    let needed = compiled("needed", "int needed(void) { return 1; }\n", &[]);
    let folder = dir.path().display().to_string();
    let code = "int needed(void);\nint ascan_library_needy(void) { return needed(); }\n";
    let needy = compiled("needy", code, &["-L", &folder, "-lneeded"]);
    std::fs::remove_file(needed).unwrap();
    let error = Library::load(&needy).unwrap_err();
    assert!(error.to_string().contains("cannot be loaded: libneeded.so"), "{error}");
    assert!(error.hint().unwrap().contains("is all there that it needs"), "{error}");
}
