//! `cargo xtask budget`: every figure that something is promised of, measured in one go, in one table.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{process, rights, workspace::Workspace};

/// The subcommands that measure, with what has no promises left out.
const BENCHES: [&[&str]; 3] = [
    &["bench"],
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
    println!("\n{HEADING}");
    for budget in &budgets {
        println!("{}", line(budget)?);
    }
    let short = budgets.iter().filter(|budget| budget["verdict"] != "pass").count();
    println!("{} of {} pass, {short} fall short", budgets.len() - short, budgets.len());
    if let Some(file) = &args.json {
        let all = format!("{:#}\n", Value::from(budgets));
        fs::write(file, all).with_context(|| format!("cannot write {}", file.display()))?;
    }
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
    // It fails where something falls short; without figures it has failed otherwise.
    let status = command.status()?;
    ensure!(file.exists(), "`cargo xtask {}` failed ({status})", bench[0]);
    let mut report: Value = serde_json::from_slice(&fs::read(&file)?)?;
    match report["budgets"].take() {
        Value::Array(budgets) => Ok(budgets),
        _ => Err(anyhow::Error::msg(format!("{} has no budgets", file.display()))),
    }
}

const HEADING: &str = "what                                                              figure      promised    verdict   floor";

/// A line of the table.
fn line(budget: &Value) -> Result<String> {
    let text = |field: &str| budget[field].as_str().with_context(|| format!("no {field} in {budget}"));
    let number = |value: &Value| value.as_f64().with_context(|| format!("no number {value} in {budget}"));
    let bound = if text("bound")? == "at most" { "<=" } else { ">=" };
    let floor = match &budget["floor"] {
        Value::Null => String::new(),
        floor => format!("{:.2}: {}", number(&floor["figure"])?, floor["what"].as_str().unwrap_or_default()),
    };
    let promised = format!("{bound} {} {}", number(&budget["limit"])?, text("unit")?);
    let line = format!(
        "{:60} {:11.2}   {promised:11} {:7}   {floor}",
        text("what")?.trim(),
        number(&budget["figure"])?,
        text("verdict")?,
    );
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
            "floor": { "what": "one line read", "figure": 1.5 },
        });
        let line = line(&budget).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[..7], ["dsr", "v4", "3.46", "<=", "2.5", "x", "short"]);
        assert!(line.ends_with("1.50: one line read"), "{line}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = line(&json!({ "what": "dsr v4", "figure": 3.4 })).unwrap_err().to_string();
        assert!(error.contains("bound"), "{error}");
    }
}
