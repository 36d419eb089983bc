//! `qingting doctor`: whether this machine and what it depends on are fit for the hotline.
//!
//! **It changes nothing and calls nobody**: it opens what the server would open, asks trunks by OPTIONS, and closes it
//! all again. It works beside a running server.

mod data;
mod machine;
mod network;

use super::check_config;
use crate::cli::{self, ModelsDir};
use crate::config::{Config, is_told_to_others};
use crate::home;
use anyhow::Result;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, and somebody should look at it.
    Warning,
    /// The hotline will not work, or not for long.
    Bad,
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What: one or two words.
    pub what: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do; absent where nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    pub fn good(what: impl Into<String>, found: impl Into<String>) -> Self {
        let (what, found) = (what.into(), found.into());
        Self { what, verdict: Verdict::Good, found, remedy: None }
    }

    pub fn warning(what: impl Into<String>, found: impl Into<String>, remedy: &str) -> Self {
        Self { verdict: Verdict::Warning, remedy: Some(remedy.into()), ..Self::good(what, found) }
    }

    pub fn bad(what: impl Into<String>, found: impl Into<String>, remedy: &str) -> Self {
        Self { verdict: Verdict::Bad, remedy: Some(remedy.into()), ..Self::good(what, found) }
    }

    /// Good, or as bad as said.
    pub fn of(holds: bool, otherwise: Verdict, what: &str, found: String, remedy: &str) -> Self {
        match (holds, otherwise) {
            (true, _) | (_, Verdict::Good) => Self::good(what, found),
            (false, Verdict::Warning) => Self::warning(what, found, remedy),
            (false, Verdict::Bad) => Self::bad(what, found, remedy),
        }
    }
}

pub fn run(args: &cli::Doctor) -> Result<ExitCode> {
    let path = home::path(&args.config);
    let config = match Config::load(&path) {
        Ok(config) => config,
        Err(error) => {
            let remedy =
                "Mend it, or write the default one: qingting check-config --write-default FILE";
            return Ok(tell(args, &[Finding::bad("configuration", format!("{error:#}"), remedy)]));
        }
    };
    let is_running = home::is_held(&config.data.dir);
    let mut findings = vec![configuration(&config, &path)];
    findings.extend(machine::look(&config));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    findings.extend(runtime.block_on(network::look(&config, is_running)));
    findings.extend(runtime.block_on(data::look(&config)));
    runtime.shutdown_background();
    Ok(tell(args, &findings))
}

fn configuration(config: &Config, path: &Path) -> Finding {
    let models = ModelsDir::of(config.data.models.clone());
    if let Err(error) = check_config::contents(config, &models) {
        let remedy = "qingting check-config tells the line of each mistake";
        return Finding::bad("configuration", format!("{error:#}"), remedy);
    }
    let found = path.display().to_string();
    if is_told_to_others(config, path) {
        let found = format!("{found} holds a trunk's password and others may read it");
        return Finding::warning("configuration", found, "chmod o= it");
    }
    Finding::good("configuration", found)
}

/// Prints the findings; the exit code is 1 where something is bad.
fn tell(args: &cli::Doctor, findings: &[Finding]) -> ExitCode {
    let worst = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    if args.json {
        match serde_json::to_string_pretty(findings) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("qingting: {error}"),
        }
    } else {
        for Finding { what, verdict, found, remedy } in findings {
            let mark = match verdict {
                Verdict::Good => "ok  ",
                Verdict::Warning => "WARN",
                Verdict::Bad => "BAD ",
            };
            println!("{mark}  {what:<16} {}", found.replace('\n', "\n                        "));
            if let Some(remedy) = remedy {
                println!("                        → {remedy}");
            }
        }
        let count = |of| findings.iter().filter(|finding| finding.verdict == of).count();
        println!(
            "\n{} good, {} to look at, {} bad.",
            count(Verdict::Good),
            count(Verdict::Warning),
            count(Verdict::Bad)
        );
    }
    if worst { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
