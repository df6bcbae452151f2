use crate::integrated_gradients::calls;
use crate::params::{Baseline, IntegratedGradientsParams, Method};
use crate::{IntegratedGradients, baseline, quadrature};
use ascan_core::testing::{ToyBackend, ToyHead, check_attributor, toy_images};
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, Forward, Gradients, ModelBackend, ModelInfo, Plugin, Result,
    Tensor, TensorView,
};

fn ig(params: IntegratedGradientsParams) -> IntegratedGradients {
    IntegratedGradients::new(params).unwrap()
}

fn attribute(ig: &IntegratedGradients, backend: &dyn ModelBackend, images: &Tensor, classes: &[usize]) -> Attribution {
    let forward = backend.forward(images.view(), &[]).unwrap();
    let batch = AttributionBatch::new(images.view(), classes, &forward);
    ig.attribute(backend, &batch, &Context::default()).unwrap()
}

fn every_variant() -> Vec<IntegratedGradientsParams> {
    let mut variants = Vec::new();
    for method in [Method::GaussLegendre, Method::Trapezoid] {
        for baseline in [Baseline::Zero, Baseline::Mean, Baseline::Blur, Baseline::Given] {
            let baseline_values = if baseline == Baseline::Given { vec![0.5, -1.0, 2.0] } else { Vec::new() };
            let given = IntegratedGradientsParams { method, baseline, baseline_values, ..Default::default() };
            variants.push(IntegratedGradientsParams { blur_sigma_px: 2.0, n_steps: 7, ..given });
        }
    }
    variants
}

#[test]
fn conforms() {
    for params in every_variant() {
        check_attributor("integrated_gradients", &ig(params));
    }
}

#[test]
fn points_are_those_of_numpy() {
    // numpy 2.3 `np.polynomial.legendre.leggauss(5)`
    let x = [-0.906179845938664, -0.5384693101056831, 0.0, 0.5384693101056831, 0.906179845938664];
    let w = [0.23692688505618942, 0.4786286704993662, 0.568888888888889, 0.4786286704993662, 0.23692688505618942];
    for ((alpha, weight), (x, w)) in quadrature::points(Method::GaussLegendre, 5).into_iter().zip(x.into_iter().zip(w))
    {
        assert!((alpha - (x + 1.0) / 2.0).abs() < 1e-14 && (weight - w / 2.0).abs() < 1e-14, "{alpha} {weight}");
    }
}

#[test]
fn gauss_legendre_is_exact_for_polynomials_up_to_its_degree() {
    for n in [1, 2, 5, 32, 50, 200] {
        let points = quadrature::points(Method::GaussLegendre, n);
        for degree in [0, 1, 2 * n - 1] {
            let integral: f64 = points.iter().map(|(x, w)| w * x.powi(degree as i32)).sum();
            assert!((integral - 1.0 / (degree as f64 + 1.0)).abs() < 1e-13, "n {n}, degree {degree}: {integral}");
        }
    }
}

#[test]
fn trapezoid_is_exact_for_lines_and_converges() {
    let integral =
        |n, f: fn(f64) -> f64| -> f64 { quadrature::points(Method::Trapezoid, n).iter().map(|(x, w)| w * f(*x)).sum() };
    assert!((integral(2, |x| x) - 0.5).abs() < 1e-15);
    assert!((integral(10, |_| 1.0) - 1.0).abs() < 1e-15);
    assert!((integral(1001, |x| x * x) - 1.0 / 3.0).abs() < 1e-6);
}

/// Completeness: the map sums to the difference of logits, and the delta says by how much it does not.
#[test]
fn maps_sum_to_the_difference_of_logits() {
    for head in [ToyHead::Linear, ToyHead::Hidden] {
        let backend = ToyBackend::new(head, 3);
        let images = toy_images(3, backend.info().input_shape, 9);
        for params in every_variant() {
            let params = IntegratedGradientsParams { n_steps: 300, ..params };
            let start =
                baseline::baselines(params.baseline, &params.baseline_values, params.blur_sigma_px, images.view())
                    .unwrap();
            let logits = |images: &Tensor| backend.forward(images.view(), &[]).unwrap().logits;
            let (from, to) = (logits(&start), logits(&images));
            let classes = [0, 1, 2];
            let result = attribute(&ig(params.clone()), &backend, &images, &classes);
            let deltas = result.convergence_delta.unwrap();
            for (i, class) in classes.into_iter().enumerate() {
                let sum: f32 = result.maps.row(i).iter().sum();
                let difference = to.row(i)[class] - from.row(i)[class];
                assert!((sum - difference).abs() < 0.01 * difference.abs().max(0.5), "{params:?}: {sum} {difference}");
                assert!((deltas[i] - (sum - difference)).abs() < 1e-4, "{} {}", deltas[i], sum - difference);
            }
        }
    }
}

/// `logit_c = Σ w_c·x²` summed over pixels and channels: the gradient is linear along the path.
struct Quadratic {
    info: ModelInfo,
    weights: [f32; 3],
}

impl Quadratic {
    fn new(weights: [f32; 3]) -> Self {
        Self { info: ToyBackend::new(ToyHead::Hidden, 0).info().clone(), weights }
    }
}

impl ModelBackend for Quadratic {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, images: TensorView, _layers: &[&str]) -> Result<Forward> {
        let n = images.n_rows();
        let square = |i: usize| images.row(i).iter().map(|v| v * v).sum::<f32>();
        let logits = (0..n).flat_map(|i| self.weights.map(|w| w * square(i))).collect();
        Ok(Forward { logits: Tensor::new([n, 3], logits)?, feature_maps: Vec::new() })
    }

    fn gradients(&self, images: TensorView, classes: &[usize], _names: &[&str]) -> Result<Gradients> {
        let gradient = (0..images.n_rows())
            .flat_map(|i| images.row(i).iter().map(move |v| 2.0 * self.weights[classes[i]] * v))
            .collect();
        let gradients = vec![Tensor::new(images.shape(), gradient)?];
        Ok(Gradients { logits: self.forward(images, &[])?.logits, gradients, values: vec![images.to_tensor()] })
    }
}

/// For `w·x²` from zero, the attribution of a pixel is `Σ_c w·x²`, with a single Gauss point or two ends.
#[test]
fn a_quadratic_is_explained_exactly() {
    let backend = Quadratic::new([1.0, -2.0, 0.5]);
    let images = toy_images(2, backend.info.input_shape, 1);
    for (method, n_steps) in [(Method::GaussLegendre, 1), (Method::Trapezoid, 2)] {
        let ig = ig(IntegratedGradientsParams { method, n_steps, ..Default::default() });
        let maps = attribute(&ig, &backend, &images, &[1, 2]).maps;
        let area = 48;
        for (i, weight) in [(0, -2.0), (1, 0.5)] {
            for p in 0..area {
                let expected: f32 = (0..3).map(|c| weight * images.row(i)[c * area + p].powi(2)).sum();
                assert!((maps.row(i)[p] - expected).abs() < 1e-5 * expected.abs().max(1.0));
            }
        }
    }
}

/// Sensitivity: an input that changes nothing gets nothing; linearity: explanations of a weighted sum add up.
#[test]
fn dummy_pixels_get_nothing_and_explanations_add_up() {
    let images = toy_images(1, [3, 8, 6], 1);
    let of = |weights: [f32; 3]| {
        attribute(&ig(Default::default()), &Quadratic::new(weights), &images, &[0]).maps.into_data()
    };
    assert!(of([0.0, 1.0, 1.0]).iter().all(|v| *v == 0.0));
    let (one, two, sum) = (of([1.5, 0.0, 0.0]), of([-0.25, 0.0, 0.0]), of([1.25, 0.0, 0.0]));
    for ((one, two), sum) in one.iter().zip(two).zip(sum) {
        assert!((one + two - sum).abs() < 1e-5 * sum.abs().max(1.0));
    }
}

#[test]
fn the_size_of_calls_does_not_change_the_maps() {
    let backend = ToyBackend::new(ToyHead::Hidden, 3);
    let images = toy_images(5, backend.info().input_shape, 9);
    let classes = [0, 1, 2, 0, 1];
    let of = |internal_batch_size| {
        let params = IntegratedGradientsParams { internal_batch_size, n_steps: 6, ..Default::default() };
        attribute(&ig(params), &backend, &images, &classes).maps
    };
    let whole = of(1000);
    for size in [0, 1, 5, 6, 13] {
        assert_eq!(of(size), whole, "{size}");
    }
}

#[test]
fn calls_hold_every_point_once_and_no_more_than_the_limit() {
    for (n_images, n_steps, size) in [(3, 10, 4), (3, 10, 10), (5, 3, 7), (1, 1, 1), (0, 5, 2)] {
        let calls = calls(n_images, n_steps, size);
        assert!(calls.iter().all(|call| !call.is_empty() && call.len() <= size));
        let points: Vec<_> = calls.concat();
        let expected: Vec<_> = (0..n_images).flat_map(|i| (0..n_steps).map(move |s| (i, s))).collect();
        assert_eq!(points, expected);
    }
}

#[test]
fn parameters_out_of_range_are_named() {
    let keys = |params: &IntegratedGradientsParams| -> Vec<String> {
        let mut problems = ascan_core::Problems::default();
        ascan_core::Params::check(params, &mut problems);
        problems.into_errors().iter().filter_map(|error| error.key().map(str::to_owned)).collect()
    };
    assert_eq!(keys(&Default::default()), Vec::<String>::new());
    let one_end = IntegratedGradientsParams { method: Method::Trapezoid, n_steps: 1, ..Default::default() };
    assert_eq!(keys(&one_end), ["n_steps"]);
    let nothing = IntegratedGradientsParams { baseline: Baseline::Given, ..Default::default() };
    assert_eq!(keys(&nothing), ["baseline_values"]);
    let unused = IntegratedGradientsParams { baseline_values: vec![0.0], ..Default::default() };
    assert_eq!(keys(&unused), ["baseline_values"]);
}
