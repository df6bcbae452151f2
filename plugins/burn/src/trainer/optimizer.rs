//! The step rules.

use super::{Six, Weight};

impl Weight {
    /// One step of SGD, as PyTorch takes it: the first momentum is the gradient itself.
    pub(super) fn sgd(&mut self, gradient: Six, learning_rate: f32, momentum: f32, weight_decay: f32) {
        let gradient = match weight_decay {
            0.0 => gradient,
            decay => gradient.add(self.value.clone().mul_scalar(decay)),
        };
        let step = match (momentum, self.first.take()) {
            (0.0, _) => gradient,
            (_, None) => gradient,
            (momentum, Some(velocity)) => velocity.mul_scalar(momentum).add(gradient),
        };
        if momentum != 0.0 {
            self.first = Some(step.clone());
        }
        self.value = self.value.clone().sub(step.mul_scalar(learning_rate));
    }

    /// One step of AdamW, the `t`-th, as PyTorch takes it.
    pub(super) fn adam_w(
        &mut self,
        gradient: Six,
        learning_rate: f32,
        betas: (f32, f32),
        epsilon: f32,
        decay: f32,
        t: i32,
    ) {
        let decayed = self.value.clone().mul_scalar(1.0 - learning_rate * decay);
        let mix = |held: Option<Six>, new: Six, beta: f32| match held {
            Some(held) => held.mul_scalar(beta).add(new.mul_scalar(1.0 - beta)),
            None => new.mul_scalar(1.0 - beta),
        };
        let square = gradient.clone().mul(gradient.clone());
        let first = mix(self.first.take(), gradient, betas.0);
        let second = mix(self.second.take(), square, betas.1);
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(t);
        let denominator = second.clone().sqrt().div_scalar(correction(betas.1).sqrt()).add_scalar(epsilon);
        let rate = f64::from(learning_rate) / correction(betas.0);
        self.value = decayed.sub(first.clone().div(denominator).mul_scalar(rate));
        (self.first, self.second) = (Some(first), Some(second));
    }
}
