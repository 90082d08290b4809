//! Why a packet met its fate on a backend.

use crate::reason::{Kind, reasons};

reasons! {
    /// Not a tunnel packet to one of our tunnel addresses.
    Pass NotTunnel "not_tunnel";
    /// Unwrapped and handed to the local network stack.
    Forward Decapsulated "decapsulated";
    /// A tunnel packet from an address that `--from` does not name.
    Drop SenderNotAllowed "sender_not_allowed";
    /// A fragment of a tunnel packet.
    Drop Fragment "fragment";
    /// Options in the outer IPv4 header.
    Drop OuterOptions "outer_options";
    /// Headers that contradict themselves, each other or the frame's length, or a wrong outer checksum.
    Drop Malformed "malformed";
    /// A GUE header with anything in it but the inner protocol, or of an unknown variant.
    Drop GueHeader "gue_header";
    /// GUE with IPv6 inside and IPv4 outside, which Limpet does not send.
    Drop Ipv6InIpv4 "ipv6_in_ipv4";
    /// The inner time to live or hop limit is 0.
    Drop HopLimit "hop_limit";
    /// The inner destination is none of those that are accepted.
    Drop InnerNotLocal "inner_not_local";
    /// Congestion was marked outside on a packet whose ends don't understand the mark.
    Drop Congestion "congestion";
}
