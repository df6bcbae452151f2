//! Preprocessing as a model's authors publish it: files beside the model, and entries of its metadata.

use ascan_config::sections::{ChannelOrder, PreprocessSection};
use ascan_onnx::Model;
use serde_json::Value;
use std::path::Path;

/// Files that say it: those of Hugging Face, then those of timm.
const FILES: [&str; 2] = ["preprocessor_config.json", "config.json"];

/// The preprocessing, and where it is said; `None` where nothing says it.
pub(super) fn find(path: &Path, model: &Model) -> Option<(PreprocessSection, String)> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let of_file = |name: &&str| {
        let value: Value = serde_json::from_slice(&std::fs::read(folder.join(name)).ok()?).ok()?;
        let section = of_transformers(&value).or_else(|| of_timm(value.get("pretrained_cfg").unwrap_or(&value)))?;
        Some((section, format!("{name} beside the model")))
    };
    FILES.iter().find_map(of_file).or_else(|| of_ultralytics(model))
}

/// An image processor of Hugging Face's Transformers.
fn of_transformers(value: &Value) -> Option<PreprocessSection> {
    let flag = |key: &str, default: bool| value.get(key).and_then(Value::as_bool).unwrap_or(default);
    let (mean, std) = (numbers(value.get("image_mean")), numbers(value.get("image_std")));
    let normalises = flag("do_normalize", mean.is_some());
    if value.get("image_processor_type").or(value.get("feature_extractor_type")).is_none() && mean.is_none() {
        return None;
    }
    let scale = match flag("do_rescale", true) {
        true => value.get("rescale_factor").and_then(Value::as_f64).unwrap_or(1.0 / 255.0),
        false => 1.0,
    };
    let size = value.get("size").unwrap_or(&Value::Null);
    let shorter = size.get("shortest_edge").or(Some(size)).and_then(Value::as_f64);
    let crop = value.get("crop_size").and_then(|crop| crop.get("height").or(Some(crop))).and_then(Value::as_f64);
    let fraction = match (shorter, crop) {
        (Some(shorter), Some(crop)) if flag("do_center_crop", false) && shorter > 0.0 => Some(crop / shorter),
        (Some(_), _) if size.get("shortest_edge").is_some() => {
            value.get("crop_pct").and_then(Value::as_f64).or(Some(1.0))
        }
        _ => None,
    };
    let is_bgr = flag("do_flip_channel_order", false);
    Some(PreprocessSection {
        channels: Some(ChannelOrder::Named(if is_bgr { "bgr" } else { "rgb" }.to_owned())),
        mean: Some(mean.filter(|_| normalises).unwrap_or_else(|| vec![0.0; 3])),
        std: Some(std.filter(|_| normalises).unwrap_or_else(|| vec![1.0; 3])),
        interpolation: value.get("resample").and_then(Value::as_u64).map(|filter| pillows(filter).to_owned()),
        ..resized(scale as f32, fraction)
    })
}

/// `pretrained_cfg` of timm.
fn of_timm(value: &Value) -> Option<PreprocessSection> {
    let (mean, std) = (numbers(value.get("mean"))?, numbers(value.get("std"))?);
    let fraction = value.get("crop_pct").and_then(Value::as_f64).unwrap_or(0.875);
    let interpolation = value.get("interpolation").and_then(Value::as_str).filter(|name| *name != "random");
    Some(PreprocessSection {
        channels: Some(ChannelOrder::Named("rgb".to_owned())),
        mean: Some(mean),
        std: Some(std),
        interpolation: interpolation.map(str::to_owned),
        ..resized(1.0 / 255.0, Some(fraction))
    })
}

/// Ultralytics' classifiers take colours in [0, 1], the shorter side scaled and the centre cropped.
fn of_ultralytics(model: &Model) -> Option<(PreprocessSection, String)> {
    let is = |key: &str, value: &str| {
        model.proto.metadata_props.iter().any(|entry| entry.key == key && entry.value == value)
    };
    (is("author", "Ultralytics") && is("task", "classify")).then(|| {
        let section = PreprocessSection {
            channels: Some(ChannelOrder::Named("rgb".to_owned())),
            mean: Some(vec![0.0; 3]),
            std: Some(vec![1.0; 3]),
            ..resized(1.0 / 255.0, Some(1.0))
        };
        (section, "the model's metadata: Ultralytics' classifiers take x/255".to_owned())
    })
}

fn resized(scale: f32, crop_fraction: Option<f64>) -> PreprocessSection {
    // More than the whole side cannot be kept, and a tiny part is a size that was meant otherwise.
    let fraction = crop_fraction.map(|fraction| fraction.clamp(0.1, 1.0) as f32);
    let resize = if fraction.is_some() { "crop" } else { "squash" };
    PreprocessSection {
        scale: Some(scale),
        resize: Some(resize.to_owned()),
        crop_fraction: fraction,
        ..PreprocessSection::default()
    }
}

/// Pillow's filters by number.
fn pillows(filter: u64) -> &'static str {
    match filter {
        0 => "nearest",
        1 | 3 => "bicubic",
        _ => "bilinear",
    }
}

fn numbers(value: Option<&Value>) -> Option<Vec<f32>> {
    let list = value?.as_array()?;
    list.iter()
        .map(|value| value.as_f64().map(|value| value as f32))
        .collect::<Option<Vec<f32>>>()
        .filter(|list| !list.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_vision_transformers_own_processor() {
        let value = json!({
            "do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5], "image_processor_type": "ViTImageProcessor", "resample": 2,
            "rescale_factor": 0.00392156862745098, "size": { "height": 224, "width": 224 },
        });
        let found = of_transformers(&value).unwrap();
        assert_eq!(
            (found.mean, found.resize.as_deref(), found.crop_fraction),
            (Some(vec![0.5; 3]), Some("squash"), None)
        );
        assert_eq!(found.interpolation.as_deref(), Some("bilinear"));
    }

    #[test]
    fn a_cropping_processor_and_one_in_bgr() {
        let value = json!({
            "crop_size": { "height": 224, "width": 224 }, "do_center_crop": true, "image_mean": [0.485, 0.456, 0.406],
            "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": { "shortest_edge": 256 },
        });
        let found = of_transformers(&value).unwrap();
        assert_eq!((found.crop_fraction, found.interpolation.as_deref()), (Some(0.875), Some("bicubic")));
        let value = json!({
            "crop_size": { "height": 256, "width": 256 }, "do_center_crop": true, "do_flip_channel_order": true,
            "image_processor_type": "MobileViTImageProcessor", "size": { "shortest_edge": 288 },
        });
        let found = of_transformers(&value).unwrap();
        assert!(matches!(&found.channels, Some(ChannelOrder::Named(name)) if name == "bgr"));
        assert_eq!((found.mean, found.std), (Some(vec![0.0; 3]), Some(vec![1.0; 3])));
    }

    #[test]
    fn timms_configuration_and_files_that_say_nothing() {
        let value =
            json!({ "crop_pct": 0.95, "interpolation": "bicubic", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5] });
        assert_eq!(of_timm(&value).unwrap().crop_fraction, Some(0.95));
        let config = json!({ "model_type": "vit", "id2label": { "0": "cat" } });
        assert_eq!((of_transformers(&config), of_timm(&config)), (None, None));
    }
}
