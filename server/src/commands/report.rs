//! `qingting report`: the sheet of a day, a week or a month into a file.

use super::nlu;
use crate::cli::{self, ReportSpan};
use crate::config::Config;
use crate::{clock, database, home};
use anyhow::{Context, Result, bail};
use qingting_api::insight::{DistrictOf, SheetFormat, SheetSpan, parse_day, sheet};
use std::process::ExitCode;
use std::sync::Arc;

/// Works beside a running server.
pub fn run(args: &cli::Report) -> Result<ExitCode> {
    let config = Config::load(&home::path(&args.config))?;
    let format = match args.out.extension().and_then(|end| end.to_str()) {
        Some("csv") => SheetFormat::Csv,
        Some("xlsx") => SheetFormat::Xlsx,
        Some("pdf") => SheetFormat::Pdf,
        _ => bail!("{}: the file must end in .csv, .xlsx or .pdf", args.out.display()),
    };
    let span = match args.span {
        ReportSpan::Day => SheetSpan::Day,
        ReportSpan::Week => SheetSpan::Week,
        ReportSpan::Month => SheetSpan::Month,
    };
    let at = match &args.date {
        None => clock::unix_now(),
        Some(text) => parse_day(text).context("--date: a day such as 2026-11-26")?,
    };
    let reader = nlu::reader(&config, &args.models)?;
    let district_of: DistrictOf =
        Arc::new(move |place| reader.locate(place).district().unwrap_or_default().to_owned());
    let fonts = config.reports.fonts().into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = database::open_existing(&config).await?;
        let made = match store.read_facts(&*district_of, u32::MAX).await {
            Ok(_) => sheet(&store, &district_of, span, at, format, fonts).await,
            Err(error) => Err(error.into()),
        };
        store.audit("command line", "report.export", span.as_str()).await?;
        store.close().await;
        let bytes = made?;
        std::fs::write(&args.out, &bytes).with_context(|| args.out.display().to_string())?;
        println!("{}: {} bytes", args.out.display(), bytes.len());
        Ok(ExitCode::SUCCESS)
    })
}
