//! A slicer that panics: the program must turn that into a sentence.

use ascan_core::params::NoParams;
use ascan_core::{Context, Plugin, Result, SliceModel, SliceTable, Slicer};

struct Panics;

impl Plugin for Panics {
    const NAME: &'static str = "panics";
    const SUMMARY: &'static str = "panics on every table (for tests)";
    type Params = NoParams;

    fn new(_params: NoParams) -> Result<Self> {
        Ok(Self)
    }
}

impl Slicer for Panics {
    fn fit(&self, table: &SliceTable, _context: &Context) -> Result<Box<dyn SliceModel>> {
        panic!("no idea what to do with {} rows", table.n())
    }
}

ascan_core::export_library!(misbehaving: slicer Panics);
