//! `docs/configuration.md` shows the keys, defaults and bounds that the program has.

use toml::{Table, Value};

use super::super::defaults;
use super::parse;
use crate::model::{Limits, Model};

const DOCUMENT: &str = include_str!("../../../../docs/configuration.md");

/// One row of a table of keys.
struct Row {
    /// As the document heads it, such as `[service.health]`.
    table: &'static str,
    key: &'static str,
    default: &'static str,
    bounds: &'static str,
}

fn rows() -> Vec<Row> {
    let mut table = "";
    let mut rows = Vec::new();
    for line in DOCUMENT.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            table = heading;
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if let ["", key, _, default, bounds, _, ""] = cells[..]
            && let Some(key) = code(key)
        {
            rows.push(Row { table, key, default, bounds });
        }
    }
    rows
}

/// The text of the first code span of a cell that begins with one.
fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.split('`').next()
}

/// A value as the file would have it.
fn value(text: &str) -> Value {
    let table: Table = toml::from_str(&format!("value = {text}")).unwrap();
    table["value"].clone()
}

/// The smallest file that has a service; with an HTTP check, so that each key has an effect.
fn base() -> Table {
    let text = "interface = {names = ['eth0']}\n[[service]]\nname = 'web'\naddress = '192.0.2.10'\nport = 80\n\
                health = {type = 'http'}\nbackend = [{name = 'web-1', address = '10.0.0.11'}]";
    toml::from_str(text).unwrap()
}

/// The same for a service that asks for connection ids.
fn quic_base() -> Table {
    let mut file = base();
    let service = file["service"].as_array_mut().unwrap()[0].as_table_mut().unwrap();
    let quic = "protocol = 'udp'\nhealth = {type = 'http'}\npersistence = {by = 'quic-cid', quic = [{config = 1, \
                server_id_length = 2, nonce_length = 6}]}";
    service.extend(toml::from_str::<Table>(quic).unwrap());
    service["backend"][0].as_table_mut().unwrap().insert("server_id".to_owned(), "0a0b".into());
    file
}

/// The same with masks, and with sessions that wait.
fn waiting_base() -> Table {
    let mut file = base();
    let service = file["service"].as_array_mut().unwrap()[0].as_table_mut().unwrap();
    let persistence = "persistence = {on_down = 'hold', mask = [{prefix = '2001:db8::/32', bits = 64}]}\n\
                       address = '2001:db8::1'\nbackend = [{name = 'web-1', address = 'fd00::1'}]";
    service.extend(toml::from_str::<Table>(persistence).unwrap());
    file
}

/// A service of HTTP that asks for everything.
fn http_base() -> Table {
    let mut file = base();
    let service = file["service"].as_array_mut().unwrap()[0].as_table_mut().unwrap();
    let http = "protocol = 'http'\npersistence = {by = ['cookie', 'header', 'query', 'path', 'client-ip'], \
                header = 'X-User', query = 'sid'}";
    service.extend(toml::from_str::<Table>(http).unwrap());
    file
}

/// The same with a certificate that is not there.
fn tls_base() -> Table {
    let mut file = http_base();
    let service = file["service"].as_array_mut().unwrap()[0].as_table_mut().unwrap();
    let http = "http = {certificate = [{certificate = 'a.crt', key = 'a.key'}]}";
    service.extend(toml::from_str::<Table>(http).unwrap());
    file
}

impl Row {
    /// A small file in which the row's key has an effect.
    fn base(&self) -> Table {
        match self.table {
            table if table.contains("quic") => quic_base(),
            table if table.contains("mask") || self.key == "hold" => waiting_base(),
            table if table.contains("certificate") => tls_base(),
            "[service.http]" | "[service.persistence.cookie]" => http_base(),
            _ if self.key == "path_segments" => http_base(),
            _ => base(),
        }
    }

    /// The row's table in a file, made if it is not there.
    fn table_in<'t>(&self, file: &'t mut Table) -> &'t mut Table {
        let path = self.table.trim_matches(['[', ']']);
        path.split('.').fold(file, |table, key| {
            let entry = table.entry(key).or_insert_with(|| Table::new().into());
            match entry {
                Value::Array(tables) => tables[0].as_table_mut().unwrap(),
                table => table.as_table_mut().unwrap(),
            }
        })
    }

    /// What becomes of the smallest file with this key set so, or absent.
    fn outcome(&self, value: Option<Value>) -> Result<Model, String> {
        let mut file = self.base();
        let table = self.table_in(&mut file);
        table.remove(self.key);
        if let Some(value) = value {
            table.insert(self.key.to_owned(), value);
        }
        parse(&file.to_string(), "f").map_err(|errors| errors.to_string())
    }
}

#[test]
fn the_document_has_the_keys_of_the_program() {
    let rows = rows();
    let mut tables: Vec<_> = rows.iter().map(|row| row.table).collect();
    tables.dedup();
    assert_eq!(tables.len(), 17, "{tables:?}");
    for table in tables {
        let rows = || rows.iter().filter(|row| row.table == table);
        let mut file = rows().next().unwrap().base();
        rows().next().unwrap().table_in(&mut file).insert("zzz".to_owned(), true.into());
        let errors = parse(&file.to_string(), "f").unwrap_err();
        let keys_of = format!("keys of {table}: ");
        let known = errors.as_slice().iter().find_map(|error| error.help.strip_prefix(&keys_of)).unwrap();
        let mut known: Vec<_> = known.split(", ").collect();
        // Tables of their own.
        let tables = ["persistence", "access", "health", "backend", "quic", "mask", "http", "cookie"];
        known.retain(|key| match table {
            "[[service]]" | "[service.persistence]" => !tables.contains(key),
            "[service.http]" => *key != "certificate",
            _ => true,
        });
        let mut documented: Vec<_> = rows().map(|row| row.key).collect();
        known.sort_unstable();
        documented.sort_unstable();
        assert_eq!(documented, known, "{table}");
    }
}

#[test]
fn writing_out_a_documented_default_changes_nothing() {
    let mut compared = 0;
    for row in rows() {
        let Some(default) = code(row.default) else {
            continue;
        };
        let absent = row.outcome(None).unwrap();
        let written = row.outcome(Some(value(default)));
        assert_eq!(written, Ok(absent), "{} {}", row.table, row.key);
        compared += 1;
    }
    assert!(compared > 20, "only {compared} defaults found in the document");
}

#[test]
fn required_is_what_cannot_be_left_out() {
    for row in rows() {
        let refused = row.outcome(None).is_err();
        assert_eq!(refused, row.default == "*required*", "{} {}", row.table, row.key);
    }
}

#[test]
fn documented_bounds_are_accepted_and_nothing_beyond_them() {
    let mut compared = 0;
    for row in rows() {
        let Some((low, high)) = row.bounds.split_once("..=") else {
            continue;
        };
        let [low, high] = [low, high].map(|bound| value(code(bound).unwrap()));
        let out_of_range = |value| {
            let errors = row.outcome(Some(value)).err().unwrap_or_default();
            // Weight 0 has words of its own.
            errors.contains("out of range") || errors.contains("weight 0 would")
        };
        let beyond = |value: &Value, by: i64| match value {
            Value::Integer(number) => Value::from(number + by),
            Value::String(text) => {
                let duration = humantime::parse_duration(text).unwrap().as_millis();
                let beyond = i64::try_from(duration).unwrap() + by;
                Value::from(format!("{beyond}ms"))
            }
            other => panic!("{other}"),
        };
        let name = format!("{} {}", row.table, row.key);
        assert!(out_of_range(beyond(&low, -1)), "{name} below");
        assert!(out_of_range(beyond(&high, 1)), "{name} above");
        assert!(!out_of_range(low), "{name} low");
        assert!(!out_of_range(high), "{name} high");
        compared += 1;
    }
    assert!(compared > 15, "only {compared} bounds found in the document");
}

#[test]
fn the_files_of_the_documents_are_good() {
    for document in [DOCUMENT, include_str!("../../../../docs/quic.md")] {
        let file = document.split("```toml").nth(1).unwrap().split("```").next().unwrap();
        assert_eq!(parse(file, "f").unwrap().services[0].backends.len(), 2);
    }
}

#[test]
fn default_maps_take_less_than_64_mib() {
    let Limits {
        flows, affinity, pins, services, access, backends, slots, nat_connections, fragments, ..
    } = defaults::LIMITS;
    let bytes = [
        (flows, 16),
        (affinity, 160),
        (pins, 160),
        (services, 256),
        // Takes memory as prefixes come.
        (access, 0),
        (backends, 256),
        (slots, 8),
        (nat_connections, 72),
        (fragments, 32),
    ]
    .map(|(entries, bytes)| u64::from(entries) * bytes);
    assert!(bytes.iter().sum::<u64>() < 64 << 20, "{bytes:?}");
}
