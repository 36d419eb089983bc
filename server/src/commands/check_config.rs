//! `qingting check-config`: explains a configuration before a server has to stop for it.

use super::recogniser::Recogniser;
use crate::cli::{self, ConfigFile, ModelsDir};
use crate::config::{AsrEngine, Config, DEFAULT_TOML, is_told_to_others};
use crate::home;
use anyhow::{Result, bail};

pub fn run(args: &cli::CheckConfig) -> Result<()> {
    if args.print_default {
        print!("{DEFAULT_TOML}");
        return Ok(());
    }
    if let Some(path) = &args.write_default {
        home::write_default(path)?;
        println!("Wrote the default configuration to {}", path.display());
        return Ok(());
    }
    let named = args.file.clone().or_else(|| args.config.config.clone());
    let path = home::path(&ConfigFile { config: named.clone() });
    if !path.exists() && named.is_none() {
        bail!(
            "there is no configuration at {} yet: write one with `qingting check-config --write-default {}`",
            path.display(),
            path.display()
        );
    }
    let config = Config::load(&path)?;
    let no_captions_yet = recognition(&config)?;
    println!("{} is good", path.display());
    if let Some(reason) = no_captions_yet {
        println!("  but captions cannot start yet: {reason:#}");
    }
    if is_told_to_others(&config, &path) {
        println!("  but it holds a trunk's password and others may read it: chmod 600 it");
    }
    for address in &config.sip.listen_udp {
        println!("  SIP over UDP  {address}");
    }
    for address in &config.sip.listen_tcp {
        println!("  SIP over TCP  {address}");
    }
    println!("  RTP           {} to {}", config.media.port_first, config.media.port_last);
    println!("  HTTP          {}", config.http.listen);
    println!("  data          {}", config.data.dir.display());
    println!("  models        {}", config.data.models.display());
    Ok(())
}

/// Why captions cannot start yet: what every start needs may still be fetched. What a configuration
/// names must be there.
fn recognition(config: &Config) -> Result<Option<anyhow::Error>> {
    if !config.asr.enabled {
        return Ok(None);
    }
    let models = ModelsDir::of(config.data.models.clone());
    match (Recogniser::find(&config.asr, &models), config.asr.engine) {
        (Ok(_), _) => Ok(None),
        (Err(error), AsrEngine::Whisper) => Ok(Some(error)),
        (Err(error), _) => Err(error.context("captions cannot start")),
    }
}
