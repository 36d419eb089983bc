//! Models and recognisers.

use crate::cli::ModelsDir;
use crate::commands::models::statuses;
use crate::serve::Hotline;
use qingting_api::{ModelInfo, Models, Recogniser};
use qingting_asr::{AsrStatus, Level};
use qingting_models::{State, Status};

/// What is there now. Blocks.
pub(super) fn look(hotline: &Hotline) -> Models {
    let dir = ModelsDir::of(hotline.config.data.models.clone());
    let models = statuses(&dir).unwrap_or_else(|error| {
        tracing::warn!(error = format!("{error:#}"), "the models cannot be looked at");
        Vec::new()
    });
    let status = hotline.asr.as_ref().map(|asr| asr.status()).unwrap_or_default();
    Models {
        models: models.into_iter().map(model).collect(),
        level: level(status.level()),
        recognisers: recognisers(status),
    }
}

fn model(of: Status) -> ModelInfo {
    let (state, source, bytes, faults) = match of.state {
        State::Installed { source, bytes_installed } => {
            ("installed", Some(source), Some(bytes_installed), Vec::new())
        }
        State::Missing => ("missing", None, of.bytes, Vec::new()),
        State::Damaged { faults } => {
            let faults = faults.iter().map(|fault| format!("{}: {}", fault.file, fault.reason));
            ("damaged", None, of.bytes, faults.collect())
        }
    };
    ModelInfo {
        name: of.name,
        what: of.what,
        licence: of.licence,
        note: of.note,
        profiles: of.profiles,
        state,
        source,
        bytes,
        faults,
    }
}

fn recognisers(status: AsrStatus) -> Vec<Recogniser> {
    let one = |worker: qingting_asr::client::WorkerStatus| Recogniser {
        name: worker.name,
        up: worker.up,
        threads: worker.threads,
        streams: u32::try_from(worker.streams).unwrap_or(u32::MAX),
        capacity: worker.capacity,
        lag_ms: worker.lag_ms,
        level: level(worker.level),
        restarts: worker.restarts,
        finals_skipped: worker.finals_skipped,
    };
    status.workers.into_iter().map(one).collect()
}

const fn level(of: Level) -> &'static str {
    match of {
        Level::Full => "full",
        Level::NoPartials => "no_partials",
        Level::FinalsOnly => "finals_only",
        Level::Incomplete => "incomplete",
    }
}
