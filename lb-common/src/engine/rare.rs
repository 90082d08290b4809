//! What few packets are: tagged, fragments, with extension headers, ICMP.

use super::{Fate, Sent, carry, judge, refuse};
use crate::{
    encapsulate,
    frame::Frame,
    header::Own,
    net::{V4, V6, protocol},
    parse::{self, Datagram, Family, Network, Part},
    reason::Reason,
    rewrite::{self, Echo, Layout},
    stage::{self, Packed, Step, fragment, icmp},
    state::{HandedOver, Target},
    tables::Tables,
};

/// Decides the fate of any packet.
#[inline(always)]
pub fn rare<F: Frame, T: Tables>(frame: &mut F, tables: &T) -> Fate {
    match parse::untagged(frame) {
        Some(Network::V4) => any::<V4, F, T>(frame, tables),
        Some(Network::V6) => any::<V6, F, T>(frame, tables),
        Some(Network::Tag | Network::Other) | None => Err(Reason::NotIp).into(),
    }
}

/// One family's packet.
// Each branch has locals of its own, and reads the headers again: what one needs takes no stack from another.
#[inline(always)]
fn any<A: Family + Echo + Own + HandedOver, F: Frame, T: Tables>(frame: &mut F, tables: &T) -> Fate {
    let (protocol, part) = match parse::datagram::<A, F>(frame) {
        Ok(datagram) => (datagram.protocol, datagram.part),
        Err(unparsed) => return Err(refuse(tables, unparsed)).into(),
    };
    let has_ports = protocol == protocol::TCP || protocol == protocol::UDP;
    // Which protocol a later fragment is of can't be told where its part of the packet begins with extension headers.
    if part == Part::Later && (has_ports || A::extends(protocol)) {
        later::<A, F, T>(frame, tables)
    } else if has_ports {
        ported::<A, F, T>(frame, tables)
    } else if protocol == A::ICMP && part == Part::Whole {
        control::<A, F, T>(frame, tables)
    } else {
        apart(frame, tables, other::<A, F, T>)
    }
}

/// Runs a branch with locals of its own.
#[inline(never)]
fn apart<A: Family, F: Frame, T: Tables>(
    frame: &mut F,
    tables: &T,
    branch: impl Fn(&mut F, &T, Datagram<A>) -> Step<Sent>,
) -> Fate {
    match parse::datagram::<A, F>(frame) {
        Ok(datagram) => branch(frame, tables, datagram).into(),
        Err(unparsed) => Err(refuse(tables, unparsed)).into(),
    }
}

/// What is left to the kernel.
#[inline(always)]
fn other<A: Family, F: Frame, T: Tables>(_frame: &mut F, tables: &T, datagram: Datagram<A>) -> Step<Sent> {
    Err(judge(tables, &datagram.ip.destination, Reason::OtherProtocol))
}

/// A TCP or UDP packet, or its first fragment.
#[inline(never)]
fn ported<A: Family + Layout + Own + HandedOver, F: Frame, T: Tables>(frame: &mut F, tables: &T) -> Fate {
    let datagram = match parse::datagram::<A, F>(frame) {
        Ok(datagram) => datagram,
        Err(unparsed) => return Err(refuse(tables, unparsed)).into(),
    };
    let mut packet = match datagram.packet(frame) {
        Ok(packet) => packet,
        Err(unparsed) => return Err(refuse(tables, unparsed)).into(),
    };
    frame.forget_packet(&mut packet);
    let common = common::<A, F, T>(frame, tables);
    let fate = carry(frame, tables, &packet, common);
    if common != 0 && fate.is_sent() {
        fragment::remember(&packet, tables, common);
    }
    fate
}

/// What a first fragment is remembered by; 0 for a whole packet.
#[inline(never)]
fn common<A: Family, F: Frame, T: Tables>(frame: &F, tables: &T) -> u64 {
    match parse::datagram::<A, F>(frame) {
        Ok(datagram) if datagram.part == Part::First => fragment::common(&datagram, tables),
        _ => 0,
    }
}

/// A fragment that has no ports.
#[inline(never)]
fn later<A: Family + Layout + Own, F: Frame, T: Tables>(frame: &mut F, tables: &T) -> Fate {
    match first::<A, F, T>(frame, tables).target() {
        Ok(target) if stage::is_tunnelled(tables, target) => {
            apart(frame, tables, |frame, tables, datagram| wrap::<A, F, T>(frame, tables, &datagram, target))
        }
        Ok(target) => apart(frame, tables, |frame, tables, datagram: Datagram<A>| {
            let packet = datagram.without_ports(frame).ok_or(Reason::Malformed)?;
            let (reason, route) = stage::along(&packet, tables, target)?;
            rewrite::fragment(frame, &packet, &route).ok_or(Reason::Malformed)?;
            Ok((reason, route.ifindex))
        }),
        Err(reason) => Err(reason).into(),
    }
}

/// Where the first fragment went.
#[inline(never)]
fn first<A: Family, F: Frame, T: Tables>(frame: &F, tables: &T) -> Packed {
    match parse::datagram::<A, F>(frame) {
        Ok(datagram) => fragment::find(&datagram, tables).into(),
        Err(unparsed) => refuse(tables, unparsed).into(),
    }
}

/// A packet without ports into its backend's tunnel, as it is. If it is too big, nobody is told: not of a later
/// fragment, as the first was answered, nor of an error (RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e)).
#[inline(always)]
fn wrap<A: Family + Own, F: Frame, T: Tables>(
    frame: &mut F,
    tables: &T,
    datagram: &Datagram<A>,
    target: Target,
) -> Step<Sent> {
    let packet = datagram.without_ports(frame).ok_or(Reason::Malformed)?;
    let backend = stage::serving(tables, target)?;
    match encapsulate::forward(frame, tables, &packet, target, &backend)? {
        (Reason::TooBig, _) => Err(Reason::TooBig),
        sent => Ok(sent),
    }
}

/// An ICMP packet.
#[inline(never)]
fn control<A: Family + Echo + Own, F: Frame, T: Tables>(frame: &mut F, tables: &T) -> Fate {
    let answered = apart(frame, tables, ping::<A, F, T>);
    if answered.reason() != Reason::OtherProtocol {
        return answered;
    }
    match about::<A, F, T>(frame, tables).target() {
        Ok(target) if stage::is_tunnelled(tables, target) => {
            apart(frame, tables, |frame, tables, datagram| {
                let sent = wrap::<A, F, T>(frame, tables, &datagram, target)?;
                tables.count(Reason::IcmpError);
                Ok(sent)
            })
        }
        Ok(target) => apart(frame, tables, |frame, tables, datagram: Datagram<A>| {
            let quote = parse::quote(frame, &datagram).ok_or(Reason::OtherProtocol)?;
            let (reason, route) = stage::along(&quote.answer, tables, target)?;
            rewrite::error(frame, &datagram, &quote, &route).ok_or(Reason::Malformed)?;
            tables.count(Reason::IcmpError);
            Ok((reason, route.ifindex))
        }),
        Err(reason) => Err(reason).into(),
    }
}

/// An echo request to an address that nobody else answers for; for any other packet to a service's address
/// [`Reason::OtherProtocol`].
#[inline(always)]
fn ping<A: Family + Echo, F: Frame, T: Tables>(
    frame: &mut F,
    tables: &T,
    datagram: Datagram<A>,
) -> Step<Sent> {
    let kind = frame.read(usize::from(datagram.transport));
    if kind == Some(A::REQUEST)
        && datagram.reaches(frame, parse::ICMP)
        && icmp::answers(datagram.ip.destination, tables)
    {
        rewrite::echo(frame, &datagram).ok_or(Reason::Malformed)?;
        return Ok((Reason::EchoReply, frame.ingress()));
    }
    Err(Reason::OtherProtocol)
}

/// The connection that an error is about.
#[inline(never)]
fn about<A: Family + Echo, F: Frame, T: Tables>(frame: &F, tables: &T) -> Packed {
    let Ok(datagram) = parse::datagram::<A, F>(frame) else { return Reason::Malformed.into() };
    let kind: Option<u8> = frame.read(usize::from(datagram.transport));
    let step = match parse::quote(frame, &datagram) {
        // An error comes to whoever sent what it quotes.
        Some(quote)
            if kind.is_some_and(A::is_error)
                && quote.answer.destination.address == datagram.ip.destination =>
        {
            icmp::find(&quote.answer, tables)
        }
        _ => Err(Reason::OtherProtocol),
    };
    match step {
        Err(Reason::OtherProtocol) => judge(tables, &datagram.ip.destination, Reason::OtherProtocol).into(),
        step => step.into(),
    }
}
