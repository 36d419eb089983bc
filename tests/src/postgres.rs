//! A PostgreSQL of one test's own, which the test may stop and start.

use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// It is gone when dropped.
#[derive(Debug)]
pub struct Postgres {
    script: Child,
    orders: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Postgres {
    /// Starts one with an empty database. What it has committed it keeps, however it ends.
    pub fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/postgres-for-tests.sh");
        let mut script = Command::new(script)
            .arg("--durable")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C ends the tests; the script then has the time to clean up.
            .process_group(0)
            .spawn()
            .expect("the script of the repository");
        let orders = script.stdin.take();
        let answers = BufReader::new(script.stdout.take().expect("piped")).lines();
        let mut server = Self { script, orders, answers, address: String::new() };
        server.address = server.order("hotline");
        assert!(server.address.starts_with("postgres://"), "{}", server.address);
        server
    }

    /// The database's address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it at once: connections break, and nobody answers.
    pub fn stop(&mut self) {
        assert_eq!(self.order(":stop"), "stopped");
    }

    /// Starts it again after [`Postgres::stop`].
    pub fn start_again(&mut self) {
        assert_eq!(self.order(":start"), "started");
    }

    /// It stays, with all connections, and says nothing: a disk or a machine that hangs.
    pub fn hang(&mut self) {
        assert_eq!(self.order(":hang"), "hangs");
    }

    /// It goes on after [`Postgres::hang`].
    pub fn wake(&mut self) {
        assert_eq!(self.order(":wake"), "awake");
    }

    fn order(&mut self, order: &str) -> String {
        let orders = self.orders.as_mut().expect("until it is dropped");
        writeln!(orders, "{order}").expect("the script reads");
        self.answers.next().and_then(Result::ok).expect("the script answers")
    }
}

/// What a statement gives, row by row, in a database that servers under test use: what no operation tells, such as leases.
pub fn asked(address: &str, sql: &str) -> Vec<Vec<String>> {
    let mut psql = Command::new("psql");
    psql.args([
        "-X",
        "-q",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        "-F",
        "\t",
        "-c",
        sql,
        "-d",
        address,
    ]);
    let output = psql.output().expect("psql is installed with PostgreSQL");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("the database is UTF-8");
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.script.wait();
    }
}
