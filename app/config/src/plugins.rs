//! What the plugins say about their part of a configuration.

use super::messages::suggestion;
use super::{Loaded, LoadedConfig, RunConfig};
use crate::host::PluginHost;
use crate::trust::{HINT, Wish};
use ascan_core::params::{ParamMap, Resolved};
use ascan_core::{Error, Kind};
use serde_json::Value;

/// Plugins that are used where a configuration names none.
const DEFAULT_PROJECTOR: &str = "pca";
const DEFAULT_SLICER: &str = "kmeans";

impl LoadedConfig {
    /// Finds the plugins of `[attribution]`, `[projection]` and `[slicing]` and writes all their parameters out.
    ///
    /// An empty plugin name means the default one (`pca`, `kmeans`). Backends are left to the plan: which one is used is decided there.
    pub fn resolve_plugins(&mut self, host: &PluginHost) {
        let RunConfig { projection, slicing, .. } = &mut self.config;
        for (plugin, name) in [(&mut projection.plugin, DEFAULT_PROJECTOR), (&mut slicing.plugin, DEFAULT_SLICER)] {
            if plugin.is_empty() {
                *plugin = name.into();
            }
        }
        let config = self.config.clone();
        let params = &config.attribution.params;
        self.config.attribution.params =
            self.plugin(host, Kind::Attributor, &["attribution"], &config.attribution.plugin, params);
        for (i, method) in config.attribution.also.iter().enumerate() {
            let params = self.plugin(host, Kind::Attributor, &["attribution", "also"], &method.plugin, &method.params);
            self.config.attribution.also[i].params = params;
        }
        if config.projection.plugin != "none" {
            let section = &config.projection;
            self.config.projection.params =
                self.plugin(host, Kind::Projector, &["projection"], &section.plugin, &section.params);
        }
        let section = &config.slicing;
        self.config.slicing.params = self.plugin(host, Kind::Slicer, &["slicing"], &section.plugin, &section.params);
    }

    /// Finds the backend that is named in `[model]` and writes its parameters out.
    pub fn resolve_backend(&mut self, host: &PluginHost) {
        let model = self.config.model.clone();
        self.config.model.params = self.plugin(host, Kind::Backend, &["model"], &model.backend, &model.params);
    }

    /// Reports an error of a plugin: at the parameter it names, else at the plugin's name.
    pub fn report_plugin(&mut self, section: &str, error: &Error) {
        let name = if section == "model" { "backend" } else { "plugin" };
        let params = self.document.get(&[section, "params"]).and_then(Value::as_object);
        match error.key() {
            Some(key) if params.is_some_and(|params| params.contains_key(key)) => {
                let key = key.to_owned();
                self.report(&[section, "params", &key], error);
            }
            _ => self.report(&[section, name], error),
        }
    }
}

impl<C> Loaded<C> {
    /// The parameters of the plugin that the table at `section` names, defaults written out.
    pub(super) fn plugin(
        &mut self,
        host: &PluginHost,
        kind: Kind,
        section: &[&str],
        name: &str,
        params: &ParamMap,
    ) -> ParamMap {
        let key = [section, &[if kind == Kind::Backend { "backend" } else { "plugin" }]].concat();
        if self.has_errors_in(&key) {
            return params.clone();
        }
        // Whether the plugin answers at all, before each parameter is looked at.
        if let Err(error) = host.resolve(kind, name, params) {
            match error {
                Error::UnknownName { available, .. } => {
                    let available: Vec<&str> = available.iter().map(String::as_str).collect();
                    self.error_at(&key, format!("unknown {kind} `{name}`"), suggestion(name, &available));
                }
                other => self.report(&key, &other),
            }
            return params.clone();
        }
        let check = |given: &ParamMap| {
            host.resolve(kind, name, given)
                .unwrap_or_else(|_| Resolved { params: given.clone(), ..Resolved::default() })
        };
        let resolved = self.resolve(&[section, &["params"]].concat(), params.clone(), &check);
        self.permit(host, kind, section, name, &resolved);
        resolved
    }

    /// Permits what the parameters of a plugin run where the user gave them, and reports what came with a scan and may
    /// not be run.
    pub fn permit(&mut self, host: &PluginHost, kind: Kind, section: &[&str], name: &str, params: &ParamMap) {
        let Ok(resolved) = host.resolve(kind, name, params) else { return };
        for wish in Wish::all(kind, name, &resolved) {
            let key = wish.key.clone();
            let path = [section, &["params", key.as_str()]].concat();
            match self.document.scan_of(&path) {
                None => host.permits().give(wish),
                Some(scan) => {
                    let said = wish.to_string();
                    if host.permits().ask(wish, &scan).is_err() {
                        self.error_at(&path, said, HINT);
                    }
                }
            }
        }
    }
}
