//! `cargo xtask budget`: every figure that something is promised of, measured in one go, in one table.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{process, rights, workspace::Workspace};

/// The subcommands that measure, with what has no promises left out.
const BENCHES: [&[&str]; 3] = [
    &["bench", "--rounds", "12"],
    &["bench-path"],
    &["bench-control", "--only", "start", "--only", "change", "--only", "memory"],
];

/// Where to keep the table.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write the table to this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs them all, then prints the table. That something falls short is no error.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let directory = workspace.target.join("budget");
    fs::create_dir_all(&directory)?;
    let mut budgets = Vec::new();
    for bench in BENCHES {
        budgets.extend(measure(bench, &directory)?);
    }
    if let Some(file) = &args.json {
        let all = format!("{:#}\n", Value::from(budgets.clone()));
        fs::write(file, all).with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!("\n{HEADING}");
    for budget in &budgets {
        println!("{}", line(budget)?);
    }
    let short = budgets.iter().filter(|budget| budget["verdict"] != "pass").count();
    println!("{} of {} pass, {short} fall short", budgets.len() - short, budgets.len());
    Ok(())
}

/// Runs one of them as somebody would by hand; returns what it says of its promises.
fn measure(bench: &[&str], directory: &Path) -> Result<Vec<Value>> {
    let file = directory.join(format!("{}.json", bench[0]));
    // Root's, perhaps; gone, so that what is read below is of this run.
    let mut remove = rights::as_root(&["rm", "-f", &file.to_string_lossy()])?;
    process::run(&mut remove)?;
    let mut command = Command::new(env::current_exe()?);
    command.args(bench).arg("--json").arg(&file);
    process::run(&mut command)?;
    let mut report: Value = serde_json::from_slice(&fs::read(&file)?)?;
    match report["budgets"].take() {
        Value::Array(budgets) => Ok(budgets),
        _ => Err(anyhow::Error::msg(format!("{} has no budgets", file.display()))),
    }
}

const HEADING: &str = "what                                                              figure   promised    verdict   at best";

/// A line of the table.
fn line(budget: &Value) -> Result<String> {
    let text = |field: &str| budget[field].as_str().with_context(|| format!("no {field} in {budget}"));
    // What was divided by nothing is none.
    let number =
        |value: &Value| value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.2}"));
    let bound = if text("bound")? == "at most" { "<=" } else { ">=" };
    let promised = format!("{bound} {} {}", budget["limit"], text("unit")?);
    let best = match &budget["at_best"] {
        Value::Null => String::new(),
        best => format!("{}: {}", number(&best["figure"]), best["what"].as_str().unwrap_or_default()),
    };
    let (what, figure, verdict) = (text("what")?.trim(), number(&budget["figure"]), text("verdict")?);
    let line = format!("{what:60} {figure:>11}   {promised:11} {verdict:7}   {best}");
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_what_was_promised_and_what_came_of_it() {
        let budget = json!({
            "what": "dsr v4", "figure": 3.456, "unit": "x", "bound": "at most", "limit": 2.5, "verdict": "short",
            "at_best": { "what": "one line read", "figure": 1.5 },
        });
        let line = line(&budget).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[..7], ["dsr", "v4", "3.46", "<=", "2.5", "x", "short"]);
        assert!(line.ends_with("1.50: one line read"), "{line}");
    }

    #[test]
    fn what_is_no_number_has_its_line() {
        let budget = json!({
            "what": "beside HAProxy", "figure": null, "unit": "x", "bound": "at least", "limit": 10.0, "verdict": "short",
        });
        let line = line(&budget).unwrap();
        assert_eq!(line.split_whitespace().nth(2), Some("-"), "{line}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = line(&json!({ "what": "dsr v4", "figure": 3.4 })).unwrap_err().to_string();
        assert!(error.contains("bound"), "{error}");
    }
}
