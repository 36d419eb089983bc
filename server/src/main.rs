//! The `qingting` binary: reads the command line, runs one command, turns its error into one
//! message and an exit code.

#![allow(unreachable_pub, reason = "a program exports nothing; pub means pub within it")]

mod caller;
mod certificate;
mod citizens;
mod cli;
mod clock;
mod commands;
mod config;
mod crash;
mod database;
mod ear;
mod home;
mod knowledge;
mod logging;
mod route;
mod serve;
mod sound;
mod text_file;

use clap::Parser;
use std::process::ExitCode;

/// A server that runs for years gives back what it does not use; the system's own allocator keeps it (benches/README.md, "An hour").
/// Not on ARM: jemalloc is built for one size of pages, and kernels there have several.
#[cfg(target_arch = "x86_64")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    end_quietly_when_nobody_reads();
    let cli = cli::Cli::parse();
    match commands::run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("qingting: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `qingting … | head` closes our standard output: that is the reader's right and no fault of ours.
fn end_quietly_when_nobody_reads() {
    const CLOSED: &str = "failed printing to stdout: Broken pipe";
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str().is_some_and(|text| text.starts_with(CLOSED)) {
            std::process::exit(0);
        }
        usual(panic);
    }));
}
