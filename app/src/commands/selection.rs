//! Images named on the command line.

use ascan_core::{Error, Result};
use ascan_store::Scan;
use std::collections::HashMap;
use std::path::Path;

/// Where the images of a scan came from, row by row.
///
/// # Errors
/// `File` if the scan is incomplete or damaged.
pub(super) fn uris(scan: &Scan) -> Result<Vec<String>> {
    let mut uris = Vec::new();
    scan.for_each_shard(|shard| uris.extend_from_slice(&shard.uris))?;
    Ok(uris)
}

/// The rows that a text names: uris, rows and ranges of rows separated by commas, or a file with one per line.
///
/// # Errors
/// `Param` for a name that is not an image, `File` for a file that cannot be read.
pub(super) fn rows(text: &str, uris: &[String]) -> Result<Vec<usize>> {
    let by_uri: HashMap<&str, usize> = uris.iter().map(String::as_str).zip(0..).collect();
    let find = |name: &str| named(name, &by_uri);
    // A uri may have a comma in it.
    if let Some(rows) = find(text) {
        return Ok(rows);
    }
    let listed: Result<Vec<Vec<usize>>, &str> = text.split(',').map(|name| find(name.trim()).ok_or(name)).collect();
    let unknown = match listed {
        Ok(rows) => return Ok(rows.concat()),
        Err(unknown) => unknown.trim().to_owned(),
    };
    let path = Path::new(text);
    if !path.is_file() {
        return Err(no_image(&unknown, uris));
    }
    let lines = std::fs::read_to_string(path)
        .map_err(|error| Error::file(path, format!("cannot be read: {error}"), "write one uri or row per line"))?;
    let names = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let rows: Result<Vec<Vec<usize>>> = names.map(|name| find(name).ok_or_else(|| no_image(name, uris))).collect();
    Ok(rows?.concat())
}

/// One image by its uri or row, or a range of rows.
fn named(name: &str, by_uri: &HashMap<&str, usize>) -> Option<Vec<usize>> {
    if let Some(&row) = by_uri.get(name) {
        return Some(vec![row]);
    }
    let (first, last) = name.split_once('-').unwrap_or((name, name));
    let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last && last < by_uri.len()).then(|| (first..=last).collect())
}

fn no_image(name: &str, uris: &[String]) -> Error {
    let message = format!("\"{name}\" is not an image of this scan, and not a file that lists images");
    let example = uris.first().map_or_else(String::new, |uri| format!(", or a uri as the scan writes it, `{uri}`"));
    Error::param("images", message, format!("a row from 0 to {}{example}", uris.len().saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_by_uri_row_and_range() {
        let uris: Vec<String> = ["cat/a.png", "cat/b,c.png", "dog/3.png", "7"].map(str::to_owned).into();
        assert_eq!(rows("cat/b,c.png", &uris).unwrap(), [1]);
        assert_eq!(rows("dog/3.png, 0-1", &uris).unwrap(), [2, 0, 1]);
        assert_eq!(rows("7", &uris).unwrap(), [3], "a uri goes before a row");
        for wrong in ["4", "2-9", "cow.png", "0,", "1-0"] {
            let error = rows(wrong, &uris).unwrap_err();
            assert!(error.to_string().contains("is not an image of this scan"), "{wrong}: {error}");
            assert!(error.hint().unwrap().contains("from 0 to 3"));
        }
    }

    #[test]
    fn a_file_names_one_image_per_line() {
        let uris: Vec<String> = ["a.png", "b.png"].map(str::to_owned).into();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("list.txt");
        std::fs::write(&file, "b.png\n\n 0 \n").unwrap();
        assert_eq!(rows(file.to_str().unwrap(), &uris).unwrap(), [1, 0]);
        std::fs::write(&file, "c.png\n").unwrap();
        assert!(rows(file.to_str().unwrap(), &uris).unwrap_err().to_string().contains("\"c.png\""));
    }
}
