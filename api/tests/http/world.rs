//! A server on a real socket, its switchboard, and those who talk to it.

use crate::board::{Board, Upside};
use crate::callbacks::Office;
use futures_util::StreamExt;
use qingting_api::{ApiState, EventBus, Knowledge, Page, RecentCalls, Switchboard, router, serve};
use qingting_common::{CallId, Pii, TicketId, UnixMillis};
use qingting_nlu::{Gazetteer, Reader};
use qingting_store::{
    CallerDialog, Direction, LegBegin, LegRef, LegRole, NewCall, NewPerson, NewSeat, Role,
    SeatRole, Skills, Store,
};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use uuid::Uuid;

/// When the calls of these tests began: 2026-01-01 in China.
pub(crate) const START: UnixMillis = UnixMillis(1_767_196_800_000);
pub(crate) const PASSWORD: &str = "correct horse";
/// 承办单位 of experts.
pub(crate) const UNIT: &str = "市城市管理局";
const PAGES: &[Page] = &[
    Page::new("/softphone", "text/html; charset=utf-8", b"<!doctype html>"),
    Page::new("/console/", "text/html; charset=utf-8", b"<!doctype html>"),
    Page::new("/softphone/app.js", "text/javascript", b"start()"),
    Page::new("/console/app-1.js", "text/javascript", b"run()").or_gzip(b"pressed").kept(),
];

pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) store: Store,
    pub(crate) events: EventBus,
    pub(crate) switchboard: Arc<Board>,
    pub(crate) knowledge: Knowledge,
    pub(crate) recent_calls: RecentCalls,
    pub(crate) address: SocketAddr,
    pub(crate) admin: String,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) server: JoinSet<()>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// A server that is set up otherwise.
    pub(crate) async fn with(set_up: impl FnOnce(&mut ApiState)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let recordings = dir.path().join("recordings");
        std::fs::create_dir(&recordings).unwrap();
        let store = Store::open(&dir.path().join("q.db")).await.unwrap();
        let events = EventBus::new();
        let switchboard = Arc::new(Board::default());
        let mut state = ApiState::new(
            store.clone(),
            events.clone(),
            recordings,
            Arc::clone(&switchboard) as Arc<dyn Switchboard>,
            Arc::new(|| None),
            Arc::new(|| "calls_total 1\n".to_owned()),
        );
        let (knowledge, recent_calls) = (Knowledge::default(), RecentCalls::default());
        state.knowledge = knowledge.clone();
        state.recent_calls = recent_calls.clone();
        state.locate = Arc::new(|place| locator().locate(place));
        state.callbacks = Arc::new(Office::new());
        state.city = Arc::new(crate::handling::city());
        state.handling = Arc::new(crate::handling::rules());
        state.pages = PAGES;
        state.audio = Arc::new(Upside);
        state.public_url = Some("https://hotline.example".to_owned());
        set_up(&mut state);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        let (stop, stopped) = oneshot::channel::<()>();
        server.spawn(async move {
            let stopped = async { stopped.await.unwrap_or_default() };
            serve(listener, router(state), stopped).await.unwrap();
        });
        let admin = bearer(&store, Role::Admin).await;
        Self {
            dir,
            store,
            events,
            switchboard,
            knowledge,
            recent_calls,
            address,
            admin,
            stop: Some(stop),
            server,
        }
    }

    pub(crate) async fn call(&self) -> (CallId, TicketId) {
        let id = CallId::new(Uuid::now_v7());
        let call = NewCall {
            id,
            direction: Direction::Inbound,
            caller: Pii::new("13800138000".into()),
            called: "12345".into(),
            number_name: None,
            enterprise: false,
            dialog: Some(CallerDialog {
                sip_call_id: "x".into(),
                remote: "udp:192.0.2.1:5060".into(),
            }),
            started_at: START,
        };
        (id, self.store.begin_call(call).await.unwrap())
    }

    /// Makes a seat and logs it in: the header that it sends.
    pub(crate) async fn seat(&self, extension: &str, role: SeatRole) -> String {
        format!("Authorization: Bearer {}\r\n", self.token(extension, role).await)
    }

    /// Makes a seat and logs it in: its token.
    pub(crate) async fn token(&self, extension: &str, role: SeatRole) -> String {
        let seat = NewSeat {
            extension: extension.into(),
            name: "王芳".into(),
            role,
            skills: Skills::from([("综合".into(), 1)]),
            realm: "qingting".into(),
            password: Pii::new(PASSWORD.into()),
        };
        self.store.create_seat(seat, "admin").await.unwrap();
        let body = json!({ "extension": extension, "password": PASSWORD }).to_string();
        let opened = self.ask("POST", "/api/v1/session", "", &body).await;
        assert_eq!(opened.status, 201);
        opened.json()["token"].as_str().unwrap().to_owned()
    }

    /// Makes a person, an expert one of [`UNIT`], and logs it in: the header that it sends.
    pub(crate) async fn person(&self, login: &str, role: Role) -> String {
        let person = NewPerson {
            // Some words are the product's own.
            login: format!("{login}-1"),
            name: "李华".into(),
            role,
            unit: (role == Role::Expert).then(|| UNIT.to_owned()),
            password: Some(Pii::new(PASSWORD.into())),
            subject: Some(format!("subject of {login}")),
        };
        self.store.create_person(person, "admin", None).await.unwrap();
        let body = json!({ "login": format!("{login}-1"), "password": PASSWORD }).to_string();
        let opened = self.ask("POST", "/api/v1/session", "", &body).await;
        assert_eq!(opened.status, 201);
        format!("Authorization: Bearer {}\r\n", opened.json()["token"].as_str().unwrap())
    }

    /// A leg of a call that began at that time and was answered.
    pub(crate) async fn leg(
        &self,
        call: CallId,
        slot: u8,
        role: LegRole,
        target: &str,
        at: UnixMillis,
    ) {
        let leg = LegRef { call, slot, seq: 0 };
        let begin = LegBegin {
            leg,
            role,
            target: Pii::new(target.into()),
            name: None,
            sip_call_id: None,
            remote: None,
            at,
        };
        self.store.leg_began(begin).await.unwrap();
        self.store.leg_answered(leg, at, None).await.unwrap();
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        tokio::time::timeout(DEADLINE, exchange(self.address, method, path, headers, body))
            .await
            .unwrap()
    }

    pub(crate) async fn admin(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask(method, path, &self.admin, body).await
    }
}

pub(crate) async fn bearer(store: &Store, role: Role) -> String {
    let name = format!("a {}", role.as_str());
    let key = store.create_key(&name, role, "admin").await.unwrap();
    format!("Authorization: Bearer {}\r\n", key.secret)
}

pub(crate) async fn exchange(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let mut socket = TcpStream::connect(to).await.unwrap();
    let kind = match body.as_bytes().first() {
        None => "",
        Some(b'{' | b'[') => "Content-Type: application/json\r\n",
        Some(_) => "Content-Type: text/csv\r\n",
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).await.unwrap();
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..split].to_vec()).unwrap().to_lowercase();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head,
        body: bytes[split + 4..].to_vec(),
    }
}

pub(crate) type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

/// The event stream from its beginning, as a browser opens it.
pub(crate) async fn listen(world: &World, secret: &str) -> Socket {
    let url = format!("ws://{}/api/v1/events?after=0", world.address);
    let mut request = url.into_client_request().unwrap();
    let protocols = format!("qingting, {secret}").parse().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocols);
    let (socket, answer) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "qingting");
    socket
}

/// The next message that is no ping.
pub(crate) async fn message(socket: &mut Socket) -> Message {
    loop {
        let message = tokio::time::timeout(DEADLINE, socket.next()).await;
        let message = message.unwrap().unwrap().unwrap();
        if !message.is_ping() {
            return message;
        }
    }
}

/// Two districts of one name.
fn locator() -> Reader {
    let divisions = Gazetteer::from_csv(
        "code,name\n11,北京市\n22,吉林省\n",
        "code,name\n1101,市辖区\n2201,长春市\n",
        "code,name\n110105,朝阳区\n220104,朝阳区\n",
        "code,name\n",
    );
    Reader::new(None, divisions.unwrap())
}
