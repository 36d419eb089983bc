//! One file for each subcommand.

mod admin_password;
mod answer;
mod asr;
mod audit;
mod backup;
mod bench;
mod call;
mod callbacks;
mod check_config;
mod columns;
pub mod demo;
mod doctor;
mod knowledge;
pub mod models;
pub mod nlu;
mod outbox;
mod past_tickets;
pub mod profile;
pub mod recogniser;
mod recording;
mod report;
mod speak;
pub mod speech;
pub mod ticket_models;
mod train;
mod worker;

use crate::cli::{self, Command};
use crate::logging;
use anyhow::Result;
use std::process::ExitCode;

/// Runs one command to its end.
pub fn run(command: Command) -> Result<ExitCode> {
    if !matches!(command, Command::Serve(_)) {
        // `serve` logs as its configuration says.
        logging::start();
    }
    match command {
        Command::Serve(args) => crate::serve::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Demo(args) => demo::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Call(args) => call::run(&args),
        Command::Answer(args) => answer::run(&args).map(|()| ExitCode::SUCCESS),
        Command::AdminPassword(args) => admin_password::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Models(args) => models::run(&args),
        Command::Asr(cli::Asr::Eval(args)) => asr::eval(&args).map(|()| ExitCode::SUCCESS),
        Command::Asr(cli::Asr::Bench(args)) => asr::bench(&args).map(|()| ExitCode::SUCCESS),
        Command::Doctor(args) => doctor::run(&args),
        Command::Recording(args) => recording::run(&args),
        Command::Nlu(cli::Nlu::Train(args)) => train::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Nlu(cli::Nlu::Models(args)) => {
            ticket_models::list(&args).map(|()| ExitCode::SUCCESS)
        }
        Command::Nlu(cli::Nlu::Use(args)) => ticket_models::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Knowledge(command) => knowledge::run(&command),
        Command::Profile(args) => profile::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Callbacks(command) => callbacks::run(&command).map(|()| ExitCode::SUCCESS),
        Command::Outbox(command) => outbox::run(&command),
        Command::Tickets(cli::Tickets::DryRun(args)) => outbox::dry_run(&args),
        Command::Tickets(cli::Tickets::Import(args)) => past_tickets::run(&args),
        Command::Audit(cli::Audit::Verify(args)) => audit::verify(&args),
        Command::Report(args) => report::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Speak(args) => speak::run(&args).map(|()| ExitCode::SUCCESS),
        Command::CheckConfig(args) => check_config::run(&args).map(|()| ExitCode::SUCCESS),
        Command::AsrWorker(args) => worker::run(&args).map(|()| ExitCode::SUCCESS),
        Command::SpeakAll(args) => speech::speak_all(&args).map(|()| ExitCode::SUCCESS),
    }
}
