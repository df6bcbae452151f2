//! [`Model`]: a model file, read whole, and written back.

use crate::constant;
use crate::node::is_standard;
use crate::proto::tensor_proto::DataLocation;
use crate::proto::{AttributeProto, GraphProto, ModelProto, TensorProto};
use ascan_core::{Error, Result, Tensor};
use prost::Message;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};

/// Maximum length of a protobuf; ONNX puts the weights of larger models into files beside the model.
const MAX_BYTES: u64 = i32::MAX as u64;

/// A model: its protobuf, and the file it came from.
#[derive(Debug, Clone)]
pub struct Model {
    /// The protobuf, with all constants inside.
    pub proto: ModelProto,
    /// The file, for messages.
    pub path: PathBuf,
}

impl Model {
    /// Reads a model file. Values that lie in files beside it are read too.
    ///
    /// # Errors
    /// `File`, saying what is wrong: missing, empty, cut off, another kind of file, external data missing,
    /// an operator set older than version 7.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = read(path)?;
        let mut proto = parse(path, &bytes)?;
        drop(bytes);
        let (mut files, mut room) = (HashMap::new(), MAX_EXTERNAL_BYTES);
        for tensor in external(&mut proto) {
            resolve(path, tensor, &mut files, &mut room)?;
        }
        let model = Self { proto, path: path.to_owned() };
        let is_onnx = model.proto.opset_import.iter().any(|set| is_standard(&set.domain));
        match model.opset() {
            _ if !is_onnx && !model.proto.opset_import.is_empty() => {
                let domains: Vec<&str> = model.proto.opset_import.iter().map(|set| set.domain.as_str()).collect();
                Err(Error::file(
                    path,
                    format!(
                        "uses operators of {} alone: it is no neural network of ONNX's own operators",
                        domains.join(", ")
                    ),
                    "use an image classifier; trees and other models of tables have no maps to explain",
                ))
            }
            7.. => Ok(model),
            old => Err(Error::file(
                path,
                format!("uses version {old} of ONNX's operators; 7 is the oldest that is understood"),
                "export it again, or convert it with `onnx.version_converter.convert_version(model, 13)`",
            )),
        }
    }

    /// A model made in memory. `path` is used in messages.
    pub fn from_proto(proto: ModelProto, path: impl Into<PathBuf>) -> Self {
        Self { proto, path: path.into() }
    }

    /// The model as a file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.proto.encode_to_vec()
    }

    /// Writes the model, all constants inside, under a temporary name that is renamed at the end.
    ///
    /// # Errors
    /// `File` if the folder cannot be written to, or if the model is larger than a protobuf may be.
    pub fn save(&self, path: &Path) -> Result<()> {
        if self.proto.encoded_len() as u64 > MAX_BYTES {
            return Err(Error::file(
                path,
                "the model is larger than 2 GiB, more than an ONNX file can hold",
                "use a smaller model, or one with float16 weights",
            ));
        }
        let write = || {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // As all that is being written in the folder of a repair, which removes what a crash leaves of it.
            let temporary = folder.join(format!(".tmp-{name}.{}", std::process::id()));
            // A fresh file: nobody can have put a link in its place.
            let _ = fs::remove_file(&temporary);
            let written = File::create_new(&temporary)
                .and_then(|mut file| file.write_all(&self.to_bytes()).and_then(|()| file.sync_all()))
                .and_then(|()| fs::rename(&temporary, path))
                .and_then(|()| if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) });
            if written.is_err() {
                // The write's own error is the one to report.
                let _ = fs::remove_file(&temporary);
            }
            written
        };
        write().map_err(|error| {
            Error::file(
                path,
                format!("cannot be written: {error}"),
                "choose a folder that exists and can be written to",
            )
        })
    }

    /// Version of ONNX's own operators that the model uses; 1 if it does not say.
    pub fn opset(&self) -> i64 {
        self.proto.opset_import.iter().find(|set| is_standard(&set.domain)).map_or(1, |set| set.version)
    }

    /// The graph.
    ///
    /// # Errors
    /// `File` for a model without one.
    pub fn graph(&self) -> Result<&GraphProto> {
        self.proto.graph.as_ref().ok_or_else(|| no_graph(&self.path))
    }

    /// SHA-256 of a model file in hex; of the file followed by its external data, in order of their names, if it has
    /// any.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn sha256(path: &Path) -> Result<String> {
        let bytes = read(path)?;
        let mut hash = Sha256::new_with_prefix(&bytes);
        let mut proto = parse(path, &bytes)?;
        let names: BTreeSet<PathBuf> =
            external(&mut proto).into_iter().map(|tensor| location(path, tensor)).collect::<Result<_>>()?;
        for name in names {
            let mut file = data_file(path, &name)?;
            let mut buffer = vec![0; 1 << 20];
            loop {
                match file.read(&mut buffer).map_err(|error| missing_data(path, &name, error))? {
                    0 => break,
                    n => hash.update(&buffer[..n]),
                }
            }
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Writes weights back by initializer name (or by the output of the `Constant` node that holds them),
    /// keeping the type in which each is stored.
    ///
    /// # Errors
    /// `UnknownName` for a name that is no constant of the graph; `Shape` for another shape; `Unsupported` for a
    /// constant that is not floating-point, such as a quantised one. The model is then as it was.
    pub fn set_weights(&mut self, weights: &[(String, Tensor)]) -> Result<()> {
        let mut changed = Vec::with_capacity(weights.len());
        for (name, values) in weights {
            let mut tensor = self.find_constant(name)?.clone();
            constant::overwrite(&mut tensor, values)?;
            changed.push((name, tensor));
        }
        for (name, tensor) in changed {
            if let Some(place) = self.constants_mut().find(|(found, _)| found == name) {
                *place.1 = tensor;
            }
        }
        Ok(())
    }

    fn find_constant(&mut self, name: &str) -> Result<&TensorProto> {
        let dequantized = self.graph()?.node.iter().find_map(|node| {
            let stored = node.input(0).filter(|_| node.op_type == "DequantizeLinear")?;
            (stored == name || node.output.first().is_some_and(|output| output == name)).then(|| stored.to_owned())
        });
        if let Some(stored) = dequantized {
            return Err(Error::unsupported(
                format!("the weight `{name}` is quantised (constant `{stored}`) and cannot take trained values"),
                "train the floating-point model, and quantise it afterwards",
            ));
        }
        let available: Vec<String> = self.constants_mut().map(|(name, _)| name).collect();
        match self.constants_mut().find(|(found, _)| found == name) {
            Some((_, tensor)) => Ok(tensor),
            None => Err(Error::unknown_name("weight", name, available)),
        }
    }

    /// Constants of the main graph, by name.
    fn constants_mut(&mut self) -> impl Iterator<Item = (String, &mut TensorProto)> {
        self.proto.graph.iter_mut().flat_map(|graph| {
            let initializers = graph.initializer.iter_mut().map(|tensor| (tensor.name.clone(), tensor));
            let nodes = graph.node.iter_mut().filter(|node| node.op_type == "Constant").filter_map(|node| {
                let name = node.output.first()?.clone();
                let attribute = node.attribute.iter_mut().find(|attribute| attribute.name == "value")?;
                Some((name, attribute.t.as_mut()?))
            });
            initializers.chain(nodes)
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let unreadable = |error: std::io::Error| {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path; a relative one starts at the folder of the configuration",
            _ => "check that this is a file, and that you may read it",
        };
        Error::file(path, format!("the model cannot be read: {error}"), hint)
    };
    let facts = fs::metadata(path).map_err(unreadable)?;
    if facts.is_dir() {
        return Err(Error::file(path, "is a folder, not an ONNX file", "name the `.onnx` file inside it"));
    }
    if !facts.is_file() {
        // A pipe would make the program wait for ever, and is read more than once.
        return Err(Error::file(path, "is a pipe or a device, not an ONNX file", "save the model to a file"));
    }
    let file = File::open(path).map_err(unreadable)?;
    if facts.len() > MAX_BYTES {
        return Err(Error::file(
            path,
            format!("is {} bytes long: an ONNX file holds 2 GiB at most", facts.len()),
            "save the model with its weights as external data (`onnx.save(…, save_as_external_data=True)`)",
        ));
    }
    let mut bytes = Vec::with_capacity(facts.len() as usize);
    // It may have grown meanwhile.
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.is_empty() {
        return Err(Error::file(path, "the file is empty", "export or download the model again"));
    }
    Ok(bytes)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<ModelProto> {
    if let Some((kind, hint)) = other_format(bytes) {
        return Err(Error::file(path, format!("is {kind}, not an ONNX model"), hint));
    }
    let proto = ModelProto::decode(bytes).map_err(|error| {
        // Every exporter writes `ir_version`, field 1, first.
        let message = match bytes[0] {
            0x08 => format!("the ONNX model is cut off or damaged ({error})"),
            _ => format!("is not an ONNX model ({error})"),
        };
        Error::file(path, message, "export or download the model again")
    })?;
    match &proto.graph {
        Some(graph) if !graph.node.is_empty() => Ok(proto),
        _ => Err(no_graph(path)),
    }
}

fn no_graph(path: &Path) -> Error {
    Error::file(path, "is not an ONNX model, or is cut off: it has no graph", "export or download the model again")
}

/// Recognises other formats that users pass by mistake, by their first bytes.
fn other_format(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const EXPORT_TORCH: &str = "export it with `torch.onnx.export(model, images, \"model.onnx\")`";
    const EXPORT_TF: &str = "convert it with tf2onnx";
    Some(match bytes {
        [b'P', b'K', 3, 4, ..] => ("a PyTorch checkpoint or another zip archive", EXPORT_TORCH),
        [0x80, 2..=5, ..] => ("a Python pickle", EXPORT_TORCH),
        [0x89, b'H', b'D', b'F', ..] => ("an HDF5 file (Keras weights)", EXPORT_TF),
        [_, _, _, _, b'T', b'F', b'L', b'3', ..] => ("a TensorFlow Lite model", EXPORT_TF),
        [_, _, _, _, _, _, _, _, b'{', b'"', ..] => ("a safetensors file (weights without a graph)", EXPORT_TORCH),
        [b'O', b'R', b'T', b'M', ..] | [_, _, _, _, b'O', b'R', b'T', b'M', ..] => {
            ("a model in onnxruntime's own format", "use the ONNX file it was made from")
        }
        _ if bytes.starts_with(b"version https://git-lfs") => {
            ("a Git LFS pointer", "fetch the file itself with `git lfs pull`")
        }
        _ => return None,
    })
}

/// All tensors whose values lie in another file.
fn external(proto: &mut ModelProto) -> Vec<&mut TensorProto> {
    fn of_tensors<'a>(tensors: impl Iterator<Item = &'a mut TensorProto>, found: &mut Vec<&'a mut TensorProto>) {
        found.extend(tensors.filter(|tensor| tensor.data_location() == DataLocation::External));
    }
    fn of_attributes<'a>(
        attributes: impl Iterator<Item = &'a mut AttributeProto>,
        found: &mut Vec<&'a mut TensorProto>,
    ) {
        for attribute in attributes {
            of_tensors(attribute.t.iter_mut().chain(&mut attribute.tensors), found);
            for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                of_graph(graph, found);
            }
        }
    }
    fn of_graph<'a>(graph: &'a mut GraphProto, found: &mut Vec<&'a mut TensorProto>) {
        of_tensors(graph.initializer.iter_mut(), found);
        of_attributes(graph.node.iter_mut().flat_map(|node| &mut node.attribute), found);
    }
    let mut found = Vec::new();
    if let Some(graph) = &mut proto.graph {
        of_graph(graph, &mut found);
    }
    let nodes = proto.functions.iter_mut().flat_map(|function| &mut function.node);
    of_attributes(nodes.flat_map(|node| &mut node.attribute), &mut found);
    found
}

fn entry<'a>(tensor: &'a TensorProto, key: &str) -> Option<&'a str> {
    tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
}

/// The file with a tensor's values: beside the model or in a folder below it, never elsewhere.
fn location(model: &Path, tensor: &TensorProto) -> Result<PathBuf> {
    let location = Path::new(entry(tensor, "location").unwrap_or_default());
    let inside = location.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if location.as_os_str().is_empty() || !inside {
        return Err(Error::file(
            model,
            format!("the values of `{}` are said to lie in {location:?}, outside the model's folder", tensor.name),
            "put the external data beside the model and save it again",
        ));
    }
    Ok(model.parent().unwrap_or(Path::new("")).join(location))
}

fn missing_data(model: &Path, data: &Path, error: impl std::fmt::Display) -> Error {
    Error::file(
        model,
        format!("its external data {} cannot be read: {error}", data.display()),
        "keep the files that were exported with the model beside it",
    )
}

/// A file with the values of tensors.
fn data_file(model: &Path, path: &Path) -> Result<File> {
    match fs::metadata(path) {
        Ok(facts) if !facts.is_file() => Err(missing_data(model, path, "it is not a file")),
        _ => File::open(path).map_err(|error| missing_data(model, path, error)),
    }
}

/// Bytes of all weights that lie beside a model. A file of holes, or many tensors on one file, ask for more than they hold.
const MAX_EXTERNAL_BYTES: u64 = 16 << 30;
/// Bytes of the largest number: complex, of two doubles.
const LARGEST_VALUE: u64 = 16;

/// Reads a tensor's external values into the tensor; `room` is what may still be read.
fn resolve(model: &Path, tensor: &mut TensorProto, files: &mut HashMap<PathBuf, File>, room: &mut u64) -> Result<()> {
    let path = location(model, tensor)?;
    let number = |key| match entry(tensor, key) {
        None => Ok(None),
        Some(text) => {
            let wrong = |_| missing_data(model, &path, format!("`{key}` of `{}` is {text:?}", tensor.name));
            text.parse::<u64>().map(Some).map_err(wrong)
        }
    };
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    let file = match files.entry(path.clone()) {
        std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
        std::collections::hash_map::Entry::Vacant(entry) => entry.insert(data_file(model, &path)?),
    };
    let total = file.metadata().map_err(|error| missing_data(model, &path, error))?.len();
    let rest = total.saturating_sub(offset);
    let length = length.unwrap_or(rest);
    if length > rest {
        let problem =
            format!("{total} bytes long, but `{}` is said to end at {}", tensor.name, offset.saturating_add(length));
        return Err(missing_data(model, &path, problem));
    }
    let n_values = tensor.dims.iter().try_fold(1u64, |n, &side| n.checked_mul(u64::try_from(side).ok()?));
    if n_values.and_then(|n| n.checked_mul(LARGEST_VALUE)).is_none_or(|most| length > most) {
        let problem =
            format!("{length} bytes for `{}`, more than its shape {:?} has room for", tensor.name, tensor.dims);
        return Err(missing_data(model, &path, problem));
    }
    *room = room.checked_sub(length).ok_or_else(|| {
        let problem = format!("the weights are larger than {} GiB together", MAX_EXTERNAL_BYTES >> 30);
        missing_data(model, &path, problem)
    })?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length as usize).map_err(|error| missing_data(model, &path, error))?;
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.take(length).read_to_end(&mut bytes))
        .map_err(|error| missing_data(model, &path, error))?;
    tensor.raw_data = bytes;
    tensor.external_data.clear();
    tensor.data_location = DataLocation::Default.into();
    Ok(())
}
