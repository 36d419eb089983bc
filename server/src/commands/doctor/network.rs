//! The network: ports, the address that others see, trunks, certificates, and who else is asked.

use super::{Finding, Verdict};
use crate::certificate::valid_until;
use crate::clock;
use crate::config::Config;
use crate::route;
use qingting_sip::message::{Method, NameAddr, SipUri};
use qingting_sip::{Endpoint, EndpointConfig, OutgoingRequest, RequestError, Transport};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longest wait for a trunk's answer to OPTIONS, as the server's own.
const TRUNK_MAX: Duration = Duration::from_secs(10);
/// Longest wait for a connection to an outer system.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Certificates that end sooner are told.
const CERTIFICATE_WARNING_DAYS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;

pub async fn look(config: &Config, is_running: bool) -> Vec<Finding> {
    let mut findings = ports(config, is_running);
    findings.push(rtp(config, is_running));
    findings.push(address(config));
    findings.extend(certificate(config));
    let mut asking = JoinSet::new();
    for trunk in &config.trunks {
        let (name, uri) = (trunk.name.clone(), trunk.uri.clone());
        let transport = trunk.sip_transport();
        let caller = trunk.caller_id.clone();
        let ca = Some(config.sip.tls_ca.clone()).filter(|path| !path.as_os_str().is_empty());
        asking.spawn(async move { of_trunk(name, &uri, transport, &caller, ca).await });
    }
    let system = &config.ticket_system;
    let elsewhere = [
        ("ticket system", &system.url, "messages wait in the outbox until it is back"),
        ("language model", &config.llm.url, "drafts are filled by rules alone meanwhile"),
        ("OpenID provider", &config.sign_on.issuer, "people sign in by password meanwhile"),
        ("traces", &config.traces.otlp_url, "they wait, then are dropped and counted"),
        ("FunASR", &config.asr.remote.url, "utterances become gaps meanwhile"),
    ];
    let mut elsewhere: Vec<(String, String, &str)> = elsewhere
        .into_iter()
        .filter(|(_, url, _)| !url.is_empty())
        .map(|(what, url, then)| (what.to_owned(), url.clone(), then))
        .collect();
    for receiver in &config.feed.receivers {
        let what = format!("receiver {}", receiver.name);
        elsewhere.push((what, receiver.url.clone(), "it catches up when it is back"));
    }
    for (what, url, then) in elsewhere {
        asking.spawn(async move { of_system(what, &url, then).await });
    }
    let mut asked = asking.join_all().await;
    asked.sort_by(|a, b| a.what.cmp(&b.what));
    findings.extend(asked);
    if config.trunks.is_empty() {
        let remedy =
            "[[trunks]] in config.toml (docs/switchboard.md); telephones can call without one";
        findings.push(Finding::warning(
            "trunks",
            "none: no way to and from the telephone network",
            remedy,
        ));
    }
    findings
}

/// Whether each port is the server's, or can be.
fn ports(config: &Config, is_running: bool) -> Vec<Finding> {
    let sip = &config.sip;
    let udp = sip.listen_udp.iter().map(|at| ("SIP UDP", *at, true));
    let tcp = [
        ("SIP TCP", &sip.listen_tcp),
        ("SIP TLS", &sip.listen_tls),
        ("SIP WS", &sip.listen_ws),
        ("SIP WSS", &sip.listen_wss),
    ];
    let tcp = tcp.into_iter().flat_map(|(what, all)| all.iter().map(move |at| (what, *at, false)));
    let all = udp.chain(tcp).chain([("HTTP", config.http.listen, false)]);
    all.map(|(what, at, is_udp)| {
        let opened = match is_udp {
            true => UdpSocket::bind(at).map(drop),
            false => TcpListener::bind(at).map(drop),
        };
        match opened {
            Ok(()) if is_running => {
                let remedy = "its log says why; restart it after changes of [sip] and [http]";
                Finding::warning(
                    what,
                    format!("{at}: the running server does not listen there"),
                    remedy,
                )
            }
            Ok(()) => Finding::good(what, format!("{at} is free")),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && is_running => {
                Finding::good(what, format!("{at} is in use, by the running server as it seems"))
            }
            Err(error) => {
                let remedy =
                    "`ss -lnptu` shows who has it; below 1024 a service needs CAP_NET_BIND_SERVICE";
                Finding::bad(what, format!("{at}: {error}"), remedy)
            }
        }
    })
    .collect()
}

fn rtp(config: &Config, is_running: bool) -> Finding {
    let what = "RTP ports";
    let (first, last) = (config.media.port_first, config.media.port_last);
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let range = range.ok().and_then(|text| {
        let mut ends = text.split_whitespace().map(str::parse::<u16>);
        Some((ends.next()?.ok()?, ends.next()?.ok()?))
    });
    let pairs = (usize::from(last) + 1).saturating_sub(usize::from(first)) / 2;
    let found = format!("{first} to {last}: {pairs} legs; a call has two or three");
    if !is_running && UdpSocket::bind((Ipv4Addr::UNSPECIFIED, first)).is_err() {
        let remedy = "another program has ports of it: give another range in [media]";
        return Finding::bad(what, format!("{found}; {first} is taken"), remedy);
    }
    let wanted = config.sip.concurrent_calls_max * 2;
    if pairs < wanted {
        let found = format!(
            "{found}; {} calls with a seat each want {wanted}",
            config.sip.concurrent_calls_max
        );
        return Finding::warning(what, found, "widen media.port_first and port_last");
    }
    match range {
        Some((from, to)) if from <= last && first <= to => {
            let found = format!(
                "{found}; they overlap with {from} to {to}, which the kernel gives to anybody"
            );
            let remedy =
                "sysctl -w net.ipv4.ip_local_port_range='32768 60999', or another range in [media]";
            Finding::warning(what, found, remedy)
        }
        _ => Finding::good(what, found),
    }
}

/// Whether trunks are told an address that reaches us.
fn address(config: &Config) -> Finding {
    let what = "own address";
    let told = config.sip.advertised_ip;
    let trunk = config.trunks.iter().find_map(|trunk| {
        let uri: SipUri = trunk.uri.parse().ok()?;
        uri.ip().or_else(|| trunk.peers.first().copied())
    });
    let own = route::towards(trunk.unwrap_or(route::ANYWHERE));
    let is_private = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback(),
    };
    match (told, own, trunk) {
        (Some(told), _, Some(trunk)) if is_private(told) && !is_private(trunk) => {
            let found =
                format!("sip.advertised_ip = {told} is private, and the trunk {trunk} is not");
            Finding::bad(what, found, "give the address that the operator sees")
        }
        (Some(told), _, _) => Finding::good(what, format!("{told} (sip.advertised_ip)")),
        (None, Some(own), Some(trunk)) if is_private(own) && !is_private(trunk) => {
            let found =
                format!("{own} is private, and the trunk {trunk} is not: there is a NAT between");
            Finding::bad(what, found, "set sip.advertised_ip to the address that the operator sees")
        }
        (None, Some(own), _) => Finding::good(what, own.to_string()),
        (None, None, _) => {
            let remedy = "look at `ip route`, or set sip.advertised_ip";
            Finding::bad(what, "there is no way to the network".to_owned(), remedy)
        }
    }
}

async fn of_trunk(
    name: String,
    uri: &str,
    transport: Transport,
    caller: &str,
    ca: Option<std::path::PathBuf>,
) -> Finding {
    let what = format!("trunk {name}");
    let Ok(target) = uri.parse::<SipUri>() else {
        return Finding::bad(what, format!("{uri} is no SIP address"), "trunks.uri in config.toml");
    };
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let bound = Endpoint::bind(EndpointConfig {
        udp: vec![any],
        tcp: vec![any],
        tls_ca: ca,
        product: concat!("Qingting-doctor/", env!("CARGO_PKG_VERSION")).to_owned(),
        calls_max: 1,
        ..EndpointConfig::default()
    });
    let (endpoint, _calls) = match bound.await {
        Ok(bound) => bound,
        Err(error) => return Finding::bad(what, error.to_string(), "look at sip.tls_ca"),
    };
    let user = if caller.is_empty() { "12345" } else { caller };
    let identity = format!("<sip:{user}@{}>", target.host);
    let Some(from) = NameAddr::parse(&identity) else {
        return Finding::bad(what, format!("{identity} is no SIP address"), "trunks.caller_id");
    };
    let began = tokio::time::Instant::now();
    let asked = endpoint.request(OutgoingRequest::new(Method::Options, target, transport, from));
    let answer = timeout(TRUNK_MAX, asked).await;
    let took = began.elapsed().as_millis();
    endpoint.close().await;
    match answer {
        Ok(Ok(response)) if response.code == 503 => {
            let found = format!("{uri} answers 503 after {took} ms: it takes no calls now");
            Finding::warning(what, found, "ask the operator")
        }
        Ok(Ok(response)) if response.code == 403 => {
            let found = format!("{uri} answers 403 after {took} ms: it does not know this address");
            Finding::warning(
                what,
                found,
                "ask the operator to let it in; some answer OPTIONS so and take calls",
            )
        }
        // Whatever else it says, it is there.
        Ok(Ok(response)) => {
            Finding::good(what, format!("{uri} answers {} after {took} ms", response.code))
        }
        Ok(Err(error @ RequestError::NoAddress)) => {
            let remedy = "look at trunks.uri and at the name server (resolvectl query NAME)";
            Finding::bad(what, format!("{uri}: {error}"), remedy)
        }
        Ok(Err(error)) => {
            let remedy =
                "look at route and firewall; ask the operator whether this address is let in";
            Finding::bad(what, format!("{uri}: {error}"), remedy)
        }
        Err(_) => {
            let found = format!("{uri}: no answer to OPTIONS within {} s", TRUNK_MAX.as_secs());
            let remedy = "look at route and firewall; some operators answer OPTIONS from port 5060 alone: the \
                          running server's log says whether the trunk is up";
            Finding::warning(what, found, remedy)
        }
    }
}

async fn of_system(what: String, url: &str, then: &str) -> Finding {
    let Some((host, port)) = host_and_port(url) else {
        return Finding::bad(what, format!("{url} is no address"), "look at it in config.toml");
    };
    let remedy = format!("look at name server, route and firewall; {then}");
    let connected = timeout(CONNECT_MAX, TcpStream::connect((host.as_str(), port))).await;
    match connected {
        Ok(Ok(_)) => Finding::good(what, format!("{host}:{port} takes connections")),
        Ok(Err(error)) => Finding::warning(what, format!("{host}:{port}: {error}"), &remedy),
        Err(_) => {
            let found = format!("{host}:{port}: no connection within {} s", CONNECT_MAX.as_secs());
            Finding::warning(what, found, &remedy)
        }
    }
}

fn host_and_port(url: &str) -> Option<(String, u16)> {
    let uri: ureq::http::Uri = url.parse().ok()?;
    let usual = if matches!(uri.scheme_str()?, "https" | "wss") { 443 } else { 80 };
    // What stands beside the host must be a port.
    let beside = uri.authority()?.as_str().len() - uri.host()?.len();
    let port = uri.port_u16().or_else(|| (beside == 0).then_some(usual))?;
    Some((uri.host()?.trim_matches(['[', ']']).to_owned(), port))
}

/// The certificate that telephones and browsers are shown.
fn certificate(config: &Config) -> Option<Finding> {
    let what = "certificate";
    let identity = config.sip.tls_identity()?;
    let file = &identity.certificate_pem;
    if let Err(error) = identity.check() {
        let remedy = "sip.tls_certificate has the chain and sip.tls_key its key, both in PEM";
        return Some(Finding::bad(what, error.to_string(), remedy));
    }
    let until = match valid_until(file) {
        Ok(until) => until,
        Err(why) => return Some(Finding::bad(what, why, "it must be a certificate in PEM")),
    };
    let days = (until - clock::unix_now().0 / 1_000).div_euclid(DAY_SECONDS);
    let remedy = "renew it; the running server takes the new file within 10 s";
    if days < 0 {
        let found = format!("{}: over for {} days", file.display(), -days);
        return Some(Finding::bad(what, found, remedy));
    }
    let found = format!("{}: {days} days left", file.display());
    Some(Finding::of(days >= CERTIFICATE_WARNING_DAYS, Verdict::Warning, what, found, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_read_off_addresses() {
        let read = |url: &str| host_and_port(url);
        let is = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(read("https://a.example/x?y"), is("a.example", 443));
        assert_eq!(read("http://10.0.0.5:81"), is("10.0.0.5", 81));
        assert_eq!(read("wss://a:10095"), is("a", 10_095));
        assert_eq!(read("http://[::1]:81/x"), is("::1", 81));
        assert_eq!(read("https://[::1]/x"), is("::1", 443));
        for none in ["a.example", "https://", "http://a:none"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
