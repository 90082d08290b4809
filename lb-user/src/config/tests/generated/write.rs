//! Models as they are written in a file.

use std::fmt::Write;

use humantime::format_duration;

use super::http;
use crate::{
    access::Admission,
    model::{
        Backend, Check, Forwarding, Health, Limits, Model, OnDown, OnDrain, OnFull, PersistBy, Persistence,
        Ports, Scheduler, Service, Tunnel,
    },
};

/// The model as a file that says everything aloud.
pub(super) fn written(model: &Model) -> String {
    let Model { interface, nat, tunnel, http, secret, snapshot_interval, limits, services } = model;
    let Limits {
        flows,
        affinity,
        pins,
        services: most_services,
        access,
        backends,
        slots,
        nat_connections,
        fragments,
        new_flows_per_second,
        new_pins_per_second,
    } = limits;
    let mode = format!("{:?}", interface.mode).to_lowercase();
    let sources: Vec<_> = nat.source.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "[interface]\nnames = {:?}\nmode = '{mode}'\nclaim = {}\n\
         [nat]\nsource = {sources:?}\nports = '{}-{}'\n\
         [limits]\nflows = {flows}\naffinity = {affinity}\npins = {pins}\nservices = {most_services}\naccess = {access}\n\
         backends = {backends}\nslots = {slots}\nnat_connections = {nat_connections}\nfragments = {fragments}\n\
         new_flows_per_second = {new_flows_per_second}\nnew_pins_per_second = {new_pins_per_second}\n",
        interface.names, interface.claim, nat.ports.0, nat.ports.1,
    );
    let Tunnel { source, gue_port, mtu } = tunnel;
    let sources: Vec<_> = source.iter().map(ToString::to_string).collect();
    writeln!(text, "[tunnel]\nsource = {sources:?}\ngue_port = {gue_port}\nmtu = {mtu}").unwrap();
    if let Some(listen) = http {
        writeln!(text, "[http]\nlisten = '{listen}'").unwrap();
    }
    if let Some(secret) = secret {
        writeln!(text, "[hash]\nsecret = '{secret}'").unwrap();
    }
    let interval =
        snapshot_interval.map_or("off".to_owned(), |interval| format_duration(interval).to_string());
    writeln!(text, "[sessions]\nsnapshot_interval = '{interval}'").unwrap();
    for service in services {
        write_service(&mut text, service);
    }
    text
}

fn write_service(text: &mut String, service: &Service) {
    let Service {
        name,
        address,
        ports,
        protocol,
        forwarding,
        http,
        persistence,
        access,
        health,
        slots,
        scheduler,
        max_load,
        slow_start,
        backends,
    } = service;
    let ports = match ports {
        Ports::One(port) => format!("port = {port}"),
        Ports::List(ports) => format!("ports = {ports:?}"),
        Ports::Any => "port = 'any'".to_owned(),
    };
    writeln!(
        text,
        "[[service]]\nname = '{name}'\naddress = '{address}'\n{ports}\nprotocol = '{protocol}'\nslots = {slots}"
    )
    .unwrap();
    match forwarding {
        Forwarding::Dsr => writeln!(text, "forwarding = 'dsr'"),
        Forwarding::Ipip => writeln!(text, "forwarding = 'ipip'"),
        Forwarding::Gue => writeln!(text, "forwarding = 'gue'"),
        Forwarding::Nat { preserve_client } => {
            writeln!(text, "forwarding = 'nat'\npreserve_client = {preserve_client}")
        }
        Forwarding::Proxy => Ok(()),
    }
    .unwrap();
    if *scheduler == Scheduler::LeastSessions {
        writeln!(text, "scheduler = 'least-sessions'").unwrap();
    }
    if let Some(load) = max_load {
        writeln!(text, "max_load = {load}").unwrap();
    }
    if let Some(time) = slow_start {
        writeln!(text, "slow_start = '{}'", format_duration(*time)).unwrap();
    }
    if let Some(http) = http {
        http::write(text, http);
    }
    let Persistence {
        by,
        idle_timeout,
        max_lifetime,
        group,
        on_down,
        on_drain,
        drain_deadline,
        on_full,
        masks,
    } = persistence;
    assert_eq!(*group, None, "see `together`");
    writeln!(text, "[service.persistence]").unwrap();
    match by {
        PersistBy::Connection => writeln!(text, "by = 'connection'"),
        PersistBy::QuicCid(schemes) => {
            writeln!(text, "by = 'quic-cid'").unwrap();
            schemes.iter().try_for_each(|scheme| {
                write!(
                    text,
                    "[[service.persistence.quic]]\nconfig = {}\nserver_id_length = {}\nnonce_length = {}\n",
                    scheme.rotation(),
                    scheme.server_length(),
                    scheme.nonce_length()
                )?;
                scheme.key().map_or(Ok(()), |key| writeln!(text, "key = '{}'", hex(&key.0)))
            })
        }
        PersistBy::ClientIp { prefix_v4, prefix_v6 } => writeln!(
            text,
            "by = 'client-ip'\nprefix_v4 = {prefix_v4}\nprefix_v6 = {prefix_v6}\nidle_timeout = '{}'",
            format_duration(*idle_timeout)
        ),
        PersistBy::Request(request) => {
            http::write_by(text, request, *idle_timeout);
            Ok(())
        }
    }
    .unwrap();
    if let Some(lifetime) = max_lifetime {
        writeln!(text, "max_lifetime = '{}'", format_duration(*lifetime)).unwrap();
    }
    let has_sessions = match by {
        PersistBy::Connection | PersistBy::QuicCid(_) => false,
        PersistBy::ClientIp { .. } => true,
        PersistBy::Request(request) => !request.methods.is_empty(),
    };
    if has_sessions {
        let on_down = match on_down {
            OnDown::Repin => "on_down = 'repin'".to_owned(),
            OnDown::Lend => "on_down = 'lend'".to_owned(),
            OnDown::Refuse => "on_down = 'refuse'".to_owned(),
            OnDown::Hold(time) => format!("on_down = 'hold'\nhold = '{}'", format_duration(*time)),
        };
        let on_drain = if *on_drain == OnDrain::Keep { "keep" } else { "move" };
        let on_full = if *on_full == OnFull::Hash { "hash" } else { "refuse" };
        writeln!(text, "{on_down}\non_drain = '{on_drain}'\non_full = '{on_full}'").unwrap();
    }
    if let Some(deadline) = drain_deadline {
        writeln!(text, "drain_deadline = '{}'", format_duration(*deadline)).unwrap();
    }
    if let PersistBy::Request(request) = by {
        http::write_cookie(text, request);
    }
    for (prefix, bits) in masks {
        writeln!(text, "[[service.persistence.mask]]\nprefix = '{prefix}'\nbits = {bits}").unwrap();
    }
    if let Some(list) = access {
        let side = |admission| {
            let rules = list.rules().iter().filter(|rule| rule.admission == admission);
            let prefixes = rules.map(|rule| rule.prefix).filter(|prefix| !prefix.is_whole());
            prefixes.map(|prefix| prefix.to_string()).collect::<Vec<_>>()
        };
        let (allow, deny) = (side(Admission::Allow), side(Admission::Deny));
        writeln!(text, "[service.access]\nallow = {allow:?}\ndeny = {deny:?}").unwrap();
    }
    let Health { check, port, interval, timeout, rise, fall } = health;
    let port = port.map_or_else(String::new, |port| format!("port = {port}\n"));
    let probe = format!(
        "{port}interval = '{}'\ntimeout = '{}'\nrise = {rise}\nfall = {fall}",
        format_duration(*interval),
        format_duration(*timeout)
    );
    match check {
        Check::None => writeln!(text, "[service.health]\ntype = 'none'"),
        Check::Tcp => writeln!(text, "[service.health]\ntype = 'tcp'\n{probe}"),
        Check::Http { path } => writeln!(text, "[service.health]\ntype = 'http'\npath = {path:?}\n{probe}"),
    }
    .unwrap();
    for Backend { name, address, port, weight, server_id } in backends {
        writeln!(text, "[[service.backend]]\nname = '{name}'\naddress = '{address}'\nweight = {weight}")
            .unwrap();
        if let Some(port) = port {
            writeln!(text, "port = {port}").unwrap();
        }
        if !server_id.is_empty() {
            writeln!(text, "server_id = '{}'", hex(server_id)).unwrap();
        }
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
