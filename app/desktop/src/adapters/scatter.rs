//! The scatter: one picture, redrawn when something changes.

use super::{Dispatch, ImagesAdapter, color, picture, replace, string_model};
use crate::command::{Pick, ScatterCommand, Tool};
use crate::model::scatter::COLORS;
use crate::model::{Changes, Model};
use ascan_ui::{MainWindow, ScatterVm, Swatch};
use ascan_viz::Rgb;
use slint::{ComponentHandle, Model as _, ModelRc, SharedString, VecModel};
use std::rc::Rc;

const TOOLS: [Tool; 3] = [Tool::Pan, Tool::Lasso, Tool::Rectangle];

/// Fills `ScatterVm`.
pub struct ScatterAdapter {
    legend: Rc<VecModel<Swatch>>,
}

impl ScatterAdapter {
    /// Wires the callbacks.
    pub fn new(window: &MainWindow, dispatch: &Dispatch) -> Self {
        let vm = window.global::<ScatterVm>();
        let adapter = Self { legend: Rc::default() };
        vm.set_legend(ModelRc::from(adapter.legend.clone()));
        vm.set_colors(string_model(COLORS));
        on!(vm, dispatch, on_resized(width, height) => ScatterCommand::Resize(width, height));
        on!(vm, dispatch, on_pressed(x, y, extend, remove) => ScatterCommand::Down {
            x,
            y,
            pick: if extend {
                Pick::Extend
            } else if remove {
                Pick::Remove
            } else {
                Pick::Replace
            },
        });
        on!(vm, dispatch, on_moved(x, y) => ScatterCommand::Move(x, y));
        on!(vm, dispatch, on_released(x, y) => ScatterCommand::Up(x, y));
        on!(vm, dispatch, on_hovered(x, y) => ScatterCommand::Hover(x, y));
        on!(vm, dispatch, on_zoomed(x, y, steps) => ScatterCommand::Zoom { x, y, steps });
        on!(vm, dispatch, on_set_tool(index) => ScatterCommand::Tool(TOOLS[index.clamp(0, 2) as usize]));
        on!(vm, dispatch, on_set_color(index) => ScatterCommand::Color(index.max(0) as usize));
        on!(vm, dispatch, on_set_contours(on) => ScatterCommand::Contours(on));
        on!(vm, dispatch, on_set_projection(index) => ScatterCommand::Projection(index.max(0) as usize));
        on!(vm, dispatch, on_fit() => ScatterCommand::Fit);
        adapter
    }

    /// Shows what changed.
    pub fn sync(&self, window: &MainWindow, model: &Model, changes: Changes, thumbs: &ImagesAdapter) {
        let (vm, scatter, session) = (window.global::<ScatterVm>(), &model.scatter, &model.session);
        if changes.intersects(Changes::SCATTER) {
            vm.set_color(scatter.color as i32);
            vm.set_contours(scatter.contours);
            if vm.get_projections().row_count() != session.projections.len() {
                vm.set_projections(string_model(session.projections.iter().map(String::as_str)));
            }
            vm.set_projection(scatter.projection as i32);
            vm.set_waiting(if scatter.points.is_some() { "" } else { "Computing the map of all images …" }.into());
            let background: Rgb = if model.settings.dark { [18, 20, 24] } else { [238, 238, 234] };
            if let Some(points) = &scatter.points {
                let selected = selected(model);
                let size = scatter.room.map(|side| (side as u32).max(1));
                let colors = scatter.colors(session);
                let mut pixels =
                    ascan_viz::scatter::scatter(points, &colors, scatter.view, size, &selected, background);
                if scatter.contours {
                    let ink = background.map(|v| 255 - v);
                    let dense = scatter.dense(session).map(|row| points[row]);
                    ascan_viz::scatter::contours(&mut pixels, dense, scatter.view, ink);
                }
                vm.set_picture(picture(&pixels));
            } else {
                vm.set_picture(slint::Image::default());
            }
            let legend = scatter.legend(session).into_iter();
            replace(&self.legend, legend.map(|(rgb, text)| Swatch { color: color(rgb), text: text.into() }).collect());
        }
        if changes.intersects(Changes::SCATTER | Changes::OUTLINE) {
            let tool = TOOLS.iter().position(|tool| *tool == scatter.tool);
            vm.set_tool(tool.unwrap_or_default() as i32);
            vm.set_outline(outline(&scatter.outline));
            vm.set_hint(hint(model).into());
            vm.set_hover_visible(scatter.hovered.is_some());
            if let Some(row) = scatter.hovered {
                vm.set_hover_x(scatter.pointer[0]);
                vm.set_hover_y(scatter.pointer[1]);
                vm.set_hover_picture(thumbs.thumb(row).picture);
            }
        }
    }
}

/// What stands out: the picked images, else the selected slice; nothing if neither is.
fn selected(model: &Model) -> Vec<bool> {
    let n = model.session.album.table.n();
    let picked = &model.images.picked;
    if picked.is_empty() && model.selected.is_none() {
        return Vec::new();
    }
    let mut selected = vec![false; n];
    let of_slice = model.selected.map(|id| model.session.rows(id)).unwrap_or_default();
    let rows: Vec<usize> = if picked.is_empty() { of_slice.to_vec() } else { picked.iter().copied().collect() };
    rows.into_iter().for_each(|row| selected[row] = true);
    selected
}

fn hint(model: &Model) -> String {
    let session = &model.session;
    if let Some(row) = model.scatter.hovered {
        let slice = session.set.assignment.get(row).copied().unwrap_or(-1);
        let verdict = session.said_of(row);
        return format!("image {row}: {verdict}, slice {slice}");
    }
    match (model.scatter.tool, model.images.picked.len()) {
        (Tool::Pan, 0) => "click a point to select its slice; s: lasso, g: pan, wheel: zoom".to_owned(),
        (_, 0) => "draw around points; Shift adds, Ctrl removes".to_owned(),
        (_, n) => format!("{} picked: judge them with 1, 2, 3", ascan_viz::words::images(n)),
    }
}

fn outline(points: &[[f32; 2]]) -> SharedString {
    let mut commands = String::new();
    for (i, [x, y]) in points.iter().enumerate() {
        let letter = if i == 0 { 'M' } else { 'L' };
        commands += &format!("{letter}{x:.0} {y:.0}");
    }
    if points.len() > 2 {
        commands.push('Z');
    }
    commands.into()
}
