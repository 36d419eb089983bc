//! `qingting demo --callbacks`: twenty closed tickets, twenty citizens, and what became of each call.

use super::server;
use crate::citizens::{self, CallReport, Citizens, Exchange, Questions};
use crate::cli::ModelsDir;
use crate::clock::unix_now;
use crate::commands::answer;
use crate::commands::callbacks::{spoken_answer, spoken_status};
use crate::config::Config;
use crate::serve::callbacks::Sounds;
use crate::{database, home};
use anyhow::{Context, Result, ensure};
use qingting_callbacks::campaign::Settings;
use qingting_callbacks::intake;
use qingting_callbacks::script::{Facts, Rendered, SATISFACTION, Script};
use qingting_common::{CampaignId, UnixMillis};
use qingting_nlu::answers::Cause;
use qingting_nlu::table::Table;
use qingting_store::{CampaignState, FollowUpResult, Place, Store};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

const TICKETS: &str = include_str!("callbacks/tickets.csv");
const CITIZENS: &str = include_str!("callbacks/citizens.toml");
/// Where the citizens' trunk ends: not the server's address, by which it knows the trunk.
const TRUNK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 0);
const NAME: &str = "演示";
const BY: &str = "demo";
const SOON_MS: i64 = 3_600_000;
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Tells the story with a server of its own, in a folder of its own below the data.
pub fn run(config: &Config) -> Result<()> {
    let folder = config.data.dir.join("demo-callbacks");
    home::private_dir(&folder)?;
    let models = ModelsDir::of(config.data.models.clone());
    let citizens = Citizens::read(CITIZENS)
        .map_err(|problems| anyhow::anyhow!("the demo's citizens: {problems:?}"))?;
    let sounds = citizens::sounds(&citizens, &folder, &folder.join("citizens"), &models)?;
    let questions = questions(config, &folder, &models)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let exchange = Exchange::open(citizens, sounds, questions, TRUNK).await?;
        let trunk = exchange.address().context("the citizens have no address")?;
        let path = configuration(&folder, config, trunk)?;
        let own = Config::load(&path)?;
        let is_own = matches!(database::place(&own)?, Place::File(_));
        ensure!(is_own, "the demo makes a database of its own: run it without DATABASE_URL");
        let store = database::open(&own).await?;
        let campaign = campaign(&store).await?;
        let server = server::running_or_started(&own, &path).await?;
        println!("\nTwenty closed tickets are called, two at a time. Calls that are over:\n");
        let mut books: Vec<CallReport> = Vec::new();
        let mut told = |report: CallReport| {
            answer::tell(&report);
            books.push(report);
        };
        let called = tokio::select! {
            answered = exchange.run(&mut told) => answered,
            over = all_called(&store, campaign) => over,
        };
        called?;
        drop(server);
        show(&store, campaign).await?;
        answer::summary(&books);
        println!("Recordings: {}", folder.join("recordings").display());
        store.close().await;
        Ok(())
    })
}

/// A server that calls at any hour, by the citizens' trunk. What an earlier demo left is gone.
fn configuration(folder: &Path, of: &Config, trunk: SocketAddr) -> Result<PathBuf> {
    for end in ["", "-wal", "-shm"] {
        let file = folder.join(format!("qingting.db{end}"));
        if file.exists() {
            std::fs::remove_file(&file)
                .with_context(|| format!("cannot remove {}", file.display()))?;
        }
    }
    let (sip, http) = (free_address()?, free_address()?);
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let weekly = days.map(|day| format!("{day} = [\"00:00-24:00\"]")).join(", ");
    let models = toml::Value::String(of.data.models.display().to_string());
    let text = format!(
        "[sip]\nlisten_udp = [\"{sip}\"]\nlisten_tcp = [\"{sip}\"]\n[http]\nlisten = \"{http}\"\n\
         [data]\nmodels = {models}\n[callbacks]\ncity = \"临江市\"\n\
         [[hours]]\nname = \"随时\"\nweekly = {{ {weekly} }}\n\
         [[trunks]]\nname = \"市民\"\nuri = \"sip:{trunk}\"\npeers = [\"{}\"]\ncaller_id = \"12345\"\n",
        trunk.ip()
    );
    let path = folder.join("config.toml");
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// What the citizens will be asked, spoken into the folder of the server's prompts.
fn questions(config: &Config, folder: &Path, models: &ModelsDir) -> Result<Questions> {
    let script = Script::read(SATISFACTION)
        .map_err(|errors| anyhow::anyhow!("the shipped script: {errors:?}"))?;
    let mut own = config.clone();
    own.data.dir = folder.to_owned();
    let table = tickets()?;
    let unit = table.column("承办单位")?;
    // The title is told, not asked.
    let units: BTreeSet<&str> = table.rows().iter().map(|row| row.cell(&unit)).collect();
    let fact = |unit: &str| Facts { unit: unit.to_owned(), ..Facts::default() };
    let facts: Vec<Facts> = units.into_iter().map(fact).collect();
    let spoken = facts.iter().map(|facts| Sounds::of_questions(&own, models, &script, facts));
    let spoken: Vec<Sounds> = spoken.collect::<Result<_>>()?;
    let sound = |of: &Facts, text: &Rendered| {
        let at = facts.iter().position(|facts| facts == of).unwrap_or_default();
        spoken[at].of(text)
    };
    Ok(Questions::of(&script, &facts, sound))
}

/// A port that nobody uses now.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

async fn campaign(store: &Store) -> Result<CampaignId> {
    let settings = Settings {
        hours: "随时".to_owned(),
        attempts_max: 1,
        days_min: 1,
        concurrent_max: 2,
        ring_s: 12,
        ..Settings::default()
    };
    let now = unix_now();
    let campaign = store.create_campaign(NAME, settings, BY, now).await?;
    let tickets = intake::from_table(&tickets()?, &[])?.into_iter().map(Into::into).collect();
    store.import_follow_ups(campaign.id, tickets, BY, now).await?;
    let running = Some(CampaignState::Running);
    store.change_campaign(campaign.id, None, None, running, BY, now).await?;
    Ok(campaign.id)
}

fn tickets() -> Result<Table> {
    Ok(Table::from_csv("tickets.csv", TICKETS.as_bytes())?)
}

/// Until nobody is to be called within an hour: one citizen wants to be called tomorrow.
async fn all_called(store: &Store, campaign: CampaignId) -> Result<()> {
    loop {
        let counts = store.campaign_counts(campaign).await?;
        let soon = UnixMillis(unix_now().0 + SOON_MS);
        if counts.calling == 0 && store.due_follow_ups(campaign, soon, 1).await?.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn show(store: &Store, campaign: CampaignId) -> Result<()> {
    println!("\n工单   通话          结果      联系  解决  满意度      原因      市民");
    let table = tickets()?;
    let (ticket, kind) = (table.column("工单编号")?, table.column("市民")?);
    for result in store.results(campaign).await? {
        let attempts = store.attempts(result.follow_up.id).await?;
        let outcome = attempts.last().and_then(|attempt| attempt.outcome);
        let row = table.rows().iter().find(|row| row.cell(&ticket) == result.follow_up.ticket);
        let kind = row.map(|row| row.cell(&kind).to_owned()).unwrap_or_default();
        println!("{}", line(&result, outcome.map_or("", |outcome| outcome.spoken()), &kind));
    }
    println!();
    Ok(())
}

fn line(result: &FollowUpResult, outcome: &str, kind: &str) -> String {
    let verdict = &result.verdict;
    let answer = |name: Option<_>| name.map_or("—", spoken_answer);
    let mut line = format!("{}  ", result.follow_up.ticket);
    for (text, width) in [
        (outcome, 14),
        (spoken_status(verdict.status), 10),
        (answer(verdict.contacted), 6),
        (answer(verdict.resolved), 6),
        (answer(verdict.satisfied), 12),
        (verdict.reason.map_or("", Cause::as_str), 10),
    ] {
        // Chinese characters are two columns wide.
        let columns: usize = text.chars().map(|char| if char.is_ascii() { 1 } else { 2 }).sum();
        line += text;
        line.extend(std::iter::repeat_n(' ', width.max(columns) - columns));
    }
    line + kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ticket_has_its_citizen() {
        let citizens = Citizens::read(CITIZENS).expect("the file is right");
        let tickets = intake::from_table(&tickets().expect("a table"), &[]).expect("tickets");
        assert_eq!((tickets.len(), citizens.by_number.len()), (20, 20));
        for ticket in tickets {
            assert!(citizens.by_number.contains_key(ticket.citizen.expose()), "{}", ticket.ticket);
        }
    }
}
