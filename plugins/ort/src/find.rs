//! Where an onnxruntime may lie.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The first onnxruntime library found, or every place that was looked at.
///
/// In this order: `given`, the variable `ORT_DYLIB_PATH`, the program's folder and its `plugins`, Python
/// environments (the active one, those of each `python3` on the path, the user's), system libraries.
///
/// # Errors
/// The places, if there is none in them.
pub fn find_library(given: Option<&Path>) -> Result<PathBuf, Vec<PathBuf>> {
    if let Some(path) = given {
        return if path.is_file() { Ok(path.to_owned()) } else { Err(vec![path.to_owned()]) };
    }
    let places = places();
    places.iter().find_map(|place| library_at(place)).ok_or(places)
}

fn places() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut places: Vec<PathBuf> = variable("ORT_DYLIB_PATH").into_iter().collect();
    if let Some(folder) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        places.extend([folder.to_owned(), folder.join("plugins")]);
    }
    let mut pythons: Vec<PathBuf> = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(variable).collect();
    for folder in std::env::var_os("PATH").iter().flat_map(std::env::split_paths) {
        // `python3` is often a link into the environment that it belongs to.
        let python = folder.join("python3").canonicalize().ok();
        pythons.extend(python.as_deref().and_then(Path::parent).and_then(Path::parent).map(Path::to_owned));
    }
    pythons.extend(variable("HOME").map(|home| home.join(".local")));
    places.extend(pythons.iter().flat_map(|python| site_packages(python)));
    places.extend(["/usr/local/lib", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/opt/homebrew/lib"].map(PathBuf::from));
    let mut seen = std::collections::HashSet::new();
    places.retain(|place| seen.insert(place.clone()));
    places
}

/// Folders under a Python prefix in which the `onnxruntime` package keeps its library.
fn site_packages(prefix: &Path) -> Vec<PathBuf> {
    let mut folders = vec![prefix.join("Lib/site-packages")];
    for lib in ["lib", "lib64"].map(|lib| prefix.join(lib)) {
        let versions = std::fs::read_dir(&lib).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut versions: Vec<PathBuf> = versions.filter(|path| name_starts(path, "python3")).collect();
        versions.sort();
        folders.extend(versions.iter().flat_map(|path| [path.join("site-packages"), path.join("dist-packages")]));
    }
    folders.into_iter().map(|folder| folder.join("onnxruntime").join("capi")).filter(|capi| capi.is_dir()).collect()
}

/// The library itself, or the library in a folder (its name may end in a version).
fn library_at(place: &Path) -> Option<PathBuf> {
    if place.is_file() {
        return Some(place.to_owned());
    }
    let prefix = format!("{}onnxruntime{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let other = format!("{}onnxruntime.", std::env::consts::DLL_PREFIX);
    let extension = std::env::consts::DLL_EXTENSION;
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries
        .filter(|path| {
            // libonnxruntime.so, libonnxruntime.so.1.32.0, libonnxruntime.1.32.0.dylib; not libonnxruntime_providers_…
            let versioned = name_starts(path, &other) && path.extension() == Some(OsStr::new(extension));
            name_starts(path, &prefix) || versioned
        })
        .collect();
    found.sort();
    found.pop()
}

fn name_starts(path: &Path, prefix: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
}
