//! A scan opened for looking at it: its table, and its pictures if they are still there.

use crate::config::RunConfig;
use crate::export::Image;
use crate::images::{ImageSet, Preprocess};
use crate::mosaic::Scene;
use crate::slices::SliceSet;
use crate::store::Scan;
use crate::table::ScanTable;
use ascan_core::{Error, Result};
use image::RgbImage;
use std::path::Path;

/// A scan with its pictures.
#[derive(Debug)]
pub struct Album {
    /// The scan.
    pub table: ScanTable,
    /// Names of the model's outputs, where known.
    pub class_names: Vec<String>,
    /// What was scanned, in a few words: `model on data`.
    pub title: String,
    /// Why there are no pictures, if there are none.
    pub missing: Option<Error>,
    pictures: Option<(ImageSet, Preprocess)>,
    absolute: bool,
}

impl Album {
    /// Opens the album of a complete scan. Images that have moved away since are no error.
    ///
    /// # Errors
    /// `File` if the scan is incomplete or damaged.
    pub fn open(scan: &Scan) -> Result<Self> {
        let config = &scan.config;
        let pictures = ImageSet::open(&config.data)
            .and_then(|images| Ok((images, Preprocess::new(&config.model.preprocess, scan.plan.model.input_shape)?)));
        let (pictures, missing) = match pictures {
            Ok(pictures) => (Some(pictures), None),
            Err(error) => (None, Some(error)),
        };
        Ok(Self {
            table: scan.table()?,
            class_names: scan.plan.model.class_names.clone(),
            title: title(config),
            missing,
            pictures,
            absolute: config.features.sign == "absolute",
        })
    }

    /// What pictures of slices are made from.
    pub fn scene(&self) -> Scene<'_> {
        Scene {
            table: &self.table,
            class_names: &self.class_names,
            pictures: Box::new(|row, side_px| self.picture(row, side_px)),
            absolute: self.absolute,
            title: self.title.clone(),
        }
    }

    /// The image set, if it still holds this row's image at the same place.
    fn holding(&self, row: usize) -> Result<&(ImageSet, Preprocess)> {
        let pictures = self.pictures.as_ref().filter(|(images, _)| {
            images.samples.get(row).is_some_and(|sample| Some(&sample.uri) == self.table.uris.get(row))
        });
        pictures.ok_or_else(|| {
            let uri = self.table.uris.get(row).cloned().unwrap_or_default();
            Error::file(uri, "is no longer where it was scanned", "bring the images back, or scan again")
        })
    }

    fn picture(&self, row: usize, side_px: u32) -> Result<RgbImage> {
        let (images, preprocess) = self.holding(row)?;
        preprocess.picture(images, row, side_px)
    }

    /// The image of a row, for other programs.
    ///
    /// # Errors
    /// `File` if it is gone or cannot be read.
    pub fn image(&self, row: usize) -> Result<Image> {
        let (images, _) = self.holding(row)?;
        let path = images.root.join(&images.samples[row].uri);
        if path.is_file() { Ok(Image::File(path)) } else { images.load(row).map(Image::Decoded) }
    }
}

/// `waterbirds_erm on waterbirds_lite, split 2`.
fn title(config: &RunConfig) -> String {
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let data = &config.data;
    let source = match (&data.images, &data.archive, &data.manifest, &data.idx) {
        (Some(path), ..) | (_, Some(path), ..) => stem(path),
        // A manifest mostly has a name that says nothing; its folder has one that does.
        (_, _, Some(manifest), _) => {
            manifest.parent().map(stem).filter(|name| !name.is_empty()).unwrap_or_else(|| stem(manifest))
        }
        (_, _, _, Some(path)) => stem(path),
        _ => "images".to_owned(),
    };
    let split = data.split.as_ref().map_or_else(String::new, |split| format!(", split {split}"));
    format!("{} on {source}{split}", stem(&config.model.path))
}

/// What was scanned and how, as names and values for the report.
pub fn scanned(scan: &Scan, set: &SliceSet) -> Vec<(String, String)> {
    let (config, plan) = (&scan.config, &scan.plan);
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let settings = |params: &ascan_core::ParamMap| {
        params.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
    };
    let with = |plugin: &str, params: &ascan_core::ParamMap| {
        if params.is_empty() { plugin.to_owned() } else { format!("{plugin} ({})", settings(params)) }
    };
    let data = &config.data;
    let source = [&data.images, &data.archive, &data.manifest, &data.idx].into_iter().flatten().next();
    let [c, h, w] = plan.model.input_shape;
    let features = &plan.features;
    let mut facts = vec![
        ("Model", name(&config.model.path)),
        ("Images", source.map_or_else(String::new, |path| name(path))),
        ("Input", format!("{c} × {h} × {w}, {} classes", plan.model.n_classes)),
        ("Backend", format!("{} ({}), {}", plan.model.backend, plan.model.engine, plan.model.device)),
        ("Attribution", with(&plan.attribution.plugin, &plan.attribution.params)),
        ("Method", format!("{}, of the {} class", plan.attribution.method, plan.attribution.target)),
        ("Layer", features.settings.layer.clone()),
        (
            "Features",
            format!("{}, {}, {} dimensions", features.settings.weighting, features.settings.direction, features.n_dims),
        ),
        ("Projection", with(&set.recipe.projection.plugin, &set.recipe.projection.params)),
        ("Slicing", with(&set.recipe.plugin, &set.recipe.params)),
        ("Slice set", set.id.clone()),
        ("Seed", set.recipe.seed.to_string()),
    ];
    if let Some(split) = &data.split {
        facts.insert(2, ("Split", split.clone()));
    }
    if let Some(nmi) = set.nmi_group {
        facts.push(("Agreement of slices with known groups (NMI)", format!("{nmi:.3}")));
    }
    facts.push(("Model sha256", plan.model.sha256.clone()));
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
