//! Libraries that are not what they seem: each a sentence, never a crash.

use crate::example_plugins::{compile_c, plugin_folder};
use crate::harness::Dir;
use ascan_core::Context;
use ascan_core::abi::Library;
use ascan_core::params::ParamMap;
use ascan_core::testing;

/// A library in C whose entry point is `body`, loaded.
fn load_c(declarations: &str, entry: &str) -> Result<Library, String> {
    let dir = Dir::new();
    let source = dir.write("odd.c", format!("#include \"ascan.h\"\n{declarations}\n{entry}\n"));
    let library = dir.path().join("libodd.so");
    compile_c(&source, &library);
    Library::load(&library).map_err(|error| format!("{error}. {}", error.hint().unwrap_or_default()))
}

const ENTRY: &str = "const AscanLibrary *ascan_library_odd(void) { return &LIBRARY; }";

fn library(fields: &str) -> String {
    format!("static const AscanLibrary LIBRARY = {{ .size = sizeof(AscanLibrary), {fields} }};")
}

#[test]
fn another_abi_major_is_refused() {
    let fields = ".magic = ASCAN_MAGIC, .abi_major = ASCAN_ABI_MAJOR + 1";
    let error = load_c(&library(fields), ENTRY).unwrap_err();
    assert!(error.contains("speaks plugin ABI 2.0, this program 1.4") && error.contains("build the plugin"), "{error}");
}

#[test]
fn a_newer_abi_minor_is_refused() {
    let fields = ".magic = ASCAN_MAGIC, .abi_major = ASCAN_ABI_MAJOR, .abi_minor = ASCAN_ABI_MINOR + 1";
    let error = load_c(&library(fields), ENTRY).unwrap_err();
    assert!(error.contains("speaks plugin ABI 1.5, this program 1.4"), "{error}");
}

#[test]
fn another_magic_is_refused() {
    let error = load_c(&library(".magic = 42"), ENTRY).unwrap_err();
    assert!(error.contains("no plugin descriptor"), "{error}");
}

#[test]
fn a_null_descriptor_is_refused() {
    let error = load_c("", "const AscanLibrary *ascan_library_odd(void) { return NULL; }").unwrap_err();
    assert!(error.contains("gave NULL instead of a descriptor"), "{error}");
}

#[test]
fn a_missing_entry_point_is_refused() {
    let error = load_c("", "int something_else(void) { return 0; }").unwrap_err();
    assert!(error.contains("it has no function `ascan_library_odd`"), "{error}");
}

#[test]
fn null_functions_are_refused() {
    let head = ".magic = ASCAN_MAGIC, .abi_major = ASCAN_ABI_MAJOR, .plugins = PLUGINS, .n_plugins = 1";
    let plugin = |fields: &str| {
        let name = "{(const uint8_t *)\"odd\", 3}";
        let functions = "static int32_t resolve(AscanStr p, AscanReply *r) { return 1; }\n\
            static int32_t create(AscanStr p, void **s, AscanReply *r) { return 1; }\n\
            static void destroy(void *s) {}\n\
            static const AscanSlicerTable TABLE = { .size = sizeof(AscanSlicerTable) };";
        let size = "sizeof(AscanPlugin)";
        let kind = "ASCAN_KIND_SLICER";
        let plugins =
            format!("static const AscanPlugin PLUGINS[] = {{{{ {size}, {kind}, {name}, {name}, {fields} }}}};");
        format!(
            "#pragma GCC diagnostic ignored \"-Wunused-function\"\n#pragma GCC diagnostic ignored \"-Wunused-const-variable\"\n{functions}\n{plugins}\n{}",
            library(head)
        )
    };
    let error = load_c(&plugin("NULL, create, destroy, &TABLE"), ENTRY).unwrap_err();
    assert!(error.contains("plugin `odd`: its descriptor has a NULL entry"), "{error}");
    let error = load_c(&plugin("resolve, create, destroy, &TABLE"), ENTRY).unwrap_err();
    assert!(error.contains("plugin `odd`: its function table is too small or has a NULL entry"), "{error}");
}

#[test]
fn a_panic_inside_a_library_is_a_sentence() {
    let library = Library::load(&plugin_folder().join("libmisbehaving.so")).unwrap();
    let slicer = library.plugins()[0].slicer(&ParamMap::new()).unwrap();
    let table = testing::toy_slice_table(12, 3, 0);
    let error = slicer.fit(&table.view(), &Context::default()).err().unwrap().to_string();
    assert_eq!(error, "plugin `panics`: crashed: no idea what to do with 12 rows");
}

#[test]
fn odd_files_in_a_plugin_folder_are_listed_with_a_reason() {
    let dir = Dir::new();
    dir.write("plugins/libnotes.so", "just some text\n");
    let list = dir.ascan(&["plugins", "--plugin-dir", "plugins"]).exits(0);
    assert!(list.stdout.contains("libnotes.so") && list.stdout.contains("cannot be loaded"), "{}", list.stdout);
}

#[test]
fn a_missing_plugin_lists_those_that_exist() {
    let dir = Dir::new();
    dir.ascan(&["plugins", "domino2"]).exits(1).says(&["domino2", "available:", "kmeans"]);
}
