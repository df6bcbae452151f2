//! The mosaic: one tile per slice, with its picture once a worker has made it.

use super::images::short;
use super::{Dispatch, color, list, mark, picture, replace, string_model};
use crate::command::{ListCommand, MosaicCommand};
use crate::done::TileRequest;
use crate::model::figures::{Figure, tells_confidence};
use crate::model::mosaic::{LAYOUTS, Placed, SIZES};
use crate::model::{Changes, Model};
use crate::pictures::Pictures;
use ascan_engine::slices::SliceReport;
use ascan_report::report::headline;
use ascan_ui::{Card, Fact, MainWindow, MosaicVm, Tile};
use ascan_viz::color::ink_on;
use ascan_viz::words::{percent, thousands};
use slint::{ComponentHandle, ModelRc, SharedPixelBuffer, SharedString, VecModel};
use std::collections::HashMap;
use std::rc::Rc;

/// Nothing is selected or under the pointer; −1 are the images in no slice.
pub(super) const NONE: i32 = -2;

/// Fills `MosaicVm`.
pub struct MosaicAdapter {
    tiles: Rc<VecModel<Tile>>,
    /// Pictures that are there, and what they were drawn for.
    pictures: HashMap<i32, (TileRequest, slint::Image)>,
}

impl MosaicAdapter {
    /// Wires the callbacks.
    pub fn new(window: &MainWindow, dispatch: &Dispatch) -> Self {
        let vm = window.global::<MosaicVm>();
        let adapter = Self { tiles: Rc::default(), pictures: HashMap::new() };
        vm.set_tiles(ModelRc::from(adapter.tiles.clone()));
        vm.set_layouts(string_model(LAYOUTS.iter().map(|(_, name)| *name)));
        vm.set_metrics(string_model(Figure::COLORS.iter().map(|figure| figure.title())));
        vm.set_sizes(string_model(SIZES));
        on!(vm, dispatch, on_resized(width, height) => MosaicCommand::Resize(width, height));
        on!(vm, dispatch, on_pointer(x, y) => MosaicCommand::Pointer(x, y));
        on!(vm, dispatch, on_left() => MosaicCommand::PointerLeft);
        on!(vm, dispatch, on_clicked(x, y) => MosaicCommand::Click(x, y));
        on!(vm, dispatch, on_opened(x, y) => MosaicCommand::Open(x, y));
        on!(vm, dispatch, on_dragged(dx, dy) => MosaicCommand::Pan(dx, dy));
        on!(vm, dispatch, on_zoomed(x, y, steps) => MosaicCommand::Zoom { x, y, steps });
        on!(vm, dispatch, on_select(id) => ListCommand::Select(Some(id)));
        on!(vm, dispatch, on_step(dx, dy) => MosaicCommand::Step(dx, dy));
        on!(vm, dispatch, on_set_layout(index) => MosaicCommand::Layout(index.max(0) as usize));
        on!(vm, dispatch, on_set_metric(index) => MosaicCommand::Metric(index.max(0) as usize));
        on!(vm, dispatch, on_set_size(index) => MosaicCommand::TileSize(index.max(0) as usize));
        on!(vm, dispatch, on_fit() => MosaicCommand::Fit);
        adapter
    }

    /// Shows what changed and asks for the pictures that are missing.
    pub fn sync(&mut self, window: &MainWindow, model: &Model, changes: Changes, pictures: &Pictures) {
        let vm = window.global::<MosaicVm>();
        if changes.intersects(Changes::TILES) {
            vm.set_layout(model.mosaic.layout as i32);
            vm.set_metric(model.mosaic.metric as i32);
            vm.set_size(model.mosaic.size as i32);
            self.show_legend(&vm, model);
            vm.set_headline(headline(&model.session.set).unwrap_or_default().into());
            let tiles = model.mosaic.tiles.iter().filter_map(|placed| self.tile(model, placed, pictures)).collect();
            replace(&self.tiles, tiles);
        }
        if changes.intersects(Changes::SELECTION | Changes::TILES) {
            vm.set_selected(model.selected.unwrap_or(NONE));
        }
        if changes.intersects(Changes::MOSAIC_VIEW) {
            vm.set_zoom(model.mosaic.zoom);
            vm.set_pan_x(model.mosaic.pan[0]);
            vm.set_pan_y(model.mosaic.pan[1]);
        }
        if changes.intersects(Changes::MOSAIC_VIEW) {
            model.mosaic.tiles.iter().for_each(|placed| self.want(model, placed, pictures));
        }
        if changes.intersects(Changes::HOVER | Changes::TILES) {
            self.show_card(&vm, model);
        }
    }

    /// Takes a picture from a worker.
    pub fn take(&mut self, slice: i32, request: TileRequest, pixels: &::image::RgbaImage) {
        use slint::Model as _;
        let image = picture(pixels);
        let place = (0..self.tiles.row_count()).find(|&i| self.tiles.row_data(i).is_some_and(|tile| tile.id == slice));
        if let Some(mut tile) = place.and_then(|i| self.tiles.row_data(i)) {
            tile.picture = image.clone();
            self.tiles.set_row_data(place.unwrap_or_default(), tile);
        }
        self.pictures.insert(slice, (request, image));
    }

    /// Lets go of all pictures: another slice set is shown, or they are drawn otherwise.
    pub fn forget(&mut self) {
        self.pictures.clear();
    }

    fn tile(&self, model: &Model, placed: &Placed, pictures: &Pictures) -> Option<Tile> {
        let session = &model.session;
        let slice = session.set.slice(placed.id)?;
        let [x, y, width, height] = model.mosaic.bounds(placed);
        let shaped = model.mosaic.is_shaped();
        self.want(model, placed, pictures);
        let has = self.pictures.get(&slice.id);
        let figure = model.mosaic.figure();
        let value = session.value(figure, slice);
        let bar = figure.color(value, &session.set);
        let verdict = session.mark(slice.id);
        let metric = match figure {
            Figure::Accuracy | Figure::Confidence if slice.accuracy.is_none() && tells_confidence(&session.set) => {
                format!("{} sure", percent(slice.mean_confidence))
            }
            _ => figure.text(value),
        };
        Some(Tile {
            id: slice.id,
            x: x as f32,
            y: y as f32,
            width: width as f32,
            height: height as f32,
            // An older picture of another size is better than none.
            picture: has.map(|(_, image)| image.clone()).unwrap_or_default(),
            short: short(&session.title(slice)).into(),
            title: session.title(slice).into(),
            metric: metric.into(),
            size: thousands(slice.size).into(),
            note: verdict.map_or("", |(_, note)| note).into(),
            bar: color(bar),
            bar_ink: color(ink_on(bar)),
            mark: mark(verdict.map(|(mark, _)| mark)),
            alarm: slice.needs_verdict && verdict.is_none(),
            dim: !model.list.order.contains(&slice.id),
            centre_x: ((placed.shape.centre[0] - x) / width) as f32,
            centre_y: ((placed.shape.centre[1] - y) / height) as f32,
            coherence: slice.coherence.unwrap_or(0.0) as f32,
            outline: if shaped { outline(&placed.shape.polygon, [x, y]) } else { SharedString::new() },
            described: described(model, slice).into(),
        })
    }

    /// Asks for the picture of a tile, unless it is there as it should be.
    fn want(&self, model: &Model, placed: &Placed, pictures: &Pictures) {
        let Some(slice) = model.session.set.slice(placed.id) else { return };
        let bounds @ [_, _, width, height] = model.mosaic.bounds(placed);
        let (shaped, zoom) = (model.mosaic.is_shaped(), model.mosaic.zoom_of(bounds));
        let request = TileRequest::new(&placed.shape, [width, height], shaped, zoom, model.settings.text_scale);
        if self.pictures.get(&slice.id).is_none_or(|(present, _)| *present != request) {
            pictures.want_tile(&model.session, slice, model.images.look, request);
        }
    }

    fn show_legend(&self, vm: &MosaicVm, model: &Model) {
        let (colors, [low, high]) = model.mosaic.figure().legend(&model.session.set);
        let bytes: Vec<u8> = colors.into_iter().flatten().collect();
        vm.set_legend(slint::Image::from_rgb8(SharedPixelBuffer::clone_from_slice(&bytes, bytes.len() as u32 / 3, 1)));
        vm.set_legend_words(string_model([low.as_str(), high.as_str()]));
    }

    fn show_card(&self, vm: &MosaicVm, model: &Model) {
        let hovered = model.mosaic.hovered;
        vm.set_hovered(hovered.unwrap_or(NONE));
        let slice = hovered.and_then(|id| model.session.set.slice(id));
        vm.set_card_visible(slice.is_some());
        if let Some(slice) = slice {
            vm.set_card_x(model.mosaic.pointer[0]);
            vm.set_card_y(model.mosaic.pointer[1]);
            vm.set_card(card(model, slice));
        }
    }
}

/// What a screen reader says of a slice, and what tests find it by.
pub(super) fn described(model: &Model, slice: &SliceReport) -> String {
    let session = &model.session;
    let right = slice.accuracy.map_or_else(String::new, |accuracy| format!(", {} right", percent(accuracy)));
    let verdict = session.mark(slice.id).map_or_else(String::new, |(mark, note)| {
        let note = if note.is_empty() { String::new() } else { format!(", “{note}”") };
        format!(", marked {}{note}", crate::model::mark_name(mark))
    });
    let alarm = if slice.needs_verdict { ", clearly worse" } else { "" };
    let images = ascan_viz::words::images(slice.size);
    format!("Slice {}: {}, {images}{right}{alarm}{verdict}", slice.id, session.title(slice))
}

fn card(model: &Model, slice: &SliceReport) -> Card {
    let session = &model.session;
    let fact = |figure: Figure| {
        let value = session.value(figure, slice);
        value.map(|value| Fact {
            name: figure.title().into(),
            value: figure.sentence(value).into(),
            tip: SharedString::new(),
        })
    };
    let figures = [
        Figure::Size,
        Figure::Accuracy,
        Figure::Gap,
        Figure::Evidence,
        Figure::Confidence,
        Figure::Loss,
        Figure::Coherence,
        Figure::Spuriousness,
        Figure::Reliance,
    ];
    let interval = slice.interval.map(|[low, high]| ("95 %", format!("{} to {}", percent(low), percent(high))));
    let words =
        |(name, value): (&str, String)| Fact { name: name.into(), value: value.into(), tip: SharedString::new() };
    let further = interval.into_iter().map(words);
    let verdict = session.mark(slice.id);
    Card {
        title: format!("{}  {}", slice.id, session.title(slice)).into(),
        mark: mark(verdict.map(|(mark, _)| mark)),
        facts: list(figures.into_iter().filter_map(fact).chain(further)),
        note: verdict.map_or("", |(_, note)| note).into(),
        picture: slint::Image::default(),
    }
}

/// A polygon as path commands, from the tile's own corner.
fn outline(polygon: &[[f64; 2]], [x, y]: [f64; 2]) -> SharedString {
    let mut commands = String::new();
    for (i, [px, py]) in polygon.iter().enumerate() {
        let letter = if i == 0 { 'M' } else { 'L' };
        commands += &format!("{letter}{:.1} {:.1}", px - x, py - y);
    }
    commands.push('Z');
    commands.into()
}
