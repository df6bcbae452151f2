//! Another attribution of some images, beside those that were scanned.

use super::Album;
use ascan_config::LoadedConfig;
use ascan_config::host::PluginHost;
use ascan_core::{Error, Reporter, Result};
use ascan_engine::plan::RunPlan;
use ascan_engine::scan::explain;
use ascan_viz::Heat;

impl Album {
    /// The attributions of images by another plugin, with its default parameters and all else as in the scan.
    ///
    /// # Errors
    /// `Unsupported` if the method does not go with the scan's model; `File` if model or images are gone.
    pub fn attribute(
        &self,
        rows: &[usize],
        plugin: &str,
        host: &PluginHost,
        reporter: &dyn Reporter,
    ) -> Result<Vec<Heat>> {
        let overrides = [
            format!("attribution.plugin={plugin}"),
            "attribution.params={}".into(),
            "attribution.also=[]".into(),
            "model.backend=auto".into(),
        ];
        let plan = LoadedConfig::read(&self.scan.dir.join("scan.toml"), &overrides)
            .and_then(|loaded| RunPlan::compile(loaded, host))
            .map_err(|errors| Error::unsupported(errors.to_string(), ""))?;
        let [height, width] = ascan_store::plan::stored_map_size(plan.method.requirements.map_size);
        let outcomes = explain(&plan, rows, reporter)?.into_iter();
        Ok(outcomes.map(|outcome| Heat::new(&outcome.map, height, width, self.is_absolute())).collect())
    }
}
