//! One image: input, attribution, overlay side by side; what the model said; what is near it.

use super::{Dispatch, ImagesAdapter, mark, opaque, replace, string_model};
use crate::command::{ImagesCommand, VerdictsCommand};
use crate::model::{Changes, Model};
use crate::pictures::Pictures;
use ::image::RgbImage;
use ascan_engine::faithfulness::Faithfulness;
use ascan_report::figures::DISPUTED;
use ascan_ui::{Fact, ImageVm, MainWindow, Panel, Share, Thumb};
use ascan_viz::Heat;
use ascan_viz::heat::{Drawing, Look};
use ascan_viz::words::percent;
use slint::{ComponentHandle, ModelRc, SharedString, VecModel};
use std::rc::Rc;

/// Classes with the largest probabilities.
const N_PROBS: usize = 5;

/// A large picture, and the attributions that the scan has of it.
pub struct Large {
    /// Which image.
    pub row: usize,
    /// The picture, or why there is none.
    pub picture: Result<RgbImage, String>,
    /// By the scan's first method.
    pub heat: Heat,
    /// By its further ones.
    pub also: Vec<(String, Heat)>,
}

/// Fills `ImageVm`.
pub struct ImageAdapter {
    panels: Rc<VecModel<Panel>>,
    facts: Rc<VecModel<Fact>>,
    probs: Rc<VecModel<Share>>,
    neighbours: Rc<VecModel<Thumb>>,
    /// The large picture that is there.
    large: Option<Large>,
    /// Other attributions of it.
    others: Vec<(usize, String, Result<Heat, String>)>,
}

impl ImageAdapter {
    /// Wires the callbacks.
    pub fn new(window: &MainWindow, dispatch: &Dispatch) -> Self {
        let vm = window.global::<ImageVm>();
        let adapter = Self {
            panels: Rc::default(),
            facts: Rc::default(),
            probs: Rc::default(),
            neighbours: Rc::default(),
            large: None,
            others: Vec::new(),
        };
        vm.set_panels(ModelRc::from(adapter.panels.clone()));
        vm.set_facts(ModelRc::from(adapter.facts.clone()));
        vm.set_probs(ModelRc::from(adapter.probs.clone()));
        vm.set_neighbours(ModelRc::from(adapter.neighbours.clone()));
        on!(vm, dispatch, on_close() => ImagesCommand::Close);
        on!(vm, dispatch, on_step(by) => ImagesCommand::Step(by));
        on!(vm, dispatch, on_judge(wanted) => VerdictsCommand::JudgeImage(super::unmark(wanted)));
        on!(vm, dispatch, on_attribute(index) => ImagesCommand::Attribute(index.max(0) as usize));
        on!(vm, dispatch, on_open_neighbour(row) => ImagesCommand::Open(row.max(0) as usize));
        adapter
    }

    /// Shows what changed.
    pub fn sync(
        &mut self,
        window: &MainWindow,
        model: &Model,
        changes: Changes,
        thumbs: &ImagesAdapter,
        pictures: &Pictures,
    ) {
        if !changes.intersects(Changes::IMAGE) {
            return;
        }
        let vm = window.global::<ImageVm>();
        let Some(row) = model.images.open else {
            vm.set_open(false);
            self.others.clear();
            return;
        };
        let (session, table) = (&model.session, &model.session.album.table);
        if self.large.as_ref().is_none_or(|large| large.row != row) {
            pictures.want_large(row);
        }
        self.others.retain(|(other, ..)| *other == row);
        self.show_panels(row, model);

        let (label, predicted) = (table.labels[row], table.predicted_classes[row]);
        vm.set_title(session.said_of(row).into());
        vm.set_subtitle(table.uris[row].as_str().into());
        let place = model.images.rows.iter().position(|&other| other == row);
        let position = place.map(|place| format!("{} of {}", place + 1, model.images.rows.len()));
        vm.set_position(position.unwrap_or_default().into());
        vm.set_mark(mark(session.marks.get(row).copied().flatten()));
        let label = if label < 0 { "unknown".to_owned() } else { session.class(label) };
        let mut facts = vec![("Image", row.to_string()), ("Label", label)];
        facts.push(("Prediction", session.class(predicted)));
        facts.push(("Confidence", percent(f64::from(table.confidences[row]))));
        if table.losses[row].is_finite() {
            facts.push(("Loss", format!("{:.3}", table.losses[row])));
        }
        let slice = session.set.assignment.get(row).copied().unwrap_or(-1);
        facts.push(("Slice", session.set.slice(slice).map_or_else(|| "none".into(), super::table::in_short)));
        if let Some(split) = table.splits.as_ref().and_then(|splits| splits.get(row)) {
            facts.push(("Split", split.clone()));
        }
        if let Some(group) = table.group(row) {
            facts.push(("Known group", group));
        }
        if let Some(spuriousness) = session.spuriousness.as_ref().map(|all| all[row]).filter(|v| v.is_finite()) {
            facts.push(("Spuriousness", format!("{spuriousness:.2}")));
        }
        if table.attribution_empty[row] {
            facts.push(("Attribution", "empty: the plain mean feature was used".into()));
        }
        if let Some(delta) = table.convergence_delta.as_ref().and_then(|deltas| deltas.get(row)) {
            facts.push(("Convergence delta", format!("{delta:.4}")));
        }
        if let Some(agreement) = table.agreement.as_ref().map(|all| all[row]).filter(|v| v.is_finite()) {
            let disputed = if agreement < DISPUTED { ": the methods disagree about where the model looks" } else { "" };
            facts.push(("Agreement", format!("{agreement:.2}{disputed}")));
        }
        if let Some(error) = &table.errors[row] {
            facts.push(("Error", error.clone()));
        }
        if let Some((method, road)) = session.album.faithfulness.as_ref().and_then(Faithfulness::first) {
            facts.push(("Highest ROAD", format!("{method} {:.2} ± {:.2}", road.mean, road.error)));
        }
        let facts = facts.into_iter().map(|(name, value)| Fact {
            name: name.into(),
            value: value.into(),
            tip: SharedString::new(),
        });
        replace(&self.facts, facts.collect());

        let image = model.image.as_ref().filter(|image| image.row == row);
        let mut probs: Vec<(usize, f32)> =
            image.map(|image| image.probs.iter().copied().enumerate().collect()).unwrap_or_default();
        probs.sort_by(|a, b| b.1.total_cmp(&a.1));
        let shares = probs.into_iter().take(N_PROBS).map(|(class, prob)| Share {
            name: session.class(class as i32).into(),
            value: percent(f64::from(prob)).into(),
            share: prob,
            strong: class as i32 == table.labels[row],
        });
        replace(&self.probs, shares.collect());
        let neighbours = image.map(|image| image.neighbours.iter().map(|&(row, _)| thumbs.thumb(row)).collect());
        replace(&self.neighbours, neighbours.unwrap_or_default());
        let known = session.attributors.iter().filter(|_| session.knows_attributors);
        let titles: Vec<String> = known
            .map(|method| match session.road(&method.name) {
                Some(road) => format!("{}, ROAD {road:.2}", method.title()),
                None => method.title(),
            })
            .collect();
        vm.set_attributors(string_model(titles.iter().map(String::as_str)));
        vm.set_trust(if session.album.faithfulness.is_some() {
            "ROAD: how fast the prediction goes when what a method names is taken out; higher is more faithful".into()
        } else {
            "Which one to believe: `ascan faithfulness` measures it on some images of this scan".into()
        });
        let failed =
            self.others.iter().filter_map(|(_, name, heat)| heat.as_ref().err().map(|e| format!("{name}: {e}")));
        let problem = image.and_then(|image| image.problem.clone());
        vm.set_attributing(failed.chain(problem).collect::<Vec<_>>().join("\n").into());
        vm.set_open(true);
    }

    /// Takes the large picture from a worker.
    pub fn take(&mut self, large: Large) {
        self.large = Some(large);
    }

    /// Takes another attribution from a worker.
    pub fn take_attribution(&mut self, row: usize, name: String, heat: Result<Heat, String>) {
        self.others.retain(|(other, known, _)| (*other, known.as_str()) != (row, name.as_str()));
        self.others.push((row, name, heat));
    }

    fn show_panels(&self, row: usize, model: &Model) {
        let Some(Large { picture, heat, also, .. }) = self.large.as_ref().filter(|large| large.row == row) else {
            replace(&self.panels, vec![Panel { title: "Input".into(), note: "reading …".into(), ..Panel::default() }]);
            return;
        };
        let picture = match picture {
            Ok(picture) => picture,
            Err(error) => {
                let panel = Panel { title: "The image cannot be shown".into(), note: error.into(), ..Panel::default() };
                replace(&self.panels, vec![panel]);
                return;
            }
        };
        let look = model.images.look;
        let panel = |title: &str, note: &str, heat: &Heat, look: Look| Panel {
            title: title.into(),
            note: note.into(),
            picture: opaque(&look.draw(picture, &heat.plane(picture.width(), picture.height()))),
        };
        let config = &model.session.album.scan.config.attribution;
        // How far to trust a method, where that was tested: a panel is narrow.
        let faithfulness = model.session.album.faithfulness.as_ref();
        let noted = |note: &str, method: &str| {
            let road = faithfulness.and_then(|found| found.method(method)?.road);
            road.map_or_else(|| note.to_owned(), |road| format!("ROAD {:.2} ± {:.2}", road.mean, road.error))
        };
        let overlay = Look { drawing: Drawing::Overlay, ..look };
        let mut panels = vec![
            panel("Input", "as the model sees it", heat, Look { drawing: Drawing::Input, contour: None, ..look }),
            panel(&config.plugin, &noted("where the model looks", &config.plugin), heat, overlay),
        ];
        for (name, heat) in also {
            panels.push(panel(name, &noted("also scanned", name), heat, overlay));
        }
        if self.others.is_empty() && also.is_empty() {
            panels.push(panel("Attribution", "alone", heat, Look { drawing: Drawing::Attribution, ..look }));
        }
        for (_, name, other) in &self.others {
            if let Ok(other) = other {
                panels.push(panel(name, &noted("the same image", name), other, overlay));
            }
        }
        replace(&self.panels, panels);
    }
}
