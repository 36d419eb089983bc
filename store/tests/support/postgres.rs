//! A throw-away PostgreSQL, one for each test program, and a new database in it for each test.

use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Which database a test runs on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// Makes two tests of a function, one for each database.
macro_rules! on_both {
    ($name:ident) => {
        mod $name {
            use super::On;

            #[tokio::test]
            async fn sqlite() {
                super::$name(On::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::$name(On::Postgres).await;
            }
        }
    };
}
pub(crate) use on_both;

/// What `scripts/postgres-for-tests.sh` reads and writes. It ends when this program has.
struct Server {
    names: ChildStdin,
    addresses: Lines<BufReader<ChildStdout>>,
    databases: u32,
    /// Why there is none.
    refused: Option<String>,
}

/// The address of a new, empty database.
pub(crate) fn database() -> String {
    static SERVER: OnceLock<Mutex<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| Mutex::new(start()));
    let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
    server.databases += 1;
    let name = format!("test{}", server.databases);
    // A script that has ended already has said why.
    let _ = writeln!(server.names, "{name}");
    match server.addresses.next().and_then(Result::ok) {
        Some(address) if address.starts_with("postgres://") => address,
        Some(refused) => panic!("{}", server.refused.insert(refused)),
        None => panic!("{}", server.refused.as_deref().unwrap_or("no PostgreSQL")),
    }
}

#[allow(clippy::zombie_processes, reason = "it ends when this program has ended")]
fn start() -> Server {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/postgres-for-tests.sh");
    let mut child = Command::new(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Ctrl-C ends the tests; the script then has the time to clean up.
        .process_group(0)
        .spawn()
        .expect("the script of the repository");
    Server {
        names: child.stdin.take().expect("piped"),
        addresses: BufReader::new(child.stdout.take().expect("piped")).lines(),
        databases: 0,
        refused: None,
    }
}
