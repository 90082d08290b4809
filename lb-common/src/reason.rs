//! Why a packet met its fate, and what else is worth counting: the index into `COUNTERS`, the key
//! in `status`, the label in `/metrics`. One list, which only grows at its end: counters outlive the daemon, and the next one
//! goes by the index.

/// What a [`Reason`] says of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The packet went on to the local network stack, untouched.
    Pass,
    /// The packet was sent on.
    Forward,
    /// The packet was dropped.
    Drop,
    /// Not a packet's fate: something that happened on the way.
    Event,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $kind:ident $variant:ident $name:literal;)+) => {
        /// A counter. Exactly one of the kinds `Pass`, `Forward` and `Drop` is counted a packet.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[repr(u32)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            /// Every reason, by index.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The reason with this index; [`Reason::Malformed`] for one that none has.
            #[inline(always)]
            pub const fn from_index(index: u32) -> Self {
                $(if index == Self::$variant as u32 { return Self::$variant; })+
                Self::Malformed
            }

            /// Its name in `status` and `/metrics`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What it says of a packet.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind),+ }
            }

            /// One line for people.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }
            }

            /// Number of counters.
            pub const COUNT: usize = Self::ALL.len();
        }
    };
}
pub(crate) use reasons;

reasons! {
    /// Neither IPv4 nor IPv6 after the Ethernet header and at most two VLAN tags.
    Pass NotIp "not_ip";
    /// No service at this address, port and protocol.
    Pass NotOurs "not_ours";
    /// A protocol other than TCP and UDP to a service address.
    Pass OtherProtocol "other_protocol";
    /// Sent on to a backend.
    Forward ToBackend "to_backend";
    /// Sent back to a client.
    Forward ToClient "to_client";
    /// Headers to a service that contradict themselves or end before they should.
    Drop Malformed "malformed";
    /// A fragment to a service address that nothing is known of the first fragment of.
    Drop FragmentOrphan "fragment_orphan";
    /// IPv6 extension headers to a service address that can't be followed.
    Drop ExtensionHeader "extension_header";
    /// No backend of the service is up.
    Drop NoBackend "no_backend";
    /// The backend's next hop is not resolved.
    Drop NoNextHop "no_next_hop";
    /// Every source port towards the backend is in use.
    Drop NoSourcePort "no_source_port";
    /// A connection was entered into the flow table.
    Event FlowNew "flow_new";
    /// A live flow of a client not proven made room for another.
    Event FlowDisplacedStranger "flow_displaced_stranger";
    /// A live flow of a proven client made room for another.
    Event FlowDisplacedProven "flow_displaced_proven";
    /// A flow's backend had gone down; the flow was decided anew.
    Event FlowBackendDown "flow_backend_down";
    /// A TCP segment without SYN met no flow: decided by session or hash.
    Event TcpMidstream "tcp_midstream";
    /// A session was stored for a client not yet proven.
    Event SessionNew "session_new";
    /// A session moved to the proven ones.
    Event SessionProven "session_proven";
    /// A session moved because its backend is down or gone.
    Event SessionMovedDown "session_moved_down";
    /// A session ended by its idle timeout or lifetime and was chosen anew.
    Event SessionExpired "session_expired";
    /// A proven client's session found no room in `PINS`; it stays among the unproven.
    Event PinsFull "pins_full";
    /// A first fragment to a service address that ends before its ports do.
    Drop FragmentTiny "fragment_tiny";
    /// An ICMP error about a connection of a service that is not known.
    Drop IcmpOrphan "icmp_orphan";
    /// An echo request to a service address, answered here.
    Forward EchoReply "echo_reply";
    /// An ICMP error was sent on along the connection that it is about.
    Event IcmpError "icmp_error";
    /// What was known of a packet's first fragment made room for another's.
    Event FragmentDisplaced "fragment_displaced";
    /// The service's access list does not let the client in.
    Drop Denied "denied";
    /// A connection ID chose the backend, for want of a flow or against it.
    Event QuicRouted "quic_routed";
    /// A packet without a flow had no connection ID that names a server: decided by hash.
    Event QuicUnroutable "quic_unroutable";
    /// A packet without a flow had a connection ID of a server that is down: decided by hash.
    Event QuicBackendDown "quic_backend_down";
    /// A new connection of a stranger that needs a source port, beyond what this CPU stores in a second.
    Drop Flood "flood";
    /// A new connection went by session or hash and was not stored: this CPU has stored enough in this second.
    Event FlowUnstored "flow_unstored";
    /// No source port was free; a client not proven lost its own to another.
    Event PortDisplacedStranger "port_displaced_stranger";
    /// A client that can't be verified stays among the unproven for now: enough have moved in this second.
    Event PinDeferred "pin_deferred";
    /// Too big for its tunnel, and nobody is told: it is a later fragment or an ICMP error, or this CPU has told
    /// enough senders in this second.
    Drop TooBig "too_big";
    /// Too big for its tunnel: the sender was told so.
    Forward TooBigAnswered "too_big_answered";
    /// The driver leaves no room before the packet for a tunnel's header.
    Drop NoHeadroom "no_headroom";
    /// A session moved because an operator drains or disabled its backend.
    Event SessionMovedDrained "session_moved_drained";
    /// A client came back whose session was lost for want of room, and whose backend is not there any more.
    Event SessionEvicted "session_evicted";
    /// A client whose session was lost for want of room was recognised.
    Event SessionRecalled "session_recalled";
    /// What was remembered of a client made room for another's: if its session is evicted as well, that passes unnoticed.
    Event GhostDisplaced "ghost_displaced";
    /// A session's backend is down: another serves its client until it is back.
    Event SessionLent "session_lent";
    /// A client was refused, for the first time since its session's backend went down.
    Event SessionRefused "session_refused";
    /// The backend of the client's session is down, and the service's policy is to wait for it.
    Drop HomeDown "home_down";
    /// No session can be stored, and the service's policy is to take no client without one.
    Drop SessionsFull "sessions_full";
    /// For a service that the host itself serves: on to its stack.
    Pass ToHost "to_host";
}

impl Reason {
    /// Entries of `COUNTERS`. More than there are reasons: a new one, added at the end, then leaves
    /// the layout of pinned maps as it is.
    pub const ROOM: usize = 64;

    /// The reasons of a kind, a bit each, by index. The packet path asks this for each packet: two instructions,
    /// where [`kind`](Self::kind) is a call (1 ns).
    pub const fn all_of(kind: Kind) -> u64 {
        let (mut bits, mut at) = (0, 0);
        while at < Self::COUNT {
            bits |= ((Self::ALL[at].kind() as u8 == kind as u8) as u64) << at;
            at += 1;
        }
        bits
    }
}
const _: () = assert!(Reason::COUNT <= Reason::ROOM);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_and_names_are_unique() {
        for (at, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, at);
            assert_eq!(Reason::ALL.iter().filter(|r| r.name() == reason.name()).count(), 1);
        }
    }
}
