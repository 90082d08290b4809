//! Rules for the file as a whole, and the model that comes of a file that keeps them all.

use super::{Interface, Model, access, group, limits, nat, ports, rules, service, tunnel};
use crate::config::{
    defaults, raw,
    report::{At, Report},
};

/// Judges the whole file. `None` only where an error has been reported; where errors have been reported
/// the result is of no use.
pub(crate) fn validate(raw: &raw::File, report: &Report<'_>) -> Option<Model> {
    // Each part reports its own errors, so none may keep another from being looked at.
    let interface = interface(raw, report);
    let nat = nat::nat(raw, report);
    let tunnel = tunnel::tunnel(raw, report);
    let limits = limits::limits(raw, report);
    if let Some(secret) = &raw.secret {
        check_secret(secret, report);
    }
    let services: Vec<_> = raw.services.iter().map(|raw| service::service(raw, report)).collect();
    check_unique_services(&raw.services, report);
    let mut services = services.into_iter().collect::<Option<Vec<_>>>();
    if let Some(services) = &mut services {
        limits::access(&access::share(services), raw, report);
        group::agree(services, &raw.services, report);
    }
    ports::disjoint(&raw.services, report);
    Some(Model {
        interface: interface?,
        nat: nat?,
        tunnel: tunnel?,
        http: raw.listen.as_ref().map(|listen| listen.value),
        secret: raw.secret.as_ref().map(|secret| secret.value.clone()),
        snapshot_interval: raw.snapshot_interval.as_ref()?.value,
        limits: limits?,
        services: services?,
    })
}

fn interface(raw: &raw::File, report: &Report<'_>) -> Option<Interface> {
    if let (false, Some(service)) = (raw.interface.given, raw.services.first()) {
        report.error(
            &service.place,
            "there are services but no interface for their traffic",
            "add [interface] with names = [\"...\"]",
        );
    }
    if let Some(names) = &raw.interface.names {
        check_interface_names(names, report);
    }
    let names = match &raw.interface.names {
        Some(names) => names.value.iter().map(|name| name.value.clone()).collect(),
        None if raw.interface.given => return None,
        None => Vec::new(),
    };
    let (mode, claim) = (raw.interface.mode.as_ref()?.value, raw.interface.claim.as_ref()?.value);
    Some(Interface { names, mode, claim })
}

fn check_interface_names(names: &At<Vec<At<String>>>, report: &Report<'_>) {
    if names.value.is_empty() {
        report.error(&names.place, "names is empty", "name the interface that receives the traffic");
    }
    rules::unique(
        names.value.iter().map(|name| (&name.value, &name.place)),
        |name| format!("interface {name:?} is already listed"),
        "name each interface once",
        report,
    );
    for name in &names.value {
        // What the kernel's dev_valid_name() accepts.
        let bad_byte = |byte: u8| byte == 0 || byte == b'/' || byte == b':' || byte.is_ascii_whitespace();
        let text = name.value.as_str();
        if !(1..=15).contains(&text.len()) || [".", ".."].contains(&text) || text.bytes().any(bad_byte) {
            report.error(
                &name.place,
                format!("{text:?} can't be the name of an interface"),
                "give a name of 1 to 15 bytes as `ip link` shows it",
            );
        }
    }
}

fn check_secret(secret: &At<String>, report: &Report<'_>) {
    let length = secret.value.chars().count();
    if !defaults::SECRET_LENGTH.contains(&length) {
        let (least, most) = defaults::SECRET_LENGTH.into_inner();
        report.error(
            &secret.place,
            format!("a secret of {length} characters can't be used"),
            format!("give {least} to {most} random characters, the same on every node"),
        );
    }
}

fn check_unique_services(services: &[raw::Service], report: &Report<'_>) {
    rules::unique(
        services.iter().filter_map(|service| service.name.as_ref()).map(|name| (&name.value, &name.place)),
        |name| format!("there is already a service named {name:?}"),
        "give each service its own name",
        report,
    );
}
