//! Random numbers that depend on the seed and their place alone, never on the batch.

/// SplitMix64.
pub struct Numbers(u64);

impl Numbers {
    /// The numbers of one stream.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut numbers = Self(seed ^ (stream + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93));
        numbers.uniform();
        numbers
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_normal() {
        let mut numbers = Numbers::new(3, 1);
        let values: Vec<f64> = (0..20_000).map(|_| numbers.normal()).collect();
        let moment = |p: i32| values.iter().map(|v| v.powi(p)).sum::<f64>() / values.len() as f64;
        assert!(moment(1).abs() < 0.03 && (moment(2) - 1.0).abs() < 0.05 && (moment(4) - 3.0).abs() < 0.3);
    }
}
