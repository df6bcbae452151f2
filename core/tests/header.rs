//! `include/ascan.h` is what cbindgen makes of `src/abi`. Run with `ASCAN_WRITE_HEADER=1` to write it anew.

use std::path::Path;

#[test]
fn the_c_header_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut builder = cbindgen::Builder::new().with_config(cbindgen::Config::from_root_or_default(root));
    let mut sources: Vec<_> = std::fs::read_dir(root.join("src/abi")).unwrap().map(|e| e.unwrap().path()).collect();
    sources.retain(|path| path.is_file());
    sources.sort();
    sources.extend([root.join("src/error.rs"), root.join("src/plugin.rs")]);
    for source in sources {
        builder = builder.with_src(source);
    }
    let mut made = Vec::new();
    builder.generate().expect("the types of the boundary can be written in C").write(&mut made);
    let made = String::from_utf8(made).unwrap();

    let path = root.join("include/ascan.h");
    if std::env::var_os("ASCAN_WRITE_HEADER").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "include/ascan.h is old: run `ASCAN_WRITE_HEADER=1 cargo test -p ascan-core --test header`");
}
