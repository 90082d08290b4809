//! Rules for `[service.persistence]` and `[service.health]`.

use humantime::format_duration;

use super::{
    Check, Health, OnDown, Persistence, by, masks,
    rules::{self, no_effect},
};
use crate::config::{
    raw::{self, CheckType},
    report::{At, Report},
};

pub(super) fn persistence(service: &raw::Service, report: &Report<'_>) -> Option<Persistence> {
    let raw = &service.persistence;
    let by = by::by(service, report);
    let without_sessions = match raw.only() {
        Some(raw::PersistBy::Connection) => Some(r#"by = "connection""#),
        Some(raw::PersistBy::QuicCid) => Some(r#"by = "quic-cid""#),
        _ => None,
    };
    if let Some(because) = without_sessions {
        no_effect(raw.prefix_v4.as_ref(), because, report);
        no_effect(raw.prefix_v6.as_ref(), because, report);
        no_effect(raw.idle_timeout.as_ref(), because, report);
        no_effect(raw.max_lifetime.as_ref(), because, report);
        no_effect(raw.group.as_ref(), because, report);
        no_effect(raw.on_down.as_ref(), because, report);
        no_effect(raw.on_drain.as_ref(), because, report);
        no_effect(raw.on_full.as_ref(), because, report);
        no_effect(raw.masks.as_ref(), because, report);
    } else if let (Some(idle), Some(lifetime)) = (&raw.idle_timeout, &raw.max_lifetime)
        && lifetime.value < idle.value
    {
        report.error(
            &lifetime.place,
            format!(
                "max_lifetime {} is shorter than idle_timeout {}{}",
                format_duration(lifetime.value),
                format_duration(idle.value),
                idle.remark(),
            ),
            "raise max_lifetime or lower idle_timeout",
        );
    }
    if let Some(group) = &raw.group {
        rules::name(group, report);
    }
    let address = service.address.as_ref().map(|address| address.value);
    let masks = masks::masks(raw, address, report);
    Some(Persistence {
        by: by?,
        idle_timeout: raw.idle_timeout.as_ref()?.value,
        max_lifetime: raw.max_lifetime.as_ref().map(|lifetime| lifetime.value),
        group: raw.group.as_ref().map(|group| group.value.clone()),
        on_down: on_down(raw, report)?,
        on_drain: raw.on_drain.as_ref()?.value,
        drain_deadline: raw.drain_deadline.as_ref().map(|deadline| deadline.value),
        on_full: raw.on_full.as_ref()?.value,
        masks: masks?,
    })
}

fn on_down(raw: &raw::Persistence, report: &Report<'_>) -> Option<OnDown> {
    let (word, hold) = (raw.on_down.as_ref()?, raw.hold.as_ref());
    let because = match word.value {
        raw::OnDown::Hold => return Some(OnDown::Hold(hold?.value)),
        raw::OnDown::Repin => r#"on_down = "repin""#,
        raw::OnDown::Lend => r#"on_down = "lend""#,
        raw::OnDown::Refuse => r#"on_down = "refuse""#,
    };
    no_effect(hold, because, report);
    Some(match word.value {
        raw::OnDown::Lend => OnDown::Lend,
        raw::OnDown::Refuse => OnDown::Refuse,
        raw::OnDown::Repin | raw::OnDown::Hold => OnDown::Repin,
    })
}

pub(super) fn health(raw: &raw::Health, report: &Report<'_>) -> Option<Health> {
    let check = raw.check.as_ref().map(|check| check.value);
    match check {
        Some(CheckType::Http) => raw.path.iter().for_each(|path| http_path(path, report)),
        Some(CheckType::Tcp) => no_effect(raw.path.as_ref(), r#"type = "tcp""#, report),
        Some(CheckType::None) => {
            let because = r#"type = "none""#;
            no_effect(raw.port.as_ref(), because, report);
            no_effect(raw.path.as_ref(), because, report);
            no_effect(raw.interval.as_ref(), because, report);
            no_effect(raw.timeout.as_ref(), because, report);
            no_effect(raw.rise.as_ref(), because, report);
            no_effect(raw.fall.as_ref(), because, report);
        }
        None => {}
    }
    let (interval, timeout) = (raw.interval.as_ref()?, raw.timeout.as_ref()?);
    if check != Some(CheckType::None) && timeout.value > interval.value {
        let culprit = if timeout.given { timeout } else { interval };
        report.error(
            &culprit.place,
            format!(
                "timeout {}{} is longer than interval {}{}",
                format_duration(timeout.value),
                timeout.remark(),
                format_duration(interval.value),
                interval.remark(),
            ),
            "lower timeout or raise interval: probes of one backend must not overlap",
        );
    }
    Some(Health {
        check: match check? {
            CheckType::None => Check::None,
            CheckType::Tcp => Check::Tcp,
            CheckType::Http => Check::Http { path: raw.path.as_ref()?.value.clone() },
        },
        port: raw.port.as_ref().map(|port| port.value),
        interval: interval.value,
        timeout: timeout.value,
        rise: raw.rise.as_ref()?.value,
        fall: raw.fall.as_ref()?.value,
    })
}

/// The path goes into a request line as it is.
fn http_path(path: &At<String>, report: &Report<'_>) {
    if !path.value.starts_with('/') || !path.value.bytes().all(|byte| byte.is_ascii_graphic()) {
        report.error(
            &path.place,
            format!("{:?} is not the path of a request", path.value),
            "begin it with \"/\" and percent-encode spaces and everything beyond ASCII",
        );
    }
}
