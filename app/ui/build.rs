//! Compiles the window. A warning of the Slint compiler (a binding loop, say) fails the build.

use slint_build::{CompilerConfiguration, EmbedResourcesKind};
use std::path::PathBuf;

fn main() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    // One font in the executable: the window looks the same on every machine, and so do its pictures in tests.
    for (name, bytes) in
        [("sans.ttf", dejavu::sans_condensed::regular()), ("sans-bold.ttf", dejavu::sans_condensed::bold())]
    {
        std::fs::write(out.join(name), bytes).expect("OUT_DIR can be written");
    }
    let configuration = CompilerConfiguration::new()
        .with_style("fluent".into())
        .with_include_paths(vec![out])
        .with_debug_info(true)
        .embed_resources(EmbedResourcesKind::EmbedFiles);
    slint_build::compile_with_config("ui/main.slint", configuration).expect("the window compiles");
}
