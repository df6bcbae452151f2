//! The window at the sizes of usual screens. `ASCAN_LOOK=FOLDER` keeps the pictures for whoever wants to look.

use crate::desktop::User;
use crate::painted::painted;
use ascan_desktop::command::{ImagesCommand, ListCommand, ShellCommand, VerdictsCommand, View};
use ascan_store::annotations::Mark;
use std::path::Path;

const SIZES: [(u32, u32); 4] = [(1280, 720), (1400, 900), (1920, 1080), (2560, 1440)];
const VIEWS: [(View, &str); 9] = [
    (View::Mosaic, "mosaic"),
    (View::Confusion, "confusion"),
    (View::Images, "images"),
    (View::Scatter, "scatter"),
    (View::Labels, "labels"),
    (View::Slicing, "slicing"),
    (View::Spread, "spread"),
    (View::Repair, "repair"),
    (View::Compare, "compare"),
];

#[test]
fn every_view_fits_every_screen() {
    let (_dir, scan) = painted();
    let user = User::sits_down(Some(&scan), 1280, 720, true);
    let looks = |name: String| {
        if let Some(folder) = std::env::var_os("ASCAN_LOOK") {
            user.picture().save(Path::new(&folder).join(format!("{name}.png"))).unwrap();
        }
    };
    let ids = user.slice_ids();
    for dark in [true, false] {
        for (width, height) in SIZES {
            user.resizes(width, height);
            let size = format!("{width}x{height}-{}", if dark { "dark" } else { "light" });
            user.does(ShellCommand::Show(View::Mosaic));
            user.does(ListCommand::Select(None));
            looks(format!("{size}-nothing"));
            let mosaic = user.sees("Slices of the mosaic").size();
            let share = mosaic.width / width as f32;
            assert!(share >= 0.6, "{size}: the mosaic has {share:.2} of the width");
            user.does(ListCommand::Select(Some(ids[0])));
            user.does(VerdictsCommand::Judge(Some(Mark::Core)));
            for (view, name) in VIEWS {
                user.does(ShellCommand::Show(view));
                looks(format!("{size}-{name}"));
                assert!(user.leaves_the_window().is_empty(), "{size}, {name}: {:?}", user.leaves_the_window());
            }
            user.does(ShellCommand::Show(View::Images));
            user.does(ImagesCommand::Open(3));
            looks(format!("{size}-image"));
            user.does(ImagesCommand::Close);
        }
        user.does(ShellCommand::ToggleTheme);
    }
}
