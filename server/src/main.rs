//! The `qingting` binary: reads the command line, runs one command, turns its error into one
//! message and an exit code.

#![allow(unreachable_pub, reason = "a program exports nothing; pub means pub within it")]

mod caller;
mod cli;
mod clock;
mod commands;
mod config;
mod home;
mod logging;
mod serve;
mod sound;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("qingting: {error:#}");
            ExitCode::FAILURE
        }
    }
}
