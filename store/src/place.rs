//! Where a database is, in words that may be shown.

use qingting_common::Pii;
use sqlx::ConnectOptions;
use sqlx::any::AnyConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
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

    /// The same for what PostgreSQL alone can do. Statements are not logged.
    pub(crate) fn postgres_options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        Ok(PgConnectOptions::from_url(&self.0.database_url)?.disable_statement_logging())
    }

    /// The address as PostgreSQL's own programs take it (a connection string of libpq), without the password;
    /// they find that in `passfile` where the address has one.
    pub fn connection_string(&self, passfile: &Path) -> Result<String, UrlError> {
        let url = &self.0.database_url;
        let options = PgConnectOptions::from_url(url).map_err(|_| UrlError::Syntax)?;
        let host = options.get_socket().map(|folder| folder.display().to_string());
        let mut pairs = vec![
            ("host", host.unwrap_or_else(|| options.get_host().to_owned())),
            ("port", options.get_port().to_string()),
            ("user", options.get_username().to_owned()),
            ("dbname", options.get_database().unwrap_or(options.get_username()).to_owned()),
            ("sslmode", sslmode(options.get_ssl_mode()).to_owned()),
        ];
        pairs.extend(options.get_options().map(|options| ("options", options.to_owned())));
        for name in ["sslrootcert", "sslcert", "sslkey"] {
            pairs.extend(self.parameter(name).map(|file| (name, file)));
        }
        if matches!(options.get_ssl_mode(), PgSslMode::VerifyFull)
            && self.parameter("sslrootcert").is_none()
            && std::env::var_os("PGSSLROOTCERT").is_none()
        {
            // We believe the operating system's authorities; libpq has to be told.
            pairs.push(("sslrootcert", "system".to_owned()));
        }
        if self.password().is_some() {
            pairs.push(("passfile", passfile.display().to_string()));
        }
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
        let pairs: Vec<String> =
            pairs.iter().map(|(name, text)| format!("{name}='{}'", quoted(text))).collect();
        Ok(pairs.join(" "))
    }

    /// What belongs into that file; none where the address has no password.
    pub fn passfile(&self) -> Option<Pii<String>> {
        let password = self.password()?;
        let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
        Some(Pii::new(format!("*:*:*:*:{escaped}\n")))
    }

    fn password(&self) -> Option<String> {
        let written = self.parameter("password");
        written.or_else(|| decoded(self.0.database_url.password()?))
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.0.database_url.query_pairs();
        pairs.filter(|(key, _)| key == name).last().map(|(_, value)| value.into_owned())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = &self.0.database_url;
        let host = self.parameter("host").or(url.host_str().map(Into::into)).unwrap_or_default();
        write!(f, "postgres://{host}")?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        match self.parameter("dbname") {
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

const fn sslmode(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

/// The text of a part of a URL: `%` and two digits are a byte (RFC 3986 §2.1).
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let (high, low) = (rest.next()?, rest.next()?);
                let digit = |byte: u8| char::from(byte).to_digit(16);
                u8::try_from(digit(high)? * 16 + digit(low)?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
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
    fn other_programs_are_told_the_address_and_find_the_password_in_a_file() {
        let url =
            "postgres://q%27t:s%3A3c%5Cret@db:5433/hotline?sslmode=require&sslrootcert=/c/a.pem";
        let url: DatabaseUrl = url.parse().unwrap();
        let told = url.connection_string(Path::new("/run/pass")).unwrap();
        assert_eq!(
            told,
            "host='db' port='5433' user='q\\'t' dbname='hotline' sslmode='require' \
             sslrootcert='/c/a.pem' passfile='/run/pass'"
        );
        assert_eq!(url.passfile().unwrap().expose(), "*:*:*:*:s\\:3c\\\\ret\n");
        let socket: DatabaseUrl = "postgres://qt@localhost/h?host=/run/pg".parse().unwrap();
        let told = socket.connection_string(Path::new("/run/pass")).unwrap();
        assert!(told.starts_with("host='/run/pg' ") && !told.contains("passfile"), "{told}");
        assert!(socket.passfile().is_none());
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_quoted() {
        for wrong in ["s3cret", "mysql://a:s3cret@b/c", "postgres://a@b/c?pasword=s3cret"] {
            let refused = wrong.parse::<DatabaseUrl>().unwrap_err();
            assert!(!format!("{refused} {refused:?}").contains("s3cret"));
        }
    }
}
