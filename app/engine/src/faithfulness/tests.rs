//! The measures on cases whose answer is known.

use super::impute::Imputer;
use super::maps;
use super::remarks::verdict;
use super::removal::{Curves, Removal, blurred, ranking, removals};
use super::sensitivity::{correlation, subset, without};
use super::{CHANCE, EDGES, Faithfulness, Figure, MethodReport};
use ascan_math::likeness::{agreement, pearson};

const SIZE: [usize; 2] = [16, 16];
const N: usize = 256;

/// A linear model of one channel: its attribution is `weight · pixel`, without a doubt.
struct Linear {
    weights: Vec<f32>,
    image: Vec<f32>,
}

impl Linear {
    fn new() -> Self {
        let wave = |i: usize, a: f32, b: f32| ((i as f32) * a).sin() + b;
        Self {
            weights: (0..N).map(|i| wave(i, 0.7, 0.0)).collect(),
            image: (0..N).map(|i| wave(i, 0.31, 1.5)).collect(),
        }
    }

    fn attribution(&self) -> Vec<f32> {
        self.weights.iter().zip(&self.image).map(|(weight, pixel)| weight * pixel).collect()
    }

    fn logit(&self, image: &[f32]) -> f64 {
        self.weights.iter().zip(image).map(|(weight, pixel)| f64::from(weight * pixel)).sum()
    }
}

#[test]
fn sensitivity_of_a_linear_model_is_one_for_its_attribution_and_less_for_others() {
    let model = Linear::new();
    let falls: Vec<f64> =
        (0..16).map(|i| model.logit(&model.image) - model.logit(&without(&model.image, &subset(SIZE, 5, i)))).collect();
    let map = model.attribution();
    assert!((correlation(&map, SIZE, 5, &falls).unwrap() - 1.0).abs() < 1e-5);
    let opposite: Vec<f32> = map.iter().map(|value| -value).collect();
    assert!((correlation(&opposite, SIZE, 5, &falls).unwrap() + 1.0).abs() < 1e-5);
    assert!(correlation(&maps::noise(N, 1, 2).values, SIZE, 5, &falls).unwrap().abs() < 0.8);
    assert_eq!(correlation(&[1.0; N], SIZE, 5, &falls).map(f64::abs).filter(|r| *r > 1e-6), None, "a constant map");
}

#[test]
fn a_subset_has_a_quarter_of_the_image_and_depends_on_the_seed() {
    let taken = |seed, i| subset(SIZE, seed, i).iter().filter(|taken| **taken).count();
    assert_eq!((taken(1, 0), taken(1, 1), taken(2, 7)), (64, 64, 64));
    assert_ne!(subset(SIZE, 1, 0), subset(SIZE, 1, 1));
    assert_eq!(subset(SIZE, 1, 0), subset(SIZE, 1, 0));
}

#[test]
fn correlations_worked_out_by_hand() {
    assert_eq!(pearson(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]), Some(1.0));
    assert_eq!(pearson(&[1.0, 1.0, 1.0], &[2.0, 4.0, 6.0]), None);
}

/// A plane is what linear imputation is for: wherever pixels are missing, it finds them again.
#[test]
fn imputation_continues_a_plane_into_any_hole() {
    let plane: Vec<f32> = (0..N).map(|i| 2.0 + 0.3 * (i / 16) as f32 - 0.1 * (i % 16) as f32).collect();
    for seed in 0..4 {
        // Borders are kept: beyond them there is nothing to continue from.
        let order = ranking(&maps::noise(N, seed, 0).values, seed);
        let inner = |place: usize| (1..15).contains(&(place / 16)) && (1..15).contains(&(place % 16));
        let mut is_removed = vec![false; N];
        order.iter().take(200).for_each(|&place| is_removed[place as usize] = inner(place as usize));
        let mut filled: Vec<f32> =
            plane.iter().zip(&is_removed).map(|(v, gone)| if *gone { 99.0 } else { *v }).collect();
        Imputer::new(&is_removed, SIZE).fill(&mut filled);
        let worst = filled.iter().zip(&plane).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 0.02, "seed {seed}: {worst}");
    }
    let mut known = plane.clone();
    Imputer::new(&[false; N], SIZE).fill(&mut known);
    assert_eq!(known, plane, "nothing to fill");
    let mut lost = plane;
    Imputer::new(&[true; N], SIZE).fill(&mut lost);
    assert_eq!(lost, [0.0; N], "nothing is known");
}

/// Each imputed pixel is the weighted mean of its neighbours: the equations themselves.
#[test]
fn imputed_pixels_fulfil_their_equations() {
    let image = maps::noise(N, 3, 1).values;
    let is_removed: Vec<bool> = (0..N).map(|i| i % 3 != 0).collect();
    let mut filled = image.clone();
    Imputer::new(&is_removed, SIZE).fill(&mut filled);
    for place in (0..N).filter(|&place| is_removed[place]) {
        let (y, x) = ((place / 16) as i32, (place % 16) as i32);
        let (mut sum, mut weights) = (0.0, 0.0);
        for (dy, dx) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dy, dx))).filter(|step| *step != (0, 0)) {
            let (y, x) = (y + dy, x + dx);
            if (0..16).contains(&y) && (0..16).contains(&x) {
                let weight = if dy == 0 || dx == 0 { 1.0 / 6.0 } else { 1.0 / 12.0 };
                sum += weight * filled[(y * 16 + x) as usize];
                weights += weight;
            }
        }
        assert!((filled[place] - sum / weights).abs() < 3e-3, "{place}: {} and {}", filled[place], sum / weights);
    }
}

#[test]
fn removals_take_the_share_they_say_in_the_order_of_the_map() {
    let image: Vec<f32> = (0..2 * N).map(|i| 1.0 + i as f32).collect();
    let map: Vec<f32> = (0..N).map(|i| (N - i) as f32).collect();
    let order = ranking(&map, 1);
    assert_eq!(order[..3], [0, 1, 2]);
    let soft = blurred(&image, SIZE);
    let apply = |removal: Removal| removal.apply(&image, &soft, &order, SIZE, 1);
    let deleted = apply(Removal::Delete(0.25));
    assert!(deleted[..64].iter().chain(&deleted[N..N + 64]).all(|&value| value == 0.0));
    assert_eq!((&deleted[64..N], &deleted[N + 64..]), (&image[64..N], &image[N + 64..]));
    let inserted = apply(Removal::Insert(0.25));
    assert_eq!((&inserted[..64], &inserted[64..N]), (&image[..64], &soft[64..N]));
    let most = apply(Removal::RoadMost(0.25));
    assert!(most[..64].iter().zip(&image).any(|(a, b)| a != b) && most[64..N] == image[64..N]);
    let least = apply(Removal::RoadLeast(0.25));
    assert!(least[..192] == image[..192] && least[192..N] != image[192..N]);
    assert_eq!(least, apply(Removal::RoadLeast(0.25)), "the same noise for the same seed");
}

#[test]
fn ties_are_broken_by_the_seed_and_not_by_place() {
    let order = ranking(&[0.0; N], 1);
    assert_ne!(order, ranking(&[0.0; N], 2));
    let first_half = order[..N / 2].iter().filter(|&&place| (place as usize) < N / 2).count();
    assert!((40..88).contains(&first_half), "{first_half} of the first 128 lie in the upper half");
}

#[test]
fn areas_under_curves_worked_out_by_hand() {
    let n = removals().len();
    assert_eq!(n, 10 + 9 + 8);
    // Deletion falls from 1 to 0 in a straight line, insertion stays at 0.5 until the image is whole, ROAD gains 0.4.
    let deletion = (1..=10).map(|i| 1.0 - f64::from(i) / 10.0);
    let insertion = std::iter::repeat_n(0.5, 9);
    let road = [0.2, 0.6].into_iter().cycle().take(8);
    let removed: Vec<f64> = deletion.chain(insertion).chain(road).collect();
    let curves = Curves::of(1.0, 0.5, &removed);
    assert!((curves.deletion - 0.5).abs() < 1e-12);
    assert!((curves.insertion - (0.25 + 9.0 * 0.5 + 0.5) / 10.0).abs() < 1e-12);
    assert!((curves.road - 0.2).abs() < 1e-12);
}

#[test]
fn blurring_keeps_the_mean_and_takes_the_detail() {
    let checks: Vec<f32> = (0..N).map(|i| ((i / 16 + i % 16) % 2) as f32).collect();
    let soft = blurred(&checks, SIZE);
    let spread = |values: &[f32]| values.iter().map(|v| (v - 0.5).powi(2)).sum::<f32>() / N as f32;
    assert!((soft.iter().sum::<f32>() / N as f32 - 0.5).abs() < 0.01);
    assert!(spread(&soft) < 0.02 * spread(&checks));
    assert_eq!(blurred(&[3.0; N], SIZE), [3.0; N]);
}

#[test]
fn edges_are_where_the_image_changes() {
    let half: Vec<f32> = (0..N).map(|i| f32::from(u8::from(i % 16 >= 8))).collect();
    let edges = maps::edges(&half, SIZE).values;
    assert!((0..N).all(|i| (edges[i] > 0.0) == (7..=8).contains(&(i % 16))));
    assert_eq!(agreement(&[(&edges, SIZE), (&edges, SIZE)]), Some(1.0));
}

/// An image without a map has no ROAD, and JSON has no NaN.
#[test]
fn figures_survive_their_file() {
    let report = MethodReport { road_by_image: vec![0.5, f64::NAN], ..report("a", 0.3, 0.1) };
    let found = Faithfulness { n_images: 2, methods: vec![report], verdict: vec!["Believe it.".into()] };
    let text = serde_json::to_string(&found).unwrap();
    let back: Faithfulness = serde_json::from_str(&text).unwrap();
    assert!(back.methods[0].road_by_image[1].is_nan());
    assert_eq!(format!("{back:?}"), format!("{found:?}"));
    assert_eq!(back.method("a").unwrap().figures()[..2], ["0.300 ± 0.010", "-"]);
    assert!(back.method("b").is_none());
}

fn report(name: &str, road: f64, randomised: f64) -> MethodReport {
    let figure = |mean| Some(Figure { mean, error: 0.01, n: 50 });
    // Images differ much more than methods do, and all methods alike; each method has some noise of its own.
    let own = name.bytes().map(f64::from).sum::<f64>();
    let road_by_image = (0..50).map(|i| road + 0.5 * f64::from(i % 7) + 0.06 * (f64::from(i) * own).sin());
    MethodReport {
        name: name.into(),
        road: figure(road),
        road_by_image: road_by_image.collect(),
        randomised: figure(randomised),
        ..MethodReport::default()
    }
}

#[test]
fn the_verdict_names_the_best_what_ties_with_it_and_what_is_no_better_than_a_control() {
    let methods = [
        report("a", 0.30, 0.1),
        report("b", 0.29, 0.0),
        report("c", 0.10, 0.9),
        report(EDGES, 0.09, 0.0),
        report("d", 0.01, 0.0),
        report(CHANCE, 0.0, 0.0),
    ];
    let text = verdict(&methods).join("\n");
    assert!(text.contains("Trust `a` most") && text.contains("cannot tell it from `b`"), "{text}");
    assert!(text.contains("better than chance: `d`.") && text.contains("edges of the image: `c`, `d`."), "{text}");
    assert!(text.contains("randomised: `c` (0.90)"), "{text}");
    let nothing = verdict(&[report("a", 0.005, 0.0), report(CHANCE, 0.0, 0.0)]).join("\n");
    assert!(nothing.contains("No method is better than chance"), "{nothing}");
    assert_eq!(verdict(&[]), ["No method works with this model."]);
}
