//! A place in two dimensions for every row.

use super::Album;
use ascan_config::host::PluginHost;
use ascan_core::params::ParamMap;
use ascan_core::{Context, Error, Kind, Projector, Reporter, Result, Tensor};
use ascan_store::Part;
use serde_json::json;

/// Most rows that a projector is fitted to; the others take their place among them.
const MAX_FITTED: usize = 10_000;
/// Most numbers of their features, 16 MiB: a window must not need more for a first look at the points than for the rest.
const MAX_VALUES: usize = 4 << 20;

impl Album {
    /// Where each row lies in two dimensions; NaN for failed rows.
    ///
    /// The projector plugin `method`, with the parameters that it has for maps, is fitted to up to 10,000 rows and 16 MiB, spread evenly, and
    /// places all others a shard at a time. Kept in the scan's cache, so that the next call with the same scan and method reads it.
    ///
    /// # Errors
    /// `UnknownName` for a method that is no projector; `Param` if all rows failed; `Cancelled` if the reporter says so;
    /// whatever the plugin reports.
    pub fn layout(&self, host: &PluginHost, method: &str, reporter: &dyn Reporter) -> Result<Vec<[f32; 2]>> {
        let mut params = ParamMap::from_iter([("n_dims".to_owned(), json!(2))]);
        params.extend(host.plugin(Kind::Projector, method)?.map_params().cloned().unwrap_or_default());
        let params = host.checked(Kind::Projector, method, &params)?;
        let name = self.layout_name(method, &params)?;
        if let Some(places) = self.scan.cached(&name).and_then(|bytes| decode(&bytes, self.table.n())) {
            return Ok(places);
        }
        let projector = host.projector(method, &params)?;
        let n_threads = std::thread::available_parallelism().map_or(1, Into::into);
        let context = Context { seed: self.scan.plan.seed, n_threads, reporter };
        let places = self.places(&*projector, &context)?;
        if self.problems.is_empty() {
            self.scan.cache(&name, &encode(&places));
        }
        Ok(places)
    }

    /// A name that changes with everything that the layout depends on.
    fn layout_name(&self, method: &str, params: &ParamMap) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.scan.plan.to_json()?);
        hasher.update(json!([method, params, MAX_FITTED, MAX_VALUES]).to_string().as_bytes());
        Ok(format!("layout-{method}-{}", &hasher.finalize().to_hex()[..16]))
    }

    fn places(&self, projector: &dyn Projector, context: &Context) -> Result<Vec<[f32; 2]>> {
        let valid = self.table.valid_rows();
        if valid.is_empty() {
            return Err(Error::param("scan", "no image has features: all failed", "look at the scan's errors"));
        }
        let n_fitted = valid.len().min(MAX_FITTED).min((MAX_VALUES / self.scan.plan.features.n_dims.max(1)).max(1));
        let sample: Vec<usize> = (0..n_fitted).map(|i| valid[i * valid.len() / n_fitted]).collect();
        let projection = {
            let embeddings = self.embeddings(&sample, "reading features", context)?;
            projector.fit(embeddings.view(), context)?
        };
        let mut places = vec![[f32::NAN; 2]; self.table.n()];
        for shard in 0..self.scan.plan.n_shards() {
            let range = self.scan.plan.rows(shard);
            context.progress("placing images", range.start, self.table.n())?;
            let rows: Vec<usize> = range.filter(|&row| self.table.errors[row].is_none()).collect();
            if rows.is_empty() {
                continue;
            }
            let projected = projection.project(self.of_shard(shard, &rows)?.view(), context)?;
            for (i, &row) in rows.iter().enumerate() {
                // Of images that vary in one dimension only there is one coordinate.
                let [x, y] = [0, 1].map(|axis| projected.row(i).get(axis).copied().unwrap_or(0.0));
                places[row] = [x, y];
            }
        }
        Ok(places)
    }

    /// The embeddings of some rows, in ascending order, read a shard at a time.
    fn embeddings(&self, rows: &[usize], stage: &str, context: &Context) -> Result<Tensor> {
        let plan = &self.scan.plan;
        let mut values = Vec::with_capacity(rows.len() * plan.features.n_dims);
        let mut done = 0;
        for rows_of_shard in rows.chunk_by(|a, b| a / plan.shard_rows == b / plan.shard_rows) {
            context.progress(stage, done, rows.len())?;
            values.extend(self.of_shard(rows_of_shard[0] / plan.shard_rows, rows_of_shard)?.into_data());
            done += rows_of_shard.len();
        }
        Tensor::new([rows.len(), plan.features.n_dims], values)
    }

    /// The embeddings of some rows of one shard, past the cache.
    fn of_shard(&self, shard: usize, rows: &[usize]) -> Result<Tensor> {
        let embeddings = self.scan.part(shard, Part::Embeddings)?;
        let start = self.scan.plan.rows(shard).start;
        if rows.len() == embeddings.n_rows() {
            return Ok(embeddings);
        }
        let values = rows.iter().flat_map(|row| embeddings.row(row - start)).copied().collect();
        Tensor::new([rows.len(), embeddings.view().row_len()], values)
    }
}

/// A hash, then the coordinates, little-endian.
fn encode(places: &[[f32; 2]]) -> Vec<u8> {
    let values: Vec<u8> = places.as_flattened().iter().flat_map(|v| v.to_le_bytes()).collect();
    [blake3::hash(&values).as_bytes(), &values[..]].concat()
}

/// The places, if the bytes are whole and have as many.
fn decode(bytes: &[u8], n: usize) -> Option<Vec<[f32; 2]>> {
    let (hash, values) = bytes.split_first_chunk::<32>()?;
    if blake3::hash(values) != *hash || values.len() != n * 8 {
        return None;
    }
    let (values, _) = values.as_chunks::<4>();
    let (places, _) = values.as_chunks::<2>();
    Some(places.iter().map(|place| place.map(f32::from_le_bytes)).collect())
}
