//! Which database a configuration means, for the server and for every command.

use crate::config::Config;
use anyhow::{Context, Result, bail};
use qingting_store::{DatabaseUrl, Place, Store};
use std::os::unix::fs::PermissionsExt;

/// The environment variable that goes before the configuration.
const VARIABLE: &str = "DATABASE_URL";

/// Opens the database; a file is made where it is missing.
pub async fn open(config: &Config) -> Result<Store> {
    Ok(Store::open(place(config)?).await?)
}

/// Opens a database that a server has used before.
pub async fn open_existing(config: &Config) -> Result<Store> {
    Ok(Store::open(existing(config)?).await?)
}

/// Where a database is that a server has used before.
pub fn existing(config: &Config) -> Result<Place> {
    let place = place(config)?;
    if let Place::File(file) = &place
        && !file.exists()
    {
        bail!("there is no database at {place} yet: `qingting serve` makes one");
    }
    Ok(place)
}

/// What `DATABASE_URL` says, else the file that `data.database_url_file` names, else a file in `data.dir`.
/// The address holds a password: no message repeats it.
pub fn place(config: &Config) -> Result<Place> {
    let from_file = &config.data.database_url_file;
    let (said_by, text) = match std::env::var(VARIABLE) {
        Ok(text) if !text.is_empty() => (VARIABLE.to_owned(), text),
        _ if from_file.as_os_str().is_empty() => {
            return Ok(Place::File(config.data.dir.join("qingting.db")));
        }
        _ => {
            let said_by = format!("data.database_url_file, {}", from_file.display());
            let text = std::fs::read_to_string(from_file)
                .with_context(|| format!("cannot read {said_by}"))?;
            (said_by, text)
        }
    };
    let url: DatabaseUrl =
        text.parse().with_context(|| format!("{said_by} has no usable address of a database"))?;
    Ok(url.into())
}

/// Whether others than its owner and group may read the file with the database's address, which has a password.
pub fn is_told_to_others(config: &Config) -> bool {
    let file = &config.data.database_url_file;
    file.metadata().is_ok_and(|file| file.permissions().mode() & 0o007 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_from_a_file_and_no_message_repeats_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.data.dir = folder.path().to_owned();
        assert!(matches!(place(&config), Ok(Place::File(file)) if file.ends_with("qingting.db")));
        config.data.database_url_file = folder.path().join("url");
        assert!(format!("{:#}", place(&config).unwrap_err()).contains("url"));
        std::fs::write(folder.path().join("url"), "postgres://qt:s3cret@db/hotline\n").unwrap();
        let server = place(&config).unwrap();
        assert_eq!(server.to_string(), "postgres://db/hotline");
        assert!(!format!("{config:?} {server:?}").contains("s3cret"));
        std::fs::write(folder.path().join("url"), "db:s3cret").unwrap();
        assert!(!format!("{:#}", place(&config).unwrap_err()).contains("s3cret"));
    }
}
