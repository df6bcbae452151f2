//! How a gradient comes back through each operator. There is no default: whoever adds an operator to [`Operator`] says it, or
//! that it is missing.

mod activation;
mod convolution;
mod einsum;
mod elementwise;
mod indexing;
mod linear;
mod max_pool;
mod normalisation;
mod pattern;
mod pooling;
mod quantised;
mod reduction;
mod reshaping;
mod resizing;
mod selection;

use super::flow::{Flow, Parts};
use super::tape::Tape;
use crate::operator::Operator;
use crate::proto::NodeProto;

pub(super) use activation::in_blocks;
pub(super) use convolution::repeated;
pub(super) use normalisation::batch_norm_factor;
pub(super) use pattern::{Pattern, pattern};

/// What a rule writes, or why it cannot.
pub(super) type Written = Result<Parts, String>;

/// The rule of an operator.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// From the gradient of the only output.
    Plain(fn(&mut Tape, &NodeProto, &str) -> Written),
    /// The same, taking sign and factor into the node's own weights, or handing them on.
    Carrying(fn(&mut Tape, &NodeProto, &Flow) -> Written),
    /// From the gradients of several outputs, those that have one.
    Several(fn(&mut Tape, &NodeProto, &[Option<String>]) -> Written),
    /// Nothing comes back: the output is a step function of the input, or no number.
    Steps,
}

/// The rule of an operator; `None` if there is none.
pub(super) fn of(operator: Operator) -> Option<Rule> {
    use Operator as O;
    use Rule::{Carrying, Plain, Several, Steps};
    Some(match operator {
        // Element by element, of one tensor.
        O::Relu => Plain(activation::relu),
        O::Clip => Plain(activation::clip),
        O::LeakyRelu => Plain(activation::leaky_relu),
        O::ThresholdedRelu => Plain(activation::thresholded_relu),
        O::PRelu => Plain(activation::prelu),
        O::HardSigmoid => Plain(activation::hard_sigmoid),
        O::HardSwish => Plain(activation::hard_swish),
        O::Sigmoid => Plain(activation::sigmoid),
        O::Tanh => Plain(activation::tanh),
        O::Softplus => Plain(activation::softplus),
        O::Softsign => Plain(activation::softsign),
        O::Elu => Plain(activation::elu),
        O::Celu => Plain(activation::celu),
        O::Selu => Plain(activation::selu),
        O::Gelu => Plain(activation::gelu),
        O::Swish => Plain(activation::swish),
        O::Mish => Plain(activation::mish),
        O::Abs => Plain(elementwise::abs),
        O::Neg => Plain(elementwise::neg),
        O::Exp => Plain(elementwise::exp),
        O::Log => Plain(elementwise::log),
        O::Sqrt => Plain(elementwise::sqrt),
        O::Reciprocal => Plain(elementwise::reciprocal),
        O::Sin => Plain(elementwise::sin),
        O::Cos => Plain(elementwise::cos),
        O::Erf => Plain(elementwise::erf),
        O::Pow => Plain(elementwise::pow),
        // Of several tensors.
        O::Add | O::Sum => Plain(elementwise::add),
        O::Sub => Plain(elementwise::sub),
        O::Mul => Plain(elementwise::mul),
        O::Div => Plain(elementwise::div),
        O::Mean => Plain(elementwise::mean),
        O::Max => Plain(|tape, node, g| elementwise::extreme(tape, node, g, "Greater")),
        O::Min => Plain(|tape, node, g| elementwise::extreme(tape, node, g, "Less")),
        O::Where => Plain(elementwise::choose),
        // Sums of products.
        O::Conv => Carrying(convolution::conv),
        O::ConvTranspose => Plain(convolution::conv_transpose),
        O::MatMul => Carrying(linear::matmul),
        O::Einsum => Plain(einsum::einsum),
        O::Gemm => Plain(linear::gemm),
        O::Softmax => Plain(linear::softmax),
        O::LogSoftmax => Plain(linear::log_softmax),
        // Pooling.
        O::MaxPool => Plain(max_pool::max_pool),
        O::AveragePool => Plain(pooling::average_pool),
        O::GlobalAveragePool => Plain(pooling::global_average_pool),
        O::GlobalMaxPool => Plain(pooling::global_max_pool),
        // Normalisation.
        O::BatchNormalization => Carrying(normalisation::batch_norm),
        O::InstanceNormalization => Plain(normalisation::instance_norm),
        O::GroupNormalization => Plain(normalisation::group_norm),
        O::LayerNormalization => Plain(normalisation::layer_norm),
        O::RMSNormalization => Plain(normalisation::rms_norm),
        O::LpNormalization => Plain(normalisation::lp_norm),
        O::LRN => Plain(normalisation::local_response_norm),
        // Reductions over axes.
        O::ReduceMean => Plain(reduction::mean),
        O::ReduceSum => Plain(reduction::sum),
        O::ReduceMax => Plain(|tape, node, g| reduction::extreme(tape, node, g, "ArgMax")),
        O::ReduceMin => Plain(|tape, node, g| reduction::extreme(tape, node, g, "ArgMin")),
        O::ReduceL1 => Plain(reduction::l1),
        O::ReduceL2 => Plain(reduction::l2),
        O::ReduceSumSquare => Plain(reduction::sum_square),
        O::ReduceLogSum => Plain(reduction::log_sum),
        O::ReduceLogSumExp => Plain(reduction::log_sum_exp),
        // The same values in another arrangement.
        O::Identity | O::Cast | O::CastLike | O::Dropout => Carrying(reshaping::same),
        O::Reshape | O::Flatten | O::Squeeze | O::Unsqueeze => Plain(reshaping::reshape),
        O::Transpose => Plain(reshaping::transpose),
        O::Expand => Plain(reshaping::expand),
        O::Tile => Plain(reshaping::tile),
        O::DepthToSpace => Plain(reshaping::depth_to_space),
        O::SpaceToDepth => Plain(reshaping::space_to_depth),
        // Parts.
        O::Concat => Plain(selection::concat),
        O::Split => Several(selection::split),
        O::Slice => Plain(selection::slice),
        O::Gather => Plain(selection::gather),
        O::Pad => Plain(selection::pad),
        O::Trilu => Plain(selection::trilu),
        O::GatherElements => Plain(indexing::gather_elements),
        O::GatherND => Plain(indexing::gather_nd),
        O::Scatter | O::ScatterElements => Plain(indexing::scatter_elements),
        O::ScatterND => Plain(indexing::scatter_nd),
        O::TopK => Plain(indexing::top_k),
        O::CumSum => Plain(indexing::cum_sum),
        // Other sizes.
        // `Upsample` and `Scatter` are older names.
        O::Resize | O::Upsample => Plain(resizing::resize),
        // Quantised: gradients pass rounding straight through.
        O::QuantizeLinear => Plain(quantised::quantize_linear),
        O::DequantizeLinear => Plain(quantised::dequantize_linear),
        O::DynamicQuantizeLinear => Several(quantised::dynamic_quantize_linear),
        O::ConvInteger => Plain(quantised::conv_integer),
        O::MatMulInteger => Plain(quantised::matmul_integer),
        // Step functions, and what is no number of the image.
        O::And
        | O::ArgMax
        | O::ArgMin
        | O::BitShift
        | O::Ceil
        | O::Constant
        | O::ConstantOfShape
        | O::Equal
        | O::Floor
        | O::Greater
        | O::GreaterOrEqual
        | O::Hardmax
        | O::IsInf
        | O::IsNaN
        | O::Less
        | O::LessOrEqual
        | O::NonZero
        | O::Not
        | O::Or
        | O::Round
        | O::Shape
        | O::Sign
        | O::Size
        | O::Xor => Steps,
        // No rule yet.
        O::Acos
        | O::Asin
        | O::Atan
        | O::Attention
        | O::Cosh
        | O::GlobalLpPool
        | O::If
        | O::LpPool
        | O::MaxUnpool
        | O::MeanVarianceNormalization
        | O::Mod
        | O::OneHot
        | O::QLinearConv
        | O::QLinearMatMul
        | O::Range
        | O::ReduceProd
        | O::Shrink
        | O::Sinh
        | O::Tan => return None,
    })
}
