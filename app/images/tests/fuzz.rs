//! Damaged files of every format: each is read or refused, none ends the program, takes ten seconds or a gigabyte.
//!
//! The same inputs in every run, 2,000 of each format; `ASCAN_FUZZ_INPUTS=100000 cargo test -p ascan-images --test fuzz`
//! makes more. A file of its own, so that nothing else runs in the process whose memory is measured.

use ascan_config::sections::DataSection;
use ascan_images::ImageSet;
use ascan_images::decode::{decode, decode_samples};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const MAX_TIME: Duration = Duration::from_secs(10);
const MAX_KIB: u64 = 1 << 20;
/// Formats run one after the other: memory is measured for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

fn n_inputs() -> usize {
    std::env::var("ASCAN_FUZZ_INPUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(2000)
}

/// A fixed linear congruential generator (Knuth's MMIX).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

/// The file with a few changes, most of them where headers are: at the start and at the end.
fn mutated(file: &[u8], random: &mut Random) -> Vec<u8> {
    const HEADER: usize = 160;
    let mut bytes = file.to_vec();
    for _ in 0..=random.below(4) {
        let n = bytes.len();
        if n == 0 {
            break;
        }
        let near = random.below(n.min(HEADER));
        let at = match random.below(4) {
            0 | 1 => near,
            2 => n - 1 - near,
            _ => random.below(n),
        };
        match random.below(8) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            3 => bytes[at] = random.below(256) as u8,
            4 => {
                let number: u32 = [0, 1, 0xffff, 0x1_0000, 0x7fff_ffff, u32::MAX, 40_000][random.below(7)];
                let number = if random.below(2) == 0 { number.to_le_bytes() } else { number.to_be_bytes() };
                let end = n.min(at + 4);
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            5 => bytes.truncate(at),
            6 => {
                let end = n.min(at + 1 + random.below(40));
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => drop(bytes.drain(at..n.min(at + 1 + random.below(16)))),
        }
    }
    // Half of the damaged PNGs have sound checksums, or no more than those would be tested.
    if bytes.starts_with(b"\x89PNG") && random.below(2) == 0 {
        mend_checksums(&mut bytes);
    }
    bytes
}

fn mend_checksums(png: &mut [u8]) {
    let mut at = 8;
    while let Some(header) = png.get(at..at + 4) {
        let n = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let Some(end) = at.checked_add(8 + n).filter(|end| end + 4 <= png.len()) else { return };
        let mut crc = flate2::Crc::new();
        crc.update(&png[at + 4..end]);
        png[end..end + 4].copy_from_slice(&crc.sum().to_be_bytes());
        at = end + 4;
    }
}

/// Reads damaged copies of these files; says which one it was when one is not survived.
fn survives(format: &str, files: &[Vec<u8>], read: fn(&[u8], &Path)) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_owned();
    let (to_worker, inputs) = mpsc::channel::<Vec<u8>>();
    let (to_us, done) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        for bytes in inputs {
            read(&bytes, &folder);
            if to_us.send(()).is_err() {
                return;
            }
        }
    });
    forget_peak();
    let mut random = Random(format.bytes().map(u64::from).sum());
    for i in 0..n_inputs() {
        let bytes = mutated(&files[i % files.len()], &mut random);
        to_worker.send(bytes.clone()).unwrap();
        let answer = done.recv_timeout(MAX_TIME).map_err(|error| error.to_string());
        let kib = peak_kib();
        let wrong = answer.err().or_else(|| (kib >= MAX_KIB).then(|| format!("{kib} KiB of memory")));
        if let Some(wrong) = wrong {
            let kept = std::env::temp_dir().join(format!("ascan-fuzz-{format}-{i}"));
            std::fs::write(&kept, &bytes).unwrap();
            panic!("{format}, input {i} ({wrong}): kept as {}", kept.display());
        }
    }
    drop(to_worker);
    worker.join().unwrap();
}

/// Forgets how much memory this process had before, where the system can.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that this process had since; 0 where the system does not say.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

/// The fixtures with this ending.
fn fixtures(ending: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/fixtures");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == ending)).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no fixture ends in .{ending}");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn picture(bytes: &[u8], _: &Path) {
    let _ = decode(bytes);
    let _ = decode_samples(bytes);
}

#[test]
fn jpeg() {
    survives("jpeg", &fixtures("jpg"), picture);
}

#[test]
fn png() {
    survives("png", &fixtures("png"), picture);
}

#[test]
fn webp() {
    survives("webp", &fixtures("webp"), picture);
}

#[test]
fn bmp() {
    survives("bmp", &fixtures("bmp"), picture);
}

#[test]
fn gif() {
    survives("gif", &fixtures("gif"), picture);
}

#[test]
fn pnm() {
    survives("pnm", &[fixtures("ppm"), fixtures("pgm"), fixtures("pbm")].concat(), picture);
}

#[test]
fn tiff() {
    survives("tiff", &fixtures("tif"), picture);
}

#[test]
fn dicom() {
    survives("dicom", &fixtures("dcm"), picture);
}

/// Opens a table of this name, and loads its first images.
fn table(name: &str, bytes: &[u8], folder: &Path) {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    if let Ok(set) = ImageSet::open(&DataSection { manifest: Some(path), ..Default::default() }) {
        for i in 0..set.len().min(3) {
            let _ = set.load(i);
        }
    }
}

const CSV: &str = "filename,label,split\na.png,cat,train\n\"b, c.png\",dog,test\nd.png,cat,train\n";

#[test]
fn delimited() {
    let utf_16: Vec<u8> = CSV.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let texts = [CSV.to_owned(), CSV.replace(',', ";"), CSV.replace(',', "\t"), CSV.replace('\n', ";\r\n")];
    let files: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).chain([utf_16]).collect();
    survives("csv", &files, |bytes, folder| table("m.csv", bytes, folder));
}

#[test]
fn spaced() {
    let celeba = "3\nBald Smiling\na.png 1 -1\nb.png -1 1\nc.png 1 1\n".as_bytes().to_vec();
    let list = b"train/a.png 3\ntrain/b.png 0\n".to_vec();
    survives("txt", &[celeba, list], |bytes, folder| table("m.txt", bytes, folder));
}

#[test]
fn json() {
    let lines = b"{\"file_name\": \"a.png\", \"label\": 1}\n{\"file_name\": \"b.png\", \"label\": [1, 2]}\n".to_vec();
    let list = b"[{\"file_name\": \"a.png\", \"label\": {\"x\": null}}]".to_vec();
    let coco = br#"{"images": [{"id": 7, "file_name": "a.png"}], "categories": [{"id": 1, "name": "x"}],
        "annotations": [{"image_id": 7, "category_id": 1}]}"#;
    survives("json", &[lines, list, coco.to_vec()], |bytes, folder| table("m.json", bytes, folder));
}

#[test]
fn parquet() {
    survives("parquet", &fixtures("parquet"), |bytes, folder| table("m.parquet", bytes, folder));
}

#[test]
fn tar() {
    survives("tar", &fixtures("tar"), |bytes, folder| {
        let path = folder.join("a.tar");
        std::fs::write(&path, bytes).unwrap();
        if let Ok(set) = ImageSet::open(&DataSection { archive: Some(path), ..Default::default() }) {
            (0..set.len().min(3)).for_each(|i| drop(set.load(i)));
        }
    });
}

#[test]
fn idx() {
    let images = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3][..], &[9; 12]].concat();
    survives("idx", &[images], |bytes, folder| {
        let (images, labels) = (folder.join("i"), folder.join("l"));
        std::fs::write(&images, bytes).unwrap();
        std::fs::write(&labels, [0, 0, 8, 1, 0, 0, 0, 2, 7, 4]).unwrap();
        let data = DataSection { idx: Some(images), idx_labels: Some(labels), ..Default::default() };
        if let Ok(set) = ImageSet::open(&data) {
            (0..set.len().min(3)).for_each(|i| drop(set.load(i)));
        }
    });
}
