//! One file for each subcommand.

mod asr;
mod check_config;
mod models;
mod nlu;
mod speak;
mod worker;

use crate::cli::{self, Command};
use crate::logging;
use anyhow::Result;
use std::process::ExitCode;

/// Runs one command to its end.
pub fn run(command: Command) -> Result<ExitCode> {
    logging::start();
    match command {
        Command::Models(args) => models::run(args).map(|()| ExitCode::SUCCESS),
        Command::Asr(cli::Asr::Eval(args)) => asr::eval(&args).map(|()| ExitCode::SUCCESS),
        Command::Nlu(cli::Nlu::Train(args)) => nlu::train(&args).map(|()| ExitCode::SUCCESS),
        Command::Speak(args) => speak::run(&args).map(|()| ExitCode::SUCCESS),
        Command::CheckConfig(args) => check_config::run(&args).map(|()| ExitCode::SUCCESS),
        Command::AsrWorker(args) => worker::run(&args).map(|()| ExitCode::SUCCESS),
    }
}
