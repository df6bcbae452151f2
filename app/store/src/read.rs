//! Reading a scan: all of it, an overview of its rows, or a part of one shard.

use super::commit::Commit;
use super::part::Part;
use super::plan::AttributionPlan;
use super::whole::MAPPED_FROM;
use super::{Scan, features, layout, samples};
use crate::table::ScanTable;
use ascan_core::{Error, Result, Tensor};
use rayon::prelude::*;

impl Scan {
    /// All rows. Embeddings and maps are mapped where they are large.
    ///
    /// # Errors
    /// `File` if shards are missing or damaged; it names them and says how to mend the scan.
    pub fn table(&self) -> Result<ScanTable> {
        self.table_mapped_from(MAPPED_FROM)
    }

    pub(super) fn table_mapped_from(&self, bytes: usize) -> Result<ScanTable> {
        self.check_complete()?;
        let n = self.plan.data.n_rows;
        let mut table = ScanTable::default();
        let mut probs = Vec::new();
        for commit in self.commits.iter().flatten() {
            let (rows, probs_of_rows) = self.samples(commit)?;
            table.append(rows);
            probs.extend(probs_of_rows);
        }
        table.probs = Tensor::new(self.shape(Part::Probs, n)?, probs)?;
        [table.embeddings, table.maps] = self.whole([Part::Embeddings, Part::Maps], bytes)?;
        Ok(table)
    }

    /// All rows without their tensors, in memory that hardly grows with them and in little time.
    ///
    /// # Errors
    /// As [`Self::table`].
    pub fn overview(&self) -> Result<ScanTable> {
        self.check_complete()?;
        let (table, problems) = self.overview_partly();
        problems.into_iter().next().map_or(Ok(table), Err)
    }

    /// As [`Self::overview`], of a scan that may be unfinished or damaged: the rows that cannot be read have an error,
    /// and each problem is said once, with what to do.
    pub fn overview_partly(&self) -> (ScanTable, Vec<Error>) {
        let mut problems = self.incomplete();
        let shards: Vec<Option<Result<ScanTable>>> = self
            .commits
            .par_iter()
            .map(|commit| commit.as_ref().map(|commit| self.samples(commit).map(|(rows, _)| rows)))
            .collect();
        let mut table = ScanTable::default();
        let mut unreadable: Vec<Error> = Vec::new();
        for (shard, rows) in shards.into_iter().enumerate() {
            let failed =
                |reason: &str| ScanTable::failed(self.plan.rows(shard).len(), &self.plan.data.group_columns, reason);
            table.append(match rows {
                Some(Ok(rows)) => rows,
                Some(Err(error)) => {
                    let rows = failed("this part of the scan is damaged");
                    unreadable.push(error);
                    rows
                }
                None => failed("this part of the scan is missing"),
            });
        }
        // One damaged disk makes hundreds of damaged shards: the first tells what to do.
        problems.extend(unreadable.into_iter().next());
        (table, problems)
    }

    /// Visits the rows shard by shard, without embeddings, maps and probabilities: in memory that does not grow.
    ///
    /// # Errors
    /// As [`Self::table`].
    pub fn for_each_shard(&self, mut visit: impl FnMut(&ScanTable)) -> Result<()> {
        self.check_complete()?;
        for commit in self.commits.iter().flatten() {
            visit(&self.samples(commit)?.0);
        }
        Ok(())
    }

    /// A part of all rows of a shard.
    ///
    /// # Shapes
    /// `[n, …]`, `n` the rows of the shard; see [`Part`].
    ///
    /// # Errors
    /// `File` if the shard is missing or damaged.
    pub fn part(&self, shard: usize, part: Part) -> Result<Tensor> {
        let Some(commit) = self.commits.get(shard).and_then(Option::as_ref) else {
            return Err(self.incomplete().into_iter().next().unwrap_or_else(|| self.damage("a shard is missing")));
        };
        let n = commit.n_rows;
        let mut values = Vec::new();
        if [Part::Probs, Part::Numbers, Part::Truth].contains(&part) {
            let name = layout::samples(shard);
            let bytes = self.read(commit, &name)?;
            values = samples::decode_part(bytes, part).map_err(|error| self.unreadable(&name, error))?;
        } else {
            let bytes = self.read(commit, &layout::features(shard))?;
            self.features(commit, &bytes, part, &mut values)?;
        }
        Tensor::new(self.shape(part, n)?, values)
    }

    /// Of a part of `n` rows.
    pub(super) fn shape(&self, part: Part, n: usize) -> Result<Vec<usize>> {
        Ok(match part {
            Part::Probs => vec![n, self.plan.model.n_classes],
            Part::Numbers | Part::Truth => vec![n, self.plan.model.numbers.len()],
            Part::Embeddings => vec![n, self.plan.features.n_dims],
            Part::Maps => [&[n][..], &self.plan.attribution.stored_map_size].concat(),
            Part::Also(i) => [&[n][..], &self.also(i)?.stored_map_size].concat(),
        })
    }

    fn samples(&self, commit: &Commit) -> Result<(ScanTable, Vec<f32>)> {
        let name = layout::samples(commit.shard);
        let bytes = self.read(commit, &name)?;
        let (rows, probs) = samples::decode(bytes, &self.plan).map_err(|error| self.unreadable(&name, error))?;
        if rows.n() == commit.n_rows {
            Ok((rows, probs))
        } else {
            Err(self.unreadable(&name, format!("it has {} rows, not {}", rows.n(), commit.n_rows)))
        }
    }

    pub(super) fn features(&self, commit: &Commit, bytes: &[u8], part: Part, values: &mut Vec<f32>) -> Result<()> {
        let column = match part {
            Part::Maps if !self.plan.has_maps() => return Ok(()),
            Part::Maps => "attribution".to_owned(),
            Part::Also(i) => features::column_of(self.also(i)?),
            _ => "embedding".to_owned(),
        };
        let failed = |error| self.unreadable(&layout::features(commit.shard), error);
        features::decode(bytes, &column, values).map_err(failed)
    }

    fn also(&self, i: usize) -> Result<&AttributionPlan> {
        let n = self.plan.also.len();
        self.plan.also.get(i).ok_or_else(|| Error::shape("method", format!("one of {n} beside the first"), i))
    }

    pub(super) fn read(&self, commit: &Commit, name: &str) -> Result<Vec<u8>> {
        commit.read(&*self.storage, name).map_err(|reason| self.damage(&reason))
    }

    pub(super) fn check_complete(&self) -> Result<()> {
        self.incomplete().into_iter().next().map_or(Ok(()), Err)
    }

    /// Why rows are missing, if some are.
    fn incomplete(&self) -> Vec<Error> {
        let mut reasons: Vec<Error> = self.damaged.first().map(|reason| self.damage(reason)).into_iter().collect();
        if self.commits.iter().filter(|commit| commit.is_none()).count() > self.damaged.len() {
            let (done, n) = (self.n_rows_done(), self.plan.data.n_rows);
            let message = format!("the scan is not finished: {done} of {n} images are done");
            reasons.push(Error::file(&self.dir, message, "run `ascan scan` again with the same --out to resume"));
        }
        reasons
    }

    fn damage(&self, reason: &str) -> Error {
        let message = format!("the scan is damaged: {reason}");
        Error::file(&self.dir, message, "run `ascan scan` again with the same --out: damaged shards are computed again")
    }

    fn unreadable(&self, name: &str, error: impl std::fmt::Display) -> Error {
        Error::file(self.dir.join(name), format!("cannot be parsed: {error}"), "scan again into a new folder")
    }
}
