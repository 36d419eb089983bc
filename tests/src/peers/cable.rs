//! The way between a browser and the server, which can be cut: TCP is relayed at another address of this machine, and
//! what the browser does with UDP stops with its network process.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Where browsers find the server: a loopback address, too, so that they trust it with a microphone.
pub const NEAR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

#[derive(Debug, Default)]
struct State {
    is_cut: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

/// Relays at [`NEAR`] of ports of the server.
#[derive(Debug)]
pub struct Cable(Arc<State>);

impl Cable {
    /// Lays it to these ports.
    pub fn lay(ports: &[u16]) -> Self {
        let state = Arc::new(State::default());
        for &port in ports {
            let listener = TcpListener::bind((NEAR, port)).expect("the port is free there, too");
            let state = state.clone();
            std::thread::spawn(move || {
                for near in listener.incoming().flatten() {
                    if !state.is_cut.load(Ordering::SeqCst) {
                        state.join(near, (Ipv4Addr::LOCALHOST, port).into());
                    }
                }
            });
        }
        Self(state)
    }

    /// Ends every connection and takes no new one.
    pub fn cut(&self) {
        self.0.is_cut.store(true, Ordering::SeqCst);
        for stream in self.0.open.lock().expect("no panic").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.0.is_cut.store(false, Ordering::SeqCst);
    }
}

impl State {
    fn join(&self, near: TcpStream, server: SocketAddr) {
        let Ok(far) = TcpStream::connect(server) else { return };
        let both = [(near.try_clone(), far.try_clone()), (far.try_clone(), near.try_clone())];
        for (from, to) in both {
            let (Ok(mut from), Ok(mut to)) = (from, to) else { return };
            std::thread::spawn(move || {
                let mut bytes = [0; 16_384];
                while let Ok(count @ 1..) = from.read(&mut bytes) {
                    if to.write_all(&bytes[..count]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Both);
            });
        }
        self.open.lock().expect("no panic").extend([near, far]);
    }
}
