//! One file for each subcommand.

mod asr;
mod call;
mod check_config;
mod demo;
mod models;
mod nlu;
mod speak;
mod worker;

use crate::cli::{self, Command};
use crate::{logging, serve};
use anyhow::{Context, Result};
use std::process::ExitCode;

/// Runs one command to its end.
pub fn run(command: Command) -> Result<ExitCode> {
    if !matches!(command, Command::Serve(_) | Command::AsrWorker(_)) {
        logging::start_quiet();
    }
    match command {
        Command::Serve(args) => serve::run(&args.config).map(|()| ExitCode::SUCCESS),
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Call(args) => block_on(call::run(args)),
        Command::Models(args) => models::run(args).map(|()| ExitCode::SUCCESS),
        Command::Asr(cli::Asr::Eval(args)) => asr::eval(&args).map(|()| ExitCode::SUCCESS),
        Command::Nlu(cli::Nlu::Train(args)) => nlu::train(&args).map(|()| ExitCode::SUCCESS),
        Command::Speak(args) => speak::run(&args).map(|()| ExitCode::SUCCESS),
        Command::CheckConfig(args) => check_config::run(&args).map(|()| ExitCode::SUCCESS),
        Command::AsrWorker(args) => worker::run(&args).map(|()| ExitCode::SUCCESS),
    }
}

fn block_on<F: Future<Output = Result<ExitCode>>>(future: F) -> Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(future)
}
