//! What was scanned, in words.

use ascan_config::RunConfig;
use ascan_engine::slices::SliceSet;
use ascan_store::Scan;
use std::path::Path;

/// Names of manifests that say nothing.
const SAYS_NOTHING: [&str; 7] = ["metadata", "manifest", "labels", "data", "images", "index", "list"];

/// `waterbirds_erm on waterbirds_lite, split 2`.
pub(super) fn title(config: &RunConfig) -> String {
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let data = &config.data;
    let source = match (&data.images, &data.archive, &data.manifest, &data.idx) {
        (Some(path), ..) | (_, Some(path), ..) => stem(path),
        // A manifest mostly has a name that says nothing; its folder has one that does. Other names tell tables apart.
        (_, _, Some(manifest), _) => {
            let (folder, name) = (manifest.parent().map(stem).unwrap_or_default(), stem(manifest));
            match (folder.is_empty(), SAYS_NOTHING.contains(&name.to_lowercase().as_str())) {
                (true, _) => name,
                (false, true) => folder,
                (false, false) => format!("{folder}/{name}"),
            }
        }
        (_, _, _, Some(path)) => stem(path),
        _ => "images".to_owned(),
    };
    let split = data.split.as_ref().map_or_else(String::new, |split| format!(", split {split}"));
    let made_by = config.features.source.as_ref().unwrap_or(&config.model.path);
    format!("{} on {source}{split}", stem(made_by))
}

/// What was scanned and how, as names and values for the report.
pub fn scanned(scan: &Scan, set: &SliceSet) -> Vec<(String, String)> {
    let (config, plan) = (&scan.config, &scan.plan);
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let settings = |params: &ascan_core::ParamMap| {
        params.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
    };
    let with = |plugin: &str, params: &ascan_core::ParamMap| {
        if params.is_empty() { plugin.to_owned() } else { format!("{plugin} ({})", settings(params)) }
    };
    let data = &config.data;
    let source = [&data.images, &data.archive, &data.manifest, &data.idx].into_iter().flatten().next();
    let [c, h, w] = plan.model.input_shape;
    let features = &plan.features;
    let mut facts = vec![
        ("Model", name(&config.model.path)),
        ("Images", source.map_or_else(String::new, |path| name(path))),
        ("Input", format!("{c} × {h} × {w}, {} classes", plan.model.n_classes)),
        ("Backend", format!("{} ({}), {}", plan.model.backend, plan.model.engine, plan.model.device)),
        ("Attribution", with(&plan.attribution.plugin, &plan.attribution.params)),
        ("Method", format!("{}, of the {} class", plan.attribution.method, plan.attribution.target)),
        ("Layer", features.settings.layer.clone()),
        (
            "Features",
            format!("{}, {}, {} dimensions", features.settings.weighting, features.settings.direction, features.n_dims),
        ),
        ("Projection", with(&set.recipe.projection.plugin, &set.recipe.projection.params)),
        ("Slicing", with(&set.recipe.plugin, &set.recipe.params)),
        ("Slice set", set.id.clone()),
        ("Seed", set.recipe.seed.to_string()),
    ];
    if !plan.also.is_empty() {
        let also = plan.also.iter().map(|method| {
            let with = with(&method.plugin, &method.params);
            if method.name.is_empty() { with } else { format!("{}: {with}", method.name) }
        });
        facts.insert(5, ("Also", also.collect::<Vec<_>>().join(", ")));
    }
    if let Some(split) = &data.split {
        facts.insert(2, ("Split", split.clone()));
    }
    if let Some(nmi) = set.nmi_group {
        facts.push(("Agreement of slices with known groups (NMI)", format!("{nmi:.3}")));
    }
    match &config.features.source {
        None => facts.push(("Model sha256", plan.model.sha256.clone())),
        Some(vectors) => {
            let of_model = ["Model", "Input", "Backend", "Attribution", "Method", "Layer", "Features"];
            facts.retain(|(name, _)| !of_model.contains(name));
            let said = format!("{} with {} dimensions; no model, so there are no maps", name(vectors), features.n_dims);
            facts.insert(0, ("Vectors", said));
        }
    }
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
