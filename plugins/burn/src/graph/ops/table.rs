//! What the interpreter knows of each operator, one row per operator: how it is computed, what it does to derivatives,
//! and how relevance comes back through it. There is no default: whoever adds an operator says all of it, or that it is
//! missing.

use super::elementwise::{self, binary, compare, logic, test, unary, variadic};
use super::tangent::{self, Tangent as T, slope};
use super::{Kernel, conv, convert, einsum, linear, norm, pool, quant, reduce, resize, select, shape};
use crate::backend::relevance::Relevance as R;
use crate::value::MAX_RANK;
use ascan_onnx::Operator;
use ascan_onnx::proto::NodeProto;
use burn::tensor::{Tensor, activation};

type Six = Tensor<MAX_RANK>;

/// An operator that the interpreter executes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Computes it.
    pub kernel: Kernel,
    /// What it does to derivatives along a direction of the input.
    pub tangent: T,
    /// How relevance comes back through it.
    pub relevance: R,
    /// Says what is missing for a node, if anything is.
    pub check: fn(&NodeProto) -> Option<String>,
}

impl Row {
    fn checked_by(self, check: fn(&NodeProto) -> Option<String>) -> Self {
        Self { check, ..self }
    }
}

fn row(kernel: Kernel, tangent: T, relevance: R) -> Row {
    Row { kernel, tangent, relevance, check: |_| None }
}

/// A convolution with the batch normalisation behind it (see [`conv::fuse_batch_norm`]): no operator of ONNX, and only
/// in graphs under training, through which no relevance is sent.
pub(super) fn fused() -> Row {
    row(conv::conv_batch_norm, T::Affine { absent: &[2], zero: &[4, 5] }, R::Missing)
}

/// The row of an operator; `None` for one whose shapes alone are known.
pub(super) fn of(operator: Operator) -> Option<Row> {
    use Operator as O;
    Some(match operator {
        // Constants, shapes, types.
        O::Identity => row(convert::identity, T::Linear(&[]), R::Route),
        O::Dropout => row(convert::dropout, T::Linear(&[]), R::Route),
        O::Constant => row(convert::constant, T::Steps, R::Missing).checked_by(convert::constant_is_numeric),
        O::ConstantOfShape => row(convert::constant_of_shape, T::Steps, R::Missing),
        O::Shape => row(convert::shape, T::Steps, R::Route),
        O::Size => row(convert::size, T::Steps, R::Missing),
        O::Range => row(convert::range, T::Missing, R::Missing),
        O::Cast => row(convert::cast, T::Linear(&[]), R::Route).checked_by(convert::target_is_known),
        O::CastLike => row(convert::cast_like, T::Missing, R::Missing),
        // Element by element.
        O::Add => row(|c| binary(c, Six::add, i64::wrapping_add), T::Linear(&[]), R::Sum),
        O::Sub => row(|c| binary(c, Six::sub, i64::wrapping_sub), T::Linear(&[]), R::Sum),
        O::Mul => row(|c| binary(c, Six::mul, i64::wrapping_mul), T::Product(2), R::Product),
        O::Div => row(elementwise::div, T::Own(tangent::quotient), R::Quotient),
        O::Mod => row(elementwise::modulo, T::Missing, R::Missing),
        O::Pow => row(elementwise::pow, T::Own(tangent::power), R::Function),
        O::Max => row(|c| variadic(c, Six::max_pair, Ord::max), T::Own(tangent::max), R::Missing),
        O::Min => row(|c| variadic(c, Six::min_pair, Ord::min), T::Own(tangent::min), R::Missing),
        O::Sum => row(|c| variadic(c, Six::add, i64::wrapping_add), T::Linear(&[]), R::Sum),
        O::Mean => row(elementwise::mean, T::Linear(&[]), R::Sum),
        O::Neg => row(|c| unary(c, Six::neg, Some(i64::wrapping_neg)), T::Linear(&[]), R::Route),
        O::Abs => row(|c| unary(c, Six::abs, Some(i64::wrapping_abs)), T::Slope(slope::ABS), R::Function),
        O::Sign => row(|c| unary(c, Six::sign, Some(i64::signum)), T::Steps, R::Missing),
        O::Ceil => row(|c| unary(c, Six::ceil, None), T::Steps, R::Missing),
        O::Floor => row(|c| unary(c, Six::floor, None), T::Steps, R::Missing),
        O::Round => row(|c| unary(c, Six::round, None), T::Steps, R::Missing),
        O::Exp => row(|c| unary(c, Six::exp, None), T::Slope(slope::EXP), R::Function),
        O::Log => row(|c| unary(c, Six::log, None), T::Slope(slope::LOG), R::Function),
        O::Sqrt => row(|c| unary(c, Six::sqrt, None), T::Slope(slope::SQRT), R::Function),
        O::Reciprocal => row(|c| unary(c, Six::recip, None), T::Slope(slope::RECIPROCAL), R::Function),
        O::Sin => row(|c| unary(c, Six::sin, None), T::Slope(slope::SIN), R::Missing),
        O::Cos => row(|c| unary(c, Six::cos, None), T::Slope(slope::COS), R::Missing),
        O::Tanh => row(|c| unary(c, Six::tanh, None), T::Slope(slope::TANH), R::Gate),
        O::Erf => row(|c| unary(c, Six::erf, None), T::Slope(slope::ERF), R::Function),
        O::Sigmoid => row(|c| unary(c, activation::sigmoid, None), T::Slope(slope::SIGMOID), R::Gate),
        O::Relu => row(|c| unary(c, activation::relu, Some(|x| x.max(0))), T::Slope(slope::RELU), R::Function),
        O::Softsign => row(elementwise::softsign, T::Slope(slope::SOFTSIGN), R::Function),
        O::Softplus => row(|c| unary(c, elementwise::softplus, None), T::Slope(slope::SOFTPLUS), R::Function),
        O::Mish => row(elementwise::mish, T::Missing, R::Function),
        O::HardSwish => row(elementwise::hard_swish, T::Slope(slope::HARD_SWISH), R::Function),
        O::HardSigmoid => row(elementwise::hard_sigmoid, T::Slope(slope::HARD_SIGMOID), R::Gate),
        O::LeakyRelu => row(elementwise::leaky_relu, T::Slope(slope::LEAKY_RELU), R::Function),
        O::ThresholdedRelu => row(elementwise::thresholded_relu, T::Slope(slope::THRESHOLDED_RELU), R::Function),
        O::Elu => row(elementwise::elu, T::Slope(slope::ELU), R::Function),
        O::Celu => row(elementwise::celu, T::Missing, R::Function),
        O::Selu => row(elementwise::selu, T::Missing, R::Function),
        O::Gelu => row(elementwise::gelu, T::Slope(slope::GELU), R::Function),
        O::Swish => row(elementwise::swish, T::Slope(slope::SWISH), R::Function),
        O::PRelu => row(elementwise::prelu, T::Own(tangent::prelu), R::Function),
        O::Clip => row(elementwise::clip, T::Slope(slope::CLIP), R::Function),
        O::IsNaN => row(|c| test(c, f32::is_nan), T::Steps, R::Missing),
        O::IsInf => row(|c| test(c, f32::is_infinite), T::Steps, R::Missing).checked_by(elementwise::finds_both_signs),
        O::Equal => row(|c| compare(c, Six::equal, |a, b| a == b), T::Steps, R::Missing),
        O::Greater => row(|c| compare(c, Six::greater, |a, b| a > b), T::Steps, R::Missing),
        O::GreaterOrEqual => row(|c| compare(c, Six::greater_equal, |a, b| a >= b), T::Steps, R::Missing),
        O::Less => row(|c| compare(c, Six::lower, |a, b| a < b), T::Steps, R::Missing),
        O::LessOrEqual => row(|c| compare(c, Six::lower_equal, |a, b| a <= b), T::Steps, R::Missing),
        O::And => row(|c| logic(c, |a, b| a & b), T::Steps, R::Missing),
        O::Or => row(|c| logic(c, |a, b| a | b), T::Steps, R::Missing),
        O::Xor => row(|c| logic(c, |a, b| a ^ b), T::Steps, R::Missing),
        O::Not => row(elementwise::not, T::Steps, R::Missing),
        O::Where => row(elementwise::select, T::Linear(&[]), R::Missing),
        // Sums of products.
        O::Conv => row(conv::conv, T::Affine { absent: &[2], zero: &[] }, R::Convolution),
        O::ConvTranspose => row(conv::conv_transpose, T::Affine { absent: &[2], zero: &[] }, R::Linear),
        O::Gemm => row(linear::gemm, T::Product(2), R::Linear),
        O::MatMul => row(linear::matmul, T::Product(2), R::MatrixProduct),
        O::Softmax => row(|c| linear::soft(c, activation::softmax), T::Own(tangent::softmax), R::Missing),
        O::LogSoftmax => row(|c| linear::soft(c, activation::log_softmax), T::Own(tangent::log_softmax), R::Missing),
        O::Hardmax => row(linear::hardmax, T::Steps, R::Missing),
        O::Einsum => row(einsum::einsum, T::Product(usize::MAX), R::Missing).checked_by(einsum::letters_are_known),
        // Pooling.
        O::MaxPool => row(pool::max_pool, T::Own(tangent::max_pool), R::MaxPool),
        O::AveragePool => row(pool::average_pool, T::Linear(&[]), R::Sum),
        O::LpPool => row(pool::lp_pool, T::Missing, R::Missing),
        O::GlobalAveragePool => row(|c| pool::global(c, |x, axes| x.mean_dims(axes)), T::Linear(&[]), R::Sum),
        O::GlobalMaxPool => row(|c| pool::global(c, |x, axes| x.max_dims(axes)), T::Missing, R::Missing),
        O::MaxUnpool => row(pool::max_unpool, T::Missing, R::Missing),
        // Normalisation.
        O::BatchNormalization => row(norm::batch_norm, T::Affine { absent: &[], zero: &[2, 3] }, R::Linear),
        O::InstanceNormalization => row(norm::instance_norm, T::Own(tangent::instance_norm), R::Missing),
        O::GroupNormalization => row(norm::group_norm, T::Missing, R::Missing),
        O::LayerNormalization => row(norm::layer_norm, T::Own(tangent::layer_norm), R::Missing),
        O::RMSNormalization => row(norm::rms_norm, T::Missing, R::Missing),
        O::LRN => row(norm::local_response_norm, T::Missing, R::Missing),
        O::LpNormalization => row(norm::lp_norm, T::Missing, R::Missing),
        O::MeanVarianceNormalization => row(norm::mean_variance_norm, T::Missing, R::Missing),
        // Reductions over axes, and the largest elements.
        O::ReduceMean => row(|c| reduce::over_axes(c, |x, axes| x.mean_dims(axes), None), T::Linear(&[]), R::Sum),
        O::ReduceSum => {
            row(|c| reduce::over_axes(c, |x, axes| x.sum_dims(axes), Some(i64::wrapping_add)), T::Linear(&[]), R::Sum)
        }
        O::ReduceMax => row(reduce::max, T::Missing, R::Missing),
        O::ReduceMin => row(reduce::min, T::Missing, R::Missing),
        O::ReduceProd => {
            row(|c| reduce::over_axes(c, |x, axes| x.prod_dims(axes), Some(i64::wrapping_mul)), T::Missing, R::Missing)
        }
        O::ReduceL1 => row(|c| reduce::over_axes(c, |x, axes| x.abs().sum_dims(axes), None), T::Missing, R::Missing),
        O::ReduceL2 => row(
            |c| reduce::over_axes(c, |x, axes| x.clone().mul(x).sum_dims(axes).sqrt(), None),
            T::Missing,
            R::Missing,
        ),
        O::ReduceSumSquare => {
            row(|c| reduce::over_axes(c, |x, axes| x.clone().mul(x).sum_dims(axes), None), T::Missing, R::Missing)
        }
        O::ReduceLogSum => {
            row(|c| reduce::over_axes(c, |x, axes| x.sum_dims(axes).log(), None), T::Missing, R::Missing)
        }
        O::ReduceLogSumExp => row(|c| reduce::over_axes(c, reduce::log_sum_exp, None), T::Missing, R::Missing),
        O::ArgMax => row(|c| reduce::extreme(c, |new, best| new > best), T::Steps, R::Missing),
        O::ArgMin => row(|c| reduce::extreme(c, |new, best| new < best), T::Steps, R::Missing),
        O::TopK => row(reduce::top_k, T::Missing, R::Missing),
        O::CumSum => row(reduce::cum_sum, T::Missing, R::Missing),
        // The same values in another arrangement.
        O::Reshape => row(shape::reshape, T::Linear(&[]), R::Route),
        O::Flatten => row(shape::flatten, T::Linear(&[]), R::Route),
        O::Squeeze => row(shape::squeeze, T::Linear(&[]), R::Route),
        O::Unsqueeze => row(shape::unsqueeze, T::Linear(&[]), R::Route),
        O::Transpose => row(shape::transpose, T::Linear(&[]), R::Route),
        O::Expand => row(shape::expand, T::Linear(&[]), R::Route),
        O::Tile => row(shape::tile, T::Linear(&[]), R::Route),
        O::Concat => row(shape::concat, T::Linear(&[]), R::Route),
        O::Split => row(shape::split, T::Linear(&[]), R::Route),
        O::DepthToSpace => row(shape::depth_to_space, T::Linear(&[]), R::Route),
        O::SpaceToDepth => row(shape::space_to_depth, T::Linear(&[]), R::Route),
        // Parts.
        O::Slice => row(select::slice, T::Linear(&[]), R::Route),
        O::Gather => row(select::gather, T::Linear(&[]), R::Route),
        O::GatherElements => row(select::gather_elements, T::Linear(&[]), R::Missing),
        O::GatherND => row(select::gather_nd, T::Linear(&[]), R::Missing),
        O::Pad => {
            row(select::pad, T::Affine { absent: &[2], zero: &[] }, R::Route).checked_by(select::pad_mode_is_known)
        }
        O::Trilu => row(select::trilu, T::Missing, R::Missing),
        O::OneHot => row(select::one_hot, T::Missing, R::Missing),
        O::NonZero => row(select::non_zero, T::Steps, R::Missing),
        O::ScatterND => row(select::scatter_nd, T::Missing, R::Missing),
        // Other sizes.
        O::Resize => row(resize::resize, T::Linear(&[1, 2, 3]), R::Missing).checked_by(resize::modes_are_known),
        O::Upsample => row(resize::upsample, T::Linear(&[1, 2, 3]), R::Missing),
        // Quantised.
        O::DequantizeLinear => row(quant::dequantize_linear, T::Missing, R::Missing),
        O::QuantizeLinear => row(quant::quantize_linear, T::Missing, R::Missing).checked_by(quant::target_is_integer),
        O::DynamicQuantizeLinear => row(quant::dynamic_quantize_linear, T::Missing, R::Missing),
        O::QLinearConv => row(quant::q_linear_conv, T::Missing, R::Missing),
        O::QLinearMatMul => row(quant::q_linear_matmul, T::Missing, R::Missing),
        O::ConvInteger => row(quant::conv_integer, T::Missing, R::Missing),
        O::MatMulInteger => row(quant::matmul_integer, T::Missing, R::Missing),
        // Nothing executes these.
        O::Acos
        | O::Asin
        | O::Atan
        | O::Attention
        | O::BitShift
        | O::Cosh
        | O::GlobalLpPool
        | O::If
        | O::Scatter
        | O::ScatterElements
        | O::Shrink
        | O::Sinh
        | O::Tan => return None,
    })
}
