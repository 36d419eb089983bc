//! Where a database is, in words that may be shown.

use sqlx::ConnectOptions;
use sqlx::any::AnyConnectOptions;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Parameters of a PostgreSQL address that the driver knows. One that it does not know would be written to
/// the log with its value.
const PARAMETERS: [&str; 12] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// Where a database is: a file of this machine, or a PostgreSQL server.
#[derive(Clone, Debug)]
pub enum Place {
    /// SQLite's file.
    File(PathBuf),
    /// A database of a PostgreSQL server.
    Server(DatabaseUrl),
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&PathBuf> for Place {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<DatabaseUrl> for Place {
    fn from(url: DatabaseUrl) -> Self {
        Self::Server(url)
    }
}

/// The file, or host, port and database; never a password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Server(url) => write!(f, "{url}"),
        }
    }
}

/// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with `?sslmode=verify-full&sslrootcert=FILE` for TLS, or
/// `?host=/FOLDER` for a Unix socket. Neither `Debug` nor `Display` shows the password.
#[derive(Clone)]
pub struct DatabaseUrl(AnyConnectOptions);

/// Why a text is no address of a PostgreSQL database. It never quotes the text, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It does not read as a URL.
    #[error("it is not an address like postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    Syntax,
    /// It is of another kind of database.
    #[error("it does not begin with postgres://; SQLite needs no address, see data.dir")]
    Scheme,
    /// A parameter behind `?` that nobody reads.
    #[error("it has an unknown parameter behind the question mark; known are {}", PARAMETERS.join(", "))]
    Parameter,
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let options: AnyConnectOptions = text.trim().parse().map_err(|_| UrlError::Syntax)?;
        let url = &options.database_url;
        if !["postgres", "postgresql"].contains(&url.scheme()) {
            return Err(UrlError::Scheme);
        }
        let is_known = |key: &str| PARAMETERS.contains(&key);
        if !url.query_pairs().all(|(key, _)| is_known(&key)) {
            return Err(UrlError::Parameter);
        }
        Ok(Self(options.disable_statement_logging()))
    }
}

impl DatabaseUrl {
    pub(crate) fn options(&self) -> &AnyConnectOptions {
        &self.0
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = &self.0.database_url;
        let parameter =
            |name| url.query_pairs().filter(|(key, _)| key == name).last().map(|(_, it)| it);
        let host = parameter("host").or(url.host_str().map(Into::into)).unwrap_or_default();
        write!(f, "postgres://{host}")?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        match parameter("dbname") {
            Some(name) => write!(f, "/{name}"),
            None => write!(f, "{}", url.path()),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let url: DatabaseUrl =
            "postgres://qt:s3cret@db.example:5433/hotline?password=s3cret&sslmode=require\n"
                .parse()
                .unwrap();
        assert_eq!(url.to_string(), "postgres://db.example:5433/hotline");
        assert!(!format!("{:?} {}", Place::from(url.clone()), Place::from(url)).contains("s3cret"));
        let socket: DatabaseUrl = "postgres://qt@localhost/hotline?host=/run/pg".parse().unwrap();
        assert_eq!(socket.to_string(), "postgres:///run/pg/hotline");
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_quoted() {
        for wrong in ["s3cret", "mysql://a:s3cret@b/c", "postgres://a@b/c?pasword=s3cret"] {
            let refused = wrong.parse::<DatabaseUrl>().unwrap_err();
            assert!(!format!("{refused} {refused:?}").contains("s3cret"));
        }
    }
}
