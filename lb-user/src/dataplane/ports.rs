//! `PORTS` and `BINDINGS`, mapped into the daemon's memory: ports of connections that can't go on are given back.

use lb_common::{
    state::{BackendId, Binding, Port},
    time::Tick,
};

/// A port is claimed first and its connection written then: within this many ticks of the claim, what
/// is written may still be the connection before.
const WRITTEN: u32 = 2;

/// Ports that can't be given to another connection now.
pub(super) fn used(ports: &[Port], now: Tick) -> u64 {
    ports.iter().filter(|port| !port.stamp().is_free(now)).count() as u64
}

/// Gives back the ports of connections whose backend, of that generation, does not serve any more:
/// nothing else would before they have been idle for up to two hours, and those who were moved to
/// another backend take new ports there.
pub(super) fn sweep(
    ports: &[Port],
    bindings: &[Binding],
    now: Tick,
    serves: impl Fn(BackendId, u32) -> bool,
) {
    for (port, binding) in ports.iter().zip(bindings) {
        let stamp = port.stamp();
        if stamp.is_free(now) || stamp.is_over() || now.since(stamp.seen()) < WRITTEN {
            continue;
        }
        if binding.read().is_some_and(|bound| !serves(bound.backend, bound.generation)) {
            // If a packet came in between, its connection is judged again at the next sweep.
            let _released = port.release(stamp);
        }
    }
}

#[cfg(test)]
mod tests {
    use lb_common::{
        net::{Be16, Ip, Mac, protocol},
        packet::TcpFlags,
        state::{
            Bound,
            binding::{Side, Stamp},
        },
    };

    use super::*;

    const THEN: Tick = Tick(1_000);
    const NOW: Tick = Tick(1_010);

    /// An answered connection to backend `id` of generation 3.
    fn connection(id: u32, protocol: u8, used: Tick) -> (Port, Binding) {
        let (port, binding) = (Port::default(), Binding::default());
        assert!(port.claim(port.stamp(), Stamp::first(used, TcpFlags::default(), protocol)));
        binding.write(&Bound {
            client: Ip::default(),
            client_port: Be16::new(1234),
            called: Be16::new(80),
            protocol,
            backend: BackendId(id),
            source: 0,
            generation: 3,
            ifindex: 1,
            client_mac: Mac::from_bytes([1; 6]),
            local_mac: Mac::from_bytes([2; 6]),
        });
        for from in [Side::Backend, Side::Client] {
            port.pass(used, TcpFlags(0x10), from, 7);
        }
        (port, binding)
    }

    #[test]
    fn ports_of_backends_that_do_not_serve_are_given_back() {
        for protocol in [protocol::TCP, protocol::UDP] {
            let (ports, bindings): (Vec<_>, Vec<_>) =
                [1, 2, 3].map(|id| connection(id, protocol, THEN)).into_iter().unzip();
            assert!(ports.iter().all(|port| !port.stamp().is_free(NOW)));
            // 1 serves, 2 is of another generation now, 3 is down or gone.
            sweep(&ports, &bindings, NOW, |id, generation| {
                (id.0, generation) == (1, 3) || (id.0, generation) == (2, 4)
            });
            let free: Vec<_> = ports.iter().map(|port| port.stamp().is_free(NOW)).collect();
            assert_eq!(free, [false, true, true]);
        }
    }

    #[test]
    fn a_port_that_was_just_claimed_is_left_alone() {
        let (port, binding) = connection(1, protocol::TCP, NOW);
        let (ports, bindings) = ([port], [binding]);
        let before = ports[0].stamp();
        sweep(&ports, &bindings, NOW, |_, _| false);
        assert_eq!(ports[0].stamp(), before);
        // Claimed after the sweep read the clock.
        sweep(&ports, &bindings, THEN, |_, _| false);
        assert_eq!(ports[0].stamp(), before);
    }
}
