//! At which key of a configuration an error is reported.

use ascan_config::LoadedConfig;
use ascan_config::sections::{ClassMap, ClassNames, DataSection};
use ascan_core::Error;
use std::path::Path;

/// Reports an error at the key that it names (dotted from the root), else at `path`.
pub(super) fn report(loaded: &mut LoadedConfig, path: &[&str], error: &Error) {
    let key = error.key().map(str::to_owned);
    let keys: Vec<&str> = key.iter().flat_map(|key| key.split('.')).collect();
    let named = keys.len() > 1 && keys.first() == path.first();
    loaded.report(if named { &keys } else { path }, error);
}

/// Reports an error of the image set at the key it comes from.
pub(super) fn report_data(loaded: &mut LoadedConfig, error: &Error) {
    let data = &loaded.config.data;
    let path: Vec<&str> = match error {
        Error::File { path, .. } => key_of_file(data, path).map_or(vec!["data"], |key| vec!["data", key]),
        Error::UnknownName { kind, .. } if kind == "split" => vec!["data", "split"],
        Error::UnknownName { kind, name, .. } if kind.starts_with("column") => {
            let columns = &data.columns;
            let named = [("path", &columns.path), ("label", &columns.label), ("split", &columns.split)];
            let mut named = named.into_iter().chain([("mask", &columns.mask)]);
            let key = named.find(|(_, column)| *column == name).map_or("group", |(key, _)| key);
            vec!["data", "columns", key]
        }
        _ => vec!["data"],
    };
    report(loaded, &path, error);
}

/// The key of `[data]` that names this file.
fn key_of_file(data: &DataSection, file: &Path) -> Option<&'static str> {
    let names = |names: &Option<ClassNames>| matches!(names, Some(ClassNames::File(path)) if path == file);
    let is = |path: &Option<std::path::PathBuf>| path.as_deref() == Some(file);
    let sources = [
        ("images", is(&data.images)),
        ("manifest", is(&data.manifest)),
        ("archive", is(&data.archive)),
        ("idx", is(&data.idx)),
        ("idx_labels", is(&data.idx_labels)),
        ("root", is(&data.root)),
        ("classes", names(&data.classes)),
        ("output_names", names(&data.output_names)),
        ("class_map", matches!(&data.class_map, ClassMap::Rule(rule) if Path::new(rule) == file)),
    ];
    sources.into_iter().find(|(_, is)| *is).map(|(key, _)| key)
}

/// Reports an error of the method at this place, the first being that of `attribution.plugin`.
pub(super) fn report_method(loaded: &mut LoadedConfig, i: usize, error: &Error) {
    match i {
        0 => loaded.report_plugin("attribution", error),
        _ => loaded.report(&["attribution", "also"], error),
    }
}
