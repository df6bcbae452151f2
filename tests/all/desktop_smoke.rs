//! The window on a real display, if this machine can imitate one: Xvfb, and xdotool for the keys.

use crate::desktop::scan;
use ascan_store::annotations::{Annotator, Mark};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ends with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn exists(program: &str) -> bool {
    Command::new(program).arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

#[test]
fn a_real_window_takes_keys_and_closes() {
    if !cfg!(target_os = "linux") || !exists("Xvfb") || !exists("xdotool") {
        println!("skipped: Xvfb and xdotool are not here");
        return;
    }
    let mut server = Command::new("Xvfb");
    server.args(["-displayfd", "1", "-screen", "0", "1280x800x24"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = Killed(server.spawn().expect("Xvfb starts"));
    let mut display = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut display).expect("Xvfb names its display");
    let display = format!(":{}", display.trim());

    let (dir, scan) = scan();
    let mut window = dir.command(&["review", &scan.to_string_lossy(), "--renderer", "software"]);
    window.env("DISPLAY", &display).env_remove("WAYLAND_DISPLAY").env_remove("WAYLAND_SOCKET");
    window.env("ASCAN_CONFIG_DIR", dir.path()).env("ASCAN_AUTHOR", "ann").stdout(Stdio::null());
    let said = dir.path().join("said.txt");
    window.stderr(std::fs::File::create(&said).unwrap());
    let mut window = Killed(window.spawn().expect("the program starts"));

    let xdotool = |arguments: &[&str]| {
        let output = Command::new("xdotool").env("DISPLAY", &display).args(arguments).output().expect("xdotool runs");
        String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let id = loop {
        let id = xdotool(&["search", "--onlyvisible", "--name", "Attribution Scanner"]);
        if !id.is_empty() {
            break id;
        }
        let ended = window.0.try_wait().unwrap();
        assert!(ended.is_none(), "the program has ended: {ended:?} {}", std::fs::read_to_string(&said).unwrap());
        assert!(Instant::now() < deadline, "no window appears");
        std::thread::sleep(Duration::from_millis(100));
    };
    // There is no window manager that would give it the keys.
    xdotool(&["windowfocus", "--sync", &id]);
    let marked = || {
        let annotations = Annotator::open(&scan, "reader").unwrap();
        annotations.marks(10_000).contains(&Some(Mark::Spurious))
    };
    // Keys before the first picture may be lost: they are pressed until they count.
    while !marked() {
        assert!(Instant::now() < deadline, "the keys do not arrive");
        xdotool(&["key", "--clearmodifiers", "n"]);
        xdotool(&["key", "--clearmodifiers", "2"]);
        std::thread::sleep(Duration::from_millis(300));
    }
    xdotool(&["key", "--clearmodifiers", "ctrl+q"]);
    let code = loop {
        if let Some(code) = window.0.try_wait().unwrap() {
            break code;
        }
        assert!(Instant::now() < deadline, "the window does not close");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(code.success(), "{code}");
}
