//! A tunnel's sending end for real connections: what the kernel routes into a TUN device leaves wrapped.

use std::{
    ffi::c_char,
    fs::File,
    io::{self, Read as _},
    net::IpAddr,
    os::fd::AsRawFd as _,
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result};
use lb_user::lab::Netns;
use nix::libc;

use super::sender::Sender;

/// Name of the device.
const DEVICE: &[u8] = b"wrap0";
/// No outer header makes packets so long too large for a segment of 1,500.
const MTU: u16 = 1500 - 40 - 8 - 4;

/// A running tunnel. Dropping it removes the device.
pub struct Encapsulator {
    namespace: Netns,
    thread: Option<JoinHandle<()>>,
}

impl Encapsulator {
    /// Routes `service` into the tunnel.
    pub fn start(namespace: &Netns, service: IpAddr, sender: Sender) -> Result<Self> {
        let mut device = namespace.run(open).context("cannot make a TUN device")?;
        let prefix = if service.is_ipv4() { 32 } else { 128 };
        namespace.ip_batch(&format!(
            "link set wrap0 mtu {MTU} up\nroute add {service}/{prefix} dev wrap0 mtu {MTU}\n"
        ))?;
        let version = if service.is_ipv4() { 4 } else { 6 };
        let thread = thread::spawn(move || {
            let mut buffer = vec![0; 2048];
            // An error says that the device is gone.
            while let Ok(length) = device.read(&mut buffer) {
                // The kernel looks for routers and neighbours on any device.
                if length > 0 && buffer[0] >> 4 == version {
                    // A full queue is a lost packet, which TCP sends again.
                    let _ = sender.send(&buffer[..length]);
                }
            }
        });
        Ok(Self { namespace: namespace.clone(), thread: Some(thread) })
    }
}

impl Drop for Encapsulator {
    fn drop(&mut self) {
        // Wakes the thread.
        if self.namespace.ip_batch("link del wrap0\n").is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// Makes the device in the calling thread's namespace; it goes with the file.
fn open() -> io::Result<File> {
    let file = File::options().read(true).write(true).open("/dev/net/tun")?;
    let mut name = [0 as c_char; libc::IFNAMSIZ];
    for (to, &from) in name.iter_mut().zip(DEVICE) {
        *to = from as c_char;
    }
    let flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    let request =
        libc::ifreq { ifr_name: name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: flags } };
    // SAFETY: the request lives during the call, and the file is open.
    match unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw const request) } {
        0 => Ok(file),
        _ => Err(io::Error::last_os_error()),
    }
}
