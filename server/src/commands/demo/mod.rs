//! `qingting demo`: places real calls to the hotline and shows how they become tickets.

mod api;
mod callbacks;
mod screen;
mod server;
mod watch;

use super::call::rtp;
use super::speech::{self, Saying};
use crate::caller::{self, Begin, End, Outcome, Plan, Step};
use crate::cli::{self, ModelsDir};
use crate::clock::Clock;
use crate::config::Config;
use crate::{home, sound};
use anyhow::{Context, Result, bail};
use api::Api;
pub use api::revoke_keys_left;
use qingting_core::sdp::Codec;
use screen::Screen;
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use watch::{Seen, Watch};

/// Longest wait for the last word after the call.
const LAST_WORD_MAX: Duration = Duration::from_secs(60);

/// A citizen of the story.
struct Citizen {
    title: &'static str,
    voice: &'static str,
    words: &'static str,
}

const CITIZENS: [Citizen; 3] = [
    Citizen {
        title: "a complaint about noise",
        voice: "jf_nezumi",
        words: "您好，我要投诉。幸福小区三号楼楼下的烧烤店，每天晚上十二点还在营业，油烟和噪音特别大，\
                老人和孩子都睡不着觉。我姓王，我的电话是一三八零零一三八零零零。",
    },
    Citizen {
        title: "a question of an enterprise",
        voice: "jm_kumo",
        words: "你好，我是一家企业的负责人。我们企业想申请办理营业执照变更，\
                请问需要准备什么材料？",
    },
    Citizen {
        title: "an emergency",
        voice: "jf_alpha",
        words: "喂，快一点，人民路和解放路的路口刚刚发生了车祸，有人受伤了，流了很多血，快叫救护车。",
    },
];

/// One call of the story.
struct Scene {
    title: String,
    who: String,
    words: Option<&'static str>,
    speech: Arc<[i16]>,
}

pub fn run(args: &cli::Demo) -> Result<()> {
    // What the user named is read before anything is started for it.
    let own = args
        .play
        .iter()
        .map(|path| {
            Ok(Scene {
                title: format!("your recording {}", path.display()),
                who: "Your recording".to_owned(),
                words: None,
                speech: sound::read_telephone(path)?.into(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let path = home::path(&args.config);
    if !path.exists() && args.config.config.is_none() {
        home::write_default(&path)?;
    }
    let config = Config::load(&path)?;
    if args.callbacks {
        return callbacks::run(&config);
    }
    let models = ModelsDir::of(config.data.models.clone());
    let mut scenes = if args.only { Vec::new() } else { citizens(&config, &models)? };
    scenes.extend(own);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = server::running_or_started(&config, &path).await?;
        let (api, key) = Api::with_own_key(&config).await?;
        // Whoever cuts it short leaves no key behind.
        let told = tokio::select! {
            told = tell(&config, &api, &scenes) => told,
            stop = tokio::signal::ctrl_c() => stop.map_err(Into::into).and_then(|()| bail!("interrupted")),
        };
        key.revoke().await?;
        drop(server);
        told
    })
}

fn citizens(config: &Config, models: &ModelsDir) -> Result<Vec<Scene>> {
    let sayings = CITIZENS.map(|citizen| Saying {
        text: citizen.words.to_owned(),
        voice: citizen.voice.to_owned(),
        speed: 1.0,
    });
    let spoken =
        speech::all(&config.data.dir.join("demo"), &sayings, models, "Speaking the citizens")?;
    let scene = |(citizen, speech): (&Citizen, Arc<[i16]>)| Scene {
        title: citizen.title.to_owned(),
        who: format!("A citizen (voice {})", citizen.voice),
        words: Some(citizen.words),
        speech,
    };
    Ok(CITIZENS.iter().zip(spoken).map(scene).collect())
}

async fn tell(config: &Config, api: &Api, scenes: &[Scene]) -> Result<()> {
    let target = target(config)?;
    println!(
        "\nThe hotline is {target}. {} calls follow, each a real one over SIP and RTP.",
        scenes.len()
    );
    for (number, scene) in (1..).zip(scenes) {
        println!("\n── Call {number} of {}: {} ──", scenes.len(), scene.title);
        match scene.words {
            Some(words) => println!("   {} says: {words}\n", scene.who),
            None => println!("   {} is played\n", scene.who),
        }
        play(&target, api, scene, number).await?;
    }
    println!("\nEvery call is in the API: see `/api/v1/tickets` and `/api/v1/calls`.");
    Ok(())
}

async fn play(target: &str, api: &Api, scene: &Scene, number: u32) -> Result<()> {
    let plan = Plan {
        target: target.to_owned(),
        transport: None,
        from: format!("1380013{:04}", (std::process::id() + number) % 10_000),
        codecs: Codec::ALL.to_vec(),
        speech: Some(Arc::clone(&scene.speech)),
        begin: Begin::WhenPromptEnds,
        keys: Vec::new(),
        linger: Duration::from_secs(1),
        ring_max: Duration::from_secs(30),
        record: None,
        call_id: None,
    };
    let clock = Clock::start();
    let mut watch = Watch::begin(api, &plan.from).await?;
    let screen = RefCell::new(Screen::new(clock));
    let times = RefCell::new(Times::default());
    let mut told = |_, step: Step| {
        times.borrow_mut().step(&step, clock);
        screen.borrow_mut().step(&step);
    };
    let seen = |seen: &Seen| {
        times.borrow_mut().seen(seen, clock);
        screen.borrow_mut().seen(seen);
    };
    let outcome = {
        let call = caller::place(&plan, &mut told);
        tokio::pin!(call);
        loop {
            tokio::select! {
                outcome = &mut call => break outcome?,
                event = watch.next() => seen(&event?),
            }
        }
    };
    match &outcome.end {
        End::NotAnswered { code, reason } => bail!("the hotline did not answer: {code} {reason}"),
        End::Interrupted => bail!("interrupted"),
        End::Done | End::CutOff => {}
    }
    let rest = async {
        while !watch.is_over() {
            seen(&watch.next().await?);
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(LAST_WORD_MAX, rest)
        .await
        .context("the last word of the call was not recognised in time")??;
    show(api, &watch, &outcome, &times.into_inner()).await
}

async fn show(api: &Api, watch: &Watch, outcome: &Outcome, times: &Times) -> Result<()> {
    let call = watch.call().context("the hotline answered, but told of no call")?;
    let call = api.get(&format!("/api/v1/calls/{call}")).await?;
    let ticket = api
        .get(&format!("/api/v1/tickets/{}", call["ticket"].as_str().unwrap_or_default()))
        .await?;
    screen::ticket(&ticket);
    screen::recording(&call);
    if let Some(report) = &outcome.report {
        println!("   {}", rtp(report));
    }
    println!("   {}", times.tell());
    Ok(())
}

/// The hotline's own SIP address, as somebody on this machine calls it.
fn target(config: &Config) -> Result<String> {
    let sip = &config.sip;
    let (address, suffix) = match (sip.listen_udp.first(), sip.listen_tcp.first()) {
        (Some(address), _) => (address, ""),
        (None, Some(address)) => (address, ";transport=tcp"),
        (None, None) => bail!("the configuration has no SIP address"),
    };
    let ip =
        if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    Ok(format!("sip:12345@{}{suffix}", SocketAddr::new(ip, address.port())))
}

/// When things happened, in milliseconds since the call began.
#[derive(Default)]
struct Times {
    speaking: Option<u64>,
    spoken: Option<u64>,
    first_words: Option<u64>,
    last_words: Option<u64>,
    last_draft: Option<u64>,
}

impl Times {
    fn step(&mut self, step: &Step, clock: Clock) {
        match step {
            Step::Speaking { .. } => self.speaking = Some(clock.now().0),
            Step::Spoken => self.spoken = Some(clock.now().0),
            _ => {}
        }
    }

    fn seen(&mut self, seen: &Seen, clock: Clock) {
        let now = Some(clock.now().0);
        match seen {
            Seen::Caption { is_final, .. } => {
                self.first_words = self.first_words.or(now);
                if *is_final {
                    self.last_words = now;
                }
            }
            Seen::Draft { .. } => self.last_draft = now,
            Seen::Other => {}
        }
    }

    fn tell(&self) -> String {
        let between = |from: Option<u64>, to: Option<u64>| {
            let ms = to.zip(from).map(|(to, from)| to.saturating_sub(from));
            ms.map_or("-".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1_000.0))
        };
        format!(
            "Times: first words on the screen {} after the citizen began; last text {} and ticket complete {} after the last word",
            between(self.speaking, self.first_words),
            between(self.spoken, self.last_words),
            between(self.spoken, self.last_draft),
        )
    }
}
