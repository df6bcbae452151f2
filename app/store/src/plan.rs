//! `plan.json`: everything the rows of a scan depend on.

use super::layout::{self, FORMAT};
use ascan_config::sections::FeaturesSection;
use ascan_core::params::ParamMap;
use ascan_core::{Error, OutputKind, Result};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// What the rows of a scan depend on. Two scans with the same plan have the same rows, byte for byte;
/// a scan is only ever continued under the same plan. No paths and no times: files may move.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ScanPlan {
    /// Layout version.
    pub format: u32,
    /// Version of the program that began the scan; for the record, it does not stop another one from going on.
    pub version: String,
    /// The images.
    pub data: DataPlan,
    /// The classifier.
    pub model: ModelPlan,
    /// From pixels to the model's input, every number written out.
    pub preprocess: Value,
    /// The maps that weight the features.
    pub attribution: AttributionPlan,
    /// The maps beside them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<AttributionPlan>,
    /// The vectors.
    pub features: FeaturesPlan,
    /// Seed of everything random.
    pub seed: u64,
    /// Images per call of the model; engines round differently at different sizes.
    pub batch_size: usize,
    /// Rows per shard.
    pub shard_rows: usize,
}

/// The images of a scan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DataPlan {
    /// Rows in all.
    pub n_rows: usize,
    /// Hash of names, sizes, labels and groups.
    pub fingerprint: String,
    /// The same without sizes, which are not known of a file that cannot be looked at; empty in scans from before it was kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub names: String,
    /// Images of unknown size.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_unknown: usize,
    /// Hash of the labels as output indices: the class map may change while the images stay.
    pub labels: String,
    /// Annotated attributes, in order.
    pub group_columns: Vec<String>,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl DataPlan {
    /// Whether the images may be the same: where one could not be looked at, its size says nothing.
    fn may_be(&self, other: &Self) -> bool {
        let is_unsure = self.n_unknown > 0 || other.n_unknown > 0;
        self.fingerprint == other.fingerprint || (is_unsure && !self.names.is_empty() && self.names == other.names)
    }
}

/// The classifier of a scan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ModelPlan {
    /// Of the file, with its external data.
    pub sha256: String,
    /// Plugin name.
    pub backend: String,
    /// Engine and version.
    pub engine: String,
    /// Parameters of the backend.
    pub params: ParamMap,
    /// `cpu`, or another device of the backend.
    pub device: String,
    /// `[c, h, w]`.
    pub input_shape: [usize; 3],
    /// Number of answers: of outputs, or 2 and 4 where the question is another than which class.
    pub n_classes: usize,
    /// Names of the answers, where known.
    pub class_names: Vec<String>,
    /// What each of the numbers is that are kept beside an answer: the classes of an image that may have several, or the one
    /// quantity. Empty where the question is which class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<String>,
    /// The graph output that was explained; scans from before it was kept have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputPlan>,
}

impl ModelPlan {
    /// What the output means, and with it the probabilities of the rows.
    pub fn output_kind(&self) -> OutputKind {
        self.output.as_ref().map_or(OutputKind::default(), |output| output.kind)
    }
}

/// The output of a model that was explained.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct OutputPlan {
    /// Its name in the graph.
    pub name: String,
    /// What it means.
    pub kind: OutputKind,
    /// The class that was asked for, where an image may have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<usize>,
    /// From which probability on it counts as there, where that is not one half.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// How far off a quantity may be and still be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f32>,
}

/// The maps of a method.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AttributionPlan {
    /// What the maps are called, where it is not the plugin's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Plugin name.
    pub plugin: String,
    /// Parameters, resolved.
    pub params: ParamMap,
    /// The class that is explained.
    pub target: String,
    /// How the maps are computed, in a few words.
    pub method: String,
    /// Feature maps that the method reads.
    pub layers: Vec<String>,
    /// `[h, w]` as computed.
    pub map_size: [usize; 2],
    /// `[h, w]` as stored.
    pub stored_map_size: [usize; 2],
}

impl AttributionPlan {
    /// What the maps are called.
    pub fn title(&self) -> &str {
        if self.name.is_empty() { &self.plugin } else { &self.name }
    }
}

/// The vectors of a scan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FeaturesPlan {
    /// `[features]`, its layer resolved and without the path of its source.
    #[serde(flatten, serialize_with = "without_source")]
    pub settings: FeaturesSection,
    /// `[c, h, w]` of the layer.
    pub layer_shape: [usize; 3],
    /// Length of a vector.
    pub n_dims: usize,
    /// Of the file that the vectors come from, where no model made them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_hash: Option<String>,
}

fn without_source<S: Serializer>(settings: &FeaturesSection, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    let FeaturesSection { layer, weighting, direction, sign, dtype, source: _ } = settings;
    // In this order: a plan is known by its bytes.
    let fields =
        [("layer", layer), ("weighting", weighting), ("direction", direction), ("sign", sign), ("dtype", dtype)];
    serializer.collect_map(fields)
}

/// More images than any data set has.
const MAX_ROWS: usize = 1 << 30;
/// What is known of each shard is held in memory.
const MAX_SHARDS: usize = 1 << 20;
/// Classes, dimensions or places of a map.
const MAX_ROW_VALUES: usize = 1 << 24;

/// Maps up to this side are stored as they are.
const MAX_MAP_SIDE: usize = 64;
/// Larger ones are averaged to this: 16 times the values of a 14-pixel map, and 224 divides by it.
const REDUCED_MAP_SIDE: usize = 56;

/// The size at which maps are stored: input-sized maps of 100,000 images would fill a disk.
pub fn stored_map_size([h, w]: [usize; 2]) -> [usize; 2] {
    let longer = h.max(w);
    if longer <= MAX_MAP_SIDE {
        return [h, w];
    }
    [h, w].map(|side| ((side * REDUCED_MAP_SIDE + longer / 2) / longer).max(1))
}

impl ScanPlan {
    /// All methods, the one whose maps weight the features first.
    pub fn methods(&self) -> impl Iterator<Item = &AttributionPlan> {
        std::iter::once(&self.attribution).chain(&self.also)
    }

    /// Whether there are maps: vectors that come from elsewhere have none.
    pub fn has_maps(&self) -> bool {
        !self.attribution.stored_map_size.contains(&0)
    }

    /// Says that a method asks the model, where the scan has none.
    ///
    /// # Errors
    /// `Unsupported` for a scan of vectors that come from elsewhere.
    pub fn check_model(&self, what: &str) -> Result<()> {
        if self.features.source_hash.is_none() {
            return Ok(());
        }
        let message = format!("{what} asks the model, and this scan was made of vectors without one");
        Err(Error::unsupported(message, "scan the model itself, with a section [model] in place of `features.source`"))
    }

    /// Number of shards.
    pub fn n_shards(&self) -> usize {
        self.data.n_rows.div_ceil(self.shard_rows.max(1))
    }

    /// Rows of a shard.
    pub fn rows(&self, shard: usize) -> Range<usize> {
        layout::shard_rows(shard, self.data.n_rows, self.shard_rows)
    }

    /// The bytes of `plan.json`, always the same for the same plan.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| Error::file(layout::PLAN, error, ""))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// What the rows depend on, as a hash: plans that [`Self::differences`] tells apart differ.
    ///
    /// # Errors
    /// As [`Self::to_json`].
    pub fn hash(&self) -> Result<String> {
        let unversioned = Self { version: String::new(), ..self.clone() };
        Ok(blake3::hash(&unversioned.to_json()?).to_hex().to_string())
    }

    /// Reads `plan.json`.
    ///
    /// # Errors
    /// `File` for another layout version or a file that is damaged.
    pub fn from_json(bytes: &[u8], dir: &Path) -> Result<Self> {
        let (plan, newer) = Self::read(bytes, dir)?;
        newer.map_or(Ok(plan), Err)
    }

    /// Reads `plan.json`, also one of a newer layout version if it is still understood; then the error says so.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn read(bytes: &[u8], dir: &Path) -> Result<(Self, Option<Error>)> {
        let path = dir.join(layout::PLAN);
        let damaged =
            |error| Error::file(&path, format!("is not a scan plan: {error}"), "scan again into a new folder");
        let value: Value = serde_json::from_slice(bytes).map_err(damaged)?;
        let Some(format) = value.get("format").and_then(Value::as_u64) else {
            return Err(Error::file(&path, "is not a scan plan: it has no `format`", ""));
        };
        let other = |age: &str, hint: &str| {
            let message = format!(
                "this scan was written by {age} version of Attribution Scanner (format {format}, this one reads {FORMAT})"
            );
            Error::file(dir, message, hint)
        };
        let plan: serde_json::Result<Self> = serde_json::from_value(value);
        if let Some(reason) = plan.as_ref().ok().and_then(Self::too_large) {
            return Err(Error::file(&path, format!("is no plan of a scan: {reason}"), "scan again into a new folder"));
        }
        match format.cmp(&u64::from(FORMAT)) {
            Ordering::Less => Err(other("an older", "scan again into a new folder")),
            Ordering::Equal => Ok((plan.map_err(damaged)?, None)),
            Ordering::Greater => {
                let error = other("a newer", "update this program");
                plan.map_or_else(|_| Err(error.clone()), |plan| Ok((plan, Some(error.clone()))))
            }
        }
    }

    /// Why a scan of this size cannot be, if it cannot: a file must not ask for all memory.
    fn too_large(&self) -> Option<String> {
        let product = |sides: &[usize]| sides.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
        let map = self.methods().map(|method| product(&method.stored_map_size));
        let sizes = [Some(self.model.n_classes), Some(self.features.n_dims)].into_iter().chain(map);
        let row = sizes.map(|size| size.unwrap_or(usize::MAX)).max().unwrap_or(0);
        let (n, n_shards) = (self.data.n_rows, self.n_shards());
        if n > MAX_ROWS {
            return Some(format!("it speaks of {n} images, more than {MAX_ROWS}"));
        }
        if n_shards > MAX_SHARDS {
            return Some(format!("it speaks of {n_shards} shards, more than {MAX_SHARDS}: raise `run.shard_rows`"));
        }
        (row > MAX_ROW_VALUES).then(|| format!("it speaks of {row} numbers per image, more than {MAX_ROW_VALUES}"))
    }

    /// What differs from another plan, one line each: `features.weighting: the scan has "none", now "normalised"`.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        // A scan from before the output was kept took its numbers for logits.
        let same_rows = self.model.output.is_none() && !now.model.output_kind().is_sigmoid();
        let same_images = self.data.may_be(&now.data);
        let (mut before, mut now) = (self.flat(), now.flat());
        let of_sizes = ["data.fingerprint", "data.names", "data.n_unknown"];
        for key in &of_sizes[usize::from(!same_images)..] {
            before.remove(*key);
            now.remove(*key);
        }
        now.retain(|key, _| !(same_rows && key.starts_with("model.output.")));
        let keys: std::collections::BTreeSet<_> = before.keys().chain(now.keys()).collect();
        let show = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
        keys.into_iter()
            .filter(|&key| key != "version" && before.get(key) != now.get(key))
            .map(|key| format!("{key}: the scan has {}, now {}", show(before.get(key)), show(now.get(key))))
            .collect()
    }

    fn flat(&self) -> BTreeMap<String, Value> {
        let mut flat = BTreeMap::new();
        flatten("", serde_json::to_value(self).unwrap_or_default(), &mut flat);
        flat
    }
}

/// The leaves of a JSON value by their dotted names, for saying what differs between two plans.
pub fn flatten(prefix: &str, value: Value, flat: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten(&name, value, flat);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (i, item) in items.into_iter().enumerate() {
                flatten(&format!("{prefix}.{i}"), item, flat);
            }
        }
        value => drop(flat.insert(prefix.to_owned(), value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> ScanPlan {
        ScanPlan { format: FORMAT, version: "0.1.0".into(), shard_rows: 4, ..Default::default() }
    }

    #[test]
    fn large_maps_are_reduced_and_small_ones_kept() {
        assert_eq!(stored_map_size([7, 7]), [7, 7]);
        assert_eq!(stored_map_size([64, 64]), [64, 64]);
        assert_eq!(stored_map_size([224, 224]), [56, 56]);
        assert_eq!(stored_map_size([65, 10]), [56, 9]);
        assert_eq!(stored_map_size([1000, 1]), [56, 1]);
    }

    #[test]
    fn shards_cover_every_row_once() {
        let mut plan = plan();
        plan.data.n_rows = 9;
        let rows: Vec<usize> = (0..plan.n_shards()).flat_map(|shard| plan.rows(shard)).collect();
        assert_eq!(rows, (0..9).collect::<Vec<_>>());
        assert_eq!(plan.rows(2), 8..9);
    }

    #[test]
    fn a_plan_survives_its_file_and_other_versions_are_named() {
        let dir = Path::new("scan");
        let plan = plan();
        assert_eq!(ScanPlan::from_json(&plan.to_json().unwrap(), dir).unwrap(), plan);
        let with_format = |format: u32| ScanPlan { format, ..plan.clone() }.to_json().unwrap();
        let newer = ScanPlan::from_json(&with_format(FORMAT + 1), dir).unwrap_err();
        assert!(newer.to_string().contains("a newer version of Attribution Scanner (format 2"), "{newer}");
        let older = ScanPlan::from_json(&with_format(0), dir).unwrap_err();
        assert!(older.to_string().contains("an older version"), "{older}");
        assert!(ScanPlan::from_json(b"{", dir).unwrap_err().to_string().contains("is not a scan plan"));
    }

    #[test]
    fn a_plan_of_all_memory_is_refused() {
        let refused = |change: &dyn Fn(&mut ScanPlan), word: &str| {
            let mut plan = plan();
            change(&mut plan);
            let error = ScanPlan::from_json(&plan.to_json().unwrap(), Path::new("scan")).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        };
        refused(&|plan| plan.data.n_rows = u32::MAX as usize, "images");
        refused(&|plan| plan.data.n_rows = 100_000_000, "shards");
        refused(&|plan| plan.model.n_classes = 1 << 40, "numbers per image");
        refused(&|plan| plan.attribution.stored_map_size = [1 << 40, 1 << 40], "numbers per image");
    }

    #[test]
    fn a_size_that_could_not_be_looked_at_tells_no_images_apart() {
        let of = |fingerprint: &str, names: &str, n_unknown| {
            let data =
                DataPlan { fingerprint: fingerprint.into(), names: names.into(), n_unknown, ..Default::default() };
            ScanPlan { data, ..plan() }
        };
        assert!(of("a", "n", 0).differences(&of("b", "n", 1)).is_empty());
        assert!(of("a", "n", 1).differences(&of("b", "n", 0)).is_empty());
        assert_eq!(of("a", "n", 0).differences(&of("b", "n", 0)).len(), 1, "an image has another size");
        assert_eq!(of("a", "n", 1).differences(&of("b", "m", 1)).len(), 1, "other images");
        // From before names were kept.
        assert!(of("a", "", 0).differences(&of("a", "n", 0)).is_empty());
        assert_eq!(of("a", "", 0).differences(&of("b", "n", 1)).len(), 1);
    }

    #[test]
    fn differences_name_the_key_and_both_values() {
        let mut now = plan();
        now.version = "9.9.9".into();
        assert_eq!(plan().differences(&now), Vec::<String>::new());
        now.features.settings.weighting = "none".into();
        now.attribution.params.insert("n_steps".into(), 64.into());
        assert_eq!(
            plan().differences(&now),
            [
                "attribution.params.n_steps: the scan has nothing, now 64",
                "features.weighting: the scan has \"normalised\", now \"none\"",
            ]
        );
    }
}
