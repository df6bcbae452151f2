//! Forms of the forward pass that onnxruntime keeps in its blocked layout.

use super::is_float32;
use crate::gradient::rules::{Pattern, in_blocks, repeated};
use crate::gradient::tape::Tape;
use crate::proto::NodeProto;
use std::collections::HashMap;

/// Hard swish and gates of channels in operators of the blocked layout.
pub(super) fn rewrite(
    tape: &mut Tape,
    nodes: &mut Vec<NodeProto>,
    found: &mut HashMap<String, Pattern>,
) -> Result<(), String> {
    let mut out = Vec::with_capacity(nodes.len());
    let mut larger: HashMap<(String, Vec<usize>), String> = HashMap::new();
    for mut node in std::mem::take(nodes) {
        let is_map = |tensor: &str| {
            tape.shape(tensor).is_ok_and(|shape| shape.rank() == 4 && shape.length(2) * shape.length(3) > 1)
        };
        let fits = node.output.first().is_some_and(|y| is_float32(tape, y) && in_blocks(tape, y) && is_map(y));
        match node.op_type.as_str() {
            "HardSwish" if fits => {
                let (x, y) = (node.input[0].clone(), node.output[0].clone());
                let [same, gate] = ["same", "gate"].map(|step| tape.fresh(&format!("{y}/{step}")));
                let channels = tape.shape(&y)?.length(1);
                tape.learn(&same, &y);
                tape.learn(&gate, &y);
                let ones = tape.floats(&[channels, 1, 1, 1], vec![1.0; channels]);
                out.push(
                    NodeProto::new("Conv", &[&x, &ones], &same)
                        .with_int("group", channels as i64)
                        .with_ints("kernel_shape", &[1, 1]),
                );
                let hard = NodeProto::new("HardSigmoid", &[&same], &gate);
                out.push(hard.with_float("alpha", 1.0 / 6.0).with_float("beta", 0.5));
                found.insert(y.clone(), Pattern::HardSwish);
                node = NodeProto::new("Mul", &[&x, &gate], &y);
            }
            "Mul" if fits => {
                let whole = tape.shape(&node.output[0])?;
                for i in [0, 1] {
                    let (small, rest) = (node.input[i].clone(), &node.input[1 - i]);
                    let own = tape.shape(&small)?;
                    let is_gate = own.rank() == 4 && own.is_one(2) && own.is_one(3) && own.length(1) == whole.length(1);
                    if !is_gate || !tape.of_image(&small) || tape.shape(rest)? != whole {
                        continue;
                    }
                    let key = (small.clone(), whole.lengths().to_vec());
                    if !larger.contains_key(&key) {
                        let made = repeated(tape, &small, &[whole.length(2), whole.length(3)])?;
                        out.extend(tape.nodes.pop());
                        larger.insert(key.clone(), made);
                    }
                    node.input[i].clone_from(&larger[&key]);
                    break;
                }
            }
            _ => {}
        }
        out.push(node);
    }
    *nodes = out;
    Ok(())
}
