//! Real models against the vectors that onnxruntime and captum computed.

use ascan_burn::BurnBackend;
use ascan_core::{ModelBackend, OpenModel, Tensor};
use image::RgbImage;
use std::path::{Path, PathBuf};

fn data() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    data.join("reference_vectors/index.json").exists().then_some(data)
}

fn open(path: PathBuf) -> BurnBackend {
    BurnBackend::open(&OpenModel { n_threads: 2, ..OpenModel::new(path) }).expect("the model opens")
}

fn index(data: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(data.join("reference_vectors/index.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn images(data: &Path, names: &serde_json::Value) -> Vec<RgbImage> {
    let names = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    names.map(|name| image::open(data.join("reference_vectors").join(name)).unwrap().to_rgb8()).collect()
}

fn batch(images: &[RgbImage], channel: impl Fn(&RgbImage, usize, u32, u32) -> f32, side: u32) -> Tensor {
    let mut values = Vec::new();
    for image in images {
        for c in 0..3 {
            for y in 0..side {
                values.extend((0..side).map(|x| channel(image, c, x, y)));
            }
        }
    }
    Tensor::new([images.len(), 3, side as usize, side as usize], values).unwrap()
}

/// A little-endian f32 array in numpy's format, row-major.
fn npy(path: PathBuf) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    let header = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    assert!(String::from_utf8_lossy(&bytes[..10 + header]).contains("<f4"));
    bytes[10 + header..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn assert_close(what: &str, got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f32, |largest, v| largest.max(v.abs()));
    let worst = got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(
        worst <= tolerance * largest.max(1.0),
        "{what}: {worst} from the reference, whose largest value is {largest}"
    );
}

fn predicted(logits: &Tensor) -> Vec<usize> {
    let best = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    (0..logits.n_rows()).map(|i| best(logits.row(i))).collect()
}

/// Signed Grad-CAM through gradients, not through the closed form.
fn grad_cam(model: &dyn ModelBackend, images: &Tensor, classes: &[usize], layer: &str) -> Vec<f32> {
    let result = model.gradients(images.view(), classes, &[layer]).unwrap();
    let [n, c, h, w] = result.values[0].view().dims("feature map", "[n, c, h, w]").unwrap();
    let mut map = vec![0.0; n * h * w];
    for i in 0..n {
        for k in 0..c {
            let plane = |tensor: &Tensor| tensor.row(i)[k * h * w..(k + 1) * h * w].to_vec();
            let weight = plane(&result.gradients[0]).iter().sum::<f32>() / (h * w) as f32;
            for (map, value) in map[i * h * w..(i + 1) * h * w].iter_mut().zip(plane(&result.values[0])) {
                *map += weight * value;
            }
        }
    }
    map
}

#[test]
fn mobilenet_v2() {
    let Some(data) = data() else { return println!("skipped: ../shared/data is not here") };
    let images = images(&data, &index(&data)["images"]);
    let images = batch(&images, |image, c, x, y| f32::from(image.get_pixel(x, y)[c]) / 127.5 - 1.0, 224);
    let model = open(data.join("models/mobilenet_v2_1.0_224_tf2ptq.onnx"));
    let logits = model.forward(images.view(), &[]).unwrap().logits;
    let folder = data.join("reference_vectors");
    assert_close("logits", logits.data(), &npy(folder.join("mobilenet_v2_logits.npy")), 1e-4);
    let map = grad_cam(&model, &images, &predicted(&logits), "conv34_relu6");
    assert_close("Grad-CAM", &map, &npy(folder.join("mobilenet_v2_gradcam_top1_norelu.npy")), 1e-4);
}

#[test]
fn squeezenet() {
    let Some(data) = data() else { return println!("skipped: ../shared/data is not here") };
    let images = images(&data, &index(&data)["images"]);
    let means = [104.0, 117.0, 123.0];
    let channel = |image: &RgbImage, c: usize, x: u32, y: u32| {
        let value = if x < 224 && y < 224 { f32::from(image.get_pixel(x, y)[2 - c]) } else { 0.0 };
        value - means[c]
    };
    let model = open(data.join("models/squeezenet1.1.onnx"));
    let images = batch(&images, channel, 227);
    let logits = model.forward(images.view(), &[]).unwrap().logits;
    let expected = npy(data.join("reference_vectors/squeezenet1.1_logits.npy"));
    assert_close("logits", logits.data(), &expected, 1e-4);
}

#[test]
fn resnet20() {
    let Some(data) = data() else { return println!("skipped: ../shared/data is not here") };
    let images = images(&data, &index(&data)["models"]["resnet20_cifar10"]["images"]);
    let (mean, deviation) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let channel = |image: &RgbImage, c: usize, x: u32, y: u32| {
        (f32::from(image.get_pixel(x, y)[c]) / 255.0 - mean[c]) / deviation[c]
    };
    let images = batch(&images, channel, 32);
    let model = open(data.join("models/resnet20_cifar10.onnx"));
    let logits = model.forward(images.view(), &[]).unwrap().logits;
    let folder = data.join("reference_vectors");
    assert_close("logits", logits.data(), &npy(folder.join("resnet20_logits.npy")), 1e-4);
    let map = grad_cam(&model, &images, &predicted(&logits), "layer3.2.out");
    assert_close("Grad-CAM", &map, &npy(folder.join("resnet20_gradcam_top1_norelu.npy")), 1e-4);
}
