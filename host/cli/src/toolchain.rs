//! Finds a Rust that can build components, and runs its cargo in an environment that never changes.
//!
//! Order: `WHARF_WASM_CARGO`/`WHARF_WASM_RUSTC`; the Rust on `PATH` when it has the `wasm32-wasip2` standard
//! library; `/usr/bin/rustc` (Debian's `rustc-web`) when it has the library's source, which is then built
//! along (`-Zbuild-std`) for `wasm32-unknown-unknown`. Both ways emit finished components.
//!
//! The environment is cleaned because cargo rebuilds everything when flags change, and because `wharf` may
//! itself run below cargo (`cargo run`, `cargo test`), which passes on its own settings.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// How to get a Rust for components, for those who have none.
pub(crate) const INSTALL: &str = "\
no Rust that can build WebAssembly components was found; either
  rustup target add wasm32-wasip2
or, without rustup on Debian,
  apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src";

/// What a build is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Small and fast components: the workspace's release profile.
    Release,
    /// The shortest way from an edit to an answer: no link-time optimisation, so that only what changed is
    /// compiled (1-2 s instead of 10 for an axum service), for components about 40 % larger.
    Quick,
}

/// Bytes of a guest's stack. Rust's default of 1 MiB is memory that the host has to look through behind every
/// request; one that recurses deeper than this traps, and its own `.cargo/config.toml` may ask for more.
pub(crate) const STACK: u32 = 256 << 10;

/// The profile of [`Profile::Quick`], which no workspace has to define.
const QUICK: [&str; 5] = [
    r#"profile.wharf-dev.inherits="release""#,
    r#"profile.wharf-dev.lto="off""#,
    "profile.wharf-dev.opt-level=1",
    "profile.wharf-dev.codegen-units=16",
    "profile.wharf-dev.incremental=true",
];

/// A cargo that can build components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// Its standard library for `wasm32-wasip2` is installed.
    Installed { cargo: PathBuf, rustc: PathBuf },
    /// Its standard library is built from source, and linked with the linker from `linker`.
    FromSource { cargo: PathBuf, rustc: PathBuf, linker: PathBuf },
}

impl Toolchain {
    /// Finds the toolchain for sources in this folder (rustup may choose by folder).
    pub(crate) fn find(folder: &Path) -> Result<Self> {
        let given = |name| std::env::var_os(name).map(PathBuf::from);
        let (cargo, rustc) = (given("WHARF_WASM_CARGO"), given("WHARF_WASM_RUSTC"));
        if cargo.is_some() || rustc.is_some() {
            let cargo = cargo.unwrap_or_else(|| "cargo".into());
            let rustc = rustc.unwrap_or_else(|| "rustc".into());
            return Self::installed(&cargo, &rustc, folder)
                .or_else(|| Self::from_source(&cargo, &rustc, folder))
                .with_context(|| {
                    format!("`{}` (from WHARF_WASM_RUSTC) cannot build components", rustc.display())
                });
        }
        Self::installed("cargo".as_ref(), "rustc".as_ref(), folder)
            .or_else(|| Self::from_source("/usr/bin/cargo".as_ref(), "/usr/bin/rustc".as_ref(), folder))
            .context(INSTALL)
    }

    fn installed(cargo: &Path, rustc: &Path, folder: &Path) -> Option<Self> {
        let arguments = ["--print", "target-libdir", "--target", "wasm32-wasip2"];
        let libraries = PathBuf::from(ask(rustc, &arguments, folder)?);
        let std = libraries.read_dir().ok()?.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libstd-") && name.ends_with(".rlib")
        });
        std.then(|| Self::Installed { cargo: cargo.into(), rustc: rustc.into() })
    }

    fn from_source(cargo: &Path, rustc: &Path, folder: &Path) -> Option<Self> {
        let sysroot = PathBuf::from(ask(rustc, &["--print", "sysroot"], folder)?);
        if !sysroot.join("lib/rustlib/src/rust/library/Cargo.lock").is_file() {
            return None;
        }
        let linker = linker(rustc, folder)?;
        Some(Self::FromSource { cargo: cargo.into(), rustc: rustc.into(), linker })
    }

    /// What `cargo` calls the platform.
    pub(crate) fn target(&self) -> &'static str {
        match self {
            Self::Installed { .. } => "wasm32-wasip2",
            Self::FromSource { .. } => "wasm32-unknown-unknown",
        }
    }

    /// Cargo with this subcommand.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        match self {
            Self::Installed { cargo, rustc } => {
                let mut command = clean(cargo);
                if rustc.as_os_str() != "rustc" {
                    command.env("RUSTC", rustc);
                }
                command.arg(subcommand);
                command
            }
            Self::FromSource { cargo, rustc, linker } => {
                let mut command = clean(cargo);
                command
                    .env("RUSTC", rustc)
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker.join("wasm-component-ld"))
                    .env("PATH", path_with(linker))
                    .arg(subcommand);
                command
            }
        }
    }

    /// `cargo build` for components.
    pub(crate) fn build(&self, profile: Profile) -> Command {
        let mut command = self.cargo("build");
        match profile {
            Profile::Release => command.arg("--release"),
            Profile::Quick => command
                .args(["--profile", "wharf-dev"])
                .args(QUICK.iter().flat_map(|line| ["--config", line])),
        };
        let stack = format!("target.{}.rustflags=['-Clink-arg=-zstack-size={STACK}']", self.target());
        command.args(["--target", self.target(), "--config", &stack]);
        if let Self::FromSource { .. } = self {
            command.arg("-Zbuild-std=std,panic_abort");
        }
        command
    }
}

/// The folder with `wasm-component-ld` and the `rust-lld` that it calls: rustup's toolchains bring both,
/// Debian's doesn't.
fn linker(rustc: &Path, folder: &Path) -> Option<PathBuf> {
    let beside = |rustc: &Path| {
        let libraries = PathBuf::from(ask(rustc, &["--print", "target-libdir"], folder)?);
        Some(libraries.parent()?.join("bin"))
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    [beside("rustc".as_ref()), beside(rustc)]
        .into_iter()
        .flatten()
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("wasm-component-ld").is_file())
}

/// What a rustc answers on one line.
fn ask(rustc: &Path, arguments: &[&str], folder: &Path) -> Option<String> {
    let output = clean(rustc).args(arguments).current_dir(folder).stderr(Stdio::null()).output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}

/// `PATH` with one more folder in front.
fn path_with(folder: &Path) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).unwrap_or(path)
}

/// A command without the settings that cargo passes to what it runs, and without those that are meant for
/// native builds.
fn clean(program: &Path) -> Command {
    let below_cargo = std::env::var_os("CARGO").is_some();
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if is_foreign(&name, below_cargo) {
            command.env_remove(&name);
        }
    }
    command
}

/// Whether a variable is another cargo's or for other builds. What configures registries, the network, the
/// terminal and cargo's home stays.
fn is_foreign(name: &OsStr, below_cargo: bool) -> bool {
    const KEPT: [&str; 6] =
        ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_", "CARGO_TERM_"];
    const NATIVE: [&str; 4] = ["RUSTFLAGS", "RUSTDOCFLAGS", "RUSTC", "RUSTC_BOOTSTRAP"];
    const FROM_CARGO: [&str; 3] = ["RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"];
    let Some(name) = name.to_str() else { return false };
    let of_cargo = name == "CARGO" || name.starts_with("CARGO_");
    of_cargo && !KEPT.iter().any(|kept| name.starts_with(kept))
        || NATIVE.contains(&name)
        || below_cargo && FROM_CARGO.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_s_own_variables_and_native_flags_do_not_reach_guest_builds() {
        for name in
            ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_TARGET_DIR", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"]
        {
            assert!(is_foreign(name.as_ref(), false), "{name}");
        }
        for name in
            ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_TERM_COLOR", "PATH", "RUSTUP_HOME", "RUSTC_WRAPPER"]
        {
            assert!(!is_foreign(name.as_ref(), true), "{name}");
        }
    }

    #[test]
    fn a_toolchain_that_the_user_chose_stays_unless_cargo_chose_it() {
        assert!(!is_foreign("RUSTUP_TOOLCHAIN".as_ref(), false));
        assert!(is_foreign("RUSTUP_TOOLCHAIN".as_ref(), true));
    }

    #[test]
    fn the_way_out_names_both_one_liners() {
        assert!(INSTALL.contains("rustup target add wasm32-wasip2") && INSTALL.contains("apt-get install"));
    }

    #[test]
    fn this_machine_has_a_toolchain_for_guests() {
        let toolchain = Toolchain::find(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let command = format!("{:?}", toolchain.build(Profile::Release));
        assert!(command.contains("--release") && command.contains(toolchain.target()), "{command}");
    }
}
