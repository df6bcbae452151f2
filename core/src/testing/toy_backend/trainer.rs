//! Training of the toy network: softmax cross-entropy, SGD and AdamW.

use super::{ToyNet, Trace, check_step, logits, tensor};
use crate::{
    Error, Optimizer, Result, StepOutcome, Tensor, Trainable, Trainer, TrainerOptions, TrainingStep,
    metrics::cross_entropy, metrics::softmax,
};

pub(super) struct ToyTrainer {
    net: ToyNet,
    optimizer: Optimizer,
    weight_decay: f64,
    /// Names of the weights that move.
    trainable: Vec<&'static str>,
    /// First and second moments of each trainable weight.
    moments: Vec<(Vec<f64>, Vec<f64>)>,
    n_steps: i32,
}

impl ToyTrainer {
    pub fn new(net: ToyNet, options: &TrainerOptions) -> Result<Self> {
        let all: Vec<&'static str> = net.named().iter().map(|entry| entry.0).collect();
        let trainable: Vec<&'static str> = match &options.trainable {
            Trainable::All => all,
            Trainable::Head => all[1..].to_vec(),
            Trainable::After(layer) if ["conv", "features"].contains(&layer.as_str()) => all[1..].to_vec(),
            Trainable::After(layer) => return Err(Error::unknown_name("tensor", layer, ["conv", "features"])),
            Trainable::Names(names) => {
                if let Some(name) = names.iter().find(|name| !all.contains(&name.as_str())) {
                    return Err(Error::unknown_name("initializer", name, all));
                }
                all.into_iter().filter(|known| names.iter().any(|name| name == known)).collect()
            }
        };
        let moments = net
            .named()
            .iter()
            .filter(|entry| trainable.contains(&entry.0))
            .map(|entry| (vec![0.0; entry.2.len()], vec![0.0; entry.2.len()]))
            .collect();
        let weight_decay = f64::from(options.weight_decay);
        Ok(Self { net, optimizer: options.optimizer, weight_decay, trainable, moments, n_steps: 0 })
    }

    /// Gradients of every weight, and what the step found.
    fn differentiate(&self, step: &TrainingStep) -> Result<(ToyNet, StepOutcome)> {
        if step.penalty.is_some() {
            return Err(Error::unsupported("the toy trainer has no input-gradient penalty", "leave it out"));
        }
        let n = check_step(step.images, step.labels, step.weights)?;
        if n == 0 {
            return Err(Error::shape("images", "at least one image", step.images.shape()));
        }
        let traces: Vec<Trace> = (0..n).map(|i| self.net.forward(step.images.row(i))).collect();
        let mut sum: Option<ToyNet> = None;
        let mut losses = Vec::new();
        for ((trace, &label), &weight) in traces.iter().zip(step.labels).zip(step.weights) {
            let logits: Vec<f32> = trace.logits.iter().map(|&v| v as f32).collect();
            let loss = cross_entropy(&logits, label as i32);
            if !loss.is_finite() || !weight.is_finite() {
                return Err(Error::NotFinite { what: "loss of a training step".into() });
            }
            losses.push(loss);
            let scale = f64::from(weight) / n as f64;
            let d_logits: Vec<f64> = softmax(&logits)
                .iter()
                .enumerate()
                .map(|(class, &p)| scale * (f64::from(p) - f64::from(u8::from(class == label))))
                .collect();
            let mut gradients = self.net.backward(trace, &d_logits).weights;
            if let Some(sum) = &sum {
                for ((_, total), (_, _, add)) in gradients.named_mut().into_iter().zip(sum.named()) {
                    total.iter_mut().zip(add).for_each(|(total, add)| *total += add);
                }
            }
            sum = Some(gradients);
        }
        // There is at least one image.
        let gradients = sum.unwrap_or_else(|| self.net.clone());
        Ok((gradients, StepOutcome { losses, logits: logits(&traces) }))
    }

    fn trained(&self, net: &ToyNet) -> Vec<(String, Tensor)> {
        let named = net.named().into_iter().filter(|entry| self.trainable.contains(&entry.0));
        named.map(|(name, shape, values)| (name.to_owned(), tensor(shape, values))).collect()
    }
}

impl Trainer for ToyTrainer {
    fn step(&mut self, step: &TrainingStep) -> Result<StepOutcome> {
        let (gradients, outcome) = self.differentiate(step)?;
        self.n_steps += 1;
        let (rate, decay) = (f64::from(step.learning_rate), self.weight_decay);
        let trainable = &self.trainable;
        let weights = self.net.named_mut().into_iter().filter(|entry| trainable.contains(&entry.0));
        let gradients = gradients.named().into_iter().filter(|entry| trainable.contains(&entry.0));
        for (((_, weights), (_, _, gradients)), (first, second)) in weights.zip(gradients).zip(&mut self.moments) {
            for (((w, &g), m), v) in weights.iter_mut().zip(gradients).zip(first).zip(second) {
                match self.optimizer {
                    Optimizer::Sgd { momentum } => {
                        *m = f64::from(momentum) * *m + g + decay * *w;
                        *w -= rate * *m;
                    }
                    Optimizer::AdamW { beta_1, beta_2, epsilon } => {
                        let (beta_1, beta_2) = (f64::from(beta_1), f64::from(beta_2));
                        *m = beta_1 * *m + (1.0 - beta_1) * g;
                        *v = beta_2 * *v + (1.0 - beta_2) * g * g;
                        let m_hat = *m / (1.0 - beta_1.powi(self.n_steps));
                        let v_hat = *v / (1.0 - beta_2.powi(self.n_steps));
                        *w -= rate * (m_hat / (v_hat.sqrt() + f64::from(epsilon)) + decay * *w);
                    }
                }
            }
        }
        Ok(outcome)
    }

    fn weight_gradients(&mut self, step: &TrainingStep) -> Result<Vec<(String, Tensor)>> {
        let (gradients, _) = self.differentiate(step)?;
        Ok(self.trained(&gradients))
    }

    fn weights(&self) -> Result<Vec<(String, Tensor)>> {
        Ok(self.trained(&self.net))
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut state = self.trained(&self.net);
        for (name, (first, second)) in self.trainable.iter().zip(&self.moments) {
            state.push((format!("first/{name}"), tensor(vec![first.len()], first)));
            state.push((format!("second/{name}"), tensor(vec![second.len()], second)));
        }
        state.push(("n_steps".to_owned(), tensor(vec![1], &[f64::from(self.n_steps)])));
        Ok(state)
    }

    fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let expected = self.state()?;
        for ((name, tensor), (own, like)) in state.iter().zip(&expected) {
            if name != own || tensor.shape() != like.shape() {
                return Err(Error::shape("state of the trainer", format!("`{own}` {:?}", like.shape()), name));
            }
        }
        if state.len() != expected.len() {
            return Err(Error::shape("state of the trainer", format!("{} tensors", expected.len()), state.len()));
        }
        let mut values = state.iter().map(|(_, tensor)| tensor.data().iter().map(|&v| f64::from(v)));
        let trainable = &self.trainable;
        let weights = self.net.named_mut().into_iter().filter(|entry| trainable.contains(&entry.0));
        let moments = self.moments.iter_mut().flat_map(|(first, second)| [first, second]);
        for (own, values) in weights.map(|entry| entry.1).chain(moments).zip(&mut values) {
            own.iter_mut().zip(values).for_each(|(own, value)| *own = value);
        }
        self.n_steps = values.next().and_then(|mut steps| steps.next()).unwrap_or_default() as i32;
        Ok(())
    }
}
