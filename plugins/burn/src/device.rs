//! Where to compute.

use ascan_core::{Error, Result};
use burn::tensor::Device;

/// Whether the device is the CPU.
pub fn is_cpu(device: &Device) -> bool {
    device.clone().without_autodiff() == Device::flex()
}

/// The device with this name.
///
/// # Errors
/// `Unsupported` for one that this build does not have; `UnknownName` for any other word.
pub fn device(name: &str) -> Result<Device> {
    match name {
        "cpu" => Ok(Device::flex()),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(0)),
        "wgpu" | "cuda" => Err(Error::unsupported(
            format!("this build of the burn backend has no `{name}`"),
            format!("build it with `--features ascan-burn/{name}`, or use `device = \"cpu\"`"),
        )),
        other => Err(Error::unknown_name("device", other, ["cpu", "wgpu", "cuda"])),
    }
}
