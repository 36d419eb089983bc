//! `qingting serve`: builds the parts, joins them, and takes them apart again.
//!
//! Three places where things run: the SIP endpoint and the calls on one runtime, media on threads of
//! its own, and everything that may take long (HTTP, database, language) on another runtime.

mod aids;
mod arrivals;
mod books;
mod call;
pub mod callbacks;
mod captions;
mod city;
mod cluster;
mod edge;
mod ending;
mod feed;
mod feeder;
mod gauges;
mod handling;
mod identity;
mod index;
mod insight;
mod installation;
mod last_run;
mod llm;
mod metrics;
mod pages;
mod passes;
mod prompts;
mod quality;
mod ready;
mod recognition;
mod recordings;
pub mod relay;
mod replies;
mod retention;
mod sign_on;
mod spool;
mod switchboard;
mod ticket_model;
mod tones;
mod traces;
mod watchdog;

pub use call::remote_media;
pub use callbacks::{
    Office as CallbackOffice, faults as campaign_faults, rules as campaign_rules,
    scripts as callback_scripts, speak as speak_callback,
    wrong_settings as campaign_wrong_settings,
};
pub use feed::SECRET_FILE as FEED_SECRET_FILE;
pub use llm::LanguageModel;
pub use prompts::{speak as speak_prompts, to_speak as prompts_to_speak};
pub use ready::new_admin_password;
pub use recordings::{
    KEY_FILE as RECORDING_KEY_FILE, key_file as recording_key_file, known_keys as recording_keys,
    sealed_are_there as sealed_recordings_are_there, sha256 as recording_hash,
};
pub use spool::{FOLDER as SPOOL_FOLDER, Left as SpoolLeft};
pub use switchboard::faults as switchboard_faults;
pub use tones::music;

use crate::cli::{self, ModelsDir};
use crate::clock::{self, Clock};
use crate::commands::recogniser::Recogniser;
use crate::config::{Config, cores, is_told_to_others};
use crate::{commands, database, home, logging};
use anyhow::{Context, Result, bail};
use ending::Wish;
use qingting_api::{ApiState, City, EventBus, Feed, Pending, SipMessageView, Waiting};
use qingting_asr::AsrClient;
use qingting_common::CallId;
use qingting_media::{MediaConfig, MediaEngine};
use qingting_nlu::Reader;
use qingting_sip::trace::TracedMessage;
use qingting_sip::{Endpoint, IncomingCall};
use qingting_store::{Place, Store};
use sd_notify::NotifyState;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use switchboard::{Seats, Switchboard, Trunks};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Longest wait for the recogniser before calls are announced as welcome: they are answered without
/// it too, only not captioned.
const RECOGNISER_START_MAX: Duration = Duration::from_secs(60);
/// Longest wait for HTTP requests at shutdown.
const HTTP_CLOSE_MAX: Duration = Duration::from_secs(6);
const DRAIN_LOOK_EVERY: Duration = Duration::from_millis(50);

/// What every call works with.
pub struct Hotline {
    pub config: Config,
    pub clock: Clock,
    pub store: Store,
    pub events: EventBus,
    /// The way of a call's writes.
    pub spool: Arc<spool::Spool>,
    pub media: MediaEngine,
    pub asr: Option<AsrClient>,
    /// What is known of the city.
    pub city: Arc<City>,
    reader: RwLock<Arc<Reader>>,
    pub prompts: prompts::Prompts,
    /// All that was ever recorded.
    pub archive: Arc<recordings::Recordings>,
    /// The same, while calls are recorded.
    pub recordings: Option<Arc<recordings::Recordings>>,
    pub switchboard: switchboard::Switchboard,
    pub endpoint: Endpoint,
    /// What helps seats besides the draft.
    pub aids: aids::Aids,
    /// What callbacks work with.
    pub callbacks: callbacks::Callbacks,
    pub counters: metrics::Counters,
    pub gauges: gauges::Gauges,
    /// What became of messages to the ticket system.
    pub relay: relay::Counters,
    /// Which receivers of changes take them.
    pub feed: feed::Counters,
    pub feeder: feeder::Feeder,
    /// What became of calls, for a collector of traces.
    pub traces: traces::Traces,
    /// The runtime of everything that may take long.
    pub app: Handle,
}

impl Hotline {
    /// What reads calls now; a reading that is under way ends with the one that it began with.
    pub fn reader(&self) -> Arc<Reader> {
        Arc::clone(&self.reader.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Readings that begin from now on are this one's.
    fn replace_reader(&self, reader: Reader) {
        self.store.name_kinds(reader.kinds());
        *self.reader.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(reader);
    }

    /// Forgets what is kept of erased calls in memory, here and at other servers.
    pub fn forget(&self, calls: &BTreeSet<CallId>) {
        self.forget_here(calls);
        self.switchboard.cluster.tell(cluster::Letter::Forgotten(calls.clone()));
    }

    /// The same where another server has told of it.
    pub fn forget_here(&self, calls: &BTreeSet<CallId>) {
        self.spool.forget(calls);
        self.endpoint.forget_trace();
        self.events.forget(|call| calls.contains(&call));
    }

    /// Something that goes on when whoever waits for it has gone. It ends with the runtime at the
    /// latest.
    pub fn to_its_end(&self, task: impl Future<Output = ()> + Send + 'static) -> Pending<'_, ()> {
        let running = self.app.spawn(task);
        // Its fault is told by the runtime's panic hook; there is nothing that waiting could mend.
        Box::pin(async move { drop(running.await) })
    }
}

/// Runs until it is told to stop.
pub fn run(args: &cli::Serve) -> Result<()> {
    let started = Clock::start();
    let (path, config) = configuration(args)?;
    let _log = logging::configured(&config.log);
    if is_told_to_others(&config, &path) {
        tracing::warn!(file = %path.display(), "the configuration holds a trunk's password and others may read it: chmod 600 it");
    }
    home::private_dir(&config.data.dir)?;
    let run_dir = home::RunDir::create(&config.data.dir)?;
    let models = ModelsDir::of(config.data.models.clone());
    // Looked for first: what is missing is the operator's business, at once.
    let is_here = config.asr.enabled && config.asr.local;
    let recogniser = is_here.then(|| Recogniser::find(&config.asr, &models)).transpose()?;
    let cores_per_stream = recogniser.as_ref().and_then(Recogniser::manifest_name);
    let cores_per_stream = cores_per_stream
        .map(|name| commands::models::cores_per_stream(&models, name))
        .transpose()?
        .flatten();
    let prompts = prompts::Prompts::prepare(&config, &models)?;
    // Before it is read: a choice made meanwhile is then seen as a new one.
    let ticket_model =
        commands::ticket_models::TicketModels::below(&config.data.models).pointer()?;
    let city = Arc::new(commands::nlu::city(&config, &models)?);
    let app = runtime("app", cores().clamp(2, 8))?;
    let sip = runtime("sip", (cores() / 4).max(1))?;
    // Before there are calls: a signal never kills one without a word to its caller.
    let mut signals = app.block_on(async { ending::Signals::listen() })?;
    let (feeder, feeds) = feeder::Feeder::new();
    let (aids, news) = aids::Aids::new(&config.llm)?;
    let link = relay::Link::new(&config.ticket_system)?;
    let receivers = feed::receivers(&config)?;
    let feed_secrets = feed::own_secrets(&config)?;
    let store = app.block_on(database::open(&config))?;
    let server_name = home::server_name(&config.data.dir)?;
    let (traces, exporter) = traces::Traces::new(&config.traces, &server_name)?;
    store.name_server(server_name);
    if config.cluster.http.is_some() && matches!(store.place(), Place::File(_)) {
        bail!(
            "`cluster.http` is set, but the database is SQLite, which has one server: give all servers the address of one PostgreSQL database (docs/database.md)"
        );
    }
    city::take_saved(&app, &city, &store)?;
    let reader = city::reader(&config, &city)?;
    store.name_kinds(reader.kinds());
    let cluster_of = match (config.cluster.http, store.server_name()) {
        (Some(http), Some(own)) => {
            let secret = cluster::secret(&config.cluster.secret_file)?;
            // By the clock that all share: one of its own may have been ahead at the start before.
            Some((http, cluster::Seal::new(secret, own, app.block_on(store.shared_time())?)))
        }
        _ => None,
    };
    let archive = Arc::new(recordings::Recordings::open(&config)?);
    let events = EventBus::new();
    // Before anything else is said of the calls that it is about.
    let spool = spool_of_last_run(&config, &store, &events, &app)?;
    let orphans = app.block_on(store.close_orphans(clock::unix_now()))?;
    let unheard = app.block_on(store.open_captions())?;
    app.block_on(handling::look(&config, &store))?;
    app.block_on(commands::demo::revoke_keys_left(&store))?;
    let seats = Arc::new(Seats::new(&config.sip.realm));
    app.block_on(seats.load(&store))?;
    let trunks = Trunks::new(&config)?;
    let media = media(&config)?;
    let asr = {
        let duty = app.block_on(store.duty())?;
        app.block_on(async { recognition::start(&config, &run_dir, recogniser, &duty) })?
    };
    let listener = app.block_on(http_listener(&config))?;
    let http_address = listener.local_addr()?;
    let edge = edge::config(&config, Arc::clone(&seats), &trunks);
    let (endpoint, incoming) = sip.block_on(Endpoint::bind(edge))?;
    let callbacks = callbacks::Callbacks::new(&config)?;
    let office = Arc::new(callbacks::Office::new(&config)?);
    let handling = handling::rules(&config)?;
    let switchboard = Switchboard::new(&config, started, &store, events.clone(), seats, trunks);
    let hotline = Arc::new(Hotline {
        clock: started,
        switchboard: app.block_on(switchboard)?,
        endpoint: endpoint.clone(),
        store,
        events,
        spool,
        media,
        asr,
        city: Arc::clone(&city),
        reader: RwLock::new(Arc::new(reader)),
        prompts,
        recordings: config.recording.enabled.then(|| Arc::clone(&archive)),
        archive,
        aids,
        callbacks,
        counters: metrics::Counters::default(),
        gauges: gauges::Gauges::default(),
        relay: relay::Counters::default(),
        feed: feed::Counters::default(),
        feeder,
        traces,
        app: app.handle().clone(),
        config,
    });
    let mut background = JoinSet::new();
    background.spawn_on(feeder::run(feeds), app.handle());
    if let Some(exporter) = exporter {
        background.spawn_on(exporter.run(), app.handle());
    }
    background.spawn_on(Arc::clone(&hotline.switchboard.queues).run(), sip.handle());
    hotline.switchboard.go_on_resting(&app.block_on(hotline.store.resting_seats())?);
    background.spawn_on(switchboard::watch_telephones(Arc::clone(&hotline)), sip.handle());
    background.spawn_on(switchboard::tell_queues(Arc::clone(&hotline)), app.handle());
    background.spawn_on(Arc::clone(&hotline.spool).run(), app.handle());
    background.spawn_on(watchdog::run(sip.handle().clone()), app.handle());
    background.spawn_on(retention::run(Arc::clone(&hotline)), app.handle());
    background.spawn_on(gauges::run(Arc::clone(&hotline)), app.handle());
    background.spawn_on(retention::erase(Arc::clone(&hotline)), app.handle());
    background.spawn_on(insight::run(Arc::clone(&hotline)), app.handle());
    background.spawn_on(index::run(Arc::clone(&hotline)), app.handle());
    background.spawn_on(quality::run(Arc::clone(&hotline)), app.handle());
    background.spawn_on(recognition::tell(Arc::clone(&hotline)), app.handle());
    background.spawn_on(passes::run(Arc::clone(&hotline)), app.handle());
    background.spawn_on(callbacks::run(Arc::clone(&hotline)), app.handle());
    background.spawn_on(callbacks::poll(Arc::clone(&hotline)), app.handle());
    let relay = app.spawn(relay::run(Arc::clone(&hotline), link));
    background.spawn_on(feed::run(Arc::clone(&hotline), receivers), app.handle());
    background.spawn_on(ticket_model::run(Arc::clone(&hotline), ticket_model), app.handle());
    background.spawn_on(city::run(Arc::clone(&hotline)), app.handle());
    let (log, listeners) = (hotline.store.clone(), hotline.events.clone());
    background.spawn_on(qingting_api::events::follow(log, listeners), app.handle());
    background.spawn_on(aids::run(Arc::clone(&hotline), news), app.handle());
    background.spawn_on(aids::watch_knowledge(Arc::clone(&hotline)), app.handle());
    if let Some((http, seal)) = cluster_of {
        let cluster = Arc::clone(&hotline.switchboard.cluster);
        hotline
            .events
            .tell_others(move |event| cluster.tell(cluster::Letter::Event(event.clone())));
        background.spawn_on(cluster::run(Arc::clone(&hotline), http, seal), app.handle());
    }
    let last_run = {
        let hotline = Arc::clone(&hotline);
        async move {
            // A recording must be closed before it is known how much of it was not heard.
            last_run::close(Arc::clone(&hotline), orphans).await;
            last_run::hear_the_rest(hotline, unheard).await;
        }
    };
    background.spawn_on(last_run, app.handle());
    sip.block_on(async { hotline.switchboard.trunks.start(&endpoint) });
    let accepting = sip.spawn(accept(Arc::clone(&hotline), incoming));
    let draining = Arc::new(AtomicBool::new(false));
    let (stop, stopped) = watch::channel(false);
    let mut state = api_state(&hotline, &office, &endpoint, &draining);
    let (traced, forgetting) = (endpoint.clone(), Arc::clone(&hotline));
    state.forget_calls = Arc::new(move |calls| forgetting.forget(calls));
    let calls = Arc::clone(&hotline);
    state.sip_messages = Arc::new(move |call, mut ids| {
        // Of legs that were dialled the books have no Call-ID: they are written before.
        ids.extend(calls.switchboard.calls.dialogs_of(call));
        let messages = ids.iter().flat_map(|id| traced.trace(id));
        messages.map(|message| sip_message(&message)).collect()
    });
    let provider = sign_on::Provider::new(&hotline.config.sign_on)?;
    state.sign_on = provider.map(|provider| Arc::new(provider) as Arc<dyn qingting_api::SignOn>);
    state.elsewhere = Arc::new(cluster::Elsewhere(Arc::clone(&hotline)));
    state.city = city;
    state.handling = Arc::new(handling);
    state.sends_messages = !hotline.config.ticket_system.url.is_empty();
    state.request_secrets = feed_secrets.clone();
    state.feed = Feed::new(&*hotline.config.ticket_system.source, Some(feed_secrets));
    let http = serve_http(listener, &hotline, state, stopped);

    let told_early = app.block_on(async {
        tokio::select! {
            () = wait_for_recogniser(&hotline) => None,
            wish = signals.told() => Some(wish),
        }
    });
    let announce = |password: Option<String>| {
        ready::announce(&ready::Announcement {
            config: &hotline.config,
            file: &path,
            sip: endpoint.bound(),
            http: http_address,
            password: password.as_deref(),
            lacks_seats: hotline.switchboard.lacks_seats(),
            captions: hotline.asr.as_ref().map(|asr| match asr.status() {
                status if status.up() => recognition::capacity(&status, cores_per_stream),
                _ => String::new(),
            }),
            took: Duration::from_millis(started.now().0),
        })
    };
    let wish = match told_early {
        Some(wish) => wish,
        None => {
            // Only now, when it will be shown: a start that fails must not make one that nobody has seen.
            announce(app.block_on(ready::admin_password(&hotline.store))?);
            ending::tell_systemd(&[NotifyState::Ready]);
            app.block_on(signals.told())
        }
    };
    ending::tell_systemd(&[NotifyState::Stopping]);

    draining.store(true, Ordering::Relaxed);
    hotline.callbacks.stop();
    endpoint.drain();
    if wish == Wish::Finish {
        app.block_on(ending::finish(&hotline, &mut signals));
    }
    signals.stop_at_once_next_time();
    app.block_on(ending::hang_up(&hotline));
    sip.block_on(hotline.switchboard.trunks.close());
    sip.block_on(endpoint.close());
    let _ = stop.send(true);
    app.block_on(async {
        if tokio::time::timeout(HTTP_CLOSE_MAX, http).await.is_err() {
            tracing::warn!("HTTP clients did not finish in time and are cut off");
        }
        if tokio::time::timeout(ending::DRAIN_MAX, accepting).await.is_err() {
            tracing::warn!("the last words of some calls were not recognised in time");
        }
        match wish {
            Wish::Finish => ending::hand_over_messages(&hotline, relay).await,
            Wish::Stop => relay.abort(),
        }
        ending::take_leave(&hotline).await;
        hotline.traces.finish().await;
        background.shutdown().await;
        ending::tell_what_is_left(&hotline).await;
        hotline.store.clone().close().await;
    });
    drop(hotline);
    sip.shutdown_timeout(DRAIN_LOOK_EVERY);
    app.shutdown_timeout(DRAIN_LOOK_EVERY);
    Ok(())
}

fn sip_message(message: &TracedMessage) -> SipMessageView {
    SipMessageView {
        at: message.at.0,
        is_ours: message.is_ours,
        transport: message.transport.to_string().to_lowercase(),
        local: message.local.to_string(),
        remote: message.remote.to_string(),
        text: message.text.clone(),
    }
}

/// The way of calls' writes, and what the last run has left in it written: an error when the database goes away meanwhile.
fn spool_of_last_run(
    config: &Config,
    store: &Store,
    events: &EventBus,
    app: &Runtime,
) -> Result<Arc<spool::Spool>> {
    let folder = config.data.dir.join(spool::FOLDER);
    let (store, events, handle) = (store.clone(), events.clone(), app.handle().clone());
    let limits = spool::Limits::default();
    let spool = spool::Spool::open(&config.data.dir, store, events, handle, limits)
        .with_context(|| format!("cannot use {}", folder.display()))?;
    let waiting = spool.numbers().entries;
    if waiting > 0 {
        tracing::warn!(waiting, "writes of calls of the last run waited for the database");
    }
    match app.block_on(ending::with_patience(spool.replay())) {
        Err(error) if spool.is_away() => {
            Err(error.context("the database went away while what waited was written"))
        }
        Err(error) => {
            tracing::error!(
                error = format!("{error:#}"),
                "some writes of the last run go on waiting"
            );
            Ok(Arc::new(spool))
        }
        Ok(()) => Ok(Arc::new(spool)),
    }
}

/// The configuration; at the first start the commented default is written for the operator.
fn configuration(args: &cli::Serve) -> Result<(PathBuf, Config)> {
    let path = home::path(&args.config);
    if !path.exists() && args.config.config.is_none() {
        home::write_default(&path)?;
    }
    let config = Config::load(&path)?;
    Ok((path, config))
}

fn runtime(name: &str, threads: usize) -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build()
        .context("cannot start threads")
}

fn media(config: &Config) -> Result<MediaEngine> {
    let listen = config.sip.addresses().next();
    let bind_ip = listen.context("no SIP address to listen on")?.ip();
    let media = &config.media;
    let shards = if media.shards == 0 { (cores() / 2).max(1) } else { media.shards };
    Ok(MediaEngine::start(MediaConfig {
        shards,
        bind_ip,
        ports: media.port_first..=media.port_last,
        port_rest: Duration::from_secs(media.port_rest_s),
        ..MediaConfig::default()
    })?)
}

async fn wait_for_recogniser(hotline: &Hotline) {
    let Some(asr) = &hotline.asr else { return };
    let up = async {
        while !asr.status().up() {
            tokio::time::sleep(DRAIN_LOOK_EVERY).await;
        }
    };
    // After it the announcement says that captions are not there yet.
    let _ = tokio::time::timeout(RECOGNISER_START_MAX, up).await;
}

/// One task for each call, until the endpoint is gone.
async fn accept(hotline: Arc<Hotline>, mut incoming: mpsc::Receiver<IncomingCall>) {
    let mut calls = JoinSet::new();
    let mut wanted = hotline.switchboard.take_wanted();
    loop {
        tokio::select! {
            call = incoming.recv() => match call {
                Some(call) => { calls.spawn(arrivals::take(Arc::clone(&hotline), call)); }
                None => break,
            },
            Some(wanted) = wanted.recv() => {
                let switchboard::Wanted { id, beginning, letters } = wanted;
                calls.spawn(call::run(Arc::clone(&hotline), id, beginning, None, letters));
            }
            Some(over) = calls.join_next() => report(over),
        }
    }
    while let Some(over) = calls.join_next().await {
        report(over);
    }
}

fn report(over: Result<(), tokio::task::JoinError>) {
    if let Err(error) = over {
        tracing::error!(%error, "a call's task failed; other calls go on");
    }
}

async fn http_listener(config: &Config) -> Result<TcpListener> {
    let address = config.http.listen;
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on http.listen = {address}: stop the program that does, or choose another port")
    })
}

/// Starts the API; gives its task.
fn serve_http(
    listener: TcpListener,
    hotline: &Hotline,
    state: ApiState,
    mut stopped: watch::Receiver<bool>,
) -> tokio::task::JoinHandle<()> {
    let router = qingting_api::router(state);
    let shutdown = async move {
        // An error is a sender that is gone: time to stop, too.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    hotline.app.spawn(async move {
        if let Err(error) = qingting_api::serve(listener, router, shutdown).await {
            tracing::error!(%error, "the HTTP interface ended");
        }
    })
}

fn api_state(
    hotline: &Arc<Hotline>,
    office: &Arc<callbacks::Office>,
    endpoint: &Endpoint,
    draining: &Arc<AtomicBool>,
) -> ApiState {
    let (for_metrics, sip) = (Arc::clone(hotline), endpoint.clone());
    let (for_ready, draining) = (Arc::clone(hotline), Arc::clone(draining));
    let recogniser_was_up = AtomicBool::new(false);
    let mut state = ApiState::new(
        hotline.store.clone(),
        hotline.events.clone(),
        home::recordings(&hotline.config),
        Arc::new(switchboard::Control(Arc::clone(hotline))),
        Arc::new(move || {
            if draining.load(Ordering::Relaxed) {
                return Some("the server is shutting down".to_owned());
            }
            if for_ready.spool.refuses_calls() {
                return Some("the disk is full: calls are refused".to_owned());
            }
            // A recogniser that dies later costs captions, not readiness.
            let up = for_ready.asr.as_ref().is_none_or(|asr| asr.status().up());
            let was_up = up || recogniser_was_up.load(Ordering::Relaxed);
            recogniser_was_up.store(was_up, Ordering::Relaxed);
            (!was_up).then(|| "the recogniser is loading".to_owned())
        }),
        Arc::new(move || metrics::page(&for_metrics, &sip)),
    );
    let spool = Arc::clone(&hotline.spool);
    state.waiting = Arc::new(move || Waiting {
        entries: spool.numbers().entries,
        is_away: spool.is_away(),
        takes_calls: spool.takes_calls(),
    });
    state.audio = Arc::clone(&hotline.archive) as Arc<dyn qingting_api::RecordingSource>;
    state.installation = Arc::new(installation::Installation::new(hotline));
    state.knowledge = hotline.aids.knowledge.clone();
    state.recent_calls = hotline.aids.recent_calls.clone();
    state.callbacks = Arc::clone(office) as Arc<dyn qingting_api::Callbacks>;
    let for_places = Arc::clone(hotline);
    state.locate = Arc::new(move |place| for_places.reader().locate(place));
    state.report_fonts = hotline.config.reports.fonts().into();
    state.pages = pages::all(endpoint, &hotline.config);
    state.realm.clone_from(&hotline.config.sip.realm);
    state.trusted_proxies = hotline.config.http.trusted_proxies.clone().into();
    state
}
