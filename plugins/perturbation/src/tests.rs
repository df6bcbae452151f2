use crate::occlusion::OcclusionParams;
use crate::rise::RiseParams;
use crate::{Occlusion, Rise};
use ascan_core::testing::{ToyBackend, ToyHead, check_attributor, toy_images};
use ascan_core::{AttributionBatch, Attributor, Context, ModelBackend, Plugin, Tensor};

fn occlusion(window_px: usize, stride_px: usize) -> Occlusion {
    Occlusion::new(OcclusionParams { window_px, stride_px, ..Default::default() }).unwrap()
}

fn rise(n_masks: usize) -> Rise {
    Rise::new(RiseParams { n_masks, n_cells: 3, ..Default::default() }).unwrap()
}

fn maps(attributor: &dyn Attributor, images: &Tensor, classes: &[usize]) -> Tensor {
    let backend = ToyBackend::new(ToyHead::Hidden, 2);
    let forward = backend.forward(images.view(), &[]).unwrap();
    let batch = AttributionBatch::new(images.view(), classes, &forward);
    attributor.attribute(&backend, &batch, &Context::default()).unwrap().maps
}

#[test]
fn conforms() {
    check_attributor("occlusion", &occlusion(3, 2));
    check_attributor("occlusion", &Occlusion::new(Default::default()).unwrap());
    check_attributor("rise", &rise(12));
}

/// A window over everything: every pixel has the whole loss.
#[test]
fn a_window_over_everything_gives_the_whole_loss() {
    let backend = ToyBackend::new(ToyHead::Hidden, 2);
    let images = toy_images(2, [3, 8, 6], 3);
    let logits = backend.forward(images.view(), &[]).unwrap().logits;
    let empty = backend.forward(Tensor::zeros([1, 3, 8, 6]).view(), &[]).unwrap().logits;
    let maps = maps(&occlusion(8, 8), &images, &[1, 2]);
    for (i, class) in [1, 2].into_iter().enumerate() {
        let loss = logits.row(i)[class] - empty.row(0)[class];
        assert!(maps.row(i).iter().all(|v| (v - loss).abs() < 1e-6), "{loss}");
    }
}

/// Windows that do not overlap: a map is constant in each, and the one at the edge is cut.
#[test]
fn windows_tile_the_image() {
    let maps = maps(&occlusion(4, 4), &toy_images(1, [3, 8, 6], 3), &[0]);
    let at = |y: usize, x: usize| maps.data()[y * 6 + x];
    for (ys, xs) in [(0..4, 0..4), (0..4, 4..6), (4..8, 0..4), (4..8, 4..6)] {
        let first = at(ys.start, xs.start);
        assert!(ys.clone().all(|y| xs.clone().all(|x| at(y, x) == first)));
    }
    assert!(at(0, 0) != at(4, 0));
}

#[test]
fn masks_are_smooth_shares_of_the_right_mean() {
    let rise = rise(1);
    let (mut sum, mut n) = (0.0, 0.0);
    for index in 0..400 {
        let mask = rise.mask(7, index, [16, 12]);
        assert!(mask.iter().all(|m| (0.0..=1.0).contains(m)));
        sum += mask.iter().map(|&m| f64::from(m)).sum::<f64>();
        n += mask.len() as f64;
    }
    assert!((sum / n - 0.5).abs() < 0.03, "{}", sum / n);
    assert_ne!(rise.mask(7, 0, [16, 12]), rise.mask(7, 1, [16, 12]));
    assert_ne!(rise.mask(7, 0, [16, 12]), rise.mask(8, 0, [16, 12]));
    assert_eq!(rise.mask(7, 3, [16, 12]), rise.mask(7, 3, [16, 12]));
}

/// By hand: the sum over the masks of logit times mask, from the formula.
#[test]
fn a_map_is_the_weighted_mean_of_its_masks() {
    let (rise, backend) = (rise(5), ToyBackend::new(ToyHead::Hidden, 2));
    let images = toy_images(1, [3, 8, 6], 3);
    let mut expected = vec![0.0f64; 48];
    for index in 0..5 {
        let mask = rise.mask(0, index, [8, 6]);
        let masked = images.data().iter().zip(mask.iter().cycle()).map(|(x, m)| x * m).collect();
        let logit = backend.forward(Tensor::new([1, 3, 8, 6], masked).unwrap().view(), &[]).unwrap().logits.data()[1];
        expected.iter_mut().zip(mask).for_each(|(e, m)| *e += f64::from(logit) * f64::from(m) / 2.5);
    }
    for (got, expected) in maps(&rise, &images, &[1]).data().iter().zip(expected) {
        assert!((f64::from(*got) - expected).abs() < 1e-5);
    }
}
