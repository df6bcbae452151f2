//! Exponential and logarithm of f64, written so that loops over them run in lanes. Those of the standard
//! library take one number at a time and differ from machine to machine.

/// Adding and subtracting 1.5·2⁵² rounds to a whole number, which then stands in the lowest bits.
const ROUNDING: f64 = 6_755_399_441_055_744.0;

/// `e^x` for x ≤ 0, within a few units of the last place; 0 below −700.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    // ln 2 in two parts: multiples of the first are exact.
    const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
    let inside = if x > -700.0 { x } else { -700.0 };
    let shifted = inside * std::f64::consts::LOG2_E + ROUNDING;
    let whole = shifted - ROUNDING;
    let r = (inside - whole * LN_2[0]) - whole * LN_2[1];
    // The series, |r| ≤ ½·ln 2: what is left out is below 2⁻⁵³.
    let mut series = 1.0 / 479_001_600.0;
    for term in [39_916_800.0, 3_628_800.0, 362_880.0, 40_320.0, 5_040.0, 720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0] {
        series = series * r + 1.0 / term;
    }
    let power = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52));
    if x > -700.0 { series * power } else { 0.0 }
}

/// `ln x` for positive x that are not subnormal, within a few units of the last place.
#[inline(always)]
pub(crate) fn ln(x: f64) -> f64 {
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    const MANTISSA: u64 = (1 << 52) - 1;
    // x = m·2ᵉ with m in [√½, √2); e + 1023 as a float, by its bits.
    let bits = x.to_bits().wrapping_sub(SQRT_HALF).wrapping_add(1023 << 52);
    let exponent = f64::from_bits((bits >> 52) | ROUNDING.to_bits()) - ROUNDING - 1023.0;
    let m = f64::from_bits((bits & MANTISSA) + SQRT_HALF);
    // 2·atanh((m − 1) / (m + 1)), its argument at most 0.172.
    let t = (m - 1.0) / (m + 1.0);
    let t2 = t * t;
    let mut series = 1.0 / 23.0;
    for term in [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        series = series * t2 + 1.0 / term;
    }
    exponent * std::f64::consts::LN_2 + 2.0 * (t + t * t2 * series)
}

/// The sum of the values in a fixed order in which additions do not wait for each other.
#[inline(always)]
pub fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sums = [0.0; 8];
    values.into_iter().enumerate().for_each(|(i, value)| sums[i % 8] += value);
    (sums[0] + sums[4]) + (sums[1] + sums[5]) + ((sums[2] + sums[6]) + (sums[3] + sums[7]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_as_the_standard_library_within_a_few_units_of_the_last_place() {
        for i in 0..200_000 {
            let x = -f64::from(i) * 0.003_53;
            let (ours, theirs) = (exp(x), if x > -700.0 { x.exp() } else { 0.0 });
            assert!((ours - theirs).abs() <= 1e-15 * theirs, "exp({x}) = {ours}, not {theirs}");
            let x = (f64::from(i) * 0.005 - 500.0).exp();
            assert!((ln(x) - x.ln()).abs() <= 1e-15 * x.ln().abs().max(1.0), "ln({x}) = {}, not {}", ln(x), x.ln());
        }
        assert_eq!((exp(0.0), exp(f64::NEG_INFINITY), ln(1.0)), (1.0, 0.0, 0.0));
    }
}
