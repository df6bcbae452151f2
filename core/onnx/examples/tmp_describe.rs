//! Temporary.
use ascan_onnx::*;
fn main() {
    let out = std::env::args().nth(1).unwrap();
    for path in std::env::args().skip(2) {
        let path = std::path::PathBuf::from(path);
        let name = path.file_name().unwrap().to_string_lossy().to_string();
        let t = std::time::Instant::now();
        let model = match Model::load(&path) { Ok(m) => m, Err(e) => { println!("{name}: LOAD {e} | {:?}", e.hint()); continue } };
        let t1 = t.elapsed();
        match Classifier::analyse(&model, None) {
            Err(e) => println!("{name}: {e} | {:?}", e.hint()),
            Ok(c) => {
                let t2 = t.elapsed();
                let l = c.default_layer.as_ref().map(|l| c.layer(l).unwrap().clone());
                println!("{name}: in {} {:?} nhwc={} batch={:?} logits {} k={} layers={} default={:?} {:?} {:?} head={:?} ({:?} {:?})", c.input, c.input_shape, c.input_is_nhwc, c.batch, c.logits, c.n_classes, c.layers.len(), c.default_layer, l.as_ref().map(|l| l.info.shape), l.as_ref().map(|l| l.layout), c.linear_head.as_ref().map(|h| h.weight.shape().to_vec()), t1, t2 - t1);
                if out != "-" {
                    let names: Vec<&str> = c.default_layer.iter().map(|s| s.as_str()).collect();
                    let p = prepare(&model, &c, &names, None).unwrap();
                    Model::from_proto(p, "x").save(&std::path::Path::new(&out).join(&name)).unwrap();
                }
            }
        }
    }
}
