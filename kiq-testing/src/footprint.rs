//! What a process takes up of its machine.

use std::fs;
use std::io;

/// Memory, open files and threads of a process, as Linux's `/proc` has them.
///
/// # Examples
/// ```
/// use kiq_testing::Footprint;
///
/// let ours = Footprint::of(std::process::id())?;
/// assert!(ours.rss > 1 << 20 && ours.files >= 3 && ours.threads >= 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Memory in RAM, in bytes.
    pub rss: u64,
    /// Open files, sockets among them.
    pub files: usize,
    /// Threads.
    pub threads: usize,
}

impl Footprint {
    /// That of a living process.
    ///
    /// # Errors
    /// When it is gone or another user's, or this is not Linux.
    pub fn of(pid: u32) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let number = |field: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
            let missing = || io::Error::other(format!("/proc/{pid}/status has no number {field}"));
            value.and_then(|value| value.parse::<u64>().ok()).ok_or_else(missing)
        };
        Ok(Footprint {
            rss: number("VmRSS:")? * 1024,
            files: fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
            threads: number("Threads:")? as usize,
        })
    }

    /// The larger of the two in each respect.
    #[must_use]
    pub fn max(self, other: Footprint) -> Footprint {
        Footprint {
            rss: self.rss.max(other.rss),
            files: self.files.max(other.files),
            threads: self.threads.max(other.threads),
        }
    }
}
