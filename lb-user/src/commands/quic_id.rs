//! `limpet quic-id`: connection ids as servers make them and the packet program reads them.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use lb_common::quic::scheme::Scheme;
use serde_json::json;

use crate::{
    cli::{DecodeArgs, EncodeArgs, QuicIdAction, QuicIdArgs},
    config,
    model::{PersistBy, Service},
};

/// Makes or reads an id; exit code 1 if it can't.
///
/// # Errors
/// The options fit no scheme, the file has errors or lacks what is named, or the id names no server.
pub fn run(args: &QuicIdArgs) -> Result<ExitCode> {
    match &args.action {
        QuicIdAction::Encode(args) => encode(args)?,
        QuicIdAction::Decode(args) => decode(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn encode(args: &EncodeArgs) -> Result<()> {
    let (scheme, server_id) = match (&args.config, &args.server_id) {
        (Some(file), _) => configured(args, &service(file, args.service.as_deref())?)?,
        (None, Some(server_id)) => {
            let nonce = args.nonce.as_ref().map_or(args.nonce_length, |nonce| length(&nonce.0));
            let number = args.config_id.unwrap_or_default();
            (Scheme::new(number, length(&server_id.0), nonce, args.key)?, server_id.0.clone())
        }
        (None, None) => bail!("name a server ID, or a configuration file with a service and a backend"),
    };
    let random = || (0..scheme.nonce_length()).map(|_| rand::random()).collect();
    let nonce: Vec<u8> = args.nonce.as_ref().map_or_else(random, |nonce| nonce.0.clone());
    let first = args.first_octet_random.then(rand::random);
    let id = scheme.encode(first, &server_id, &nonce).with_context(|| {
        format!("the nonce has {} octets, and the configuration says {}", nonce.len(), scheme.nonce_length())
    })?;
    let mut out = io::stdout();
    if args.json {
        let (number, id) = (scheme.rotation(), digits(&id));
        let answer =
            json!({ "id": id, "config": number, "server_id": digits(&server_id), "nonce": digits(&nonce) });
        writeln!(out, "{answer:#}")?;
    } else {
        writeln!(out, "{}", digits(&id))?;
    }
    Ok(())
}

/// The scheme and the server id that a file says.
fn configured(args: &EncodeArgs, service: &Service) -> Result<(Scheme, Vec<u8>)> {
    let schemes = schemes(service)?;
    let scheme = match args.config_id {
        None => schemes.first(),
        Some(number) => schemes.iter().find(|scheme| scheme.rotation() == number),
    };
    let scheme = scheme.with_context(|| format!("service {} has no such configuration", service.name))?;
    let name = args.backend.as_deref().unwrap_or_default();
    let backend = service.backends.iter().find(|backend| backend.name == name);
    let backend = backend.with_context(|| {
        let names: Vec<_> = service.backends.iter().map(|backend| backend.name.as_str()).collect();
        format!("service {} has no backend `{name}`; it has: {}", service.name, names.join(", "))
    })?;
    Ok((*scheme, backend.server_id.clone()))
}

fn decode(args: &DecodeArgs) -> Result<()> {
    let id = &args.id.0;
    let number = id.first().context("the ID is empty")? >> 5;
    if number > Scheme::LAST_ROTATION {
        bail!("the ID begins with the bits 111: its server says that it leads nowhere");
    }
    let service = args.config.as_ref().map(|file| service(file, args.service.as_deref())).transpose()?;
    let scheme = match (&service, args.server_id_length, args.nonce_length) {
        (Some(service), ..) => {
            let found = schemes(service)?.iter().find(|scheme| scheme.rotation() == number).copied();
            found.with_context(|| format!("service {} has no configuration {number}", service.name))?
        }
        (None, Some(server), Some(nonce)) => Scheme::new(number, server, nonce, args.key)?,
        (None, ..) => bail!("name the lengths, or a configuration file with a service"),
    };
    let server_id = scheme.decode(id).with_context(|| {
        let least = 1 + scheme.server_length() + scheme.nonce_length();
        format!("the ID has {} octets, and configuration {number} says at least {least}", id.len())
    })?;
    let backends = service.iter().flat_map(|service| &service.backends);
    let backend =
        backends.clone().find(|backend| backend.server_id == server_id).map(|backend| &backend.name);
    if let (Some(service), None) = (&service, backend) {
        bail!("the ID carries server ID {}, and no backend of {} has it", digits(&server_id), service.name);
    }
    let mut out = io::stdout();
    if args.json {
        let answer = json!({ "config": number, "server_id": digits(&server_id), "backend": backend });
        writeln!(out, "{answer:#}")?;
    } else {
        let owner = backend.map_or(String::new(), |name| format!(", backend {name}"));
        writeln!(out, "configuration {number}, server ID {}{owner}", digits(&server_id))?;
    }
    Ok(())
}

fn service(file: &std::path::Path, name: Option<&str>) -> Result<Service> {
    let model = config::load(file)?;
    let name = name.unwrap_or_default();
    let names: Vec<_> = model.services.iter().map(|service| service.name.clone()).collect();
    let found = model.services.into_iter().find(|service| service.name == name);
    found.with_context(|| format!("there is no service `{name}`; there are: {}", names.join(", ")))
}

fn schemes(service: &Service) -> Result<&[Scheme]> {
    match &service.persistence.by {
        PersistBy::QuicCid(schemes) => Ok(schemes),
        PersistBy::Connection | PersistBy::ClientIp { .. } | PersistBy::Request(_) => {
            bail!("service {} does not persist by \"quic-cid\"", service.name)
        }
    }
}

/// 255 for what no scheme takes.
fn length(octets: &[u8]) -> u8 {
    u8::try_from(octets.len()).unwrap_or(u8::MAX)
}

fn digits(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
