use super::{fixture, golden, max_difference};
use crate::Preprocess;
use crate::decode::decode;
use ascan_config::sections::{ChannelOrder, PreprocessSection};
use image::{Rgb, RgbImage};

fn preset(name: &str) -> PreprocessSection {
    PreprocessSection { preset: Some(name.into()), ..Default::default() }
}

fn close(got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() < 2e-6, "{got} against {expected}");
    }
}

/// The picture before normalisation, from the values of the `raw` preset.
fn picture_of(preprocess: &Preprocess, image: &RgbImage) -> RgbImage {
    let [c, h, w] = preprocess.input_shape();
    let values = preprocess.apply(image);
    RgbImage::from_fn(w as u32, h as u32, |x, y| {
        let at = y as usize * w + x as usize;
        Rgb(std::array::from_fn(|channel| values[(channel % c) * h * w + at] as u8))
    })
}

#[test]
fn presets_give_the_numbers_of_their_formulas() {
    let image = RgbImage::from_pixel(1, 1, Rgb([10, 100, 250]));
    let value = |section: &PreprocessSection, c| Preprocess::new(section, [c, 1, 1]).unwrap().apply(&image);
    // numpy 2.4.6: (x / 255 − mean) / std
    close(&value(&preset("imagenet"), 3), &[-1.946_656_4, -0.285_014, 2.552_854]);
    close(&value(&preset("tf"), 3), &[10.0 / 127.5 - 1.0, 100.0 / 127.5 - 1.0, 250.0 / 127.5 - 1.0]);
    close(&value(&preset("unit"), 3), &[10.0 / 255.0, 100.0 / 255.0, 250.0 / 255.0]);
    close(&value(&preset("caffe"), 3), &[250.0 - 104.0, 100.0 - 117.0, 10.0 - 123.0]);
    close(&value(&preset("raw"), 3), &[10.0, 100.0, 250.0]);
    // Pillow 13.0.0: convert("L") of (10, 100, 250) is 90.
    close(&value(&preset("raw"), 1), &[90.0]);
    let by_hand = PreprocessSection {
        channels: Some(ChannelOrder::Named("bgr".into())),
        scale: Some(0.5),
        mean: Some(vec![1.0, 2.0, 3.0]),
        std: Some(vec![2.0, 4.0, 8.0]),
        ..Default::default()
    };
    close(&value(&by_hand, 3), &[62.0, 12.0, 0.25]);
    // The numbers of a preset move with its channels.
    let bgr = PreprocessSection { channels: Some(ChannelOrder::Named("bgr".into())), ..preset("imagenet") };
    close(&value(&bgr, 3), &[2.552_854, -0.285_014, -1.946_656_4]);
}

#[test]
fn every_number_is_written_out() {
    let section = Preprocess::new(&preset("imagenet"), [3, 8, 8]).unwrap().section().clone();
    assert_eq!(section.mean.as_deref(), Some(&[0.485, 0.456, 0.406][..]));
    assert_eq!(section.resize.as_deref(), Some("crop"));
    let again = Preprocess::new(&section, [3, 8, 8]).unwrap();
    let image = decode(&fixture("source.png")).unwrap();
    assert_eq!(again.apply(&image), Preprocess::new(&preset("imagenet"), [3, 8, 8]).unwrap().apply(&image));
}

#[test]
fn resampling_is_that_of_pillow() {
    let image = decode(&fixture("source.png")).unwrap();
    for (name, tolerance) in [("bilinear", 1), ("bicubic", 1), ("nearest", 0)] {
        for (w, h) in [(10, 12), (50, 31)] {
            let section = PreprocessSection { interpolation: Some(name.into()), ..preset("raw") };
            let preprocess = Preprocess::new(&section, [3, h, w]).unwrap();
            let difference =
                max_difference(&picture_of(&preprocess, &image), &golden(&format!("squash_{name}_{w}x{h}")));
            assert!(difference <= tolerance, "{name} to {w}x{h}: differs by {difference}");
        }
    }
}

#[test]
fn cropping_is_that_of_torchvision() {
    let image = decode(&fixture("source.png")).unwrap();
    let section = PreprocessSection { resize: Some("crop".into()), ..preset("raw") };
    let preprocess = Preprocess::new(&section, [3, 32, 32]).unwrap();
    assert!(max_difference(&picture_of(&preprocess, &image), &golden("crop_bilinear_32x32")) <= 1);
}

#[test]
fn grey_is_that_of_pillow() {
    let image = decode(&fixture("source.png")).unwrap();
    let preprocess = Preprocess::new(&preset("raw"), [1, 26, 42]).unwrap();
    assert_eq!(picture_of(&preprocess, &image), golden("gray_42x26"));
    assert_eq!(preprocess.draw(&image, 42), golden("gray_42x26"));
}

#[test]
fn a_picture_that_fits_is_not_resampled_unless_a_crop_is_asked_for() {
    let image = decode(&fixture("source.png")).unwrap();
    for resize in ["squash", "crop", "pad", "paste"] {
        let section = PreprocessSection { resize: Some(resize.into()), ..preset("raw") };
        assert_eq!(picture_of(&Preprocess::new(&section, [3, 26, 42]).unwrap(), &image), image, "{resize}");
    }
    let section = PreprocessSection { resize: Some("crop".into()), crop_fraction: Some(0.875), ..preset("raw") };
    assert_ne!(picture_of(&Preprocess::new(&section, [3, 26, 42]).unwrap(), &image), image);
}

#[test]
fn padding_and_pasting_keep_the_proportions() {
    let white = RgbImage::from_pixel(8, 4, Rgb([255; 3]));
    let frame = |resize: &str, side: usize| {
        let section = PreprocessSection { resize: Some(resize.into()), ..preset("raw") };
        picture_of(&Preprocess::new(&section, [3, side, side]).unwrap(), &white)
    };
    let rows = |image: &RgbImage| image.rows().map(|mut row| row.all(|pixel| pixel.0 == [255; 3])).collect::<Vec<_>>();
    assert_eq!(rows(&frame("pad", 4)), [false, true, true, false]);
    let pasted = frame("paste", 10);
    assert_eq!(pasted.get_pixel(7, 3).0, [255; 3]);
    assert_eq!(pasted.get_pixel(8, 3).0, [0; 3]);
    assert_eq!(pasted.get_pixel(7, 4).0, [0; 3]);
    // What does not fit is cut off.
    assert_eq!(rows(&frame("paste", 3)), [true; 3]);
    // Extreme proportions keep at least a pixel.
    let thin = RgbImage::from_pixel(1000, 1, Rgb([255; 3]));
    for resize in ["squash", "crop", "pad", "paste"] {
        let section = PreprocessSection { resize: Some(resize.into()), ..preset("raw") };
        assert_eq!(Preprocess::new(&section, [3, 16, 16]).unwrap().apply(&thin).len(), 3 * 16 * 16);
    }
}

#[test]
fn drawing_shows_the_same_part_at_another_size() {
    let image = decode(&fixture("source.png")).unwrap();
    let section = PreprocessSection { resize: Some("crop".into()), crop_fraction: Some(0.5), ..preset("raw") };
    let preprocess = Preprocess::new(&section, [3, 16, 16]).unwrap();
    let (small, large) = (preprocess.draw(&image, 16), preprocess.draw(&image, 48));
    assert_eq!(small, picture_of(&preprocess, &image));
    assert_eq!(large.dimensions(), (48, 48));
    let mean =
        |image: &RgbImage| image.as_raw().iter().map(|&v| f64::from(v)).sum::<f64>() / image.as_raw().len() as f64;
    assert!((mean(&small) - mean(&large)).abs() < 3.0);
}

#[test]
fn wrong_numbers_say_what_the_model_has() {
    let message = |section: PreprocessSection, c: usize| {
        let error = Preprocess::new(&section, [c, 8, 8]).unwrap_err();
        format!("{error}; {}", error.hint().unwrap_or_default())
    };
    let mean = PreprocessSection { mean: Some(vec![0.5]), ..preset("unit") };
    assert!(message(mean, 3).contains("has 1 values, but the model has 3 channels"));
    assert!(message(preset("imagenet"), 1).contains("set `mean` and `std` by hand"));
    assert!(message(preset("unit"), 4).contains("the model's input has 4 channels"));
    let gray = PreprocessSection { channels: Some(ChannelOrder::Named("gray".into())), ..preset("unit") };
    assert!(message(gray, 3).contains("gray is for 1 channel"));
    assert!(message(preset("imagnet"), 3).contains("available: caffe, imagenet"));
    assert!(message(PreprocessSection::default(), 3).contains("is missing"));
    let std = PreprocessSection { std: Some(vec![0.0; 3]), ..preset("unit") };
    assert!(message(std, 3).contains("std above 0"));
}
