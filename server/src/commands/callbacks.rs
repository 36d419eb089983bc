//! `qingting callbacks`: campaigns from the command line, beside a server that runs or before it does.
//!
//! It works on the server's database: what it starts the server dials.

use crate::cli;
use crate::clock;
use crate::config::Config;
use crate::{database, home, serve};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use qingting_callbacks::attempt::{Outcome, Status};
use qingting_callbacks::campaign::Settings;
use qingting_callbacks::intake;
use qingting_callbacks::preview;
use qingting_callbacks::result::Round;
use qingting_callbacks::script::{AnswerName, question_name};
use qingting_nlu::answers::Cause;
use qingting_store::{
    Campaign, CampaignCounts, CampaignState, FollowUpResult, Store, StoredAnswer, china,
};
use serde_json::json;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Who stands in the audit.
const BY: &str = "command line";
/// Rows of a preview.
const PREVIEW_ROWS: u32 = 500;
/// How often the live table is drawn.
const DRAW_EVERY: Duration = Duration::from_secs(1);

/// Runs one of the subcommands.
pub fn run(command: &cli::Callbacks) -> Result<()> {
    let file = match command {
        cli::Callbacks::Import(args) => &args.config,
        cli::Callbacks::Preview(args)
        | cli::Callbacks::Pause(args)
        | cli::Callbacks::Stop(args) => &args.config,
        cli::Callbacks::Run(args) => &args.config,
        cli::Callbacks::Status(args) => &args.config,
        cli::Callbacks::Export(args) => &args.config,
    };
    let config = Config::load(&home::path(file))?;
    home::private_dir(&config.data.dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = database::open(&config).await?;
        let done = act(&config, &store, command).await;
        store.close().await;
        done
    })
}

async fn act(config: &Config, store: &Store, command: &cli::Callbacks) -> Result<()> {
    match command {
        cli::Callbacks::Import(args) => import(config, store, args).await,
        cli::Callbacks::Preview(args) => show_preview(config, store, &args.campaign).await,
        cli::Callbacks::Run(args) => start(config, store, args).await,
        cli::Callbacks::Status(args) => status(store, args).await,
        cli::Callbacks::Pause(args) => set(store, &args.campaign, CampaignState::Paused).await,
        cli::Callbacks::Stop(args) => set(store, &args.campaign, CampaignState::Stopped).await,
        cli::Callbacks::Export(args) => export(store, args).await,
    }
}

async fn find(store: &Store, which: &str) -> Result<Campaign> {
    if let Some(campaign) = store.campaign(which).await? {
        return Ok(campaign);
    }
    let names: Vec<String> = store.campaigns().await?.into_iter().map(|it| it.name).collect();
    match names.is_empty() {
        true => bail!(
            "there is no campaign yet: `qingting callbacks import FILE --campaign NAME` makes one"
        ),
        false => bail!("there is no campaign {which:?}; there are {}", names.join(", ")),
    }
}

async fn import(config: &Config, store: &Store, args: &cli::CallbacksImport) -> Result<()> {
    let bytes = std::fs::read(&args.file)
        .with_context(|| format!("cannot read {}", args.file.display()))?;
    let table = qingting_workbook::table(&args.file.display().to_string(), &bytes)?;
    let map = super::columns::map(&args.map, intake::fields())?;
    let tickets = intake::from_table(&table, &map)?;
    if tickets.len() > intake::IMPORT_MAX {
        bail!("{} rows are more than {}: divide the file", tickets.len(), intake::IMPORT_MAX);
    }
    if tickets.is_empty() {
        bail!("{} has no rows", args.file.display());
    }
    let now = clock::unix_now();
    let latest = now.0 + 24 * 3_600_000;
    if let Some(ahead) = tickets.iter().find(|ticket| ticket.closed_at.0 > latest) {
        bail!(
            "{}: event {}: its closing time is more than a day ahead of this machine's clock",
            args.file.display(),
            ahead.event_id
        );
    }
    let scripts = serve::callback_scripts(config)?;
    // An event is taken once, by whichever campaign: one that cannot run would keep it from the right one.
    let usable = |settings: &Settings| {
        let faults = serve::campaign_wrong_settings(config, &scripts, settings);
        match faults.is_empty() {
            true => Ok(()),
            false => bail!("{} cannot run: {}: nothing is taken", args.campaign, faults.join("; ")),
        }
    };
    let campaign = match store.campaign(&args.campaign).await? {
        Some(_) if args.settings.is_some() => bail!(
            "--settings are those of a new campaign, and {} is there: change it by PATCH \
             /api/v1/campaigns/{{id}}, or take another name",
            args.campaign
        ),
        Some(campaign) => {
            usable(&campaign.settings)?;
            campaign
        }
        None => {
            let settings = settings(args.settings.as_deref())?;
            usable(&settings)?;
            store.create_campaign(&args.campaign, settings, BY, now).await?
        }
    };
    let tickets = tickets.into_iter().map(Into::into).collect();
    let imported = store.import_follow_ups(campaign.id, tickets, BY, now).await?;
    println!(
        "{}: {} new, {} due after their redo, {} known already",
        campaign.name, imported.new, imported.released, imported.known
    );
    for (other, known) in &imported.known_elsewhere {
        println!("{known} of them are in {other}: an event is taken once");
    }
    tell_faults(config, &campaign)?;
    if campaign.state == CampaignState::Draft {
        println!(
            "Next: `qingting callbacks preview {0}`, then `qingting callbacks run {0}`",
            campaign.name
        );
    }
    Ok(())
}

fn settings(file: Option<&Path>) -> Result<Settings> {
    let Some(path) = file else { return Ok(Settings::default()) };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let settings: Settings =
        toml::from_str(&text).with_context(|| format!("{} is no settings file", path.display()))?;
    let faults = settings.faults();
    if !faults.is_empty() {
        bail!("{}: {}", path.display(), faults.join("; "));
    }
    Ok(settings)
}

async fn show_preview(config: &Config, store: &Store, which: &str) -> Result<()> {
    let campaign = find(store, which).await?;
    let rules = serve::campaign_rules(config, &campaign.settings)?;
    let waiting = store.waiting_follow_ups(campaign.id, PREVIEW_ROWS).await?;
    let soonest = waiting.iter().map(|follow_up| follow_up.not_before);
    let caps = campaign.settings.caps();
    let times = preview::plan(&rules, &caps, clock::unix_now(), soonest);
    println!("when              ticket               number  round  tried");
    for (follow_up, at) in waiting.iter().zip(times) {
        let at = at.map_or("never".to_owned(), |at| china::of(at).to_string());
        let end = intake::last_digits(&follow_up.citizen);
        let round = if follow_up.round == Round::First { 1 } else { 2 };
        println!(
            "{:16.16}  {:20.20}  …{end}  {round:5}  {:5}",
            at, follow_up.ticket, follow_up.attempts
        );
    }
    tell_faults(config, &campaign)
}

fn tell_faults(config: &Config, campaign: &Campaign) -> Result<()> {
    let scripts = serve::callback_scripts(config)?;
    for fault in serve::campaign_faults(config, &scripts, &campaign.settings) {
        println!("It cannot run: {fault}");
    }
    if campaign.settings.queue.is_empty() && config.queues.is_empty() {
        println!(
            "There is no [[queues]]: whoever wants a person, or is not understood, hears that nobody is there"
        );
    }
    Ok(())
}

async fn set(store: &Store, which: &str, state: CampaignState) -> Result<()> {
    let campaign = find(store, which).await?;
    let now = clock::unix_now();
    store.change_campaign(campaign.id, None, None, Some(state), BY, now).await?;
    println!("{} is {}", campaign.name, state.as_str());
    Ok(())
}

async fn start(config: &Config, store: &Store, args: &cli::CallbacksRun) -> Result<()> {
    let campaign = find(store, &args.campaign).await?;
    let scripts = serve::callback_scripts(config)?;
    let faults = serve::campaign_faults(config, &scripts, &campaign.settings);
    if !faults.is_empty() {
        bail!("{} cannot run: {}", campaign.name, faults.join("; "));
    }
    // The first citizen's sentences, with all that every citizen hears: minutes, the first time.
    let due = store.due_follow_ups(campaign.id, clock::unix_now(), 1).await?;
    if let (Some(first), Some(script)) = (due.first(), scripts.get(&campaign.settings.script)) {
        let models = cli::ModelsDir::of(config.data.models.clone());
        serve::speak_callback(config, &models, script, first)?;
    }
    set(store, &args.campaign, CampaignState::Running).await?;
    if args.detach {
        return Ok(());
    }
    let rules = serve::campaign_rules(config, &campaign.settings)?;
    watch(store, &campaign, &rules).await
}

/// The live table, until nobody waits.
async fn watch(
    store: &Store,
    campaign: &Campaign,
    rules: &qingting_callbacks::schedule::Rules,
) -> Result<()> {
    let bar = ProgressBar::new(0)
        .with_style(ProgressStyle::with_template("{wide_bar} {pos}/{len}\n{msg}")?);
    loop {
        let counts = store.campaign_counts(campaign.id).await?;
        let ended: u64 = counts.ended.iter().map(|(_, n)| n).sum();
        bar.set_length(ended + counts.waiting + counts.calling);
        bar.set_position(ended);
        let mut message = story(&counts);
        if !rules.is_open(clock::unix_now()) {
            message += "\n(outside the hours: nobody is called now)";
        }
        bar.set_message(message);
        if counts.waiting + counts.calling == 0 {
            bar.finish();
            println!("{}", story(&counts));
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(DRAW_EVERY) => {}
            _ = tokio::signal::ctrl_c() => {
                bar.abandon();
                println!("{} goes on; `qingting callbacks pause {}` pauses it", campaign.name, campaign.name);
                return Ok(());
            }
        }
    }
}

fn story(counts: &CampaignCounts) -> String {
    let mut lines = vec![format!(
        "waiting {}  calling {}  awaiting redo {}",
        counts.waiting, counts.calling, counts.awaiting_redo
    )];
    let list = |rows: &[(String, u64)], name: fn(&str) -> String| {
        let shown: Vec<String> = rows.iter().map(|(key, n)| format!("{} {n}", name(key))).collect();
        shown.join("  ")
    };
    lines.push(format!("follow-ups: {}", list(&counts.ended, str::to_owned)));
    lines.push(format!("attempts:   {}", list(&counts.outcomes, spoken)));
    lines.join("\n")
}

/// An outcome for people.
fn spoken(outcome: &str) -> String {
    let known = Outcome::ALL.into_iter().find(|known| known.as_str() == outcome);
    known.map_or_else(|| outcome.to_owned(), |known| known.spoken().to_owned())
}

async fn status(store: &Store, args: &cli::CallbacksStatus) -> Result<()> {
    let campaigns = match &args.campaign {
        Some(which) => vec![find(store, which).await?],
        None => store.campaigns().await?,
    };
    let mut shown = Vec::new();
    for campaign in campaigns {
        let counts = store.campaign_counts(campaign.id).await?;
        if args.json {
            shown.push(json!({
                "id": campaign.id,
                "name": campaign.name,
                "state": campaign.state,
                "waiting": counts.waiting,
                "calling": counts.calling,
                "awaiting_redo": counts.awaiting_redo,
                "ended": counts.ended.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
                "outcomes": counts.outcomes.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            }));
        } else {
            println!("{} ({})\n{}\n", campaign.name, campaign.state.as_str(), story(&counts));
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&shown)?);
    }
    Ok(())
}

const RESULT_COLUMNS: [&str; 13] = [
    "工单编号",
    "轮次",
    "承办单位",
    "结果",
    "是否联系",
    "是否解决",
    "满意度",
    "不满意原因",
    "原话",
    "需重办",
    "拨打次数",
    "结束时间",
    "回访编号",
];

async fn export(store: &Store, args: &cli::CallbacksExport) -> Result<()> {
    let campaign = find(store, &args.campaign).await?;
    let results = store.results(campaign.id).await?;
    store.audit(BY, "campaign.export", &campaign.id.to_string()).await?;
    let (header, rows) = if args.corrections {
        corrections(store, &results).await?
    } else {
        let rows = results.iter().map(result_row).collect();
        (RESULT_COLUMNS.to_vec(), rows)
    };
    let extension = args.out.extension().and_then(|end| end.to_str()).unwrap_or_default();
    let bytes = match extension {
        "csv" => qingting_workbook::csv(&header, &rows)?,
        "xlsx" => qingting_workbook::xlsx(&header, &rows)?,
        _ => bail!("--out {}: give a .csv or .xlsx file", args.out.display()),
    };
    // Citizens' words are nobody else's to read.
    let mut out = std::fs::OpenOptions::new();
    let out = out.write(true).create(true).truncate(true).mode(0o600).open(&args.out);
    out.and_then(|mut out| out.write_all(&bytes))
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    println!("{}: {} rows", args.out.display(), rows.len());
    Ok(())
}

fn result_row(result: &FollowUpResult) -> Vec<String> {
    let (follow_up, verdict) = (&result.follow_up, &result.verdict);
    let name = |answer: Option<AnswerName>| answer.map_or("", spoken_answer).to_owned();
    vec![
        follow_up.ticket.clone(),
        if follow_up.round == Round::First { "1" } else { "2" }.to_owned(),
        follow_up.unit.clone(),
        spoken_status(verdict.status).to_owned(),
        name(verdict.contacted),
        name(verdict.resolved),
        name(verdict.satisfied),
        verdict.reason.map_or("", Cause::as_str).to_owned(),
        verdict.reason_text.expose().clone(),
        if verdict.redo { "是" } else { "否" }.to_owned(),
        follow_up.attempts.to_string(),
        follow_up.ended_at.map(|at| china::of(at).to_string()).unwrap_or_default(),
        follow_up.id.to_string(),
    ]
}

pub const fn spoken_status(status: Status) -> &'static str {
    match status {
        Status::Completed => "完成",
        Status::Partial => "部分完成",
        Status::HandedOver => "转人工",
        Status::Refused => "拒绝回访",
        Status::WrongNumber => "号码有误",
        Status::Unreached => "未联系上",
        Status::Cancelled => "已取消",
    }
}

pub const fn spoken_answer(answer: AnswerName) -> &'static str {
    match answer {
        AnswerName::Yes => "是",
        AnswerName::Partly => "部分",
        AnswerName::No => "否",
        AnswerName::VerySatisfied => "非常满意",
        AnswerName::Satisfied => "满意",
        AnswerName::FairlySatisfied => "基本满意",
        AnswerName::Dissatisfied => "不满意",
        AnswerName::VeryDissatisfied => "非常不满意",
        _ => "",
    }
}

type Rows = (Vec<&'static str>, Vec<Vec<String>>);

/// What people corrected, as test cases of the answer reader.
async fn corrections(store: &Store, results: &[FollowUpResult]) -> Result<Rows> {
    let mut rows = Vec::new();
    for result in results {
        let corrections = store.corrections(result.follow_up.id).await?;
        if corrections.is_empty() {
            continue;
        }
        let answers = store.answers(result.follow_up.id).await?;
        for row in corrections {
            let question = row.correction.question;
            let read = answers.iter().rfind(|it| it.answered.question == question);
            let of = |get: fn(&StoredAnswer) -> String| read.map(get).unwrap_or_default();
            rows.push(vec![
                question_name(question).to_owned(),
                of(|it| it.answered.text.expose().clone()),
                of(|it| it.answered.answer.as_str().to_owned()),
                row.correction.answer.map_or("unclear", AnswerName::as_str).to_owned(),
                row.correction.cause.map_or("", Cause::as_str).to_owned(),
                row.correction.note,
            ]);
        }
    }
    Ok((vec!["question", "said", "read", "answer", "cause", "note"], rows))
}
