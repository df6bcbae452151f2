//! Where a value lies on an axis, and which values are written beside it.

use super::Axis;

/// An axis with its ends known.
pub(super) struct Scale {
    log: bool,
    low: f64,
    high: f64,
}

impl Scale {
    pub(super) fn new(axis: &Axis, values: impl Iterator<Item = f64>) -> Self {
        let log = axis.log;
        let [mut low, mut high] = axis.range.unwrap_or_else(|| {
            let ends = [f64::INFINITY, f64::NEG_INFINITY];
            values.filter(|v| v.is_finite() && (!log || *v > 0.0)).fold(ends, |[a, b], v| [a.min(v), b.max(v)])
        });
        if !(low.is_finite() && high.is_finite()) {
            (low, high) = (1.0, 10.0);
        }
        if axis.range.is_none() && log {
            // A little room, or the outermost marks lie on the frame.
            (low, high) = (low / 1.5, high * 1.5);
        } else if high <= low {
            (low, high) = (low - 1.0, high + 1.0);
        }
        Self { log, low, high }
    }

    /// Place of a value, 0 to 1.
    pub(super) fn place(&self, value: f64) -> Option<f32> {
        let to = |v: f64| if self.log { v.ln() } else { v };
        let place = (to(value) - to(self.low)) / (to(self.high) - to(self.low));
        (place.is_finite() && (-1e-6..=1.0 + 1e-6).contains(&place)).then_some(place as f32)
    }

    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        if self.log {
            let decades = self.low.log10().ceil() as i32..=self.high.log10().floor() as i32;
            let few = decades.clone().count() < 3;
            let steps: &[f64] = if few { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let decades = decades.start() - 1..=*decades.end();
            let values = decades.flat_map(|decade| steps.iter().map(move |step| step * 10f64.powi(decade)));
            return values.filter(|v| *v >= self.low && *v <= self.high).map(|v| (v, short(v))).collect();
        }
        let step = nice_step((self.high - self.low) / 5.0);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).map(|i| (i as f64 * step, short(i as f64 * step))).collect()
    }
}

/// 1, 2 or 5 times a power of ten, at least this.
fn nice_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|v| *v >= step * 0.999).unwrap_or(step)
}

/// `0.01`, `100`, `100k`, `1M`.
fn short(value: f64) -> String {
    let (value, unit) = match value.abs() {
        v if v >= 1e6 => (value / 1e6, "M"),
        v if v >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    // Rounded to what the eye reads: sums of steps are not exact.
    format!("{}{unit}", (value * 1e6).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_value_lies_higher_and_to_the_right() {
        let rows = Axis { label: "rows".into(), log: true, range: None };
        let scale = Scale::new(&rows, [1e3, 1e5].into_iter());
        let [low, middle, high] = [1e3, 1e4, 1e5].map(|v| scale.place(v).unwrap());
        assert!(low < middle && middle < high && (middle - 0.5).abs() < 1e-6);
        assert_eq!(scale.place(0.0), None);
        let unit = Axis { label: String::new(), log: false, range: Some([0.0, 1.0]) };
        let ticks: Vec<String> = Scale::new(&unit, [].into_iter()).ticks().into_iter().map(|tick| tick.1).collect();
        assert_eq!(ticks, ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!([short(1e6), short(2.5e4), short(1e3), short(0.05)], ["1M", "25k", "1000", "0.05"]);
    }
}
