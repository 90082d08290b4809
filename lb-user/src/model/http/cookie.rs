//! Rules for `[service.persistence.cookie]`.

use super::{Cookie, Method, SameSite};
use crate::{
    config::{
        raw::{self, CookieMode},
        report::Report,
    },
    model::rules::no_effect,
};

/// Reports what of it makes no difference or no browser takes.
pub(super) fn check(raw: &raw::Cookie, report: &Report<'_>) {
    let because = match raw.mode.as_ref().map(|mode| mode.value) {
        Some(CookieMode::Insert) => return browsers(raw, report),
        Some(CookieMode::Prefix) => r#"mode = "prefix""#,
        Some(CookieMode::Learn) => {
            no_effect(raw.keys_file.as_ref(), r#"mode = "learn""#, report);
            r#"mode = "learn""#
        }
        None => return,
    };
    no_effect(raw.path.as_ref(), because, report);
    no_effect(raw.domain.as_ref(), because, report);
    no_effect(raw.secure.as_ref(), because, report);
    no_effect(raw.http_only.as_ref(), because, report);
    no_effect(raw.same_site.as_ref(), because, report);
    no_effect(raw.max_age.as_ref(), because, report);
    no_effect(raw.partitioned.as_ref(), because, report);
    no_effect(raw.pass_on.as_ref(), because, report);
}

/// Reports what would make browsers throw the cookie away.
fn browsers(raw: &raw::Cookie, report: &Report<'_>) {
    let Some(secure) = raw.secure.as_ref().map(|secure| secure.value) else { return };
    if let Some(site) = raw.same_site.as_ref().filter(|it| it.value == SameSite::None && !secure) {
        report.error(
            &site.place,
            r#"browsers refuse a cookie with same_site = "none" that is not secure"#,
            r#"set secure = true, or choose "lax" or "strict""#,
        );
    }
    if let Some(partitioned) = raw.partitioned.as_ref().filter(|it| it.value && !secure) {
        report.error(
            &partitioned.place,
            "browsers refuse a partitioned cookie that is not secure",
            "set secure = true, or remove partitioned",
        );
    }
    let Some(name) = &raw.name else { return };
    let begins = |with: &str| name.value.get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with));
    let at_the_root = raw.domain.is_none() && raw.path.as_ref().is_none_or(|path| path.value == "/");
    if begins("__Secure-") && !secure || begins("__Host-") && !(secure && at_the_root) {
        let wanted = if begins("__Host-") { " and path = \"/\", and remove domain" } else { "" };
        report.error(
            &name.place,
            format!("browsers refuse a cookie {:?} with these attributes", name.value),
            format!("set secure = true{wanted}; or choose another name"),
        );
    }
}

/// What clients are known by.
pub(super) fn method(raw: &raw::Cookie) -> Option<Method> {
    let name = raw.name.as_ref()?.value.clone();
    Some(match raw.mode.as_ref()?.value {
        CookieMode::Prefix => Method::Prefix { name },
        CookieMode::Learn => Method::Learn { name },
        CookieMode::Insert => Method::Insert(Cookie {
            name,
            path: raw.path.as_ref()?.value.clone(),
            domain: raw.domain.as_ref().map(|domain| domain.value.clone()),
            secure: raw.secure.as_ref()?.value,
            http_only: raw.http_only.as_ref()?.value,
            same_site: raw.same_site.as_ref()?.value,
            max_age: raw.max_age.as_ref().map(|time| time.value),
            partitioned: raw.partitioned.as_ref()?.value,
            pass_on: raw.pass_on.as_ref()?.value,
        }),
    })
}
