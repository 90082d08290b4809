//! Attaches the packet program to interfaces, by pinned links: they outlive the daemon, and the next
//! one puts its program in their place without a packet in between going astray.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf,
    programs::{
        ProgramError, Xdp, XdpMode,
        links::{FdLink, PinnedLink},
        xdp::{XdpLink, XdpLinkId},
    },
};
use tracing::warn;

use super::{Program, load};
use crate::model::AttachMode;

/// Which hook an interface got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In the driver.
    Driver,
    /// After the socket buffer was made.
    Generic,
}

impl Mode {
    /// As `status` shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Generic => "generic",
        }
    }

    /// Is it what the configuration asks for?
    const fn fits(self, wanted: AttachMode) -> bool {
        match wanted {
            AttachMode::Auto => true,
            AttachMode::Driver => matches!(self, Self::Driver),
            AttachMode::Generic => matches!(self, Self::Generic),
        }
    }
}

/// An interface with the packet program on it.
#[derive(Debug)]
pub struct Attached {
    /// The hook in use.
    pub mode: Mode,
    /// True if an earlier daemon's link was taken over.
    pub adopted: bool,
}

/// Attaches `program` to the interface `name` with index `ifindex`, or puts it into the link that an
/// earlier daemon left there; that link keeps its mode.
///
/// # Errors
/// Another XDP program is there, the driver can't do what `mode` demands, no rights.
pub fn attach(program: &mut Program, name: &str, ifindex: u32, mode: AttachMode) -> Result<Attached> {
    let pins = program.pins().cloned();
    if let Some(pins) = &pins {
        for found in [Mode::Driver, Mode::Generic] {
            let pin = pins.link(found.name(), name);
            // One at most: whoever takes a link over moves it.
            for other in pins.other_links(found.name(), name) {
                std::fs::rename(other, &pin).with_context(|| format!("cannot take over {name}"))?;
            }
            if pin.exists() && take_over(program, &pin).with_context(|| format!("cannot take over {name}"))? {
                if !found.fits(mode) {
                    warn!(
                        "{name} stays in {} mode, whatever [interface] says: a link that an earlier run left \
                         keeps its mode. Stop with --detach-on-exit to change it, which ends connections",
                        found.name()
                    );
                }
                return Ok(Attached { mode: found, adopted: true });
            }
        }
    }
    let (id, mode) = attach_fresh(program.xdp(), name, ifindex, mode)?;
    if let Some(pins) = pins {
        let link = program.xdp().take_link(id)?;
        let link: FdLink = link.try_into().map_err(|_| {
            anyhow!(
                "this kernel has no XDP links (Linux 5.9), without which the program can't outlive the daemon"
            )
        })?;
        // The pin alone keeps the link from here on.
        drop(
            link.pin(pins.link(mode.name(), name))
                .with_context(|| format!("cannot pin the link on {name}"))?,
        );
    }
    Ok(Attached { mode, adopted: false })
}

/// Puts the program into a pinned link; false if the link's interface is gone, and with it the pin.
fn take_over(program: &mut Program, pin: &Path) -> Result<bool> {
    let link: FdLink = PinnedLink::from_pin(pin)?.into();
    let link: XdpLink = link.try_into()?;
    match program.xdp().attach_to_link(link) {
        Ok(id) => {
            // Owned by the pin, not by this process: dropped here, it would only close its handle.
            drop(program.xdp().take_link(id)?);
            Ok(true)
        }
        Err(error) if errno(&error) == Some(libc::ENOLINK) => {
            std::fs::remove_file(pin)?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes all pins of this daemon: links detach, maps are freed.
///
/// # Errors
/// A pin can't be removed.
pub fn detach_all(program: &Program) -> Result<()> {
    if let Some(pins) = program.pins() {
        pins.remove().context("cannot remove the pins")?;
    }
    Ok(())
}

impl Program {
    /// Detaches from every interface that is not in `names`, and removes what another layout left.
    ///
    /// # Errors
    /// The pins can't be read or removed.
    pub fn detach_others(&self, names: &[String]) -> Result<()> {
        let Some(pins) = self.pins() else { return Ok(()) };
        let both = |name: &String| [Mode::Driver, Mode::Generic].map(|mode| pins.link(mode.name(), name));
        let keep: Vec<_> = names.iter().flat_map(both).collect();
        for link in pins.links()? {
            if !keep.contains(&link) {
                std::fs::remove_file(&link).with_context(|| format!("cannot remove {}", link.display()))?;
            }
        }
        pins.remove_others()
    }
}

/// A pass-all program on an interface; detached on drop.
#[derive(Debug)]
pub struct PassGuard {
    _ebpf: Ebpf,
}

/// Attaches the pass-all program in driver mode to an interface of the calling thread's network
/// namespace: a veth delivers what its peer sends by XDP only if it has a program itself.
///
/// # Errors
/// No rights, no such interface, or another program is there.
pub fn attach_pass(ifindex: u32) -> Result<PassGuard> {
    Ok(PassGuard { _ebpf: load::load_pass(ifindex)? })
}

/// Attaches a loaded program to the interface `name` with index `ifindex`, for as long as `program` keeps the
/// link.
pub(super) fn attach_fresh(
    program: &mut Xdp,
    name: &str,
    ifindex: u32,
    mode: AttachMode,
) -> Result<(XdpLinkId, Mode)> {
    if matches!(mode, AttachMode::Driver | AttachMode::Auto) {
        match program.attach_to_if_index(ifindex, XdpMode::Driver) {
            Ok(id) => return Ok((id, Mode::Driver)),
            Err(error) => match (errno(&error), mode) {
                (Some(libc::EOPNOTSUPP | libc::EINVAL), AttachMode::Auto) => {}
                _ => return Err(explain(error, name, "driver")),
            },
        }
    }
    match program.attach_to_if_index(ifindex, XdpMode::Skb) {
        Ok(id) => Ok((id, Mode::Generic)),
        Err(error) => Err(explain(error, name, "generic")),
    }
}

fn errno(error: &ProgramError) -> Option<i32> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.raw_os_error();
        }
        cause = error.source();
    }
    None
}

fn explain(error: ProgramError, name: &str, mode: &str) -> anyhow::Error {
    let remedy = match errno(&error) {
        Some(libc::EBUSY | libc::EEXIST) => format!(
            "another XDP program is on {name}: `ip link show {name}` tells its id; \
             stop what put it there, or remove it with `ip link set dev {name} xdp off`"
        ),
        Some(libc::EOPNOTSUPP) => {
            format!("the driver of {name} has no XDP: ask for mode `auto` or `generic` (slower)")
        }
        Some(libc::EPERM) => "this needs root, or CAP_NET_ADMIN and CAP_BPF".to_owned(),
        Some(libc::ENODEV) => format!("{name} is gone"),
        Some(libc::EINVAL) => format!(
            "the driver of {name} refuses, often for LRO (`ethtool -K {name} lro off`), its MTU or too few queues; \
             mode `generic` works everywhere (slower)"
        ),
        _ => "the kernel's log (`dmesg`) may say more".to_owned(),
    };
    anyhow::Error::from(error).context(format!("cannot attach to {name} in {mode} mode: {remedy}"))
}
