//! The scatter: every image as a point, and what a lasso takes.

use super::session::Session;
use super::task::Task;
use super::{Changes, Model};
use crate::command::{Pick, ScatterCommand, Tool};
use ascan_core::Error;
use ascan_viz::scatter::{self, Index, View};
use ascan_viz::{Rgb, color};
use std::collections::BTreeSet;

/// What colours the points.
pub const COLORS: [&str; 5] = ["slice", "label", "prediction", "right or wrong", "spuriousness"];
const RIGHT: Rgb = [86, 160, 211];
const WRONG: Rgb = [230, 120, 40];
const UNKNOWN: Rgb = [128, 132, 138];
/// Names in the legend.
const N_LEGEND: usize = 10;

/// The colour "right or wrong" among [`COLORS`].
const OUTCOME: usize = 3;
/// The projection that shows groups best, and the number of images up to which it is quick.
const BEST: (&str, usize) = ("umap", 20_000);

/// State of the scatter view.
pub struct Scatter {
    /// Place of each row, once it is computed.
    pub points: Option<Vec<[f32; 2]>>,
    /// Finds points.
    index: Option<Index>,
    /// What is seen.
    pub view: View,
    /// Room in pixels.
    pub room: [f32; 2],
    /// Index into [`COLORS`].
    pub color: usize,
    /// Whether lines are drawn around where points lie densest.
    pub contours: bool,
    /// Index into [`Session::projections`].
    pub projection: usize,
    /// The tool.
    pub tool: Tool,
    /// The outline being drawn, in pixels.
    pub outline: Vec<[f32; 2]>,
    pick: Pick,
    last: [f32; 2],
    down: bool,
    /// The point under the pointer.
    pub hovered: Option<usize>,
    /// The pointer, in pixels.
    pub pointer: [f32; 2],
}

impl Default for Scatter {
    fn default() -> Self {
        Self {
            points: None,
            index: None,
            view: View { centre: [0.0; 2], scale: 1.0 },
            room: [600.0, 500.0],
            color: 0,
            contours: true,
            projection: 0,
            tool: Tool::Pan,
            outline: Vec::new(),
            pick: Pick::Replace,
            last: [0.0; 2],
            down: false,
            hovered: None,
            pointer: [0.0; 2],
        }
    }
}

impl Scatter {
    /// Of a scan that was just opened: a map in which groups show, coloured by right or wrong where that is known.
    pub fn of(session: &Session) -> Self {
        let is_small = session.album.table.n() <= BEST.1;
        let best = session.projections.iter().position(|name| is_small && name == BEST.0);
        let color = if session.set.accuracy.is_some() { OUTCOME } else { 0 };
        Self { projection: best.unwrap_or(0), color, ..Self::default() }
    }

    /// Takes the computed places.
    pub fn set_points(&mut self, points: Vec<[f32; 2]>) {
        self.index = Some(Index::new(&points));
        self.points = Some(points);
        self.fit();
    }

    /// Forgets the places: another projection is on its way.
    pub fn clear(&mut self) {
        (self.points, self.index, self.hovered) = (None, None, None);
    }

    fn size(&self) -> [u32; 2] {
        self.room.map(|side| (side as u32).max(1))
    }

    /// All points in the window.
    pub fn fit(&mut self) {
        if let Some(points) = &self.points {
            self.view = View::of_all(points, self.size());
        }
    }

    /// A button went down.
    pub fn down(&mut self, x: f32, y: f32, pick: Pick) {
        (self.down, self.last, self.pick) = (true, [x, y], pick);
        self.outline = if self.tool == Tool::Pan { Vec::new() } else { vec![[x, y]] };
    }

    /// The pointer moved with the button down; whether what is seen moved.
    pub fn moved(&mut self, x: f32, y: f32) -> bool {
        if !self.down {
            return false;
        }
        match self.tool {
            Tool::Pan => {
                let [dx, dy] = [x - self.last[0], y - self.last[1]];
                let scale = self.view.scale;
                self.view.centre = [self.view.centre[0] - dx / scale, self.view.centre[1] + dy / scale];
                self.last = [x, y];
                return true;
            }
            Tool::Lasso => {
                let [px, py] = self.outline.last().copied().unwrap_or([x, y]);
                if (x - px).abs() + (y - py).abs() >= 3.0 {
                    self.outline.push([x, y]);
                }
            }
            Tool::Rectangle => {
                let [ax, ay] = self.outline.first().copied().unwrap_or([x, y]);
                self.outline = vec![[ax, ay], [x, ay], [x, y], [ax, y]];
            }
        }
        false
    }

    /// The button went up: what was picked, if anything.
    pub fn up(&mut self, picked: &BTreeSet<usize>) -> Option<BTreeSet<usize>> {
        self.down = false;
        let outline = std::mem::take(&mut self.outline);
        if self.tool == Tool::Pan || outline.len() < 3 {
            return None;
        }
        let found = scatter::lasso(self.points.as_ref()?, self.view, self.size(), &outline);
        Some(match self.pick {
            Pick::Replace => found.into_iter().collect(),
            Pick::Extend => picked.iter().copied().chain(found).collect(),
            Pick::Remove => {
                let found: BTreeSet<usize> = found.into_iter().collect();
                picked.difference(&found).copied().collect()
            }
        })
    }

    /// The row nearest to a point of the window.
    pub fn at(&self, x: f32, y: f32) -> Option<usize> {
        self.index.as_ref()?.nearest(self.view.to_point([x, y], self.size()), 8.0 / self.view.scale)
    }

    /// Magnifies around a point.
    pub fn zoom_at(&mut self, x: f32, y: f32, steps: f32) {
        let under = self.view.to_point([x, y], self.size());
        let factor = 1.15f32.powf(steps);
        self.view.scale *= factor;
        // The point under the pointer stays where it is.
        self.view.centre = [0, 1].map(|axis| under[axis] + (self.view.centre[axis] - under[axis]) / factor);
    }

    /// Rows around which lines of density are drawn: the errors where colours say which these are, else all.
    pub fn dense<'a>(&self, session: &'a Session) -> Box<dyn Iterator<Item = usize> + 'a> {
        let table = &session.album.table;
        let rows = 0..table.n();
        if self.color != OUTCOME || session.set.accuracy.is_none() {
            return Box::new(rows);
        }
        let is_wrong = |&row: &usize| {
            let label = table.labels[row];
            label >= 0 && table.errors[row].is_none() && label != table.predicted_classes[row]
        };
        Box::new(rows.filter(is_wrong))
    }

    /// The colour of each row.
    pub fn colors(&self, session: &Session) -> Vec<Rgb> {
        let table = &session.album.table;
        let class = |class: i32| usize::try_from(class).map_or(UNKNOWN, color::categorical);
        match self.color {
            0 => session.set.assignment.iter().map(|&slice| class(slice)).collect(),
            1 => table.labels.iter().map(|&label| class(label)).collect(),
            2 => table.predicted_classes.iter().map(|&predicted| class(predicted)).collect(),
            3 => (0..table.n())
                .map(|row| match table.labels[row] {
                    label if label < 0 || table.errors[row].is_some() => UNKNOWN,
                    label if label == table.predicted_classes[row] => RIGHT,
                    _ => WRONG,
                })
                .collect(),
            _ => match &session.spuriousness {
                None => vec![UNKNOWN; table.n()],
                Some(all) => all.iter().map(|&v| color::diverging(1.0 - f64::from(v), 0.5)).collect(),
            },
        }
    }

    /// Colours and their words.
    pub fn legend(&self, session: &Session) -> Vec<(Rgb, String)> {
        let classes = |values: &[i32]| -> Vec<(Rgb, String)> {
            let seen: BTreeSet<i32> = values.iter().copied().collect();
            let colour = |class: i32| usize::try_from(class).map_or(UNKNOWN, color::categorical);
            seen.iter().take(N_LEGEND).map(|&class| (colour(class), session.class(class))).collect()
        };
        match self.color {
            0 => Vec::new(),
            1 => classes(&session.album.table.labels),
            2 => classes(&session.album.table.predicted_classes),
            3 => vec![(RIGHT, "right".into()), (WRONG, "wrong".into()), (UNKNOWN, "no label".into())],
            _ if session.spuriousness.is_none() => vec![(UNKNOWN, "no verdicts have been spread yet".into())],
            _ => vec![(color::diverging(1.0, 0.5), "core".into()), (color::diverging(0.0, 0.5), "spurious".into())],
        }
    }
}

impl Model {
    pub(super) fn apply_to_scatter(&mut self, command: ScatterCommand) -> Changes {
        let scatter = &mut self.scatter;
        match command {
            ScatterCommand::Resize(width, height) => {
                if scatter.room == [width, height] {
                    return Changes::NONE;
                }
                scatter.room = [width, height];
                scatter.fit();
            }
            ScatterCommand::Tool(tool) => {
                scatter.tool = tool;
                return Changes::OUTLINE;
            }
            ScatterCommand::Down { x, y, pick } => {
                scatter.down(x, y, pick);
                return Changes::OUTLINE;
            }
            ScatterCommand::Move(x, y) => {
                return if scatter.moved(x, y) { Changes::SCATTER } else { Changes::OUTLINE };
            }
            ScatterCommand::Up(x, y) => {
                let clicked = scatter.outline.len() < 3;
                if let Some(picked) = scatter.up(&self.images.picked) {
                    self.take_picked(picked);
                } else if clicked && let Some(row) = self.scatter.at(x, y) {
                    let slice = self.session.set.assignment.get(row).copied();
                    return self.select(slice) | Changes::OUTLINE;
                }
                return Changes::ALL;
            }
            ScatterCommand::Hover(x, y) => {
                let before = scatter.hovered;
                (scatter.hovered, scatter.pointer) = (scatter.at(x, y), [x, y]);
                return if before == scatter.hovered { Changes::NONE } else { Changes::OUTLINE };
            }
            ScatterCommand::Zoom { x, y, steps } => scatter.zoom_at(x, y, steps),
            ScatterCommand::Fit => scatter.fit(),
            ScatterCommand::Color(color) => scatter.color = color,
            ScatterCommand::Contours(on) => scatter.contours = on,
            ScatterCommand::Projection(projection) => {
                scatter.projection = projection;
                scatter.clear();
                self.ask_for_points();
            }
            ScatterCommand::SliceOfPicked => {
                if self.images.picked.is_empty() {
                    self.toast = "Pick images first: with the lasso, or in the images view".to_owned();
                } else {
                    let rows = self.images.picked.iter().copied().collect();
                    self.begin("making a slice", Task::SliceOf(rows));
                }
            }
        }
        Changes::SCATTER | Changes::OUTLINE
    }

    /// A lasso took these rows: they are shown wherever images are.
    fn take_picked(&mut self, picked: BTreeSet<usize>) {
        self.selected = None;
        self.images.picked = picked;
        self.images.update(&self.session, None);
    }

    pub(super) fn ask_for_points(&mut self) {
        if self.scatter.points.is_some() {
            return;
        }
        match self.session.projections.get(self.scatter.projection).cloned() {
            Some(projection) => self.begin("computing the map", Task::Points(projection)),
            None => {
                let hint = "`ascan plugins` lists the plugins that were found";
                self.fail(&Error::unsupported("no projector was found that suits a map", hint));
            }
        }
    }
}
