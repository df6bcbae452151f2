//! Operations of burn's autodiff with a kernel of this crate, on burn's CPU backend.

mod batch_norm;
mod conv;

pub use batch_norm::{BatchNorm, Moments};
pub use conv::{Geometry, conv2d};

use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};

const ON_CPU: &str = "the caller has checked that the tensor is on the CPU";

fn primitive<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    tensor.try_into_primitive::<Flex>().expect(ON_CPU).to_contiguous()
}

fn tracked<const D: usize>(tensor: Tensor<D>) -> burn::backend::tensor::FloatTensor<Autodiff<Flex>> {
    tensor.autodiff().try_into_primitive::<Autodiff<Flex>>().expect(ON_CPU)
}

/// The values of a contiguous tensor.
fn values(tensor: &FlexTensor) -> &[f32] {
    let layout = tensor.layout();
    &tensor.storage::<f32>()[layout.start_offset()..layout.start_offset() + layout.num_elements()]
}

fn tensor<const D: usize>(data: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(data, shape))
}
