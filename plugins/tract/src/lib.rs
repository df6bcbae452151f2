//! Backend plugin `tract`: inference in pure Rust, forward pass, feature maps, and gradients of most graphs.
//!
//! tract is fastest with one session a core at batch 1, so a session runs its images one by one
//! and the scan opens a session for each worker.

mod backend;
mod compile;
mod half;

use ascan_core::params::NoParams;
use ascan_core::{Capabilities, Error, ModelBackend, OpenModel, Plugin, Result, Runtime, Strengths};

pub use backend::TractBackend;

/// The tract engine.
#[derive(Debug, Clone, Copy)]
pub struct TractRuntime;

impl Plugin for TractRuntime {
    const NAME: &'static str = "tract";
    const SUMMARY: &'static str = "pure Rust inference: forward pass and feature maps, and gradients of most graphs";
    /// 25 ms an image, PyTorch too.
    const STRENGTHS: Strengths = Strengths { speed: 100, ..Strengths::none() };
    type Params = NoParams;

    fn new(_params: NoParams) -> Result<Self> {
        Ok(Self)
    }
}

impl Runtime for TractRuntime {
    fn capabilities(&self) -> Capabilities {
        Capabilities { gradients: true, ..Capabilities::default() }
    }

    fn open(&self, request: &OpenModel) -> Result<Box<dyn ModelBackend>> {
        if request.device != "cpu" {
            let what = format!("tract has no device `{}`", request.device);
            return Err(Error::unsupported(
                what,
                "use `device = \"cpu\"`, or `backend = \"burn\"` built for that device",
            ));
        }
        Ok(Box::new(TractBackend::open(request)?))
    }
}

ascan_core::export_library!(ascan_tract: backend TractRuntime);
