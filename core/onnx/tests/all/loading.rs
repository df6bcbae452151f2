//! Files: whole, damaged, hostile, in parts.

use crate::support::{data, tiny};
use ascan_core::Error;
use ascan_core::OutputChoice;
use ascan_onnx::proto::tensor_proto::DataLocation;
use ascan_onnx::proto::{StringStringEntryProto, TensorProto};
use ascan_onnx::{Classifier, Model};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

/// What loading this file says; it names the file and what to do.
fn complaint(path: &Path) -> String {
    let error = Model::load(path).expect_err("the file is no model");
    assert!(matches!(&error, Error::File { path: named, .. } if named == path), "{error:?}");
    assert!(error.hint().is_some(), "{error}");
    error.to_string()
}

fn complaint_about(bytes: &[u8]) -> String {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    fs::write(&path, bytes).unwrap();
    complaint(&path)
}

#[test]
fn a_model_is_the_same_after_saving_and_loading() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("größe 1.onnx");
    let model = tiny();
    model.save(&path).unwrap();
    assert_eq!(Model::load(&path).unwrap().proto, model.proto);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn saving_into_a_missing_folder_says_so() {
    let path = tempdir().unwrap().path().join("gone/model.onnx");
    let error = tiny().save(&path).unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error}");
}

#[test]
fn a_missing_file_a_folder_and_an_empty_file_are_told_apart() {
    let folder = tempdir().unwrap();
    assert!(complaint(&folder.path().join("gone.onnx")).contains("cannot be read"));
    assert!(complaint(folder.path()).contains("is a folder"));
    assert!(complaint_about(b"").contains("is empty"));
}

#[test]
fn files_of_other_programs_are_named() {
    let files: [(&[u8], &str); 9] = [
        (b"PK\x03\x04archive/data.pkl", "PyTorch"),
        (b"\x80\x02}q\x00.", "pickle"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x1c\0\0\0TFL3\x14\0", "TensorFlow Lite"),
        (b"\x40\0\0\0\0\0\0\0{\"weight\":", "safetensors"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"import torch\nmodel = torch.load('x')\n", "not an ONNX model"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not an ONNX model"),
        (b"\x08\x08\x12\x07pytorch", "no graph"),
    ];
    for (bytes, what) in files {
        let message = complaint_about(bytes);
        assert!(message.contains(what), "{message}");
    }
}

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    let bytes = tiny().to_bytes();
    for length in (1..bytes.len()).step_by(97) {
        let message = complaint_about(&bytes[..length]);
        assert!(message.contains("cut off") || message.contains("operators"), "{length}: {message}");
    }
}

#[test]
fn operators_older_than_version_7_are_refused() {
    let mut model = tiny();
    model.proto.opset_import[0].version = 6;
    assert!(complaint_about(&model.to_bytes()).contains("version 6"));
}

#[test]
fn a_file_that_no_protobuf_can_be_is_not_read() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("huge.onnx");
    // Three sparse gigabytes: no disk is used.
    fs::File::create(&path).unwrap().set_len(3 << 30).unwrap();
    assert!(complaint(&path).contains("2 GiB"));
}

#[test]
fn nested_messages_do_not_overflow_the_stack() {
    // attribute.g = graph { node { attribute { g … } } }, 10,000 deep.
    let mut bytes = Vec::new();
    for _ in 0..10_000 {
        for tag in [0x32, 0x2a, 0x0a] {
            let mut outer = vec![tag];
            prost::encode_length_delimiter(bytes.len(), &mut outer).unwrap();
            outer.extend(&bytes);
            bytes = outer;
        }
    }
    let mut file = vec![0x08, 0x08, 0x3a];
    prost::encode_length_delimiter(bytes.len(), &mut file).unwrap();
    file.extend(&bytes);
    assert!(complaint_about(&file).contains("damaged"));
}

#[test]
fn damaged_bytes_are_an_error_or_a_model_but_never_a_crash() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let whole = tiny().to_bytes();
    let mut state = 12_345_u64;
    let mut next = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let mut refused = 0;
    for _ in 0..3000 {
        let mut bytes = whole.clone();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            bytes[at] = next(256) as u8;
        }
        fs::write(&path, &bytes).unwrap();
        match Model::load(&path) {
            Ok(model) => drop(Classifier::analyse(&model, None, &OutputChoice::default())),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0);
}

/// Moves the values of every initializer into `weights.bin`, 64 bytes apart.
fn externalise(model: &mut Model, folder: &Path) {
    let mut bytes = Vec::new();
    for tensor in &mut model.proto.graph.as_mut().unwrap().initializer {
        bytes.resize(bytes.len().next_multiple_of(64), 0);
        let data = std::mem::take(&mut tensor.raw_data);
        point(tensor, "weights.bin", Some((bytes.len(), data.len())));
        bytes.extend(data);
    }
    fs::write(folder.join("weights.bin"), bytes).unwrap();
}

fn point(tensor: &mut TensorProto, location: &str, range: Option<(usize, usize)>) {
    let entry = |key: &str, value: String| StringStringEntryProto { key: key.to_owned(), value };
    tensor.data_location = DataLocation::External.into();
    tensor.external_data = vec![entry("location", location.to_owned())];
    if let Some((offset, length)) = range {
        tensor.external_data.push(entry("offset", offset.to_string()));
        tensor.external_data.push(entry("length", length.to_string()));
    }
}

#[test]
fn weights_in_a_file_beside_the_model_are_read() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let whole = tiny();
    let mut split = whole.clone();
    externalise(&mut split, folder.path());
    split.save(&path).unwrap();
    assert_eq!(Model::load(&path).unwrap().proto, whole.proto);

    let before = Model::sha256(&path).unwrap();
    let weights = folder.path().join("weights.bin");
    let mut bytes = fs::read(&weights).unwrap();
    bytes[70] ^= 1;
    fs::write(&weights, &bytes).unwrap();
    assert_ne!(Model::sha256(&path).unwrap(), before);

    fs::write(&weights, &bytes[..bytes.len() - 4]).unwrap();
    assert!(complaint(&path).contains("weights.bin"));
    fs::remove_file(&weights).unwrap();
    assert!(complaint(&path).contains("weights.bin"));
}

#[test]
fn external_data_outside_the_models_folder_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    for location in ["../secret", "/etc/hostname", ""] {
        let mut model = tiny();
        point(&mut model.proto.graph.as_mut().unwrap().initializer[0], location, None);
        model.save(&path).unwrap();
        assert!(complaint(&path).contains("outside"), "{location}");
    }
}

#[test]
fn the_digest_is_that_of_the_file() {
    let Some(folder) = data("mnist") else { return };
    let digest = Model::sha256(&folder.join("mnist.onnx")).unwrap();
    assert_eq!(digest.len(), 64);
    let other = Model::sha256(&folder.join("../reference_vectors/captum_one_conv.onnx")).unwrap();
    assert_ne!(digest, other);
    let folder = tempdir().unwrap();
    let path = folder.path().join("graph.onnx");
    // The smallest file with a node: graph { node {} }.
    fs::write(&path, [0x3a, 0x02, 0x0a, 0x00]).unwrap();
    let expected = "35c9d41bad12b5865c5be62b0570a29ed3a07030bec099bba332343285e7f071";
    assert_eq!(Model::sha256(&path).unwrap(), expected);
}
