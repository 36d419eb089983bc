//! Sockets of a leg, and reading them in batches with the kernel's receive times.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// Datagrams read by one system call.
const BATCH: usize = 8;
/// Longest datagram read; longer ones are cut and then fail to parse. 200 ms of G.711 fit.
const DATAGRAM_BYTES_MAX: usize = 1_700;
/// Room for one timestamp control message.
const CONTROL_BYTES: usize = 64;
/// Asked of the kernel for each socket; 64 KiB hold about a second of one call.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;

/// The RTP and RTCP sockets of one leg, non-blocking.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) rtp: Arc<UdpSocket>,
    pub(crate) rtcp: UdpSocket,
}

impl Sockets {
    /// Binds `port` and the one after it.
    pub(crate) fn bind(ip: IpAddr, port: u16) -> io::Result<Self> {
        Ok(Self { rtp: Arc::new(bind(ip, port)?), rtcp: bind(ip, port + 1)? })
    }
}

fn bind(ip: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(ip, port);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    ask_for_receive_times(&socket)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[allow(unsafe_code, reason = "SO_TIMESTAMPNS has no safe wrapper")]
fn ask_for_receive_times(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int, whose address and size are given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// One datagram, borrowed from the [`Inbox`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) from: SocketAddr,
    /// When the kernel got it, nanoseconds since 1970; `None` when it did not say.
    pub(crate) arrival_unix_ns: Option<u64>,
}

/// Buffers for one batch; one for each shard, reused for every socket.
pub(crate) struct Inbox {
    buffers: Box<[[u8; DATAGRAM_BYTES_MAX]; BATCH]>,
    controls: Box<[Control; BATCH]>,
    names: [libc::sockaddr_storage; BATCH],
    headers: [libc::mmsghdr; BATCH],
}

/// Control messages want the alignment of their header.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_BYTES]);

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            buffers: Box::new([[0; DATAGRAM_BYTES_MAX]; BATCH]),
            controls: Box::new([Control([0; CONTROL_BYTES]); BATCH]),
            names: [zeroed(); BATCH],
            headers: [zeroed(); BATCH],
        }
    }

    /// Whether a batch of `count` may have left more behind.
    pub(crate) const fn was_full(count: usize) -> bool {
        count == BATCH
    }

    /// Reads what is there, up to a batch; 0 when nothing is.
    #[allow(unsafe_code, reason = "recvmmsg has no safe wrapper")]
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> usize {
        let mut slices = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH];
        for (index, slice) in slices.iter_mut().enumerate() {
            *slice = libc::iovec {
                iov_base: self.buffers[index].as_mut_ptr().cast(),
                iov_len: DATAGRAM_BYTES_MAX,
            };
            let header = &mut self.headers[index].msg_hdr;
            header.msg_name = (&raw mut self.names[index]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = &raw mut *slice;
            header.msg_iovlen = 1;
            header.msg_control = self.controls[index].0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES;
            header.msg_flags = 0;
        }
        // SAFETY: every pointer in the headers leads to memory of `self` or of `slices` that lives
        // through the call and has the length given beside it.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        // Nothing there, or an ICMP error of something we sent: either way there is nothing to read.
        usize::try_from(count).unwrap_or(0)
    }

    /// A datagram of the last batch; `None` for an address family that is not IP.
    pub(crate) fn datagram(&self, index: usize) -> Option<Datagram<'_>> {
        let header = &self.headers[index];
        let length = (header.msg_len as usize).min(DATAGRAM_BYTES_MAX);
        Some(Datagram {
            bytes: &self.buffers[index][..length],
            from: address(&self.names[index])?,
            arrival_unix_ns: arrival(&header.msg_hdr),
        })
    }
}

#[allow(unsafe_code, reason = "C structures are made of zeros")]
fn zeroed<T>() -> T {
    // SAFETY: used for `sockaddr_storage` and `mmsghdr`, for which all zeros is a valid value.
    unsafe { MaybeUninit::<T>::zeroed().assume_init() }
}

#[allow(unsafe_code, reason = "the family says which structure the storage holds")]
fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the kernel wrote a `sockaddr_in`, as the family says.
            let v4 = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::from((ip, u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: the kernel wrote a `sockaddr_in6`, as the family says.
            let v6 = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr).to_canonical();
            Some(SocketAddr::from((ip, u16::from_be(v6.sin6_port))))
        }
        _ => None,
    }
}

#[allow(unsafe_code, reason = "control messages are read through the C macros")]
fn arrival(header: &libc::msghdr) -> Option<u64> {
    // SAFETY: the kernel filled `msg_control` up to `msg_controllen`; the macros stay within it,
    // and a SCM_TIMESTAMPNS message holds one `timespec`, read without assuming its alignment.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let kind = ((*message).cmsg_level, (*message).cmsg_type);
            if kind == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
                let time = libc::CMSG_DATA(message).cast::<libc::timespec>().read_unaligned();
                let s = u64::try_from(time.tv_sec).ok()?;
                return Some(s * 1_000_000_000 + u64::try_from(time.tv_nsec).ok()?);
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_batch_gives_bytes_source_and_receive_time() {
        let local: IpAddr = [127, 0, 0, 1].into();
        let receiver = bind(local, 0).unwrap();
        let sender = UdpSocket::bind((local, 0)).unwrap();
        let to = receiver.local_addr().unwrap();
        let before = clock::unix_ns();
        for number in 0..10_u8 {
            sender.send_to(&[number; 20], to).unwrap();
        }
        let mut inbox = Inbox::new();
        let first = inbox.receive(&receiver);
        assert!(Inbox::was_full(first));
        let datagram = inbox.datagram(3).unwrap();
        assert_eq!(datagram.bytes, [3; 20]);
        assert_eq!(datagram.from, sender.local_addr().unwrap());
        let arrival = datagram.arrival_unix_ns.unwrap();
        assert!((before..=clock::unix_ns()).contains(&arrival));
        assert_eq!(inbox.receive(&receiver), 2);
        assert_eq!(inbox.receive(&receiver), 0);
    }
}
