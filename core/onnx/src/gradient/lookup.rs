//! Whether a gradient can be written, as far as operators tell.

use super::rules::{self, Rule};
use crate::inline::reads;
use crate::model::Model;
use crate::operator::Operator;
use crate::proto::NodeProto;
use ascan_core::{Error, Result};
use std::collections::HashSet;

/// Finds an operator without a rule between `input` and `end`. No graph is written, and no shape inferred: a rule may still refuse
/// its node.
pub(super) fn lookup(model: &Model, nodes: &[NodeProto], input: &str, end: &str) -> Result<()> {
    let rule = |node: &NodeProto| Operator::of(node).and_then(rules::of);
    // Nothing comes back through a step function, whatever lies on either side of it.
    let leads: Vec<&NodeProto> = nodes.iter().filter(|node| !matches!(rule(node), Some(Rule::Steps))).collect();
    let mut down = HashSet::from([input]);
    for node in &leads {
        if reads(node).iter().any(|name| down.contains(name)) {
            down.extend(node.output.iter().map(String::as_str));
        }
    }
    let mut up = HashSet::from([end]);
    for node in leads.iter().rev().filter(|node| node.output.iter().any(|name| down.contains(name.as_str()))) {
        if !node.output.iter().any(|name| up.contains(name.as_str())) {
            continue;
        }
        up.extend(reads(node));
        if rule(node).is_none() {
            return Err(no_rule(model, node, "there is no rule for this operator"));
        }
    }
    Ok(())
}

/// A node through which no gradient comes back.
pub(super) fn no_rule(model: &Model, node: &NodeProto, why: &str) -> Error {
    Error::UnsupportedOperator {
        operator: node.operator(),
        node: node.display_name().to_owned(),
        model: model.path.display().to_string(),
        why: format!("its gradient: {why}"),
    }
}
