//! The frame: views, status, problems, keys, palette.

use super::{Dispatch, list, replace};
use crate::command::{Artefact, NAMED, Named, Overlay, ShellCommand, View};
use crate::model::figures::Figure;
use crate::model::{Changes, Model};
use ascan_ui::{Fact, MainWindow, Shell, Theme};
use slint::platform::Key;
use slint::{ComponentHandle, ModelRc, SharedString, VecModel};
use std::rc::Rc;

/// What only the window can do: dialogs, quitting.
pub type Ask = Rc<dyn Fn(&'static str)>;

/// Fills `Shell` and `Theme`.
pub struct ShellAdapter {
    problems: Rc<VecModel<SharedString>>,
    palette: Rc<VecModel<Fact>>,
    sets: Rc<VecModel<SharedString>>,
    views: Rc<VecModel<SharedString>>,
}

impl ShellAdapter {
    /// Wires the callbacks.
    pub fn new(window: &MainWindow, dispatch: &Dispatch, ask: &Ask) -> Self {
        let shell = window.global::<Shell>();
        let adapter =
            Self { problems: Rc::default(), palette: Rc::default(), sets: Rc::default(), views: Rc::default() };
        shell.set_problems(ModelRc::from(adapter.problems.clone()));
        shell.set_palette(ModelRc::from(adapter.palette.clone()));
        shell.set_slice_sets(ModelRc::from(adapter.sets.clone()));
        shell.set_saved_views(ModelRc::from(adapter.views.clone()));
        shell.set_version(env!("CARGO_PKG_VERSION").into());
        shell.set_licences(list(LICENCES.iter().map(|(name, value)| fact(name, value))));
        let bound = NAMED.iter().filter(|named| !named.key.is_empty());
        shell.set_shortcuts(list(bound.map(|named| fact(named.key, named.title))));
        let figures = Figure::ALL.iter().map(|figure| (figure.title(), figure.tip()));
        shell.set_glossary(list(GLOSSARY.iter().copied().chain(figures).map(|(name, value)| fact(name, value))));

        let run = {
            let (dispatch, ask) = (dispatch.clone(), ask.clone());
            Rc::new(move |named: &'static Named| match &named.command {
                Some(command) => dispatch(command.clone()),
                None => ask(named.id),
            })
        };
        shell.on_key({
            let run = run.clone();
            move |text, control, shift| {
                let named = key_name(&text, control, shift).and_then(|key| Named::of_key(&key));
                named.is_some_and(|named| {
                    run(named);
                    true
                })
            }
        });
        shell.on_run({
            let run = run.clone();
            move |id| {
                if let Some(named) = Named::find(&id) {
                    run(named);
                }
            }
        });
        shell.on_palette_accept({
            let (dispatch, window) = (dispatch.clone(), window.as_weak());
            move |index| {
                let query = window.upgrade().map(|window| window.global::<Shell>().get_palette_query());
                let found = Named::search(query.unwrap_or_default().as_str());
                dispatch(ShellCommand::Close.into());
                if let Some(named) = found.get(index.max(0) as usize) {
                    run(named);
                }
            }
        });
        shell.on_release_keys({
            let window = window.as_weak();
            move || {
                if let Some(window) = window.upgrade() {
                    window.invoke_take_focus();
                }
            }
        });
        shell.on_export_to({
            let dispatch = dispatch.clone();
            move |index| {
                let artefacts =
                    [Artefact::Mosaic, Artefact::Report, Artefact::Slices, Artefact::Images, Artefact::Verdicts];
                if let Some(&artefact) = artefacts.get(index.max(0) as usize) {
                    dispatch(ShellCommand::Export(artefact).into());
                }
            }
        });
        shell.on_choose_export_folder({
            let ask = ask.clone();
            move || ask("export-folder")
        });
        on!(shell, dispatch, on_show(view) => ShellCommand::Show(from_view(view)));
        on!(shell, dispatch, on_open_overlay(overlay) => ShellCommand::Open(from_overlay(overlay)));
        on!(shell, dispatch, on_close_overlay() => ShellCommand::Close);
        on!(shell, dispatch, on_choose_slice_set(index) => ShellCommand::ChooseSet(index.max(0) as usize));
        on!(shell, dispatch, on_dismiss_problem(index) => ShellCommand::DismissProblem(index.max(0) as usize));
        on!(shell, dispatch, on_resize_table(by) => ShellCommand::ResizeTable(by));
        on!(shell, dispatch, on_resize_inspector(by) => ShellCommand::ResizeInspector(by));
        on!(shell, dispatch, on_set_export_folder(folder) => ShellCommand::ExportFolder(folder.into()));
        on!(shell, dispatch, on_palette_search(query) => ShellCommand::PaletteSearch(query.into()));
        on!(shell, dispatch, on_palette_step(by) => ShellCommand::PaletteStep(by));
        on!(shell, dispatch, on_set_text_scale(scale) => ShellCommand::TextScale(scale));
        on!(shell, dispatch, on_set_author(name) => ShellCommand::Author(name.into()));
        on!(shell, dispatch, on_save_view(name) => ShellCommand::SaveView(name.into()));
        on!(shell, dispatch, on_use_view(index) => ShellCommand::UseView(index.max(0) as usize));
        adapter
    }

    /// Shows what changed.
    pub fn sync(&self, window: &MainWindow, model: &Model, changes: Changes) {
        if !changes.intersects(Changes::SHELL) {
            return;
        }
        let (shell, theme, settings) = (window.global::<Shell>(), window.global::<Theme>(), &model.settings);
        theme.set_dark(settings.dark);
        theme.set_text_scale(settings.text_scale);
        shell.set_view(to_view(model.view));
        shell.set_overlay(to_overlay(model.overlay));
        shell.set_title(model.session.album.title.as_str().into());
        shell.set_status(model.status().into());
        let busy = model.busy.last().map(|busy| match &model.progress {
            Some((stage, _)) => SharedString::from(format!("{busy} … {stage}")),
            None => format!("{busy} …").into(),
        });
        shell.set_busy(busy.unwrap_or_default());
        shell.set_toast_undo(model.toast_undo && model.session.annotations.can_undo());
        shell.set_toast(model.toast.as_str().into());
        replace(&self.problems, model.session.problems.iter().map(SharedString::from).collect());
        replace(&self.sets, set_titles(model));
        let set = model.session.sets.iter().position(|set| set.id == model.session.set.id);
        shell.set_slice_set(set.map_or(-1, |place| place as i32));
        shell.set_can_undo(model.session.annotations.can_undo());
        shell.set_can_redo(model.session.annotations.can_redo());
        shell.set_table_width(settings.table_px);
        shell.set_inspector_width(settings.inspector_px);
        shell.set_table_visible(settings.table_visible);
        shell.set_inspector_visible(settings.inspector_visible);
        shell.set_author(settings.author().into());
        shell.set_export_folder(model.export_folder.as_str().into());
        replace(&self.views, settings.views.iter().map(|view| SharedString::from(&view.name)).collect());
        shell.set_palette_query(model.palette.0.as_str().into());
        shell.set_palette_current(model.palette.1 as i32);
        if model.overlay == Overlay::Palette {
            let found = Named::search(&model.palette.0);
            replace(&self.palette, found.iter().map(|named| fact(named.title, named.key)).collect());
        }
    }
}

/// The sets in words; two that were made alike but for a parameter keep their ids apart.
fn set_titles(model: &Model) -> Vec<SharedString> {
    let sets = &model.session.sets;
    let is_alone = |title: &str| sets.iter().filter(|other| other.title == title).count() == 1;
    let title = |set: &crate::model::session::NamedSet| match is_alone(&set.title) {
        true => set.title.clone(),
        false => format!("{}  ({})", set.title, set.id.rsplit('-').next().unwrap_or_default()),
    };
    sets.iter().map(|set| title(set).into()).collect()
}

fn fact(name: &str, value: &str) -> Fact {
    Fact { name: name.into(), value: value.into(), tip: SharedString::new() }
}

/// `Ctrl+Z`, `m`, `Down`: a key as the list of commands writes it.
fn key_name(text: &str, control: bool, shift: bool) -> Option<String> {
    let special = [
        (Key::UpArrow, "Up"),
        (Key::DownArrow, "Down"),
        (Key::LeftArrow, "Left"),
        (Key::RightArrow, "Right"),
        (Key::Escape, "Esc"),
    ];
    let special = special.iter().find(|(key, _)| SharedString::from(*key) == text).map(|(_, name)| *name);
    let name = match special {
        Some(name) => name.to_owned(),
        None => text.chars().next().filter(|letter| !letter.is_control()).map(|letter| letter.to_string())?,
    };
    Some(match (control, shift) {
        (true, true) => format!("Ctrl+Shift+{}", name.to_uppercase()),
        (true, false) if name.len() == 1 => format!("Ctrl+{}", name.to_uppercase()),
        (true, false) => format!("Ctrl+{name}"),
        // Shift is already in the letter: `?`.
        (false, _) => name,
    })
}

fn from_view(view: ascan_ui::View) -> View {
    match view {
        ascan_ui::View::Mosaic => View::Mosaic,
        ascan_ui::View::Confusion => View::Confusion,
        ascan_ui::View::Images => View::Images,
        ascan_ui::View::Scatter => View::Scatter,
        ascan_ui::View::Labels => View::Labels,
        ascan_ui::View::Slicing => View::Slicing,
        ascan_ui::View::Spread => View::Spread,
        ascan_ui::View::Repair => View::Repair,
        ascan_ui::View::Compare => View::Compare,
    }
}

fn to_view(view: View) -> ascan_ui::View {
    match view {
        View::Mosaic => ascan_ui::View::Mosaic,
        View::Confusion => ascan_ui::View::Confusion,
        View::Images => ascan_ui::View::Images,
        View::Scatter => ascan_ui::View::Scatter,
        View::Labels => ascan_ui::View::Labels,
        View::Slicing => ascan_ui::View::Slicing,
        View::Spread => ascan_ui::View::Spread,
        View::Repair => ascan_ui::View::Repair,
        View::Compare => ascan_ui::View::Compare,
    }
}

fn from_overlay(overlay: ascan_ui::Overlay) -> Overlay {
    match overlay {
        ascan_ui::Overlay::None => Overlay::None,
        ascan_ui::Overlay::Help => Overlay::Help,
        ascan_ui::Overlay::Palette => Overlay::Palette,
        ascan_ui::Overlay::Settings => Overlay::Settings,
        ascan_ui::Overlay::About => Overlay::About,
        ascan_ui::Overlay::Export => Overlay::Export,
    }
}

fn to_overlay(overlay: Overlay) -> ascan_ui::Overlay {
    match overlay {
        Overlay::None => ascan_ui::Overlay::None,
        Overlay::Help => ascan_ui::Overlay::Help,
        Overlay::Palette => ascan_ui::Overlay::Palette,
        Overlay::Settings => ascan_ui::Overlay::Settings,
        Overlay::About => ascan_ui::Overlay::About,
        Overlay::Export => ascan_ui::Overlay::Export,
    }
}

/// Words beside those of the figures, in the order in which one meets them.
const GLOSSARY: &[(&str, &str)] = &[
    ("Slice", "Images that the model treats alike: found by a slicer, without labels of groups"),
    ("Attribution", "Where in the picture the model finds what speaks for its prediction: lit, up to the white line"),
    ("Core", "A verdict: the model looks at the object itself"),
    ("Spurious", "A verdict: the model looks at something that only goes along with the class"),
    ("Noisy label", "A verdict: the labels of these images are wrong"),
    ("Clearly worse", "At least ten points below the whole, by more than chance explains"),
    ("Held-out mark", "An image whose verdict was hidden and predicted from the others, as a check of the spread"),
    ("AUROC", "How well a score tells two kinds apart: 0.5 is chance, 1 is always"),
    ("Control", "The same training without a regularizer: a repair has to beat it"),
    ("Counterfactual", "Copies of images with other surroundings: who looks at the object is still right on them"),
    ("ROAD", "How fast the prediction goes when what an attribution names is taken out of the picture"),
];

/// What the window is made with and under which licence.
const LICENCES: &[(&str, &str)] = &[
    ("Slint", "Royalty-free licence 2.0"),
    ("DejaVu fonts", "Bitstream Vera and public domain"),
    ("burn, burn-wgpu", "MIT or Apache 2.0"),
    ("tract", "MIT or Apache 2.0"),
    ("ort (bindings of onnxruntime)", "MIT or Apache 2.0"),
    ("arrow, parquet", "Apache 2.0"),
    ("faer", "MIT"),
    ("rayon, serde, clap, image", "MIT or Apache 2.0"),
    ("libjpeg-turbo (mozjpeg)", "IJG and BSD 3-clause"),
    ("viridis colour map", "CC0"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_the_commands_write_them() {
        let arrow = SharedString::from(Key::DownArrow);
        assert_eq!(key_name(&arrow, false, false).unwrap(), "Down");
        assert_eq!(key_name("z", true, false).unwrap(), "Ctrl+Z");
        assert_eq!(key_name("Z", true, true).unwrap(), "Ctrl+Shift+Z");
        assert_eq!(key_name("?", false, true).unwrap(), "?");
        assert_eq!(key_name(",", true, false).unwrap(), "Ctrl+,");
        assert_eq!(key_name("", false, false), None);
    }
}
