//! Files and folders that a configuration names.

use super::Config;
use std::path::{Path, PathBuf};

/// Makes relative paths those below the configuration file's folder, wherever the program was started.
/// Empty ones stay empty.
pub(super) fn below(config: &mut Config, folder: &Path) {
    for path in all(config) {
        if !path.as_os_str().is_empty() {
            *path = folder.join(&*path);
        }
    }
    for model in [&mut config.asr.sherpa.live, &mut config.asr.sherpa.second_pass] {
        // KIND:FOLDER; anything else is a name.
        if let Some((kind, own)) = model.split_once(':') {
            *model = format!("{kind}:{}", folder.join(own).display());
        }
    }
    let punctuation = &mut config.asr.sherpa.punctuation;
    if !["", "none"].contains(&punctuation.as_str()) {
        *punctuation = folder.join(&*punctuation).display().to_string();
    }
}

fn all(config: &mut Config) -> Vec<&mut PathBuf> {
    let Config {
        sip,
        seats,
        recording,
        asr,
        nlu,
        llm,
        callbacks,
        ticket_system,
        feed,
        reports,
        sign_on,
        traces,
        data,
        cluster,
        models,
        ..
    } = config;
    let mut paths = vec![
        &mut sip.tls_certificate,
        &mut sip.tls_key,
        &mut sip.tls_ca,
        &mut cluster.secret_file,
        &mut seats.music,
        &mut recording.key_file,
        &mut asr.program,
        &mut asr.hotwords,
        &mut asr.sherpa.hotwords,
        &mut asr.remote.ca_file,
        &mut nlu.category_model,
        &mut nlu.knowledge,
        &mut nlu.profile,
        &mut llm.key_file,
        &mut callbacks.scripts,
        &mut callbacks.intake_secret_file,
        &mut ticket_system.secret_file,
        &mut ticket_system.oauth_secret_file,
        &mut ticket_system.mapping_file,
        &mut feed.secret_file,
        &mut reports.font,
        &mut sign_on.secret_file,
        &mut traces.token_file,
        &mut data.dir,
        &mut data.models,
        &mut data.database_url_file,
        &mut models.folder,
    ];
    for worker in &mut asr.workers {
        paths.extend([&mut worker.certificate, &mut worker.token_file]);
    }
    paths.extend(feed.receivers.iter_mut().map(|receiver| &mut receiver.secret_file));
    paths
}

/// Files with secrets that a configuration names, by their settings: no backup holds them.
pub fn secrets(config: &Config) -> Vec<(String, PathBuf)> {
    let named = [
        ("sip.tls_key", &config.sip.tls_key),
        ("recording.key_file", &config.recording.key_file),
        ("llm.key_file", &config.llm.key_file),
        ("callbacks.intake_secret_file", &config.callbacks.intake_secret_file),
        ("ticket_system.secret_file", &config.ticket_system.secret_file),
        ("ticket_system.oauth_secret_file", &config.ticket_system.oauth_secret_file),
        ("feed.secret_file", &config.feed.secret_file),
        ("sign_on.secret_file", &config.sign_on.secret_file),
        ("traces.token_file", &config.traces.token_file),
        ("cluster.secret_file", &config.cluster.secret_file),
        ("data.database_url_file", &config.data.database_url_file),
    ];
    let named = named.map(|(setting, path)| (setting.to_owned(), path.clone())).into_iter();
    let of_workers = config.asr.workers.iter().map(|worker| {
        (format!("asr.workers, token_file of {}", worker.address), worker.token_file.clone())
    });
    let of_receivers = config.feed.receivers.iter().map(|receiver| {
        (format!("feed.receivers, secret_file of {}", receiver.name), receiver.secret_file.clone())
    });
    let all = named.chain(of_workers).chain(of_receivers);
    all.filter(|(_, path)| !path.as_os_str().is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{AsrWorker, FeedReceiver};
    use super::*;

    #[test]
    fn a_relative_path_is_one_below_the_files_folder() {
        let mut config = Config::default();
        let worker = AsrWorker {
            address: "asr1:7012".into(),
            certificate: PathBuf::new(),
            token_file: PathBuf::new(),
        };
        config.asr.workers.push(worker);
        config.feed.receivers.push(FeedReceiver {
            name: "region".into(),
            url: "https://region.example".into(),
            secret_file: PathBuf::new(),
            kinds: Vec::new(),
        });
        below(&mut config, Path::new("/etc/q"));
        assert!(all(&mut config).iter().all(|path| path.as_os_str().is_empty()));
        for path in all(&mut config) {
            *path = "own/file".into();
        }
        config.asr.sherpa.live = "transducer:own".into();
        config.asr.sherpa.second_pass = "sense-voice".into();
        config.asr.sherpa.punctuation = "marks.onnx".into();
        config.llm.key_file = "/run/key".into();
        below(&mut config, Path::new("/etc/q"));
        assert_eq!(config.llm.key_file, Path::new("/run/key"));
        config.llm.key_file = "/etc/q/own/file".into();
        assert!(all(&mut config).iter().all(|path| **path == Path::new("/etc/q/own/file")));
        let sherpa = &config.asr.sherpa;
        assert_eq!(sherpa.live, "transducer:/etc/q/own");
        assert_eq!(sherpa.second_pass, "sense-voice");
        assert_eq!(sherpa.punctuation, "/etc/q/marks.onnx");
    }

    #[test]
    fn no_path_of_the_configuration_is_forgotten() {
        let mut config = Config::default();
        let listed = all(&mut config).len() + 3; // Those of a worker and of a receiver.
        let fields = include_str!("mod.rs").matches(": PathBuf,").count();
        assert_eq!(listed, fields, "a new path goes into `all`");
    }

    #[test]
    fn no_file_with_a_secret_is_forgotten() {
        let is_secret = |line: &&str| {
            line.trim().strip_suffix(": PathBuf,").is_some_and(|field| {
                let ends = ["key", "key_file", "secret_file", "token_file", "url_file"];
                ends.iter().any(|end| field.ends_with(end))
            })
        };
        let fields = include_str!("mod.rs").lines().filter(is_secret).count();
        let mut config = Config::default();
        for path in all(&mut config) {
            *path = "own/file".into();
        }
        let listed = secrets(&config).len() + 2; // Those of a worker and of a receiver.
        assert_eq!(listed, fields, "a new file with a secret goes into `secrets`");
        assert!(secrets(&Config::default()).is_empty());
    }

    #[test]
    fn a_file_beside_the_configuration_is_found_from_anywhere() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("words.txt"), "文三路\n").unwrap();
        let text = "[asr]\nhotwords = \"words.txt\"\n[data]\ndir = \"data\"\n";
        let config = Config::parse(text, &folder.path().join("config.toml")).unwrap();
        assert_eq!(config.asr.hotwords, folder.path().join("words.txt"));
        assert_eq!(config.data.models, folder.path().join("data/models"));
        let config = Config::parse("", Path::new("config.toml")).unwrap();
        assert_eq!(config.data.dir, Path::new("."));
    }
}
