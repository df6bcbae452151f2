//! Plugins that are linked in, beside libraries.

use crate::conformance::library_file;
use crate::harness::Dir;
use ascan_config::host::{PluginHost, PluginState};
use ascan_core::Kind;
use ascan_plugins::LIBRARIES;

#[test]
fn a_library_is_used_in_place_of_what_is_linked_in_and_it_is_said() {
    let dir = Dir::new();
    let built = library_file("ascan_partition");
    let file = dir.path().join(built.file_name().unwrap());
    std::fs::copy(&built, &file).unwrap();
    let entry = LIBRARIES.iter().find(|(stem, _)| *stem == "ascan_partition").expect("a library of the workspace").1;
    let host = PluginHost::with_static(&[entry]).unwrap().search(&[dir.path().to_owned()]);

    let rows: Vec<_> = host.list().into_iter().filter(|row| row.name == "kmeans").collect();
    let states: Vec<_> = rows.iter().map(|row| (row.file.as_ref(), row.state)).collect();
    assert_eq!(states, [(None, PluginState::Declared), (Some(&file), PluginState::Loaded)]);
    assert_eq!(rows[0].reason, format!("shadowed by {}", file.display()));
    let warnings = host.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let said = format!("{} is used in place of what is built in: the slicer `gmm`, ", file.display());
    assert!(warnings[0].starts_with(&said) && warnings[0].contains("the slicer `kmeans`"), "{warnings:?}");

    // Cargo's own libraries beside a program that has its plugins linked in are not looked at: the tests' are in `deps`.
    let alone = PluginHost::with_static(&[entry]).unwrap().search(&[]);
    assert!(alone.warnings().is_empty() && alone.list().iter().all(|row| row.file.is_none()), "{:?}", alone.list());
    assert!(alone.plugin(Kind::Slicer, "kmeans").is_ok());
}
