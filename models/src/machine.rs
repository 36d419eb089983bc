//! What this machine has, and whether it carries a model.

use crate::Model;
use serde::Serialize;
use std::fmt;

const MEMINFO: &str = "/proc/meminfo";
/// Limits of the control group this process is in, where a container set them.
const CGROUP_MEMORY_MAX: &str = "/sys/fs/cgroup/memory.max";
/// Memory that calls, database and system keep for themselves.
const MEMORY_RESERVE_BYTES: u64 = 512 << 20;
/// Inference engines keep weights and working memory: what a model that nobody measured is taken to
/// need, in sizes of its files.
const MEMORY_PER_FILE_BYTE: u64 = 2;

/// Memory and processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Memory that this process may have at most.
    pub memory_bytes: u64,
    /// Cores that this process may use.
    pub cores: usize,
}

/// Whether a machine carries a model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "word")]
pub enum Carries {
    /// Memory suffices, and so many people can speak at once.
    Speakers {
        /// All cores divided by the measured cost of one speaker.
        speakers: usize,
    },
    /// Memory suffices, but the cores do not keep up with one speaker.
    TooSlow {
        /// Processor seconds for a second of speech.
        cores_needed: f64,
    },
    /// Memory suffices; how fast it is was never measured, or does not matter.
    Fits,
    /// Memory does not suffice.
    TooBig {
        /// What it needs, the machine's own needs included.
        memory_bytes: u64,
    },
    /// Neither its size nor its memory is known.
    Unknown,
}

impl Machine {
    /// This machine.
    pub fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let memory = memory(&read(MEMINFO), &read(CGROUP_MEMORY_MAX));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { memory_bytes: memory, cores }
    }

    /// Whether it carries `model` beside the server's own work.
    pub fn carries(&self, model: &Model) -> Carries {
        let assumed = model.bytes().map(|bytes| bytes * MEMORY_PER_FILE_BYTE);
        let Some(needed) = model.memory_bytes.or(assumed) else { return Carries::Unknown };
        let memory_bytes = needed + MEMORY_RESERVE_BYTES;
        if memory_bytes > self.memory_bytes {
            return Carries::TooBig { memory_bytes };
        }
        let Some(cores_needed) = model.cores_per_stream else { return Carries::Fits };
        match self.speakers(cores_needed) {
            0 => Carries::TooSlow { cores_needed },
            speakers => Carries::Speakers { speakers },
        }
    }

    /// How many people can speak at once when each costs so many cores; none where that is not
    /// known.
    pub fn speakers(&self, cores_per_stream: f64) -> usize {
        if cores_per_stream > 0.0 { (self.cores as f64 / cores_per_stream) as usize } else { 0 }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} core(s), {:.1} GB of memory", self.cores, gigabytes(self.memory_bytes))
    }
}

impl fmt::Display for Carries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Speakers { speakers } => write!(f, "fits: {speakers} speaking at once"),
            Self::TooSlow { cores_needed } => {
                write!(f, "too slow: one speaker needs {cores_needed} cores")
            }
            Self::Fits => f.write_str("fits"),
            Self::TooBig { memory_bytes } => {
                write!(f, "too big: needs {:.1} GB of memory", gigabytes(*memory_bytes))
            }
            Self::Unknown => f.write_str("what it needs is not known"),
        }
    }
}

fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

/// The machine's memory, or the container's share of it.
fn memory(meminfo: &str, cgroup_max: &str) -> u64 {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    let total = kib.unwrap_or(0) * 1024;
    // "max" where there is no limit.
    cgroup_max.trim().parse::<u64>().map_or(total, |limit| limit.min(total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Manifest;

    fn model(figures: &str) -> Model {
        let text = format!(
            "profile = []\n[[model]]\nname = \"m\"\nrole = \"recognizer\"\nlicence = \"MIT\"\n\
             what = \"w\"\n{figures}\n[[model.source]]\ntitle = \"s\"\n\
             download = [{{ url = \"https://h/a\", archive = \"a\", bytes = 1 }}]\n\
             file = [{{ name = \"a\", bytes = 300_000_000, from = [\"a\"] }}]\n"
        );
        Manifest::parse(&text).expect("valid").models.remove(0)
    }

    const MACHINE: Machine = Machine { memory_bytes: 2_000_000_000, cores: 2 };

    #[test]
    fn what_was_measured_is_counted_in_speakers() {
        let model = model("memory_bytes = 500_000_000\ncores_per_stream = 0.66");
        assert_eq!(MACHINE.carries(&model), Carries::Speakers { speakers: 3 });
        let one_core = Machine { cores: 1, ..MACHINE };
        assert_eq!(one_core.carries(&model), Carries::Speakers { speakers: 1 });
    }

    #[test]
    fn speakers_are_whole_and_what_cost_nothing_heard_nothing() {
        assert_eq!(MACHINE.speakers(0.66), 3);
        assert_eq!(MACHINE.speakers(2.5), 0);
        assert_eq!(MACHINE.speakers(0.0), 0);
    }

    #[test]
    fn too_little_memory_or_speed_is_said() {
        let slow = model("memory_bytes = 500_000_000\ncores_per_stream = 2.5");
        assert_eq!(MACHINE.carries(&slow), Carries::TooSlow { cores_needed: 2.5 });
        let small = Machine { memory_bytes: 900_000_000, ..MACHINE };
        assert!(matches!(small.carries(&slow), Carries::TooBig { .. }));
    }

    #[test]
    fn without_a_measurement_twice_the_files_must_fit() {
        assert_eq!(MACHINE.carries(&model("")), Carries::Fits);
        let small = Machine { memory_bytes: 1_100_000_000, ..MACHINE };
        let needed = 600_000_000 + MEMORY_RESERVE_BYTES;
        assert_eq!(small.carries(&model("")), Carries::TooBig { memory_bytes: needed });
    }

    #[test]
    fn a_containers_share_goes_before_the_machines_memory() {
        let meminfo = "MemTotal:        4096 kB\nMemFree: 1 kB\n";
        assert_eq!(memory(meminfo, "max\n"), 4 << 20);
        assert_eq!(memory(meminfo, "1048576\n"), 1 << 20);
    }
}
