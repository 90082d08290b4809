//! A host whose TCP and UDP packets are tagged on the lab's switch, without VLAN devices in the kernel: frames go by
//! two TAP devices, and between them a thread adds and strips tags.
//!
//! ARP and neighbour discovery stay untagged. So hosts here and the balancer, whose kernel knows no tags either, find
//! each other's Ethernet addresses; what they then say is for the packet program alone.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::fd::{AsFd as _, AsRawFd as _},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::Result;
use lb_user::lab::Netns;
use nix::poll::{PollFd, PollFlags, poll};

/// How often, in milliseconds, the thread looks whether it should end.
const LOOK: u16 = 50;
/// Behind the Ethernet addresses.
const TYPE: usize = 12;

/// A running tagger. Dropping it ends it.
#[derive(Debug)]
pub struct Tagger {
    stop: Arc<AtomicBool>,
    tagged: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Tagger {
    /// Makes `eth0` in `host` and the port `name` of `switch`, and tags what goes from one to the other with `tags`
    /// (types and numbers, outermost first).
    pub fn start(switch: &Netns, name: &str, host: &Netns, tags: &[u8]) -> Result<Self> {
        let (inside, outside) = (host.run(|| tap("eth0"))?, switch.run(|| tap(name))?);
        switch.ip_batch(&format!("link set {name} master br0\nlink set {name} up\n"))?;
        let (stop, tagged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let carrier =
            Carrier { inside, outside, tags: tags.to_vec(), stop: stop.clone(), tagged: tagged.clone() };
        Ok(Self { stop, tagged, thread: Some(thread::spawn(move || carrier.run())) })
    }

    /// TCP and UDP packets that came from the switch with these tags. Those that came without were lost.
    #[must_use]
    pub fn tagged(&self) -> u64 {
        self.tagged.load(Ordering::Relaxed)
    }
}

impl Drop for Tagger {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Carrier {
    inside: File,
    outside: File,
    tags: Vec<u8>,
    stop: Arc<AtomicBool>,
    tagged: Arc<AtomicU64>,
}

impl Carrier {
    fn run(mut self) {
        let mut buffer = [0; 65_536];
        while !self.stop.load(Ordering::Relaxed) {
            let mut both =
                [&self.inside, &self.outside].map(|tap| PollFd::new(tap.as_fd(), PollFlags::POLLIN));
            if poll(&mut both, LOOK).is_err() {
                continue;
            }
            let [inside, outside] = both.map(|tap| tap.any().unwrap_or(false));
            // A device that is down takes nothing, which is what a cable without a peer does.
            if inside && let Ok(length) = self.inside.read(&mut buffer) {
                let _ = self.outside.write(&self.tag(&buffer[..length]));
            }
            if outside
                && let Ok(length) = self.outside.read(&mut buffer)
                && let Some(frame) = self.strip(&buffer[..length])
            {
                let _ = self.inside.write(&frame);
            }
        }
    }

    fn tag(&self, frame: &[u8]) -> Vec<u8> {
        let (addresses, rest) = frame.split_at(TYPE);
        let tags = if has_ports(rest) { self.tags.as_slice() } else { &[] };
        [addresses, tags, rest].concat()
    }

    fn strip(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let (addresses, rest) = frame.split_at(TYPE);
        if let Some(rest) = rest.strip_prefix(self.tags.as_slice()) {
            self.tagged.fetch_add(1, Ordering::Relaxed);
            return Some([addresses, rest].concat());
        }
        (!has_ports(rest)).then(|| frame.to_vec())
    }
}

/// Is it TCP or UDP, from the Ethernet type on?
fn has_ports(rest: &[u8]) -> bool {
    let protocol = match rest {
        [0x08, 0x00, ip @ ..] => ip.get(9),
        [0x86, 0xdd, ip @ ..] => ip.get(6),
        _ => None,
    };
    matches!(protocol, Some(6 | 17))
}

/// Makes a TAP device in the thread's namespace.
fn tap(name: &str) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    // `struct ifreq`: a name of 16 bytes, then the flags.
    let mut request = [0u8; size_of::<libc::ifreq>()];
    request[..name.len()].copy_from_slice(name.as_bytes());
    request[16..18].copy_from_slice(&((libc::IFF_TAP | libc::IFF_NO_PI) as u16).to_ne_bytes());
    // SAFETY: the request is as long as an `ifreq`, and lives for the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, request.as_mut_ptr()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(file) }
}
