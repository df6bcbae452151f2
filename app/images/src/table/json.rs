//! Tables as JSON: one object per line, an array of objects, or the images and annotations of COCO.

use super::delimited::TextTable;
use super::marks::Marks;
use crate::files::file_name;
use crate::text;
use ascan_core::{Error, Result};
use csv::StringRecord;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

pub(super) fn read(path: &Path) -> Result<(TextTable, Option<Marks>)> {
    let text::Text { text, note } = text::read(path, "")?;
    let fail = |message: String, hint: &str| Error::file(path, message, hint);
    let is_lines = path.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("json"));
    let start = text.trim_start();
    let (mut table, marks) = if start.starts_with('[') {
        let objects: Vec<Map<String, Value>> = serde_json::from_str(&text)
            .map_err(|error| fail(format!("is not a list of objects: {error}"), "one object per image"))?;
        (table_of(objects), None)
    } else if is_lines || start.lines().nth(1).is_some_and(|line| line.starts_with('{')) {
        let mut objects = Vec::new();
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            match serde_json::from_str(text.trim()) {
                Ok(Value::Object(object)) => objects.push(object),
                Ok(_) => return Err(fail(format!("line {line} is not an object"), "one object per line")),
                Err(error) => return Err(fail(format!("line {line} is not JSON: {error}"), "one object per line")),
            }
        }
        (table_of(objects), None)
    } else {
        let coco: Coco = serde_json::from_str(&text).map_err(|error| {
            let hint =
                "a table in JSON is a list of objects, one object per line, or COCO's `images` and `annotations`";
            fail(format!("is no table of images: {error}"), hint)
        })?;
        let (table, marks) = coco.table().map_err(|message| fail(message, ""))?;
        (table, Some(marks))
    };
    let name = file_name(path);
    table.notes.iter_mut().for_each(|note| *note = format!("{name} {note}"));
    table.notes.extend(note);
    Ok((table, marks))
}

/// The columns are the keys of all objects, in the order in which they occur.
fn table_of(objects: Vec<Map<String, Value>>) -> TextTable {
    let mut columns: Vec<String> = Vec::new();
    for object in &objects {
        // Few columns: a search in the list keeps their order.
        let new: Vec<String> = object.keys().filter(|key| !columns.contains(key)).cloned().collect();
        columns.extend(new);
    }
    let row = |object: &Map<String, Value>| columns.iter().map(|key| text_of(object.get(key))).collect();
    let rows: Vec<StringRecord> = objects.iter().map(row).collect();
    TextTable { columns, rows, notes: vec![] }
}

fn text_of(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(other) => other.to_string(),
    }
}

/// What is read of a COCO file: which categories occur on each image.
#[derive(Deserialize)]
struct Coco {
    images: Vec<CocoImage>,
    #[serde(default)]
    annotations: Vec<Annotation>,
    #[serde(default)]
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct CocoImage {
    id: i64,
    file_name: String,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: i64,
    category_id: Option<i64>,
}

#[derive(Deserialize)]
struct Category {
    id: i64,
    name: String,
}

impl Coco {
    fn table(self) -> Result<(TextTable, Marks), String> {
        // In the order of their ids, as the outputs of models are.
        let categories: BTreeMap<i64, String> = self.categories.into_iter().map(|c| (c.id, c.name)).collect();
        let place: HashMap<i64, usize> = categories.keys().enumerate().map(|(i, &id)| (id, i)).collect();
        let image: HashMap<i64, usize> = self.images.iter().enumerate().map(|(i, image)| (image.id, i)).collect();
        let mut of_rows = vec![Vec::new(); self.images.len()];
        let mut n_stray = 0;
        for annotation in &self.annotations {
            let Some(category) = annotation.category_id else { continue };
            let Some(&category) = place.get(&category) else {
                return Err(format!("has an annotation of category {category}, which is not among its categories"));
            };
            match image.get(&annotation.image_id) {
                Some(&row) => of_rows[row].push(category),
                None => n_stray += 1,
            }
        }
        for row in &mut of_rows {
            row.sort_unstable();
            row.dedup();
        }
        let mut notes = Vec::new();
        if n_stray > 0 {
            notes.push(format!("has {n_stray} annotations of images that it does not list: they are left out"));
        }
        let rows = self.images.iter().map(|image| StringRecord::from(vec![image.file_name.trim()])).collect();
        let table = TextTable { columns: vec!["file_name".into()], rows, notes };
        Ok((table, Marks { classes: categories.into_values().collect(), of_rows }))
    }
}
