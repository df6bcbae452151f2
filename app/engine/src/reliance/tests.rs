use super::swap::Swapper;
use super::*;
use ascan_config::sections::{DataSection, PreprocessSection};
use ascan_core::{Capabilities, Forward, LayerInfo, ModelBackend, ModelInfo, OpenModel, Runtime, Tensor, TensorView};
use ascan_images::unit::{Normalise, unit_pictures};
use ascan_images::{ImageSet, Preprocess};
use image::{Rgb, RgbImage};

/// Height and width of the pictures, and of the feature map.
const SIDE: usize = 16;
const PLACES: usize = 4;

/// A net that sees two colours, in the middle of the picture or everywhere else.
struct Net {
    looks_at_object: bool,
    info: ModelInfo,
}

fn is_middle(x: usize, y: usize) -> bool {
    let middle = SIDE / 4..3 * SIDE / 4;
    middle.contains(&x) && middle.contains(&y)
}

impl ModelBackend for Net {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, images: TensorView, _layers: &[&str]) -> Result<Forward> {
        let n = images.n_rows();
        let value = |image: usize, c: usize, x: usize, y: usize| images.row(image)[(c * SIDE + y) * SIDE + x];
        let places = || (0..SIDE * SIDE).map(|at| (at % SIDE, at / SIDE));
        let seen = |image: usize, c: usize| {
            let looked_at = places().filter(|&(x, y)| is_middle(x, y) == self.looks_at_object);
            let (sum, n) = looked_at.fold((0.0, 0.0), |(sum, n), (x, y)| (sum + value(image, c, x, y), n + 1.0));
            20.0 * sum / n
        };
        let bright = |image: usize, place: usize| {
            let step = SIDE / PLACES;
            let (x, y) = (place % PLACES * step, place / PLACES * step);
            value(image, 0, x, y) + value(image, 1, x, y)
        };
        let logits = (0..n).flat_map(|image| [seen(image, 0), seen(image, 1)]).collect();
        let map = (0..n).flat_map(|image| (0..PLACES * PLACES).map(move |place| bright(image, place))).collect();
        let map = Tensor::new([n, 1, PLACES, PLACES], map)?;
        Ok(Forward { logits: Tensor::new([n, 2], logits)?, feature_maps: vec![("map".into(), map)] })
    }
}

struct Engine {
    looks_at_object: bool,
}

impl Runtime for Engine {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn open(&self, _request: &OpenModel) -> Result<Box<dyn ModelBackend>> {
        let layer = LayerInfo { name: "map".into(), operator: "Conv".into(), shape: [1, PLACES, PLACES] };
        let info = ModelInfo {
            input_shape: [3, SIDE, SIDE],
            n_classes: 2,
            layers: vec![layer],
            default_layer: Some("map".into()),
            ..ModelInfo::default()
        };
        Ok(Box::new(Net { looks_at_object: self.looks_at_object, info }))
    }
}

/// Twelve pictures, a bright square on a dim ground, both in the colour of their class.
fn pictures(dir: &std::path::Path) -> (ImageSet, ScanTable) {
    for i in 0..12 {
        let colour = |strength: u8| if i % 2 == 0 { Rgb([strength, 0, 0]) } else { Rgb([0, strength, 0]) };
        let draw = |x: u32, y: u32| colour(if is_middle(x as usize, y as usize) { 230 } else { 80 });
        RgbImage::from_fn(SIDE as u32, SIDE as u32, draw).save(dir.join(format!("{i:02}.png"))).unwrap();
    }
    let images = ImageSet::open(&DataSection { images: Some(dir.to_owned()), ..DataSection::default() }).unwrap();
    // The attribution lies in a corner.
    let maps = (0..12 * PLACES * PLACES).map(|at| f32::from(u8::from(at % (PLACES * PLACES) == 0))).collect();
    let table = ScanTable {
        uris: images.samples.iter().map(|sample| sample.uri.clone()).collect(),
        predicted_classes: (0..12).map(|i| i % 2).collect(),
        maps: Tensor::new([12, PLACES, PLACES], maps).unwrap(),
        errors: vec![None; 12],
        ..ScanTable::default()
    };
    (images, table)
}

#[test]
fn a_net_that_looks_at_the_object_is_told_from_one_that_looks_around_it() {
    let dir = tempfile::tempdir().unwrap();
    let (images, table) = pictures(dir.path());
    let section = PreprocessSection { preset: Some("raw".into()), ..PreprocessSection::default() };
    let preprocess = Preprocess::new(&section, [3, SIDE, SIDE]).unwrap();
    let ask = |looks_at_object: bool| -> Vec<OfImage> {
        let runtime = Engine { looks_at_object };
        let model = ScannedModel {
            info: runtime.open(&OpenModel::new("net")).unwrap().info().clone(),
            runtime: Box::new(runtime),
            open: OpenModel::new("net"),
            unit: unit_pictures(preprocess.section(), [3, SIDE, SIDE]).unwrap(),
            normalise: Normalise::new(preprocess.section()),
            preprocess: Preprocess::new(&section, [3, SIDE, SIDE]).unwrap(),
            absolute: false,
            facts: serde_json::Value::Null,
            scan_dir: dir.path().to_owned(),
        };
        let context = Context::default();
        let swapper = Swapper::new(&model, &table, &images, &lenders(&table, 1), &context).unwrap();
        swapper.ask(&(0..12).collect::<Vec<_>>(), [0, 12], &context).unwrap().into_iter().flatten().collect()
    };
    for (looks_at_object, range) in [(true, 0.9..=1.0), (false, 0.0..=0.1)] {
        let found = ask(looks_at_object);
        assert_eq!(found.len(), 12);
        for image in found {
            assert!(range.contains(&image.object.unwrap()) && image.on_object.unwrap() < 0.5, "{image:?}");
        }
    }
}

#[test]
fn few_images_say_little() {
    let few = Estimate::of([0.9, 1.0, f64::NAN].into_iter());
    assert_eq!((few.mean, few.n), (0.95, 2));
    assert!(few.low < 0.5, "{few:?}");
    let many = Estimate::of((0..20).map(|i| 0.8 + 0.01 * f64::from(i)));
    assert!(many.low > 0.6 && many.low < many.mean && many.high > many.mean, "{many:?}");
    assert_eq!(Estimate::of(std::iter::empty()), Estimate { mean: 0.5, low: 0.0, high: 1.0, n: 0 });
}

#[test]
fn every_class_lends() {
    let n = 500;
    let predicted_classes: Vec<i32> = (0..n).map(|i| i32::from(i % 50 == 0)).collect();
    let uris = (0..n).map(|i| format!("{i}.png")).collect();
    let table = ScanTable { uris, predicted_classes, errors: vec![None; n as usize], ..ScanTable::default() };
    let lenders = lenders(&table, 1);
    assert_eq!(lenders.len(), N_LENDERS);
    assert_eq!(lenders.iter().filter(|&&row| table.predicted_classes[row] == 1).count(), 10);
}
