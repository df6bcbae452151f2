use super::*;

#[test]
fn paths_stay_as_typed_only_beside_the_configuration() {
    let draft = |output: &str| Draft { keeps_paths: is_in_working_folder(Path::new(output)), ..Draft::default() };
    assert_eq!(draft("scan.toml").path(Path::new("a/b.onnx")), "a/b.onnx");
    assert!(Path::new(&draft("sub/scan.toml").path(Path::new("a/b.onnx"))).is_absolute());
}
