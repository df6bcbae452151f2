//! Names of the outputs in a model's metadata, as Ultralytics (`names`), Hugging Face (`id2label`) and others write them.

use crate::proto::ModelProto;
use ascan_core::output_names;

/// Keys of the metadata that hold names, the most telling first.
const KEYS: [&str; 5] = ["names", "id2label", "class_names", "classes", "labels"];

/// The names of all `n` outputs, in their order; `None` if the metadata does not hold exactly as many.
pub(crate) fn of_metadata(model: &ModelProto, n: usize) -> Option<Vec<String>> {
    let values = KEYS.iter().filter_map(|key| model.metadata_props.iter().find(|entry| entry.key == *key));
    values.map(|entry| &entry.value).find_map(|value| {
        let in_a_row = || value.split(',').map(|name| name.trim().to_owned()).collect();
        let names = output_names::parse(value).filter(|names| names.len() == n).unwrap_or_else(in_a_row);
        (names.len() == n && n > 1).then_some(names)
    })
}
