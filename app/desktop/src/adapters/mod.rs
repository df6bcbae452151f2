//! Between the model and the window: one adapter per view. An adapter fills its global and turns callbacks into commands.

/// A callback of a view global that is a command: `on!(vm, dispatch, on_zoomed(x, y) => Command::…)`.
macro_rules! on {
    ($vm:ident, $dispatch:ident, $name:ident($($arg:ident),*) => $command:expr) => {{
        let dispatch = $dispatch.clone();
        $vm.$name(move |$($arg),*| dispatch(($command).into()));
    }};
}

mod browser;
mod compare;
mod confusion;
mod image;
mod images;
mod inspector;
mod labels;
mod mosaic;
mod repair;
mod scatter;
mod shell;
mod spread;
mod start;
mod steps;
mod table;

pub use browser::BrowserAdapter;
pub use compare::CompareAdapter;
pub use confusion::ConfusionAdapter;
pub use image::{ImageAdapter, Large};
pub use images::ImagesAdapter;
pub use inspector::InspectorAdapter;
pub use labels::LabelsAdapter;
pub use mosaic::MosaicAdapter;
pub use repair::RepairAdapter;
pub use scatter::ScatterAdapter;
pub use shell::{Ask, ShellAdapter};
pub use spread::SpreadAdapter;
pub use start::StartAdapter;
pub use steps::StepsAdapter;
pub use table::TableAdapter;

use super::command::Command;
use ::image::RgbaImage;
use ascan_store::annotations::Mark;
use ascan_viz::Rgb;
use slint::{Color, Model, ModelRc, SharedPixelBuffer, SharedString, VecModel};
use std::rc::Rc;

/// Hands a command to the desktop.
pub type Dispatch = Rc<dyn Fn(Command)>;

/// Replaces the rows of a model, touching only those that differ, so that elements on the screen are not rebuilt.
fn replace<T: Clone + PartialEq + 'static>(model: &VecModel<T>, rows: Vec<T>) {
    let n = rows.len();
    for (i, row) in rows.into_iter().enumerate() {
        match model.row_data(i) {
            None => model.push(row),
            Some(present) if present == row => {}
            Some(_) => model.set_row_data(i, row),
        }
    }
    while model.row_count() > n {
        model.remove(model.row_count() - 1);
    }
}

fn list<T: Clone + 'static>(rows: impl IntoIterator<Item = T>) -> ModelRc<T> {
    ModelRc::new(rows.into_iter().collect::<VecModel<T>>())
}

fn string_model(words: impl IntoIterator<Item: Into<SharedString>>) -> ModelRc<SharedString> {
    list(words.into_iter().map(Into::into))
}

fn color([r, g, b]: Rgb) -> Color {
    Color::from_rgb_u8(r, g, b)
}

fn picture(pixels: &RgbaImage) -> slint::Image {
    slint::Image::from_rgba8(SharedPixelBuffer::clone_from_slice(pixels.as_raw(), pixels.width(), pixels.height()))
}

fn opaque(pixels: &::image::RgbImage) -> slint::Image {
    slint::Image::from_rgb8(SharedPixelBuffer::clone_from_slice(pixels.as_raw(), pixels.width(), pixels.height()))
}

fn mark(mark: Option<Mark>) -> ascan_ui::Mark {
    match mark {
        None => ascan_ui::Mark::None,
        Some(Mark::Core) => ascan_ui::Mark::Core,
        Some(Mark::Spurious) => ascan_ui::Mark::Spurious,
        Some(Mark::NoisyLabel) => ascan_ui::Mark::NoisyLabel,
    }
}

fn unmark(mark: ascan_ui::Mark) -> Option<Mark> {
    match mark {
        ascan_ui::Mark::None => None,
        ascan_ui::Mark::Core => Some(Mark::Core),
        ascan_ui::Mark::Spurious => Some(Mark::Spurious),
        ascan_ui::Mark::NoisyLabel => Some(Mark::NoisyLabel),
    }
}
