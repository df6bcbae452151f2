//! How sure it is that a slice is worse than the rest, rather than unlucky.

use serde::{Deserialize, Serialize};

/// Expected share of false alarms among the slices that are called clear.
pub const FALSE_DISCOVERY_RATE: f64 = 0.05;

/// What the test of a slice against the rest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Worse than the rest: `q_value` ≤ [`FALSE_DISCOVERY_RATE`].
    Clear,
    /// Chance explains it.
    Weak,
    /// Cannot be tested: no labels, or nothing to compare with.
    Unknown,
}

impl Evidence {
    /// What a q-value means.
    pub fn of(q_value: Option<f64>) -> Self {
        match q_value {
            None => Self::Unknown,
            Some(q) if q <= FALSE_DISCOVERY_RATE => Self::Clear,
            Some(_) => Self::Weak,
        }
    }
}

/// Images with a label, and those of them that the model got wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Errors {
    /// Wrong predictions.
    pub n_wrong: usize,
    /// All with a label.
    pub n: usize,
}

/// The q-value of each slice: the share of false alarms to expect if all slices at least as convincing are believed.
///
/// Each slice is tested against all images outside it (`whole` less the slice) by Fisher's exact test, one-sided: how likely are
/// so many errors if the slice were drawn from the whole by lot? Then Benjamini & Hochberg correct for the number of slices:
/// among many tiny slices some are all wrong by luck, and these do not pass.
///
/// `None` for a slice without labels or without a rest. The test takes slices as given: for a slicer that
/// looks at labels or losses it is too sure of itself, and another split is the judge.
///
/// # Source
/// Fisher 1935; Benjamini & Hochberg 1995.
pub fn q_values(slices: &[Errors], whole: Errors) -> Vec<Option<f64>> {
    let ln_factorials = ln_factorials(whole.n);
    let mut p_values: Vec<(usize, f64)> = slices
        .iter()
        .enumerate()
        .filter(|(_, slice)| slice.n > 0 && slice.n < whole.n)
        .map(|(i, &slice)| (i, p_value(slice, whole, &ln_factorials)))
        .collect();
    p_values.sort_by(|a, b| b.1.total_cmp(&a.1));
    let n_tests = p_values.len();
    let mut q_values = vec![None; slices.len()];
    let mut least = 1.0f64;
    // From the largest: a slice is never less convincing than one with a larger p-value.
    for (n_before, (i, p)) in p_values.into_iter().enumerate() {
        least = least.min(p * n_tests as f64 / (n_tests - n_before) as f64);
        q_values[i] = Some(least);
    }
    q_values
}

/// `P(X ≥ n_wrong)` for the errors X among `slice.n` images drawn from the whole without putting back.
fn p_value(slice: Errors, whole: Errors, ln_factorials: &[f64]) -> f64 {
    let (k, n) = (slice.n_wrong, slice.n);
    let least = (n + whole.n_wrong).saturating_sub(whole.n);
    let most = n.min(whole.n_wrong);
    let ln_choose = |n: usize, k: usize| ln_factorials[n] - ln_factorials[k] - ln_factorials[n - k];
    let probability = |x: usize| -> f64 {
        let ln = ln_choose(whole.n_wrong, x) + ln_choose(whole.n - whole.n_wrong, n - x) - ln_choose(whole.n, n);
        ln.exp()
    };
    // The shorter tail: summed from its large end, terms only fall, and may be left out once they no longer count.
    let tail = |xs: &mut dyn Iterator<Item = usize>| {
        let mut sum = 0.0;
        for x in xs {
            let term = probability(x);
            sum += term;
            if term < 1e-17 * sum || term == 0.0 {
                break;
            }
        }
        sum
    };
    let above_mean = k as f64 * whole.n as f64 > n as f64 * whole.n_wrong as f64;
    let p = if above_mean { tail(&mut (k..=most)) } else { 1.0 - tail(&mut (least..k).rev()) };
    p.clamp(0.0, 1.0)
}

/// `ln n!` for 0 ..= n.
fn ln_factorials(n: usize) -> Vec<f64> {
    let mut sum = 0.0;
    std::iter::once(0.0)
        .chain((1..=n).map(|i| {
            sum += (i as f64).ln();
            sum
        }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(n_wrong: usize, n: usize) -> Errors {
        Errors { n_wrong, n }
    }

    fn p(slice: Errors, whole: Errors) -> f64 {
        p_value(slice, whole, &ln_factorials(whole.n))
    }

    /// scipy 1.17.1: `fisher_exact([[wrong, right], [wrong outside, right outside]], alternative="greater")`
    #[test]
    fn agrees_with_scipy() {
        for (slice, whole, expected) in [
            (errors(3, 3), errors(4, 9), 0.047619047619047616),
            (errors(0, 3), errors(4, 9), 1.0),
            (errors(7, 20), errors(30, 400), 0.00025693186109672936),
            (errors(1, 20), errors(30, 400), 0.797921373899652),
            (errors(40, 100), errors(100, 1000), 6.940175420722337e-18),
            (errors(300, 1000), errors(1000, 50000), 2.1198337115055163e-272),
            (errors(1, 1000), errors(900, 50000), 0.9999999892631843),
            (errors(10, 1000), errors(900, 50000), 0.9860089977470028),
        ] {
            let ours = p(slice, whole);
            assert!((ours - expected).abs() <= 1e-9 * expected, "{slice:?} of {whole:?}: {ours}, scipy {expected}");
        }
    }

    /// scipy 1.17.1: `false_discovery_control` of the five p-values.
    #[test]
    fn correction_agrees_with_scipy() {
        let slices = [errors(8, 10), errors(3, 10), errors(5, 20), errors(2, 30), errors(2, 30)];
        let q = q_values(&slices, errors(20, 100));
        for (ours, expected) in q.into_iter().zip([
            0.00011891374820189572,
            0.6078050218054003,
            0.6078050218054003,
            0.9961446390564724,
            0.9961446390564724,
        ]) {
            assert!((ours.unwrap() - expected).abs() < 1e-9, "{ours:?}, scipy {expected}");
        }
    }

    #[test]
    fn a_tiny_slice_that_is_all_wrong_is_no_evidence_among_many() {
        // 200 slices of 3 images, one of them all wrong, in 1000 images with 10 % errors: luck.
        let mut slices = vec![errors(0, 3); 200];
        slices[7] = errors(3, 3);
        slices.push(errors(40, 100));
        let q = q_values(&slices, errors(100, 1000));
        assert!(q[7].unwrap() > 0.05 && q[200].unwrap() < 1e-10, "{:?} {:?}", q[7], q[200]);
        let alone = q_values(&[errors(2, 2)], errors(100, 1000))[0].unwrap();
        let among = q_values(&[vec![errors(2, 2)], vec![errors(0, 2); 49]].concat(), errors(100, 1000))[0].unwrap();
        assert!(Evidence::of(Some(alone)) == Evidence::Clear && Evidence::of(Some(among)) == Evidence::Weak);
    }

    #[test]
    fn what_cannot_be_tested_is_unknown() {
        assert_eq!(q_values(&[errors(0, 0), errors(3, 10)], errors(3, 10)), [None, None]);
        assert_eq!(q_values(&[], errors(0, 0)), []);
        assert_eq!(q_values(&[errors(0, 5), errors(0, 5)], errors(0, 10)), [Some(1.0), Some(1.0)]);
        assert_eq!(q_values(&[errors(5, 5)], errors(10, 10)), [Some(1.0)]);
        assert_eq!(Evidence::of(None), Evidence::Unknown);
    }
}
