//! The TypeScript client against a real server, where Node.js is.

use qingting_tests::peers::talker::Talker;
use qingting_tests::server::{Server, ServerPlan};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Reads tickets, is refused, follows the log until the call of the test has ended.
const SCRIPT: &str = "
import { connect, follow, ok, Refusal } from './client/index.js';
const [url, key] = process.argv.slice(2);
const qingting = connect(url + '/', { key });
const told = { tickets: (await ok(qingting.GET('/api/v1/tickets'))).tickets.length };
await ok(qingting.GET('/api/v1/tickets/{id}', { params: { path: { id: '00000000-0000-0000-0000-000000000000' } } }))
  .catch((error) => { told.refused = error instanceof Refusal && error.problem.title; });
await ok(connect(url).GET('/api/v1/tickets')).catch((error) => { told.stranger = error.status; });
const stop = new AbortController();
const types = [];
for await (const { events } of follow(qingting, { kinds: ['call.*'], signal: stop.signal })) {
  types.push(...events.map(({ type }) => type));
  if (types.includes('qingting.call.ended')) stop.abort();
}
console.log(JSON.stringify({ ...told, types }));
";

#[test]
fn the_client_reads_is_refused_and_follows_the_log() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project");
    let modules = root.join("console/node_modules");
    if !modules.join("openapi-fetch").exists() {
        eprintln!("not run: `make test` installs the console's packages where Node.js is");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let client = folder.path().join("client");
    std::fs::create_dir(&client).expect("writable");
    for file in ["index.js", "package.json"] {
        std::fs::copy(root.join("clients/typescript").join(file), client.join(file)).expect(file);
    }
    std::os::unix::fs::symlink(modules, folder.path().join("node_modules")).expect("a link");
    std::fs::write(folder.path().join("run.mjs"), SCRIPT).expect("writable");

    let server = Server::start(&ServerPlan::deaf());
    let citizen = Talker::call(server.sip(), 1_150.0);
    citizen.hang_up();
    server.ended_calls(1);
    let key = json!({ "name": "client", "role": "admin" });
    let (status, made) = server.request("POST", "/api/v1/api-keys", Some(&key));
    assert_eq!(status, 201, "{made}");
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let output = Command::new("node")
        .arg("run.mjs")
        .arg(format!("http://{}", server.http()))
        .arg(made["secret"].as_str().expect("a secret"))
        .current_dir(folder.path())
        .output()
        .expect("node runs");
    let told = String::from_utf8_lossy(&output.stdout);
    let fault = String::from_utf8_lossy(&output.stderr);
    let told: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told}{fault}"));
    assert_eq!(told["tickets"], 1);
    assert_eq!((&told["refused"], &told["stranger"]), (&json!("Not Found"), &json!(401)));
    let types = told["types"].as_array().expect("a list");
    assert_eq!(types.first(), Some(&json!("qingting.call.began")));
    assert_eq!(types.last(), Some(&json!("qingting.call.ended")));
}
