//! Quantised operators: numbers, the plain operator, and whole numbers again.

use super::Written;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

impl Written<'_> {
    /// Writes a quantised operator; `None` if it is not known, or in a form that is not.
    pub(super) fn quantised(&mut self, output: &str) -> Option<()> {
        match self.node.op_type.as_str() {
            "QLinearAdd" | "QLinearMul" => {
                let sides = [self.float(0)?, self.float(3)?];
                let op = if self.node.op_type == "QLinearAdd" { "Add" } else { "Mul" };
                let made = self.add(op, &[&sides[0], &sides[1]], "float");
                self.whole(&made, 6, output)
            }
            "QLinearGlobalAveragePool" | "QLinearAveragePool" | "QLinearSigmoid" | "QLinearLeakyRelu" => {
                if self.node.attr_int("channels_last").unwrap_or(0) != 0 {
                    return None;
                }
                let x = self.float(0)?;
                let op = self.node.op_type.trim_start_matches("QLinear");
                let made = self.like(op, &[&x], "float", &["channels_last"]);
                self.whole(&made, 3, output)
            }
            "QLinearConcat" => {
                let parts: Vec<String> =
                    (2..self.node.input.len()).step_by(3).map(|i| self.float(i)).collect::<Option<_>>()?;
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                let made = self.like("Concat", &parts, "float", &[]);
                self.whole(&made, 0, output)
            }
            "QLinearConv" => {
                let (x, w) = (self.float(0)?, self.float(3)?);
                let bias = self.whole_bias(1, 4, 8)?;
                let inputs: Vec<&str> = [x.as_str(), &w].into_iter().chain(bias.as_deref()).collect();
                let made = self.like("Conv", &inputs, "float", &[]);
                self.whole(&made, 6, output)
            }
            "QLinearMatMul" => {
                let a = self.float(0)?;
                let b = self.float_of(self.input(3)?, self.input(4)?, self.input(5), 1);
                let made = self.add("MatMul", &[&a, &b], "float");
                self.whole(&made, 6, output)
            }
            "QGemm" => self.whole_product(output),
            "DynamicQuantizeMatMul" => {
                let [x, scale, zero] = ["x", "x_scale", "x_zero"].map(|part| self.named(part));
                let mut node = NodeProto::new("DynamicQuantizeLinear", &[self.input(0)?], &x);
                node.output.extend([scale.clone(), zero.clone()]);
                self.nodes.push(node);
                let w = (self.input(1)?, self.input(2)?, self.input(3));
                self.dynamic_product((&x, &scale, Some(&zero)), w, self.input(4), output)
            }
            "MatMulIntegerToFloat" => {
                let x = (self.input(0)?, self.input(2)?, self.input(4));
                let w = (self.input(1)?, self.input(3)?, self.input(5));
                self.dynamic_product(x, w, self.input(6), output)
            }
            _ => None,
        }
    }

    /// Input `i` as a number; its scale and zero point follow it.
    fn float(&mut self, i: usize) -> Option<String> {
        Some(self.float_of(self.input(i)?, self.input(i + 1)?, self.input(i + 2), 0))
    }

    /// A tensor of whole numbers as numbers; scales of more than one value lie along `axis`.
    fn float_of(&mut self, x: &str, scale: &str, zero: Option<&str>, axis: i64) -> String {
        let inputs: Vec<&str> = [x, scale].into_iter().chain(zero).collect();
        let name = self.add("DequantizeLinear", &inputs, &format!("float_{}", self.nodes.len()));
        let n = self.graph.initializer.iter().find(|tensor| tensor.name == scale);
        if n.is_some_and(|tensor| tensor.dims.iter().product::<i64>() > 1)
            && let Some(node) = self.nodes.pop()
        {
            self.nodes.push(node.with_int("axis", axis));
        }
        name
    }

    /// The output in whole numbers; its scale is input `i`, its zero point the next.
    fn whole(&mut self, x: &str, i: usize, output: &str) -> Option<()> {
        let inputs: Vec<&str> = [x, self.input(i)?].into_iter().chain(self.input(i + 1)).collect();
        self.end("QuantizeLinear", &inputs, output)
    }

    /// `alpha · A B + C` of whole numbers; C has the product of both scales for its own.
    fn whole_product(&mut self, output: &str) -> Option<()> {
        let is_turned = self.node.attr_int("transB").unwrap_or(0) != 0;
        let a = self.float(0)?;
        let b = self.float_of(self.input(3)?, self.input(4)?, self.input(5), i64::from(!is_turned));
        let bias = self.whole_bias(1, 4, 6)?;
        let inputs: Vec<&str> = [a.as_str(), &b].into_iter().chain(bias.as_deref()).collect();
        let product = self.like("Gemm", &inputs, "product", &[]);
        match self.input(7) {
            Some(_) => self.whole(&product, 7, output),
            None => self.end("Identity", &[&product], output),
        }
    }

    /// Input `i`, whole numbers whose scale is the product of two others; `None` inside where there is no such input.
    fn whole_bias(&mut self, scale: usize, other: usize, i: usize) -> Option<Option<String>> {
        let Some(bias) = self.input(i) else { return Some(None) };
        let scale = self.add("Mul", &[self.input(scale)?, self.input(other)?], "bias_scale");
        self.nodes.push(NodeProto::new("Cast", &[bias], &self.named("bias")).with_int("to", DataType::Float as i64));
        Some(Some(self.add("Mul", &[&self.named("bias"), &scale], "float_bias")))
    }

    /// A product of whole numbers, each matrix with its scale and zero point, as numbers, and a bias.
    fn dynamic_product(
        &mut self,
        (x, x_scale, x_zero): (&str, &str, Option<&str>),
        (w, w_scale, w_zero): (&str, &str, Option<&str>),
        bias: Option<&str>,
        output: &str,
    ) -> Option<()> {
        let mut inputs = vec![x, w];
        if x_zero.is_some() || w_zero.is_some() {
            inputs.extend([x_zero.unwrap_or_default(), w_zero.unwrap_or_default()]);
        }
        let whole = self.add("MatMulInteger", &inputs, "whole");
        let product = self.named("product");
        self.nodes.push(NodeProto::new("Cast", &[&whole], &product).with_int("to", DataType::Float as i64));
        let scale = self.add("Mul", &[x_scale, w_scale], "scale");
        match bias {
            Some(bias) => {
                let scaled = self.add("Mul", &[&product, &scale], "scaled");
                self.end("Add", &[&scaled, bias], output)
            }
            None => self.end("Mul", &[&product, &scale], output),
        }
    }
}
