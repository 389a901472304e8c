//! Deploys as a person sees them: from the start of `wharf deploy` to the first answer of the new release, back again, and
//! a restart with many services. Each deploy is of a component that the host has never seen.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::report::median;
use crate::server::Server;

/// Deploys of the Rust component, and of the larger one, which takes a second each.
const SMALL: usize = 30;
const LARGE: usize = 5;
/// Services of the host that is restarted.
const SERVICES: usize = 1_000;

/// Milliseconds, but for the bytes.
#[derive(Debug)]
pub(crate) struct Deploys {
    pub(crate) rust: f64,
    /// None where they are not built.
    pub(crate) quickjs: Option<Large>,
    pub(crate) python: Option<Large>,
    /// The call alone, and with the command around it.
    pub(crate) rollback: f64,
    pub(crate) rollback_command: f64,
    /// From the start of the process to its listening.
    pub(crate) restart: f64,
    /// Bytes that go to the host when nothing has changed.
    pub(crate) unchanged: u64,
}

/// A component with a language's runtime in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Large {
    /// Until the first answer.
    pub(crate) answers: f64,
    /// Until it answers with the best code.
    pub(crate) best: f64,
}

/// Measures on a host of its own.
pub(crate) fn costs(wharf: &Path, repository: &Path) -> Result<Deploys> {
    let root = tempfile::tempdir()?;
    let bench = Bench { wharf, root: root.path(), count: 0 };
    bench.run(&repository.join("components"))
}

struct Bench<'a> {
    wharf: &'a Path,
    root: &'a Path,
    count: u64,
}

impl Bench<'_> {
    fn run(mut self, components: &Path) -> Result<Deploys> {
        let hello = std::fs::read(components.join("bench/hello-typed/.wharf/build/hello-typed.wasm"))?;
        let host = self.serve()?;
        let rust = self.deploys(&host, "rust", &hello, "/typed/hello", SMALL)?;
        let unchanged =
            self.deploy("rust")?.get("sent").and_then(Value::as_u64).context("`sent` is missing")?;
        let (mut rollback, mut rollback_command) = (Vec::new(), Vec::new());
        for _ in 0..SMALL {
            rollback.push(self.roll_back()?);
            let begun = Instant::now();
            self.command(&["rollback", "rust"])?;
            rollback_command.push(millis(begun));
        }
        let composed = components.join("examples/composed/handler/.wharf/build/handler.wasm");
        let quickjs = self.large(&host, "quickjs", &composed, "/composed")?;
        let python = components.join("contract/config-log/python/.wharf/build/contract-config-log.wasm");
        let python = self.large(&host, "python", &python, "/config")?;
        for index in 0..SERVICES {
            let name = format!("s{index}");
            self.write(&name, &format!("/many/{index}"), &hello)?;
            self.deploy(&name)?;
        }
        drop(host);
        let begun = Instant::now();
        let host = self.serve()?;
        let restart = millis(begun);
        let answer = get(&host, &format!("/many/{}", SERVICES - 1))?;
        ensure!(!answer.contains(" 404 "), "a service is gone after the restart: {answer}");
        Ok(Deploys {
            rust,
            quickjs,
            python,
            rollback: median(rollback.into_iter()),
            rollback_command: median(rollback_command.into_iter()),
            restart,
            unchanged,
        })
    }

    fn serve(&self) -> Result<Server> {
        let data = self.data();
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--data"];
        let arguments: Vec<_> = arguments.iter().map(AsRef::as_ref).chain([data.as_os_str()]).collect();
        Server::start(self.wharf, &arguments)
    }

    fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The median of so many deploys of different components.
    fn deploys(
        &mut self,
        host: &Server,
        name: &str,
        component: &[u8],
        path: &str,
        rounds: usize,
    ) -> Result<f64> {
        let mut times = Vec::with_capacity(rounds);
        for _ in 0..=rounds {
            self.write(name, path, component)?;
            let begun = Instant::now();
            self.deploy(name)?;
            let answer = get(host, path)?;
            times.push(millis(begun));
            ensure!(answer.starts_with("HTTP/1.1 200 "), "{name} answers {answer}");
        }
        // The first one warmed up.
        Ok(median(times.into_iter().skip(1)))
    }

    /// The medians of deploys of a large component, where it is built; each begins when the one before has its best code.
    fn large(&mut self, host: &Server, name: &str, component: &Path, path: &str) -> Result<Option<Large>> {
        let Ok(component) = std::fs::read(component) else { return Ok(None) };
        let (mut answers, mut best) = (Vec::new(), Vec::new());
        for _ in 0..=LARGE {
            self.write(name, path, &component)?;
            let begun = Instant::now();
            self.deploy(name)?;
            let answer = get(host, path)?;
            answers.push(millis(begun));
            ensure!(answer.starts_with("HTTP/1.1 200 "), "{name} answers {answer}");
            while self.is_interim(name)? {
                ensure!(begun.elapsed() < Duration::from_secs(120), "{name} never got its best code");
                std::thread::sleep(Duration::from_millis(20));
            }
            best.push(millis(begun));
        }
        let of = |times: Vec<f64>| median(times.into_iter().skip(1));
        Ok(Some(Large { answers: of(answers), best: of(best) }))
    }

    fn is_interim(&self, name: &str) -> Result<bool> {
        let services = self.command(&["status"])?;
        let mut services = services.as_array().context("`status` is no list")?.iter();
        let status = services.find(|status| status["service"] == name).context("the service is gone")?;
        Ok(status["interim"] == true)
    }

    /// A service whose component nobody has seen: one more custom section.
    fn write(&mut self, name: &str, path: &str, component: &[u8]) -> Result<()> {
        self.count += 1;
        let mut bytes = component.to_vec();
        bytes.extend([0, 14, 5]);
        bytes.extend(b"bench");
        bytes.extend(self.count.to_le_bytes());
        let folder = self.root.join(name);
        std::fs::create_dir_all(&folder)?;
        let manifest = format!(
            "name = \"{name}\"\ncomponent = \"it.wasm\"\n[[routes]]\npath = \"{path}\"\n[limits]\nmemory = \"128MiB\"\ncpu = \"2s\"\nwall = \"10s\"\n"
        );
        std::fs::write(folder.join("wharf.toml"), manifest)?;
        Ok(std::fs::write(folder.join("it.wasm"), bytes)?)
    }

    fn deploy(&self, name: &str) -> Result<Value> {
        self.command(&["deploy", name])
    }

    fn command(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(self.wharf);
        command.args(arguments).arg("--json").arg("--data").arg(self.data()).current_dir(self.root);
        let output = command.output()?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Milliseconds of the call alone.
    fn roll_back(&self) -> Result<f64> {
        let running: Value = serde_json::from_slice(&std::fs::read(self.data().join("control.json"))?)?;
        let url = running.get("url").and_then(Value::as_str).context("`control.json` has no `url`")?;
        let address = url.trim_start_matches("http://").to_owned();
        let token = std::fs::read_to_string(self.data().join("token"))?;
        let head = format!(
            "POST /v1/services/rust/rollback HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}",
            token.trim()
        );
        let begun = Instant::now();
        let answer = exchange(&address, &head)?;
        ensure!(answer.starts_with("HTTP/1.1 2"), "the rollback is answered {answer}");
        Ok(millis(begun))
    }
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn get(host: &Server, path: &str) -> Result<String> {
    let address = host.url.trim_start_matches("http://");
    exchange(address, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"))
}

fn exchange(address: &str, text: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(text.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
