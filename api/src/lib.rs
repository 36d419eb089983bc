//! The HTTP interface: calls and what is done to them, queues, seats, missed calls, the duty list,
//! transcripts, recordings, tickets, outbox, keys, sessions, events, the log of changes, health, metrics.
//!
//! **Nothing is open that the policy table in [`auth`] does not open, and every error is
//! `application/problem+json`.** The only crate with axum.

mod access;
mod audit;
pub mod auth;
mod callbacks;
mod calls;
mod catalogue;
mod citizens;
pub mod city;
mod clock;
mod commands;
mod description;
mod duty;
mod elsewhere;
pub mod events;
mod failures;
pub mod feed;
mod frame;
mod handling;
mod incidents;
pub mod insight;
mod installation;
mod keys;
mod knowledge;
mod missed;
mod once;
mod ops;
mod outbox;
mod pages;
mod password;
mod past;
mod peaks;
mod people;
mod problem;
mod proxies;
mod quality;
mod rates;
mod recording;
mod revision;
mod seats;
mod second_factor;
mod server;
mod sessions;
mod sight;
mod sign_on;
mod signed;
mod socket;
pub mod switchboard;
mod table;
mod tickets;
mod watchers;

pub use callbacks::Callbacks;
pub use calls::repeats::RepeatView;
pub use calls::sip_messages::SipMessageView;
pub use citizens::{erase_files, is_recordings_folder};
pub use city::City;
pub use duty::{DutyProblem, DutyRow, OnDuty};
pub use elsewhere::{Away, Elsewhere};
pub use events::{Event, EventBus, Published};
pub use feed::Feed;
pub use handling::HandlingRules;
pub use incidents::{IncidentView, RecentCalls};
pub use installation::{
    Disk, Installation, Lines, ModelInfo, Models, NumberLine, PromptInfo, QueueLine, Recogniser,
    TestCall, TestCallEnd, TestCallQuality, TestCallRequest, TestCallState, TrunkLine,
};
pub use knowledge::{EntryView, Knowledge};
pub use once::{KEY_HEADER, REPLAYED_HEADER};
pub use pages::Page;
pub use problem::{PROBLEM_JSON, Problem};
pub use rates::{Rate, Rates};
pub use recording::{PlainWav, RecordedAudio, RecordingSource};
pub use server::{HEADER_READ_MAX, HTTP_CONNECTIONS_MAX, SHUTDOWN_MAX, serve};
pub use sign_on::{Asked, Begun, Kept, SignOn, SignOnError};
pub use switchboard::{
    Actor, CallCommand, CallNow, CallPhase, ControlCode, ControlError, DialRequest, EmergencyMode,
    EmergencyService, ExpertMode, LegNow, LegState, Pending, QueueState, SeatNow, SeatStateRequest,
    Snapshot, SuperviseMode, Switchboard, WaitingCall,
};

use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::{Router, middleware};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use qingting_common::CallId;
use qingting_common::limits::{HTTP_BODY_BYTES_MAX, IMPORT_BYTES_MAX};
use qingting_nlu::reader::Location;
use qingting_nlu::table::FILE_BYTES_MAX;
use qingting_store::Store;
use qingting_tickets::Secrets;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

/// Forgets what is kept of these calls.
pub type ForgetCalls = dyn Fn(&BTreeSet<CallId>) + Send + Sync;

/// SIP messages of a call: of the dialogs that are known to be its, and of those with these Call-IDs.
pub type SipMessages = dyn Fn(CallId, BTreeSet<String>) -> Vec<SipMessageView> + Send + Sync;

/// Writes of calls that wait for the database.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waiting {
    /// How many.
    pub entries: u64,
    /// Whether the database is known to be away.
    pub is_away: bool,
    /// Whether calls are taken while the database is away.
    pub takes_calls: bool,
}

/// What the routes work on.
#[derive(Clone)]
pub struct ApiState {
    /// The database.
    pub store: Store,
    /// What happens in calls.
    pub events: EventBus,
    /// The folder that holds the recordings; no file outside it is ever served.
    pub recordings: PathBuf,
    /// What opens the files there; plain WAV alone until the server puts its own here.
    pub audio: Arc<dyn RecordingSource>,
    /// Running calls, queues and seats.
    pub switchboard: Arc<dyn Switchboard>,
    /// What is not ready, in words; none when the server takes calls. Must not block.
    pub unready: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    /// Metrics in the Prometheus text format. Must not block.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// What seats may tell callers; empty until the server puts its own here.
    pub knowledge: Knowledge,
    /// What recent calls were about; nothing until the server puts its own here.
    pub recent_calls: RecentCalls,
    /// Lines, prompts and the disk; none until the server puts its own here.
    pub installation: Arc<dyn Installation>,
    /// Campaigns' rules and who may send closed tickets; nobody until the server puts its own here.
    pub callbacks: Arc<dyn Callbacks>,
    /// What is known of the city: its units, categories and their hours; the default profile until the server puts its
    /// own here.
    pub city: Arc<City>,
    /// Whether a ticket system is told of tickets and calls; false until the server says so.
    pub sends_messages: bool,
    /// Who else may say what became of tickets, and where closed ones are followed up; nobody until the server puts its
    /// own here.
    pub handling: Arc<HandlingRules>,
    /// Divides a place into its levels and says in which divisions it may lie; nothing until the server puts
    /// its own here. Must not block.
    pub locate: Arc<dyn Fn(&str) -> Location + Send + Sync>,
    /// Files of pages such as `/softphone`; served without a key. No path is one of the interface's.
    pub pages: &'static [Page],
    /// The realm of the SIP server, which passwords of new seats are hashed with.
    pub realm: String,
    /// How others reach the interface, e.g. `https://hotline.example`, for URLs in exported records;
    /// without it they are paths.
    pub public_url: Option<String>,
    /// Files of fonts with Chinese characters for sheets as PDF, the first that is there; Debian's until the server
    /// puts its own here.
    pub report_fonts: Arc<[PathBuf]>,
    /// What the log of changes is told with; unsigned until the server puts its own here.
    pub feed: Feed,
    /// What digests of requests with an idempotency key are made with; the process's own until the server puts its own
    /// here, which other servers and the next start have, too.
    pub request_secrets: Secrets,
    /// The way to the city's OpenID provider; none until the server puts its own here.
    pub sign_on: Option<Arc<dyn SignOn>>,
    /// SIP messages of one of the last calls; none until the server puts its own here. Must not block.
    pub sip_messages: Arc<SipMessages>,
    /// Forgets what is kept of calls in memory: somebody's data were erased. Events alone until the server puts its own
    /// here, which forgets SIP messages too, here and at other servers.
    pub forget_calls: Arc<ForgetCalls>,
    /// Writes of calls that wait for the database; none, and no calls without it, until the server puts its own here.
    /// Must not block.
    pub waiting: Arc<dyn Fn() -> Waiting + Send + Sync>,
    /// How often anybody may ask.
    pub rates: Rates,
    /// Proxies whose `X-Forwarded-For` says who asks; nobody until the server puts its own here.
    pub trusted_proxies: Arc<[IpAddr]>,
    /// Other servers on the same database; none until the server puts its own here.
    pub elsewhere: Arc<dyn Elsewhere>,
    forwarder: Client<HttpConnector, Body>,
    peaks: Arc<peaks::KeptPeaks>,
    watchers: Arc<watchers::Watchers>,
    failures: Arc<failures::Failures<IpAddr>>,
    logins: Arc<failures::Failures<String>>,
    ready: Arc<ops::Ready>,
    lookers: Arc<insight::Lookers>,
    imports: Arc<past::Imports>,
}

/// The realm until the server sets its own.
const REALM: &str = "qingting";

impl ApiState {
    /// Puts the parts together; the rest has defaults.
    pub fn new(
        store: Store,
        events: EventBus,
        recordings: PathBuf,
        switchboard: Arc<dyn Switchboard>,
        unready: Arc<dyn Fn() -> Option<String> + Send + Sync>,
        metrics: Arc<dyn Fn() -> String + Send + Sync>,
    ) -> Self {
        let kept = events.clone();
        Self {
            store,
            events,
            recordings,
            audio: Arc::new(PlainWav),
            switchboard,
            unready,
            metrics,
            knowledge: Knowledge::default(),
            recent_calls: RecentCalls::default(),
            installation: Arc::new(installation::NoInstallation),
            callbacks: Arc::new(callbacks::NoCallbacks(qingting_callbacks::rates::defaults())),
            city: Arc::default(),
            sends_messages: false,
            handling: Arc::default(),
            locate: Arc::new(|_| Location::default()),
            pages: &[],
            realm: REALM.to_owned(),
            public_url: None,
            report_fonts: insight::usual_fonts(),
            feed: Feed::default(),
            request_secrets: once::new_secrets(),
            sign_on: None,
            sip_messages: Arc::new(|_, _| Vec::new()),
            forget_calls: Arc::new(move |calls| kept.forget(|call| calls.contains(&call))),
            waiting: Arc::new(Waiting::default),
            rates: Rates::default(),
            trusted_proxies: Arc::default(),
            elsewhere: Arc::new(elsewhere::Nobody),
            forwarder: elsewhere::client(),
            peaks: Arc::default(),
            watchers: Arc::default(),
            failures: Arc::default(),
            logins: Arc::default(),
            ready: Arc::default(),
            lookers: Arc::default(),
            imports: Arc::default(),
        }
    }
}

/// The routes.
pub fn router(state: ApiState) -> Router {
    let (router, _) = described().split_for_parts();
    router
        .layer(DefaultBodyLimit::max(HTTP_BODY_BYTES_MAX))
        .route_layer(middleware::from_fn_with_state(state.clone(), once::once))
        .route_layer(middleware::from_fn(sight::veil))
        .route_layer(middleware::from_fn_with_state(state.clone(), elsewhere::ask))
        .route_layer(middleware::from_fn_with_state(state.clone(), auth::guard))
        // After the guard, which knows the table alone.
        .merge(pages::routes(state.pages))
        .layer(middleware::from_fn(frame::frame))
        .layer(middleware::from_fn_with_state(state.clone(), proxies::look_behind))
        .with_state(state)
}

/// The OpenAPI 3.1 description, as `GET /api/v1/openapi.json` gives it.
pub fn openapi_json() -> String {
    let (_, routes) = described().split_for_parts();
    let mut text = description::finished(routes).to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn described() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(description::Description::openapi())
        .routes(routes!(ops::healthz))
        .routes(routes!(ops::readyz))
        .routes(routes!(ops::metrics))
        .routes(routes!(ops::openapi))
        .routes(routes!(ops::root))
        .routes(routes!(sessions::open, sessions::close))
        .routes(routes!(sessions::me))
        .routes(routes!(password::change))
        .routes(routes!(calls::list, commands::dial))
        .routes(routes!(calls::export::csv))
        .routes(routes!(calls::one))
        .routes(routes!(calls::transcript))
        .routes(routes!(calls::hear_whole))
        .routes(routes!(calls::repeats::read))
        .routes(routes!(calls::location::read))
        .routes(routes!(calls::vcon::read))
        .routes(routes!(calls::sip_messages::read))
        .routes(routes!(commands::command))
        .routes(routes!(commands::hang_up))
        .routes(routes!(recording::read))
        .routes(routes!(peaks::read))
        .routes(routes!(quality::list))
        .routes(routes!(quality::summary))
        .routes(routes!(quality::of_call))
        .routes(routes!(quality::review))
        .routes(routes!(seats::queues))
        .routes(routes!(seats::list, seats::create))
        .routes(routes!(seats::one, seats::edit, seats::remove))
        .routes(routes!(seats::state))
        .routes(routes!(second_factor::offer, second_factor::remove))
        .routes(routes!(second_factor::confirm))
        .routes(routes!(second_factor::unlock))
        .routes(routes!(missed::list))
        .routes(routes!(missed::call_back))
        .routes(routes!(missed::reopen))
        .routes(routes!(callbacks::campaigns::list, callbacks::campaigns::create))
        .routes(routes!(callbacks::campaigns::one, callbacks::campaigns::change))
        .routes(
            routes!(callbacks::campaigns::import).layer(DefaultBodyLimit::max(IMPORT_BYTES_MAX)),
        )
        .routes(
            routes!(callbacks::closed::import_table).layer(DefaultBodyLimit::max(FILE_BYTES_MAX)),
        )
        .routes(routes!(callbacks::campaigns::preview))
        .routes(routes!(callbacks::campaigns::results))
        .routes(routes!(callbacks::follow_ups::list))
        .routes(routes!(callbacks::webhook::take).layer(DefaultBodyLimit::max(IMPORT_BYTES_MAX)))
        .routes(routes!(callbacks::follow_ups::one))
        .routes(routes!(callbacks::follow_ups::of_call))
        .routes(routes!(callbacks::follow_ups::correct))
        .routes(routes!(callbacks::follow_ups::cancel))
        .routes(routes!(
            callbacks::refusals::list,
            callbacks::refusals::add,
            callbacks::refusals::remove
        ))
        .routes(routes!(duty::read, duty::replace))
        .routes(routes!(duty::now))
        .routes(routes!(tickets::list))
        .routes(routes!(tickets::one, tickets::edit))
        .routes(routes!(tickets::confirm))
        .routes(routes!(handling::steps::take))
        .routes(routes!(handling::history::read))
        .routes(routes!(handling::load::read))
        .routes(routes!(handling::events::take))
        .routes(routes!(catalogue::units))
        .routes(routes!(catalogue::categories))
        .routes(routes!(city::view::overview))
        .routes(routes!(city::view::rows))
        .routes(
            routes!(city::view::table, city::save::replace, city::save::reset)
                .layer(DefaultBodyLimit::max(IMPORT_BYTES_MAX)),
        )
        .routes(routes!(past::list, past::begin).layer(DefaultBodyLimit::max(FILE_BYTES_MAX)))
        .routes(routes!(past::one))
        .routes(routes!(knowledge::search))
        .routes(routes!(incidents::list))
        .routes(routes!(insight::counted))
        .routes(routes!(insight::rising))
        .routes(routes!(insight::report))
        .routes(routes!(installation::lines::read))
        .routes(routes!(installation::test_calls::begin))
        .routes(routes!(installation::test_calls::one, installation::test_calls::end))
        .routes(routes!(installation::prompts::list))
        .routes(routes!(installation::prompts::audio))
        .routes(routes!(installation::models::read))
        .routes(routes!(installation::retention::read))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(people::list, people::create))
        .routes(routes!(people::one, people::edit, people::remove))
        .routes(routes!(audit::list))
        .routes(routes!(citizens::export::export))
        .routes(routes!(citizens::erase::erase))
        .routes(routes!(outbox::list))
        .routes(routes!(outbox::of_ticket))
        .routes(routes!(outbox::retry_parked))
        .routes(routes!(outbox::retry))
        .routes(routes!(outbox::discard))
        .routes(routes!(socket::events))
        .routes(routes!(feed::read))
}
