//! What is shipped: the component, against the native binary alone and in the smallest root of a container that it
//! runs in.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::figures::Figures;
use crate::run::run;
use crate::scratch::Scratch;

/// Authorities that a service checks others' certificates against.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Measures what `builds` left.
pub(crate) fn measure(scratch: &Scratch, figures: &mut Figures) -> Result<()> {
    let (component, gzip) = (bytes(&scratch.component())?, gzipped(&scratch.component())?);
    let release = Shipped::measure(scratch, &scratch.binary("release"), "release")?;
    let small = Shipped::measure(scratch, &scratch.binary("small"), "small")?;
    figures.size("artifact", "artifact (native: stripped)", release.binary, component);
    figures.size("artifact_small", "  native with the guests' profile", small.binary, component);
    figures.size("artifact_gzip", "artifact, gzip", release.binary_gzip, gzip);
    figures.size("root", "container root (native), tar", release.root, component);
    figures.size("root_gzip", "container root (native), tar.gz", release.root_gzip, gzip);
    figures.size("root_small_gzip", "  native with the guests' profile", small.root_gzip, gzip);
    match musl(scratch)? {
        Some(musl) => {
            figures.size("artifact_musl", "artifact (native: static, stripped)", musl.binary, component);
            figures.size("root_musl_gzip", "container root (static), tar.gz", musl.root_gzip, gzip);
        }
        None => figures.note("no static native binary: Rust's library for musl is not installed"),
    }
    Ok(())
}

/// Sizes of a native binary, in bytes.
#[derive(Debug)]
struct Shipped {
    binary: u64,
    binary_gzip: u64,
    root: u64,
    root_gzip: u64,
}

impl Shipped {
    fn measure(scratch: &Scratch, binary: &Path, name: &str) -> Result<Self> {
        let root = scratch.path(&format!("root-{name}"));
        std::fs::create_dir_all(&root)?;
        let stripped = root.join("guestbook");
        run(Command::new("strip").arg("-o").arg(&stripped).arg(binary), &scratch.log("strip"))?;
        furnish(&root, &stripped)?;
        let archive = scratch.path(&format!("root-{name}.tar"));
        let mut tar = Command::new("tar");
        tar.args(["--sort=name", "--owner=0", "--group=0"]).arg("-C").arg(&root);
        run(tar.arg("-cf").arg(&archive).arg("."), &scratch.log("tar"))?;
        Ok(Self {
            binary: bytes(&stripped)?,
            binary_gzip: gzipped(&stripped)?,
            root: bytes(&archive)?,
            root_gzip: gzipped(&archive)?,
        })
    }
}

/// What a binary needs around it where nothing else is: as `FROM scratch` and some `COPY` would have it.
fn furnish(root: &Path, binary: &Path) -> Result<()> {
    for file in libraries(binary)?.into_iter().chain([PathBuf::from(AUTHORITIES)]) {
        let target = root.join(file.strip_prefix("/").unwrap_or(&file));
        std::fs::create_dir_all(target.parent().unwrap_or(root))?;
        std::fs::copy(&file, &target).with_context(|| format!("failed to copy `{}`", file.display()))?;
    }
    std::fs::write(root.join("etc/passwd"), "root:x:0:0::/:\nguestbook:x:1000:1000::/:\n")?;
    Ok(())
}

/// The shared libraries, and what loads them; none for a static binary.
fn libraries(binary: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(binary).output().context("failed to start ldd")?;
    let text = String::from_utf8(output.stdout)?;
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    Ok(text.lines().filter_map(path).collect())
}

/// The same, linked statically, where Rust's library for that is installed.
fn musl(scratch: &Scratch) -> Result<Option<Shipped>> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let mut ask = Command::new("rustc");
    ask.args(["--print", "target-libdir", "--target", &target]).current_dir(scratch.native());
    let answer = ask.output().context("failed to start rustc")?;
    let library = PathBuf::from(String::from_utf8(answer.stdout)?.trim());
    if !answer.status.success() || !library.is_dir() {
        return Ok(None);
    }
    let log = scratch.log("native-musl");
    run(scratch.cargo("build").args(["--release", "--target", &target]), &log)?;
    Shipped::measure(scratch, &scratch.binary(&format!("{target}/release")), "musl").map(Some)
}

fn bytes(file: &Path) -> Result<u64> {
    Ok(std::fs::metadata(file).with_context(|| format!("`{}` is not there", file.display()))?.len())
}

fn gzipped(file: &Path) -> Result<u64> {
    let output = Command::new("gzip").arg("-nc").arg(file).output().context("failed to start gzip")?;
    ensure!(output.status.success(), "gzip failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(u64::try_from(output.stdout.len())?)
}
