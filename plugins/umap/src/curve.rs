//! The curve `1 / (1 + a·x^2b)` by which near images of the layout are neighbours.

/// `a` and `b`.
#[derive(Debug, Clone, Copy)]
pub struct Curve {
    pub a: f32,
    pub b: f32,
}

impl Curve {
    /// Fitted to 1 up to `min_dist` and an exponential fall of scale `spread` beyond, by least squares over
    /// [0, 3·spread] (Levenberg–Marquardt).
    pub fn fit(min_dist: f64, spread: f64) -> Self {
        const N: usize = 300;
        let points = (0..N).map(|i| {
            let x = 3.0 * spread * i as f64 / (N - 1) as f64;
            (x, if x < min_dist { 1.0 } else { (-(x - min_dist) / spread).exp() })
        });
        let points: Vec<(f64, f64)> = points.collect();
        let value = |a: f64, b: f64, x: f64| 1.0 / (1.0 + a * x.powf(2.0 * b));
        let error = |a: f64, b: f64| points.iter().map(|&(x, y)| (value(a, b, x) - y).powi(2)).sum::<f64>();
        let (mut a, mut b, mut damping) = (1.0, 1.0, 1e-3);
        for _ in 0..500 {
            let (mut aa, mut ab, mut bb, mut ra, mut rb) = (0.0, 0.0, 0.0, 0.0, 0.0);
            for &(x, y) in points.iter().filter(|(x, _)| *x > 0.0) {
                let f = value(a, b, x);
                let by_a = -f * f * x.powf(2.0 * b);
                let by_b = by_a * a * 2.0 * x.ln();
                aa += by_a * by_a;
                ab += by_a * by_b;
                bb += by_b * by_b;
                ra += by_a * (y - f);
                rb += by_b * (y - f);
            }
            let (damped_aa, damped_bb) = (aa * (1.0 + damping), bb * (1.0 + damping));
            let determinant = damped_aa * damped_bb - ab * ab;
            let step = ((damped_bb * ra - ab * rb) / determinant, (damped_aa * rb - ab * ra) / determinant);
            let better = a + step.0 > 0.0 && b + step.1 > 0.0 && error(a + step.0, b + step.1) < error(a, b);
            if better {
                (a, b) = (a + step.0, b + step.1);
            }
            damping *= if better { 0.3 } else { 4.0 };
            if damping > 1e12 {
                break;
            }
        }
        Self { a: a as f32, b: b as f32 }
    }
}

/// `x^y` of positive numbers, good to about 1e-5 of the value, and the same on every machine: a standard library's own
/// is neither the same everywhere nor quick in lanes.
#[inline(always)]
pub fn power<const N: usize>(x: [f32; N], y: f32) -> [f32; N] {
    let mut result = [0.0; N];
    for (result, x) in result.iter_mut().zip(x) {
        *result = exp2(y * log2(x));
    }
    result
}

/// By the series of `atanh` around the nearest power of two.
#[inline(always)]
fn log2(x: f32) -> f32 {
    // A mantissa in [√½, √2).
    let bits = x.to_bits().wrapping_sub(0x3f35_04f3) as i32;
    let exponent = bits >> 23;
    let mantissa = f32::from_bits(((bits & 0x007f_ffff) + 0x3f35_04f3) as u32);
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let t2 = t * t;
    let series = t * (2.885_39 + t2 * (0.961_796_7 + t2 * (0.577_078 + t2 * 0.412_198_6)));
    exponent as f32 + series
}

/// By the series of `exp` around the nearest whole number.
#[inline(always)]
fn exp2(x: f32) -> f32 {
    let x = if x < -126.0 { -126.0 } else { x };
    let x = if x > 126.0 { 126.0 } else { x };
    // Adding and subtracting 1.5·2²³ rounds.
    let shifted = x + 12_582_912.0;
    let whole = shifted - 12_582_912.0;
    let r = x - whole;
    let series = 1.0
        + r * (std::f32::consts::LN_2 + r * (0.240_226_5 + r * (0.055_504_1 + r * (0.009_618_13 + r * 0.001_333_36))));
    // The whole number stands in the lowest bits of the sum.
    series * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// umap-learn 0.5.12, `find_ab_params(spread, min_dist)`.
    #[test]
    fn the_same_curve_as_umap_learn() {
        for (min_dist, spread, a, b) in
            [(0.0, 1.0, 1.932_808_4, 0.790_495), (0.1, 1.0, 1.576_943_5, 0.895_060_9), (0.5, 1.0, 0.583_03, 1.334_167)]
        {
            let curve = Curve::fit(min_dist, spread);
            assert!((curve.a - a).abs() < 1e-3 && (curve.b - b).abs() < 1e-3, "{min_dist}: {curve:?}, not {a}, {b}");
        }
    }

    #[test]
    fn power_is_power() {
        for i in 1..2_000 {
            let x = 1.3f32.powi(i % 90 - 60) * (1.0 + i as f32 / 2_000.0);
            for y in [0.25, 0.79, 1.0, 1.3] {
                let [found] = power([x], y);
                assert!((found / x.powf(y) - 1.0).abs() < 3e-5, "{x}^{y} = {found}");
            }
        }
    }
}
