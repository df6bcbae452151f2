//! The foreign half of a projector: [`Projector`] and [`Projection`] over a table.

use super::context::lend;
use crate::abi::projector::AscanProjectorTable;
use crate::abi::reply::ask;
use crate::abi::state::State;
use crate::abi::tensor::AscanTensor;
use crate::{Context, Projection, Projector, Result, Tensor, TensorView};

/// Most dimensions of a projection; a number above is a mistake.
const MAX_DIMS: usize = 1 << 20;

/// A projector of a library.
pub(super) struct ForeignProjector(pub State<AscanProjectorTable>);

struct ForeignProjection {
    state: State<AscanProjectorTable>,
    n_dims: usize,
}

impl Projector for ForeignProjector {
    fn fit(&self, embeddings: TensorView, context: &Context) -> Result<Box<dyn Projection>> {
        let (projector, functions) = (&self.0, self.0.table());
        let mut projection = std::ptr::null_mut();
        let sent = lend(context, |host| {
            let embeddings = AscanTensor::new(embeddings);
            // SAFETY: the arguments are valid for the call.
            unsafe {
                ask(projector.plugin(), |reply| {
                    (functions.fit)(projector.ptr(), embeddings, host, &raw mut projection, reply)
                })
            }
        })?;
        // SAFETY: the projector just made it.
        let state = unsafe { State::made(projector.plugin(), projection, *functions, functions.destroy_projection) }?;
        #[derive(serde::Deserialize)]
        struct Facts {
            n_dims: usize,
        }
        let Facts { n_dims } = sent.json()?;
        sent.require((1..=MAX_DIMS).contains(&n_dims), || format!("made a projection to {n_dims} dimensions"))?;
        Ok(Box::new(ForeignProjection { n_dims, state }))
    }
}

impl Projection for ForeignProjection {
    fn n_dims(&self) -> usize {
        self.n_dims
    }

    fn project(&self, embeddings: TensorView, context: &Context) -> Result<Tensor> {
        let state = &self.state;
        let mut sent = lend(context, |host| {
            let embeddings = AscanTensor::new(embeddings);
            // SAFETY: the arguments are valid for the call.
            unsafe { ask(state.plugin(), |reply| (state.table().project)(state.ptr(), embeddings, host, reply)) }
        })?;
        let projected = sent.take("embeddings", &[embeddings.n_rows(), self.n_dims])?;
        sent.require(projected.view().is_finite(), || "sent a projection that is not finite".into())?;
        Ok(projected)
    }
}
