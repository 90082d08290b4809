//! Frames that once were interesting: tests/corpus/*.hex, one frame a line, played in every round first.
//!
//! A line is the side that the frame comes in by (`outside` or `inside`) and its bytes in hexadecimal; what
//! follows a `#` is for people. A file is one history, over one service of each kind.

use std::{fs, path::Path};

use super::{
    super::table::{Side, Site, rows},
    bytes,
    history::Finding,
    step::Step,
};

/// The histories of the corpus, by file; as findings yet to be made.
///
/// # Panics
/// On a line that is none of the above.
pub fn read() -> Vec<(String, Finding)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the corpus is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hex"))
        .collect();
    files.sort();
    files.iter().map(|path| one(path)).collect()
}

fn one(path: &Path) -> (String, Finding) {
    let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
    let text = fs::read_to_string(path).expect("readable");
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or("").trim());
    let steps = lines.filter(|line| !line.is_empty()).map(|line| {
        let (side, frame) = line.split_once(' ').unwrap_or((line, ""));
        let side = match side {
            "outside" => Side::Outside,
            "inside" => Side::Inside,
            other => panic!("{}: {other:?} is no side", path.display()),
        };
        Step::Packet(bytes(frame), side)
    });
    let steps = steps.collect();
    (name, Finding { sites: sites(), steps, what: String::new() })
}

fn sites() -> Vec<Site> {
    // Those with tunnels came later: the frames go to the others by their numbers.
    let (tunnelled, plain): (Vec<_>, Vec<_>) = rows::sites().partition(|site| site.forwarding.is_tunnel());
    plain
        .into_iter()
        .chain(tunnelled)
        .zip(0..)
        .map(|(site, number)| Site { number, scope: number.into(), ..site })
        .collect()
}
