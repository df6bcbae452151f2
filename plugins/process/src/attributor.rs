//! A program as an attribution method.

use crate::params::{AttributorParams, ProcessParams};
use crate::{answer, broken, child, table};
use arrow::array::{ArrayRef, Int32Array};
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, Error, ModelBackend, ModelInfo, Plugin, Requirements, Result,
    Tensor,
};
use std::sync::Arc;

/// Maps by a program, which is started for each batch: many images per batch (`run.batch_size`) spare starts.
///
/// It gets the columns `image` (`[c · h · w]`, as the model does), `target_class` (int32), `logits` (`[n_classes]`) and
/// `feature_map` (`[c · h · w]` of the layer); `image_shape` and `feature_map_shape` of the schema's metadata say `c,h,w`.
/// It answers with a column `map` (`[h · w]` of the layer, fixed-size list of float32).
pub struct ProcessAttributor {
    params: ProcessParams,
    layer: String,
}

impl Plugin for ProcessAttributor {
    const NAME: &'static str = "process";
    const SUMMARY: &'static str = "a program in any language: images and feature maps in, maps out as Arrow streams";
    type Params = AttributorParams;

    fn new(params: AttributorParams) -> Result<Self> {
        Ok(Self { params: ProcessParams::from(&params), layer: params.layer })
    }
}

impl Attributor for ProcessAttributor {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let layer = info.layer(&self.layer)?;
        let [_, h, w] = layer.shape;
        Ok(Requirements {
            layers: vec![layer.name.clone()],
            map_size: [h, w],
            method: format!("by {} at `{}`", child::shown(&self.params), layer.name),
            ..Requirements::default()
        })
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let info = backend.info();
        let n = batch.check(info)?;
        let layer = info.layer(&self.layer)?;
        let [_, h, w] = layer.shape;
        if n == 0 {
            return Ok(Attribution { maps: Tensor::zeros([0, h, w]), convergence_delta: None });
        }
        let feature_map = batch.feature_map(&layer.name)?.view();
        if feature_map.n_rows() != n {
            return Err(Error::shape("feature map", format!("{n} images"), feature_map.shape()));
        }
        let shape = |sides: [usize; 3]| sides.map(|side| side.to_string()).join(",");
        let mut told = table::told(&self.params, context);
        told.insert("image_shape".into(), shape(info.input_shape));
        told.insert("feature_map_shape".into(), shape(layer.shape));
        let targets = Int32Array::from_iter_values(batch.target_classes.iter().map(|&class| class as i32));
        let columns = vec![
            ("image", table::lists("images", batch.images)?),
            ("target_class", Arc::new(targets) as ArrayRef),
            ("logits", table::lists("logits", batch.forward.logits.view())?),
            ("feature_map", table::lists("feature map", feature_map)?),
        ];
        let output = child::run(&self.params, vec![table::of_columns(columns, told)?], context)?;
        let maps = answer::lists(&output, "map", n).map_err(|wrong| broken(&self.params, wrong))?;
        if maps.view().row_len() != h * w {
            let message = format!("answered with maps of {} values, not {h} × {w}", maps.view().row_len());
            return Err(broken(&self.params, (message, "a map has the size of the feature map")));
        }
        Ok(Attribution { maps: Tensor::new([n, h, w], maps.into_data())?, convergence_delta: None })
    }
}
