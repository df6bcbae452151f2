//! `ascan plugins`: which plugins were found where, and their parameters.

use super::{Result, print, print_json};
use crate::globals::Globals;
use crate::table::Column::{Left, Text};
use crate::table::aligned;
use ascan_config::host::{PluginHost, PluginRow, PluginState};
use ascan_core::params::{ParamMap, Resolved};
use ascan_core::{Error, Kind};
use clap::Args;
use serde_json::{Value, json};
use std::process::ExitCode;

/// `ascan plugins`
#[derive(Debug, Args)]
pub struct PluginsArgs {
    /// Show this plugin, with its parameters
    pub name: Option<String>,
}

pub(crate) fn run(args: PluginsArgs, globals: &Globals) -> Result {
    let host = globals.host()?;
    let Some(name) = args.name else {
        if globals.json {
            print_json(&host.list())?
        } else {
            print(&listed(&host))?
        }
        return Ok(ExitCode::SUCCESS);
    };
    let found = described(&host, &name)?;
    if globals.json {
        let entries: Vec<Value> = found.iter().map(|(row, resolved)| to_json(row, resolved)).collect();
        print_json(&entries)?;
    } else {
        let texts: Vec<String> = found.iter().map(|(row, resolved)| page(row, resolved)).collect();
        print(&texts.join("\n\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The plugins of this name, at most one per kind, with the defaults of their parameters.
fn described(host: &PluginHost, name: &str) -> Result<Vec<(PluginRow, Resolved)>, Error> {
    let rows = host.list().into_iter().filter(|row| row.name == name && row.state == PluginState::Loaded);
    let found = rows.filter_map(|row| row.kind.map(|kind| (kind, row)));
    let found: Vec<_> = found
        .map(|(kind, row)| host.resolve(kind, name, &ParamMap::new()).map(|resolved| (row, resolved)))
        .collect::<Result<_, _>>()?;
    if found.is_empty() {
        if let Some(row) = host.list().into_iter().find(|row| row.state == PluginState::Failed && row.name == name) {
            return Err(Error::plugin(name, row.reason, row.hint));
        }
        return Err(Error::unknown_name("plugin", name, Kind::ALL.into_iter().flat_map(|kind| host.names(kind))));
    }
    Ok(found)
}

/// All plugins, one per line, then what failed, then the folders that were searched.
fn listed(host: &PluginHost) -> String {
    let rows = host.list();
    let columns = [Left("NAME"), Left("KIND"), Left("STATE"), Text("SUMMARY")];
    let mut lines = vec![aligned(0, &columns, rows.iter().map(cells))];
    for row in rows.iter().filter(|row| row.state != PluginState::Loaded) {
        let file = row.file.as_ref().map_or("(built in)".into(), |file| file.display().to_string());
        lines.push(format!("\n{}: {file}\n  {}", row.name, row.reason));
        if !row.hint.is_empty() {
            lines.push(format!("  hint: {}", row.hint));
        }
    }
    let searched: Vec<String> = host.searched().iter().map(|dir| format!("  {}", dir.display())).collect();
    if !searched.is_empty() {
        lines.push(format!("\nsearched, in this order:\n{}", searched.join("\n")));
    }
    lines.join("\n")
}

fn cells(row: &PluginRow) -> [String; 4] {
    let kind = row.kind.map_or("?", Kind::name);
    [row.name.clone(), kind.into(), state(row.state).into(), row.summary.clone()]
}

fn state(state: PluginState) -> &'static str {
    match state {
        PluginState::Declared => "declared",
        PluginState::Loaded => "loaded",
        PluginState::Failed => "failed",
    }
}

/// One plugin: what it is, where it is, its parameters.
fn page(row: &PluginRow, resolved: &Resolved) -> String {
    let kind = row.kind.map_or("", Kind::name);
    let file = row.file.as_ref().map_or("built in".into(), |file| file.display().to_string());
    let mut lines = vec![format!("{} ({kind}) {}: {}", row.name, row.version, row.summary), format!("from {file}")];
    if !resolved.params.is_empty() {
        lines.push("\nparameters:".into());
    }
    for (key, value, help) in resolved.in_order() {
        let value = if value.is_null() { "(not set)".to_owned() } else { value.to_string() };
        lines.push(format!("  {key} = {value}").trim_end().to_owned());
        if !help.is_empty() {
            lines.push(format!("      {help}"));
        }
    }
    if !resolved.detail.is_empty() {
        lines.push(format!("\n{}", resolved.detail.trim_end()));
    }
    lines.join("\n")
}

fn to_json(row: &PluginRow, resolved: &Resolved) -> Value {
    let params: Vec<Value> = resolved
        .in_order()
        .into_iter()
        .map(|(key, default, help)| json!({ "key": key, "default": default, "help": help }))
        .collect();
    json!({ "plugin": row, "params": params, "detail": resolved.detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> PluginHost {
        let entries: Vec<_> = ascan_plugins::LIBRARIES.iter().map(|&(_, entry)| entry).collect();
        PluginHost::with_static(&entries).unwrap()
    }

    #[test]
    fn the_table_has_one_line_per_plugin() {
        let text = listed(&host());
        let line = text.lines().find(|line| line.starts_with("kmeans")).unwrap();
        assert!(line.contains("slicer") && line.contains("loaded"), "{text}");
    }

    #[test]
    fn a_page_shows_every_parameter_with_its_default_and_help() {
        let found = described(&host(), "kmeans").unwrap();
        let (row, resolved) = &found[0];
        let text = page(row, resolved);
        assert!(text.contains("n_slices = 40"), "{text}");
        for (key, help) in &resolved.help {
            assert!(text.contains(key) && text.contains(help), "{key}: {text}");
        }
        assert_eq!(to_json(row, resolved)["params"].as_array().unwrap().len(), resolved.params.len());
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = described(&host(), "kmean").unwrap_err();
        assert_eq!(error.to_string(), "unknown plugin `kmean`");
        assert!(error.hint().unwrap().contains("kmeans"));
    }

    #[test]
    fn a_text_file_named_as_a_library_is_listed_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("{}notes.{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_EXTENSION);
        std::fs::write(folder.path().join(file), "not a library").unwrap();
        let missing = folder.path().join("missing");
        let host = host().search(&[folder.path().to_owned(), missing.clone()]);
        let text = listed(&host);
        assert!(text.contains("notes") && text.contains("cannot be loaded"), "{text}");
        assert!(text.contains("there is no such folder"), "{text}");
        let error = host.plugin(Kind::Slicer, "notes").unwrap_err();
        assert!(error.to_string().contains("cannot be loaded"), "{error}");
        assert!(error.hint().is_some());
    }
}
