//! A spread in the folder of its scan.

use super::Spread;
use ascan_core::{Error, Result};
use ascan_store::Scan;
use ascan_store::annotations::Mark;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

impl Spread {
    /// Keeps the spread and its review in the folder of its scan, over an earlier one.
    ///
    /// # Errors
    /// `File` if it cannot be written; `Shape` for a spread of another scan.
    pub fn save(&self, scan: &Scan) -> Result<()> {
        let marks: Vec<Option<&str>> = self.marked.iter().map(|mark| mark.map(Mark::name)).collect();
        scan.save_spread(&json(self)?, &self.spuriousness, &marks, &json(&self.review)?)
    }

    /// Keeps the review alone; the spread stays as it is.
    ///
    /// # Errors
    /// `File` if it cannot be written.
    pub fn save_review(&self, scan: &Scan) -> Result<()> {
        scan.save_spread_review(&json(&self.review)?)
    }

    /// Reads the spread of a scan with its review; `None` if there is none.
    ///
    /// # Errors
    /// `File` if it is damaged.
    pub fn load(scan: &Scan) -> Result<Option<Self>> {
        let Some(stored) = scan.load_spread()? else { return Ok(None) };
        let mark = |word: Option<String>| word.map(|word| word.parse::<Mark>()).transpose();
        let marked = stored.marks.into_iter().map(mark).collect::<Result<_>>();
        let review = stored.review.map(|review| parse(scan, review)).transpose()?;
        Ok(Some(Self {
            spuriousness: stored.spuriousness,
            marked: marked.map_err(|error| damaged(scan, &error))?,
            review: review.unwrap_or_default(),
            ..parse(scan, stored.report)?
        }))
    }
}

fn json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value)
        .map_err(|error| Error::unsupported(format!("a spread cannot be written as JSON: {error}"), ""))
}

fn parse<T: DeserializeOwned>(scan: &Scan, value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| damaged(scan, &error))
}

fn damaged(scan: &Scan, error: &dyn std::fmt::Display) -> Error {
    Error::file(scan.dir.join("spread"), format!("cannot be parsed: {error}"), "spread again with `ascan spread`")
}
