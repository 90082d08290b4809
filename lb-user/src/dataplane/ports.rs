//! `BINDINGS`, mapped into the daemon's memory: ports of connections that can't go on are given back.

use lb_common::{
    state::{BackendId, Binding},
    time::Tick,
};

/// A port is claimed first and its connection written then: within this many ticks of the claim, what
/// is written may still be the connection before.
const WRITTEN: u32 = 2;

/// Ports that can't be given to another connection now.
pub(super) fn used(bindings: &[Binding], now: Tick) -> u64 {
    bindings.iter().filter(|binding| !binding.stamp().is_free(now)).count() as u64
}

/// Gives back the ports of connections whose backend, of that generation, does not serve any more:
/// nothing else would before they have been idle for up to two hours, and those who were moved to
/// another backend take new ports there.
pub(super) fn sweep(bindings: &[Binding], now: Tick, serves: impl Fn(BackendId, u32) -> bool) {
    for binding in bindings {
        let stamp = binding.stamp();
        if stamp.is_free(now) || stamp.is_over() || now.since(stamp.seen()) < WRITTEN {
            continue;
        }
        if binding.read().is_some_and(|bound| !serves(bound.backend, bound.generation)) {
            // If a packet came in between, its connection is judged again at the next sweep.
            let _released = binding.release(stamp);
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
    fn binding(id: u32, protocol: u8, used: Tick) -> Binding {
        let binding = Binding::default();
        assert!(binding.claim(binding.stamp(), Stamp::first(used, TcpFlags::default(), protocol)));
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
            binding.pass(used, TcpFlags(0x10), from, 7);
        }
        binding
    }

    #[test]
    fn ports_of_backends_that_do_not_serve_are_given_back() {
        for protocol in [protocol::TCP, protocol::UDP] {
            let bindings = [1, 2, 3].map(|id| binding(id, protocol, THEN));
            assert!(bindings.iter().all(|binding| !binding.stamp().is_free(NOW)));
            // 1 serves, 2 is of another generation now, 3 is down or gone.
            sweep(&bindings, NOW, |id, generation| {
                (id.0, generation) == (1, 3) || (id.0, generation) == (2, 4)
            });
            assert_eq!(bindings.map(|binding| binding.stamp().is_free(NOW)), [false, true, true]);
        }
    }

    #[test]
    fn a_port_that_was_just_claimed_is_left_alone() {
        let bindings = [binding(1, protocol::TCP, NOW)];
        let before = bindings[0].stamp();
        sweep(&bindings, NOW, |_, _| false);
        assert_eq!(bindings[0].stamp(), before);
        // Claimed after the sweep read the clock.
        sweep(&bindings, THEN, |_, _| false);
        assert_eq!(bindings[0].stamp(), before);
    }
}
