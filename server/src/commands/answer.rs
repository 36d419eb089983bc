//! `qingting answer`: citizens who answer the telephone, for tests and demonstrations of callbacks.

use crate::citizens::{self, CallReport, Citizens, End, Exchange, Questions, Turn};
use crate::cli::{self, ModelsDir};
use crate::config::Config;
use crate::home;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::path::Path;

pub fn run(args: &cli::Answer) -> Result<()> {
    let path = &args.file;
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let citizens = Citizens::read(&text).map_err(|problems| {
        let list: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
        anyhow::anyhow!("{} problem(s) in {}:{list}", problems.len(), path.display())
    })?;
    if citizens.say_what_they_answer() {
        bail!(
            "`to` needs the questions of a script, which the demo alone has: give answers in order"
        );
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let cache = match &args.speech {
        Some(cache) => cache.clone(),
        None => kept_speech(&args.dir)?,
    };
    // Before minutes are spent on speaking.
    std::net::UdpSocket::bind(args.listen)
        .with_context(|| format!("--listen: cannot listen on {}", args.listen))?;
    let sounds = citizens::sounds(&citizens, folder, &cache, &args.dir)
        .with_context(|| format!("{} cannot be used", path.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let numbers = citizens.by_number.len();
        let exchange = Exchange::open(citizens, sounds, Questions::default(), args.listen).await?;
        let Some(address) = exchange.address() else { bail!("there is no address to listen on") };
        if args.json {
            println!("{}", json!({ "listening": address.to_string(), "numbers": numbers }));
        } else {
            println!("{numbers} numbers answer at {address}. Stop with Ctrl-C.");
        }
        let mut books = Vec::new();
        exchange
            .run(&mut |report| {
                match args.json {
                    true => println!("{}", json!(report)),
                    false => tell(&report),
                }
                books.push(report);
            })
            .await?;
        if !args.json {
            summary(&books);
        }
        Ok(())
    })
}

/// The folder of the product's own prompts: what both say is spoken once.
fn kept_speech(dir: &ModelsDir) -> Result<std::path::PathBuf> {
    let path = home::path(&dir.config);
    let data = match path.exists() {
        true => Config::load(&path)?.data.dir,
        false => path.parent().unwrap_or(Path::new("")).to_owned(),
    };
    Ok(data.join("prompts"))
}

/// What became of a call, for people.
pub fn tell(report: &CallReport) {
    let CallReport { number, call, did, .. } = report;
    let end = match &report.end {
        End::Refused { status } => format!("refused with {status}"),
        End::Cancelled => "the caller gave up".to_owned(),
        End::HungUp => "hung up".to_owned(),
        End::Released => "the caller hung up".to_owned(),
        End::Failed { why } => format!("no media: {why}"),
    };
    let talked = report.talked_ms.map_or(String::new(), |ms| format!(" after {}", seconds(ms)));
    println!("{number}  call {call}  {did}, {end}{talked}");
    for Turn { prompt, by, gave, latency_ms } in &report.turns {
        let after = latency_ms.map_or(String::new(), |ms| format!("  next prompt after {ms} ms"));
        println!("    prompt {prompt}  {by} {gave}{after}");
    }
}

fn seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1_000.0)
}

/// How many calls there were, and how long their citizens waited.
pub fn summary(books: &[CallReport]) {
    println!("{} calls", books.len());
    for by in ["speech", "keys"] {
        let turns = books.iter().flat_map(|report| &report.turns).filter(|turn| turn.by == by);
        let mut latencies: Vec<i64> = turns.filter_map(|turn| turn.latency_ms).collect();
        latencies.sort_unstable();
        if let (Some(p50), Some(p95)) = (percentile(&latencies, 50), percentile(&latencies, 95)) {
            println!(
                "From the end of {by} to the next prompt: p50 {p50} ms, p95 {p95} ms ({} measured)",
                latencies.len()
            );
        }
    }
}

/// Nearest rank.
fn percentile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let hundred: Vec<i64> = (1..=100).collect();
        assert_eq!((percentile(&hundred, 50), percentile(&hundred, 95)), (Some(50), Some(95)));
        assert_eq!(percentile(&[7], 95), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }
}
