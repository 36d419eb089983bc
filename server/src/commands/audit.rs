//! `qingting audit verify`: whether the audit is what was written.

use crate::cli;
use crate::config::Config;
use crate::{database, home};
use anyhow::{Result, ensure};
use qingting_store::{AuditChain, china};
use std::process::ExitCode;

/// Of SHA-256 in hex.
const HASH_CHARS: usize = 64;

/// Works beside a running server.
pub fn verify(args: &cli::AuditVerify) -> Result<ExitCode> {
    if let Some(head) = &args.head {
        let is_hash = head.len() == HASH_CHARS && head.bytes().all(|byte| byte.is_ascii_hexdigit());
        ensure!(
            is_hash,
            "--head: {head:?} is no hash: give the {HASH_CHARS} characters that an earlier run has printed"
        );
    }
    let config = Config::load(&home::path(&args.config))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = database::open_existing(&config).await?;
        let chain = store.verify_audit(args.head.as_deref()).await;
        store.close().await;
        Ok(tell(&chain?, args.head.as_deref()))
    })
}

fn tell(chain: &AuditChain, wanted: Option<&str>) -> ExitCode {
    let AuditChain { lines, head, broken, known } = chain;
    if let Some(line) = broken {
        println!(
            "BROKEN  line {} of {}: it was changed, or what was before it is gone. {lines} lines before it are as they were written.",
            line.id,
            china::of(line.at)
        );
        return ExitCode::FAILURE;
    }
    println!("{lines} lines, all as they were written. Keep this hash elsewhere:\n{head}");
    match (wanted, known) {
        (Some(_), Some(line)) => {
            println!(
                "The hash that was kept is that of line {} of {}.",
                line.id,
                china::of(line.at)
            );
        }
        (Some(_), None) => {
            println!(
                "BROKEN  no line has the hash that was kept: lines were removed at the end or written anew."
            );
            return ExitCode::FAILURE;
        }
        (None, _) => {}
    }
    ExitCode::SUCCESS
}
