//! Plugins to choose from, with their parameters as text.

use ascan_config::host::PluginHost;
use ascan_core::Kind;
use ascan_core::params::ParamMap;

/// A plugin to choose.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Method {
    /// Its name in configurations.
    pub name: String,
    /// One sentence about it.
    pub summary: String,
    /// Its parameters, in the order of its help.
    pub params: Vec<Param>,
}

/// A parameter of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Param {
    /// Its key.
    pub key: String,
    /// What it does.
    pub help: String,
    /// Its value where nothing else is chosen.
    pub default: String,
    /// Its value now.
    pub value: String,
}

impl Method {
    /// All plugins of a kind that can be described, by name.
    pub fn all(host: &PluginHost, kind: Kind) -> Vec<Self> {
        let method = |name: &str| {
            let summary = host.plugin(kind, name).ok()?.summary().to_owned();
            let resolved = host.resolve(kind, name, &ParamMap::new()).ok()?;
            let param = |(key, value, help): (&String, &serde_json::Value, &str)| {
                let default = if value.is_null() { String::new() } else { value.to_string() };
                Param { key: key.clone(), help: help.to_owned(), value: default.clone(), default }
            };
            let params = resolved.in_order().into_iter().map(param).collect();
            Some(Self { name: name.to_owned(), summary, params })
        };
        host.names(kind).into_iter().filter_map(method).collect()
    }

    /// What it is called in sentences, with its name in configurations: `Grad-CAM (grad_cam)`.
    pub fn title(&self) -> String {
        let words = self.summary.split(" (").next().unwrap_or_default();
        let words = words.split([':', ',']).next().unwrap_or_default();
        if words.is_empty() { self.name.clone() } else { format!("{words} ({})", self.name) }
    }

    /// Its sentence without its source, with its name in configurations.
    pub fn sentence(&self) -> String {
        format!("{} ({})", self.summary.split(" (").next().unwrap_or_default(), self.name)
    }

    /// Takes values, as a configuration has them.
    pub fn set(&mut self, values: &ParamMap) {
        for param in &mut self.params {
            if let Some(value) = values.get(&param.key).filter(|value| !value.is_null()) {
                param.value = value.to_string();
            }
        }
    }

    /// The place of a plugin by name, else the first.
    pub fn place(methods: &[Self], name: &str) -> usize {
        methods.iter().position(|method| method.name == name).unwrap_or(0)
    }

    /// The overrides of a configuration that stand for what was changed, under this section.
    pub fn overrides(&self, section: &str) -> Vec<String> {
        let changed = self.params.iter().filter(|param| param.value != param.default && !param.value.trim().is_empty());
        let params = changed.map(|param| format!("{section}.params.{}={}", param.key, param.value.trim()));
        std::iter::once(format!("{section}.plugin={}", self.name)).chain(params).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_changed_is_overridden() {
        let param = |key: &str, default: &str, value: &str| Param {
            key: key.into(),
            default: default.into(),
            value: value.into(),
            ..Param::default()
        };
        let params =
            vec![param("n_slices", "20", " 8"), param("metric", "\"cosine\"", "\"cosine\""), param("k", "3", "")];
        let mut method = Method { name: "kmeans".into(), params, ..Method::default() };
        assert_eq!(method.overrides("slicing"), ["slicing.plugin=kmeans", "slicing.params.n_slices=8"]);
        method.summary = "k-means: Lloyd's algorithm (Lloyd 1982)".into();
        assert_eq!(method.title(), "k-means (kmeans)");
        assert_eq!(method.sentence(), "k-means: Lloyd's algorithm (kmeans)");
        method.set(&ParamMap::from_iter([("k".to_owned(), 5.into())]));
        assert_eq!(method.overrides("slicing")[2], "slicing.params.k=5");
        assert_eq!((Method::place(&[method.clone()], "kmeans"), Method::place(&[method], "none")), (0, 0));
    }
}
