//! What this process holds.

/// The most memory that this process ever held, or since [`forget_peak`], in MiB; `None` where the system does not tell.
pub fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// From here on the peak is counted anew; `false` where the system cannot.
pub fn forget_peak() -> bool {
    // The value that Linux resets the peak of the resident set for.
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}
