//! `cargo xtask mutate`: faults in the code that decides, and whether tests find them.

mod faults;

use std::{fs, path::Path, time::Instant};

use anyhow::{Context as _, Result, ensure};

use self::faults::{FAULTS, Fault, Finder};
use crate::{process, workspace::Workspace};

/// Which faults.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only those with this in their file or description
    filter: Option<String>,
}

/// Tries each fault in a copy of the sources, which has a target directory of its own.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let wanted = |fault: &&Fault| {
        let filter = args.filter.as_deref().unwrap_or_default();
        fault.what.contains(filter) || fault.file.contains(filter)
    };
    let chosen: Vec<_> = FAULTS.iter().filter(wanted).collect();
    ensure!(!chosen.is_empty(), "no fault is called so: xtask/src/mutate/faults.rs has them");
    let home = workspace.target.join("mutate");
    let copy = Workspace { root: home.join("tree"), target: home.join("target") };
    if copy.root.exists() {
        fs::remove_dir_all(&copy.root)?;
    }
    copy_tree(&workspace.root, &copy.root, &workspace.target)?;
    for finder in Finder::ALL {
        let is_asked = chosen.iter().any(|fault| fault.finder == finder);
        ensure!(!is_asked || finds_nothing(&copy, finder)?, "there is a fault in the sources as they are");
    }
    let mut missed = 0;
    for fault in chosen {
        let started = Instant::now();
        let caught = is_caught(&copy, fault).with_context(|| format!("{}: {}", fault.file, fault.what))?;
        missed += u32::from(!caught);
        let (verdict, took) = (if caught { "caught" } else { "MISSED" }, started.elapsed().as_secs_f64());
        println!("{verdict}  {took:>5.1} s  {:<32}  {}", fault.file, fault.what);
    }
    ensure!(missed == 0, "{missed} faults were not caught");
    Ok(())
}

/// Makes the fault, asks who must find it, and mends it again.
fn is_caught(copy: &Workspace, fault: &Fault) -> Result<bool> {
    let file = copy.root.join(fault.file);
    let sound = fs::read_to_string(&file)?;
    fs::write(&file, sound.replacen(fault.from, fault.to, 1))?;
    let result = finds_nothing(copy, fault.finder);
    fs::write(&file, sound)?;
    Ok(!result?)
}

/// Runs a test on the host engine; an error if it does not build.
fn finds_nothing(copy: &Workspace, finder: Finder) -> Result<bool> {
    let mut cargo = copy.cargo();
    cargo.args(["test", "--quiet"]).args(finder.test());
    process::read(cargo.arg("--no-run"))?;
    let mut cargo = copy.cargo();
    cargo.args(["test", "--quiet"]).args(finder.test());
    // How a failure comes about in the fewest steps is nobody's question here.
    let output = cargo.env("PROPTEST_MAX_SHRINK_ITERS", "0").output()?;
    Ok(output.status.success())
}

/// Copies a directory, but for what is built and hidden.
fn copy_tree(from: &Path, to: &Path, target: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if path == target || name == "target" || name == ".git" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_tree(&path, &to.join(name), target)?;
        } else {
            fs::copy(&path, to.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code that is made wrong must be there: in one place, on one line.
    #[test]
    fn faults_are_of_this_code() {
        let workspace = Workspace::find().expect("this is one");
        for Fault { what, file, from, to, .. } in FAULTS {
            let text = fs::read_to_string(workspace.root.join(file)).expect(file);
            assert_eq!(text.matches(from).count(), 1, "{file}, for {what:?}: {from}");
            assert!(!from.contains('\n') && from != to, "{what}");
        }
    }
}
