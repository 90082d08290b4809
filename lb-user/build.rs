//! Embeds the packet programs, so that `limpet` is one file to copy.
//!
//! `cargo xtask build` compiles them first and leaves them at `target/bpf/limpet.bpf.o`
//! (`LIMPET_BPF_OBJECT` names another place) and, beside it, `limpet-decap.bpf.o`. A plain `cargo build`
//! on a host without the BPF toolchain embeds nothing, and such a `limpet` says so when it is asked to
//! load a program.

use std::{env, fs, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-env-changed=LIMPET_BPF_OBJECT");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    // OUT_DIR is <target>/<profile>/build/<package>/out.
    let target = out.ancestors().nth(4).expect("OUT_DIR lies in the target directory");
    let object =
        env::var_os("LIMPET_BPF_OBJECT").map_or_else(|| target.join("bpf/limpet.bpf.o"), PathBuf::from);
    for (from, name) in [
        (object.clone(), "limpet.bpf.o"),
        (object.with_file_name("limpet-decap.bpf.o"), "limpet-decap.bpf.o"),
    ] {
        println!("cargo:rerun-if-changed={}", from.display());
        let bytes = fs::read(&from).unwrap_or_default();
        fs::write(out.join(name), bytes).expect("write the object into OUT_DIR");
    }
}
