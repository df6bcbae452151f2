//! The curve `1 / (1 + a·x^2b)` by which near images of the layout are neighbours.

use pulp::Simd;

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

/// `x^y` of positive numbers in registers, good to about 1e-5 of the value, and the same on every machine: a standard
/// library's own is neither the same everywhere nor quick in lanes.
#[inline(always)]
pub fn power<S: Simd>(simd: S, x: S::f32s, y: f32) -> S::f32s {
    exp2(simd, simd.mul_f32s(simd.splat_f32s(y), log2(simd, x)))
}

/// By the series of `atanh` around the nearest power of two.
#[inline(always)]
fn log2<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    // A mantissa in [√½, √2), and the exponent + 127.
    let bits = simd.add_u32s(simd.transmute_u32s_f32s(x), simd.splat_u32s((127 << 23) - SQRT_HALF));
    let exponent = simd.wrapping_dyn_shr_u32s(bits, simd.splat_u32s(23));
    let mantissa = simd.add_u32s(simd.and_u32s(bits, simd.splat_u32s(0x007f_ffff)), simd.splat_u32s(SQRT_HALF));
    let mantissa = simd.transmute_f32s_u32s(mantissa);
    // Behind the bits of 2²³ a whole number is that much more.
    let exponent = simd.transmute_f32s_u32s(simd.or_u32s(exponent, simd.splat_u32s(0x4b00_0000)));
    let exponent = simd.sub_f32s(exponent, simd.splat_f32s(8_388_608.0 + 127.0));
    let one = simd.splat_f32s(1.0);
    let t = simd.div_f32s(simd.sub_f32s(mantissa, one), simd.add_f32s(mantissa, one));
    let series = series(simd, simd.mul_f32s(t, t), [0.412_198_6, 0.577_078, 0.961_796_7, 2.885_39]);
    simd.add_f32s(exponent, simd.mul_f32s(t, series))
}

/// By the series of `exp` around the nearest whole number.
#[inline(always)]
fn exp2<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let x = simd.min_f32s(simd.max_f32s(x, simd.splat_f32s(-126.0)), simd.splat_f32s(126.0));
    // Adding and subtracting 1.5·2²³ rounds; the whole number stands in the lowest bits of the sum.
    let rounding = simd.splat_f32s(12_582_912.0);
    let shifted = simd.add_f32s(x, rounding);
    let r = simd.sub_f32s(x, simd.sub_f32s(shifted, rounding));
    let terms = [0.001_333_36, 0.009_618_13, 0.055_504_1, 0.240_226_5, std::f32::consts::LN_2, 1.0];
    let series = series(simd, r, terms);
    let power = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let power = simd.add_u32s(power, simd.splat_u32s(127 << 23));
    simd.mul_f32s(series, simd.transmute_f32s_u32s(power))
}

/// A polynomial, the coefficient of its highest power first.
#[inline(always)]
fn series<S: Simd, const N: usize>(simd: S, x: S::f32s, terms: [f32; N]) -> S::f32s {
    let mut sum = simd.splat_f32s(terms[0]);
    for term in &terms[1..] {
        sum = simd.add_f32s(simd.mul_f32s(sum, x), simd.splat_f32s(*term));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::{Arch, WithSimd};

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

    struct Power {
        x: f32,
        y: f32,
    }

    impl WithSimd for Power {
        type Output = f32;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f32 {
            simd.reduce_max_f32s(power(simd, simd.splat_f32s(self.x), self.y))
        }
    }

    #[test]
    fn power_is_power() {
        for i in 1..2_000 {
            let x = 1.3f32.powi(i % 90 - 60) * (1.0 + i as f32 / 2_000.0);
            for y in [0.25, 0.79, 1.0, 1.3] {
                let found = Arch::new().dispatch(Power { x, y });
                assert!((found / x.powf(y) - 1.0).abs() < 3e-5, "{x}^{y} = {found}");
            }
        }
    }
}
