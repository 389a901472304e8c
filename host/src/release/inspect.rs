//! Bytes to facts without compiling: is it a component, what does it import and export, which world fits.

use wasmparser::{Encoding, Parser, Payload};

/// The package whose interfaces Wharf serves.
pub(crate) const PLATFORM: &str = "wharf:platform/";
/// The handler that this host calls.
pub(crate) const HTTP_HANDLER: &str = "wharf:platform/http-handler@0.1.0";
/// What is called for notifications of a database.
pub(crate) const PG_LISTENER: &str = "wharf:platform/pg-listener@0.1.0";

/// What is called for changes of buckets.
pub(crate) const KV_WATCHER: &str = "wharf:platform/kv-watcher@0.1.0";

/// What can be known of a component from its outside.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// Names of all imports, in the component's order.
    pub imports: Vec<String>,
    /// Names of all exports, in the component's order.
    pub exports: Vec<String>,
    /// The smallest world of `wit/worlds.wit` that it fits, e.g. `service`; none when it exports
    /// nothing that a host calls.
    pub world: Option<&'static str>,
    /// Whether a host can route requests to it.
    pub answers_http: bool,
    /// Capabilities that it imports, e.g. `pg-client`.
    pub capabilities: Vec<String>,
    /// Kinds of grants without which those capabilities deny everything, e.g. `pg`.
    pub grants: Vec<&'static str>,
}

impl Inspection {
    /// Whether a host can call it for notifications.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.exports.iter().any(|export| export == PG_LISTENER)
    }

    /// Whether a host can call it for changes of buckets.
    #[must_use]
    pub fn watches(&self) -> bool {
        self.exports.iter().any(|export| export == KV_WATCHER)
    }
}

/// Why bytes are no component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// Nothing there.
    #[error("the file is empty")]
    Empty,
    /// WebAssembly text, or any other text.
    #[error("this is text, not a binary component; convert it with `wasm-tools parse`")]
    Text,
    /// Machine code of some wasmtime.
    #[error("this is a precompiled artifact; only the component itself is accepted, as it can be checked")]
    Precompiled,
    /// A core module.
    #[error(
        "this is a core module, not a component; build for `wasm32-wasip2`, or wrap it with \
         `wasm-tools component new`"
    )]
    CoreModule,
    /// Broken or truncated.
    #[error("the component is not valid")]
    Invalid(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Looks at the outside of a component.
///
/// # Errors
/// Everything that is not a well-formed component, by what it is instead.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, InspectError> {
    refuse_other_files(bytes)?;
    let (imports, exports) = names(bytes)?;
    let capabilities = capabilities(&imports);
    Ok(Inspection {
        world: world(&imports, &exports),
        answers_http: exports.iter().any(|e| e == HTTP_HANDLER),
        grants: grants(&capabilities, &imports),
        capabilities,
        imports,
        exports,
    })
}

fn refuse_other_files(bytes: &[u8]) -> Result<(), InspectError> {
    if bytes.is_empty() {
        return Err(InspectError::Empty);
    }
    if wasmtime::Engine::detect_precompiled(bytes).is_some() || bytes.starts_with(b"\x7fELF") {
        return Err(InspectError::Precompiled);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(InspectError::CoreModule);
    }
    if !bytes.starts_with(b"\0asm") && std::str::from_utf8(bytes).is_ok() {
        return Err(InspectError::Text);
    }
    Ok(())
}

/// Validates the whole component and collects the names at its outermost level.
fn names(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), InspectError> {
    wasmparser::Validator::new().validate_all(bytes).map_err(invalid)?;
    let (mut imports, mut exports, mut depth) = (Vec::new(), Vec::new(), 0_usize);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(InspectError::CoreModule);
            }
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    imports.push(import.map_err(invalid)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    exports.push(export.map_err(invalid)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

fn invalid(error: wasmparser::BinaryReaderError) -> InspectError {
    InspectError::Invalid(error.into())
}

/// `wharf:platform/kv@0.1.0` to `kv`.
fn interface(name: &str) -> Option<&str> {
    name.strip_prefix(PLATFORM)?.split('@').next()
}

fn capabilities(imports: &[String]) -> Vec<String> {
    let known = ["config", "log", "pg-client", "kv", "http-client"];
    imports.iter().filter_map(|i| interface(i)).filter(|i| known.contains(i)).map(str::to_owned).collect()
}

fn grants(capabilities: &[String], imports: &[String]) -> Vec<&'static str> {
    let needs = [("pg-client", "pg"), ("kv", "kv"), ("http-client", "http")];
    let foreign = |grant: &str| grant == "kv" && imports.iter().any(|i| i.starts_with("wasi:keyvalue/"));
    let needed = |(name, grant): &&(&str, &str)| capabilities.iter().any(|c| c == name) || foreign(grant);
    needs.iter().filter(needed).map(|(_, grant)| *grant).collect()
}

fn world(imports: &[String], exports: &[String]) -> Option<&'static str> {
    let imports = |name: &str| imports.iter().any(|i| interface(i) == Some(name));
    let exports = |name: &str| exports.iter().any(|e| interface(e) == Some(name));
    let uses_capabilities = ["config", "log", "pg-client", "kv", "http-client"].into_iter().any(imports);
    if exports("http-handler") {
        return Some(match () {
            () if imports("http-handler") => "middleware",
            () if exports("lifecycle") => "prepared-service",
            () if uses_capabilities => "service",
            () => "handler",
        });
    }
    let others = [
        ("guard", "guard-service"),
        ("websocket-handler", "websocket-service"),
        ("pg-listener", "listener"),
        ("kv-watcher", "watcher"),
    ];
    others.into_iter().find(|(export, _)| exports(export)).map(|(_, world)| world)
}

#[cfg(test)]
mod tests {
    use super::{InspectError, inspect};

    #[test]
    fn other_files_are_refused_by_what_they_are() {
        assert!(matches!(inspect(b""), Err(InspectError::Empty)));
        assert!(matches!(inspect(b"(component)"), Err(InspectError::Text)));
        assert!(matches!(inspect(b"\0asm\x01\0\0\0"), Err(InspectError::CoreModule)));
        assert!(matches!(inspect(b"\0asm\x0d\0\x01\0garbage"), Err(InspectError::Invalid(_))));
        assert!(matches!(inspect(b"\x7fELF and so on"), Err(InspectError::Precompiled)));
    }

    #[test]
    fn an_empty_component_fits_no_world() {
        let inspection = inspect(b"\0asm\x0d\0\x01\0").unwrap();
        assert_eq!(inspection.world, None);
        assert!(!inspection.answers_http);
    }
}
