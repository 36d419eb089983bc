//! What a call costs: `load bridge 200 20` and `load conference 100 20` run so many rooms for so
//! many seconds and print the server's processor time as a share of a core per room, and how late
//! its ticks were; `load codecs` prints what each codec costs. The telephones are another process, so that the time is the server's alone.

#![allow(unsafe_code, reason = "many datagrams with one system call, and the processor's clock")]
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use qingting_media::codec::{Coder, PACKET_SAMPLES_MAX, PAYLOAD_BYTES_MAX};
use qingting_media::g711::Law;
use qingting_media::rtp::{HEADER_BYTES, Header};
use qingting_media::{
    Codec, LegConfig, LegHandle, MediaConfig, MediaEngine, RecordTo, RemoteMedia, RoomConfig,
    RoomHandle, Routes, Side,
};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const TICK_SAMPLES: usize = 160;
const PACKET_BYTES: usize = HEADER_BYTES + TICK_SAMPLES;
/// Datagrams of one system call of the telephones.
const BATCH: usize = 32;
const FIRST_PORT: u16 = 20_000;
/// Until buffers have learnt and files have begun.
const WARM_UP: Duration = Duration::from_secs(3);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["telephones"] => telephones(),
        [kind @ ("bridge" | "conference"), rooms, seconds] => {
            let parties = if kind == "bridge" { 2 } else { 3 };
            let number = |word: &str| word.parse().expect("a number");
            serve(parties, number(rooms), Duration::from_secs(number(seconds) as u64));
        }
        ["codecs"] => codecs(),
        _ => println!("load bridge|conference ROOMS SECONDS, or load codecs"),
    }
}

/// What packing and unpacking one leg's audio costs.
fn codecs() {
    const TICKS: u32 = 3_000;
    let voice: Vec<i16> = voice().into_iter().map(|code| Law::Pcma.decode(code)).collect();
    for codec in [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus] {
        let mut coder = Coder::new(codec);
        let [_, before] = processor_s();
        for tick in voice.chunks_exact(TICK_SAMPLES).cycle().take(TICKS as usize) {
            let (mut payload, mut out) = ([0; PAYLOAD_BYTES_MAX], [0; PACKET_SAMPLES_MAX]);
            let length = coder.encode(tick.first_chunk().expect("a whole tick"), &mut payload);
            std::hint::black_box(coder.decode(&payload[..length], &mut out));
        }
        let [_, after] = processor_s();
        let share = (after - before) / (f64::from(TICKS) * 0.02);
        println!("{codec:?}: {:.4} % of a core for a leg", share * 100.0);
    }
}

fn serve(parties: usize, rooms: usize, time: Duration) {
    allow_many_files();
    let folder = tempfile::tempdir().expect("a folder for recordings");
    let empty = resident_kib();
    let ports = FIRST_PORT..=FIRST_PORT + (2 * parties * rooms) as u16 + 63;
    let engine = MediaEngine::start(MediaConfig { ports, ..MediaConfig::default() })
        .expect("the engine starts");
    let (mut child, peer, mut telephones) = spawn_telephones();
    let open = |number| {
        let path = folder.path().join(format!("{number}.wav"));
        open_room(&engine, parties, peer, RecordTo { path, ..RecordTo::default() })
    };
    let open: Vec<(RoomHandle, Vec<LegHandle>)> = (0..rooms).map(open).collect();
    {
        let mut told = child.stdin.take().expect("it is piped");
        for leg in open.iter().flat_map(|(_, legs)| legs) {
            writeln!(told, "{}", leg.local_rtp().port()).expect("the telephones live");
        }
        writeln!(told).expect("the telephones live");
        std::thread::sleep(WARM_UP);
        let (before, processor) = (engine.metrics().lateness, processor_s());
        std::thread::sleep(time);
        let spent = processor_s().map(|spent| spent / time.as_secs_f64());
        let [kernel, all] =
            [0, 1].map(|index| spent[index] - processor[index] / time.as_secs_f64());
        let late = engine.metrics().lateness.since(&before);
        println!("{rooms} rooms of {parties}, recorded in stereo, {:.0} s", time.as_secs_f64());
        println!("a core's share per room: {:.4} %", all * 100.0 / rooms as f64);
        println!("of it in the kernel:     {:.4} %", kernel * 100.0 / rooms as f64);
        println!("rooms that fill a core:  {:.0}", rooms as f64 / all);
        println!("memory per room:         {:.1} KiB", (resident_kib() - empty) / rooms as f64);
        let quantile = |share| match late.quantile(share) {
            Some(seconds) => format!("{:.2} ms", seconds * 1_000.0),
            None => "more than 100 ms".into(),
        };
        // A server that the machine starves leaves ticks out and looks cheap.
        let wanted = time.as_millis() / 20;
        println!("ticks run:               {} of {wanted}", late.count);
        println!("ticks late, p50 {} p99 {}", quantile(0.5), quantile(0.99));
    }
    let mut counts = String::new();
    telephones.read_line(&mut counts).expect("the telephones say what they heard");
    println!("telephones: {}", counts.trim());
    child.wait().expect("the telephones end");
}

fn open_room(
    engine: &MediaEngine,
    parties: usize,
    peer: SocketAddr,
    record: RecordTo,
) -> (RoomHandle, Vec<LegHandle>) {
    let config = RoomConfig { record: Some(record) };
    let (room, _events) = engine.open_room(config).expect("a room");
    let legs: Vec<LegHandle> = (0..parties)
        .map(|party| {
            let side = if party == 0 { Side::Citizen } else { Side::Staff };
            let (leg, _events) =
                room.open_leg(LegConfig { side, ..LegConfig::default() }).expect("a leg");
            leg.connect(RemoteMedia {
                rtp: peer,
                rtcp: peer,
                rtcp_mux: true,
                codec: Codec::Pcma,
                payload_type: 8,
                dtmf_payload_type: Some(101),
                send: true,
                receive: true,
                security: qingting_media::Security::Plain,
                source: None,
            });
            leg
        })
        .collect();
    room.route(Routes::between(&legs.iter().map(LegHandle::slot).collect::<Vec<_>>()));
    (room, legs)
}

fn spawn_telephones() -> (Child, SocketAddr, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
        .arg("telephones")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts twice");
    let mut told = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut port = String::new();
    told.read_line(&mut port).expect("the telephones say their port");
    let port: u16 = port.trim().parse().expect("a port");
    (child, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), told)
}

/// Sends to every port that it is told, every 20 ms, until its input ends.
fn telephones() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let buffer: libc::c_int = 8 << 20;
    // SAFETY: the option takes an int, whose address and size are given.
    unsafe {
        let size = size_of::<libc::c_int>() as libc::socklen_t;
        let value = (&raw const buffer).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, value, size);
    }
    println!("{}", socket.local_addr().expect("it is bound").port());
    let mut input = std::io::stdin().lock();
    let ports: Vec<u16> = lines(&mut input).map_while(|line| line.trim().parse().ok()).collect();
    let ended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let end = std::sync::Arc::clone(&ended);
    drop(input);
    let waiter = std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        end.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let voice = voice();
    let mut packets: Vec<[u8; PACKET_BYTES]> = vec![[0; PACKET_BYTES]; ports.len()];
    let (mut sent, mut heard, mut tick) = (0, 0, 0_u32);
    let began = now_ns();
    while !ended.load(std::sync::atomic::Ordering::Relaxed) {
        // Spread over the tick as real telephones are.
        let batches = ports.len().div_ceil(BATCH).max(1);
        for (number, (ports, packets)) in
            ports.chunks(BATCH).zip(packets.chunks_mut(BATCH)).enumerate()
        {
            let share = 20_000_000 * number as u64 / batches as u64;
            let due = began + u64::from(tick) * 20_000_000 + share;
            std::thread::sleep(Duration::from_nanos(due.saturating_sub(now_ns())));
            for (packet, port) in packets.iter_mut().zip(ports) {
                let header = Header {
                    marker: false,
                    payload_type: 8,
                    sequence: tick as u16,
                    timestamp: tick.wrapping_mul(TICK_SAMPLES as u32),
                    ssrc: (*port).into(),
                };
                header.write(packet.first_chunk_mut().expect("room for it"));
                let at = (tick as usize * TICK_SAMPLES + usize::from(*port) * 77) % 7_840;
                packet[HEADER_BYTES..].copy_from_slice(&voice[at..at + TICK_SAMPLES]);
            }
            sent += send_all(&socket, ports, packets);
            heard += hear_all(&socket);
        }
        tick += 1;
    }
    waiter.join().expect("it only reads");
    let ticks = u64::from(tick) * ports.len() as u64;
    println!("{sent} packets sent of {ticks}, {heard} heard");
}

fn lines(input: &mut impl BufRead) -> impl Iterator<Item = String> {
    std::iter::from_fn(|| {
        let mut line = String::new();
        input.read_line(&mut line).ok().map(|_| line)
    })
}

/// A second of a tone that swells: neither silence nor noise.
fn voice() -> Vec<u8> {
    let sample = |n: usize| {
        let t = n as f32 / 8_000.0;
        let tone = (t * 220.0 * std::f32::consts::TAU).sin() + (t * 660.0 * 6.3).sin() * 0.3;
        Law::Pcma.encode((tone * 6_000.0 * (t * 3.0).sin()) as i16)
    };
    (0..8_000).map(sample).collect()
}

fn send_all(socket: &UdpSocket, ports: &[u16], packets: &mut [[u8; PACKET_BYTES]]) -> u64 {
    let mut names: Vec<libc::sockaddr_in> = ports
        .iter()
        .map(|port| libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: port.to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be() },
            sin_zero: [0; 8],
        })
        .collect();
    let mut slices: Vec<libc::iovec> = packets
        .iter_mut()
        .map(|packet| libc::iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: PACKET_BYTES })
        .collect();
    let mut headers: Vec<libc::mmsghdr> = names
        .iter_mut()
        .zip(&mut slices)
        .map(|(name, slice)| {
            // SAFETY: all zeros is a valid value of this C structure.
            let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
            header.msg_hdr.msg_name = (&raw mut *name).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            header.msg_hdr.msg_iov = slice;
            header.msg_hdr.msg_iovlen = 1;
            header
        })
        .collect();
    // SAFETY: names, slices and packets outlive the call.
    let count = unsafe {
        libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), headers.len() as u32, 0)
    };
    u64::try_from(count).unwrap_or(0)
}

fn hear_all(socket: &UdpSocket) -> u64 {
    let mut bytes = [[0_u8; 64]; BATCH];
    let mut heard = 0;
    loop {
        let mut slices: Vec<libc::iovec> = bytes
            .iter_mut()
            .map(|bytes| libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: 64 })
            .collect();
        let mut headers: Vec<libc::mmsghdr> = slices
            .iter_mut()
            .map(|slice| {
                // SAFETY: all zeros is a valid value of this C structure.
                let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
                header.msg_hdr.msg_iov = slice;
                header.msg_hdr.msg_iovlen = 1;
                header
            })
            .collect();
        // SAFETY: slices and bytes outlive the call; longer datagrams are cut.
        let count = unsafe {
            let (headers, many) = (headers.as_mut_ptr(), BATCH as u32);
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers,
                many,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let Ok(count @ 1..) = u64::try_from(count) else { return heard };
        heard += count;
    }
}

/// Processor time of all threads of this process: in the kernel, and in all.
fn processor_s() -> [f64; 2] {
    // SAFETY: all zeros is a valid value of this C structure, which the call then fills.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    [seconds(usage.ru_stime), seconds(usage.ru_stime) + seconds(usage.ru_utime)]
}

/// Memory of this process that is in use, in KiB.
fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line of it");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
}

fn now_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn allow_many_files() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)
        .expect("up to the maximum");
}
