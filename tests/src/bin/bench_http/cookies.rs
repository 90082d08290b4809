//! Clients that keep their cookies. wrk knows no client from the other, so each is made known beforehand, and wrk asks in
//! the name of one after the other.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use lb_user::lab::Netns;

/// The cookies, such as `SRV=b1`, of so many new clients at `url`, each of which leads back to where its client was.
pub(crate) fn collect(clients: &Netns, url: &str, count: u32) -> Result<Vec<String>> {
    let first: Vec<_> = (0..count).map(|_| None).collect();
    let answers = ask(clients, url, &first)?;
    let cookie = |(_, cookie): &(String, Option<String>)| cookie.clone();
    let cookies: Vec<_> = answers.iter().map(cookie).collect::<Option<_>>().context("no cookie was set")?;
    let with: Vec<_> = cookies.iter().map(|cookie| Some(cookie.as_str())).collect();
    for (before, after) in answers.iter().zip(ask(clients, url, &with)?) {
        ensure!(before.0 == after.0, "{before:?} came back as {after:?}");
    }
    Ok(cookies)
}

/// Asks once with each cookie, each time by a new connection: who answered, and which cookie was set.
fn ask(clients: &Netns, url: &str, cookies: &[Option<&str>]) -> Result<Vec<(String, Option<String>)>> {
    let mut command = Command::new("curl");
    for cookie in cookies {
        command.args(["--next", "-sSik", "--http1.1", "--max-time", "5", "-H", "Connection: close"]);
        if let Some(cookie) = cookie {
            command.arg("-H").arg(format!("Cookie: {cookie}"));
        }
        command.arg(format!("{url}/"));
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = clients.spawn(&mut command).context("cannot run `curl`")?.wait_with_output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "curl: {complaint}");
    let text = String::from_utf8(output.stdout)?;
    let answers: Vec<_> = text.split("HTTP/1.1 200 ").skip(1).filter_map(read).collect();
    ensure!(answers.len() == cookies.len(), "there are {} answers to {}", answers.len(), cookies.len());
    Ok(answers)
}

/// The body, and the cookie that is set.
fn read(answer: &str) -> Option<(String, Option<String>)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let field = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        let pair = name.eq_ignore_ascii_case("set-cookie").then_some(value)?;
        Some(pair.split(';').next()?.to_owned())
    };
    Some((body.trim().to_owned(), head.lines().find_map(field)))
}

/// What wrk sends: requests with these cookies by turns, if there are any.
pub(crate) fn script(cookies: &[String]) -> String {
    if cookies.is_empty() {
        return String::new();
    }
    let list: String = cookies.iter().map(|cookie| format!("{cookie:?}, ")).collect();
    format!(
        "local cookies, requests, turn = {{ {list} }}, {{}}, 0
         init = function(args)
             for at, cookie in ipairs(cookies) do
                 wrk.headers[\"Cookie\"] = cookie
                 requests[at] = wrk.format()
             end
         end
         request = function()
             turn = turn % #requests + 1
             return requests[turn]
         end\n"
    )
}
