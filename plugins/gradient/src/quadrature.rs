//! Points and weights on the path from 0 to 1.

use crate::params::Method;
use std::f64::consts::PI;

/// `n` points in [0, 1], rising, with weights that sum to 1.
///
/// The trapezoid weighs inner points by `1/(n − 1)`. (captum's `riemann_trapezoid` weighs them by `1/n`, so
/// that its attributions fall short by the factor `(n − 1)/n`.)
pub fn points(method: Method, n: usize) -> Vec<(f64, f64)> {
    match method {
        Method::GaussLegendre => gauss_legendre(n),
        Method::Trapezoid => {
            let step = 1.0 / (n - 1) as f64;
            let weight = |i: usize| if i == 0 || i == n - 1 { step / 2.0 } else { step };
            (0..n).map(|i| (i as f64 * step, weight(i))).collect()
        }
    }
}

/// Roots of the Legendre polynomial by Newton's method, moved from [−1, 1] to [0, 1].
fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    (0..n)
        .map(|i| {
            // A starting point near the i-th smallest root (Abramowitz & Stegun 22.16.6).
            let mut x = -(PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
            let mut slope = legendre(n, x).1;
            for _ in 0..100 {
                let (value, derivative) = legendre(n, x);
                slope = derivative;
                let step = value / derivative;
                x -= step;
                if step.abs() < 1e-15 {
                    break;
                }
            }
            let weight = 2.0 / ((1.0 - x * x) * slope * slope);
            ((x + 1.0) / 2.0, weight / 2.0)
        })
        .collect()
}

/// Value and derivative of the Legendre polynomial of degree `n ≥ 1` inside (−1, 1).
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut previous, mut value) = (1.0, x);
    for k in 2..=n {
        let k = k as f64;
        (previous, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * previous) / k);
    }
    (value, n as f64 * (x * value - previous) / (x * x - 1.0))
}
