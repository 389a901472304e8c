//! Bytes to facts without compiling: is it a component, what does it import and export, which world fits.

use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

/// The package whose interfaces Wharf serves.
pub(crate) const PLATFORM: &str = "wharf:platform/";
/// The handler of our own that this host calls.
pub(crate) const HTTP_HANDLER: &str = "wharf:platform/http-handler@0.1.0";
/// The handlers of WASI that it calls; any later patch of these versions will do.
const WASI_HANDLER_03: &str = "wasi:http/handler@0.3.";
const WASI_HANDLER_02: &str = "wasi:http/incoming-handler@0.2.";
/// What is called for notifications of a database.
pub(crate) const PG_LISTENER: &str = "wharf:platform/pg-listener@0.1.0";

/// What is called once, at deploy.
pub(crate) const LIFECYCLE: &str = "wharf:platform/lifecycle@0.1.0";
/// What is asked about requests to other services.
pub(crate) const GUARD: &str = "wharf:platform/guard@0.1.0";
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
    /// The smallest world that it fits: of `wit/worlds.wit`, e.g. `service`, or of `wasi:http`; none when it
    /// exports nothing that a host calls.
    pub world: Option<&'static str>,
    /// What a host routes requests to; none when it answers none.
    pub handler: Option<HandlerKind>,
    /// Whether it uses `async` of the component model, and so runs on the engine for WASI 0.3.
    pub concurrent: bool,
    /// Capabilities that it imports, e.g. `pg-client`.
    pub capabilities: Vec<String>,
    /// Kinds of grants without which those capabilities deny everything, e.g. `pg`.
    pub grants: Vec<&'static str>,
}

/// How a component answers HTTP. One that exports several is called by the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HandlerKind {
    /// `wharf:platform/http-handler`: by value, the fastest.
    HttpHandler,
    /// `wasi:http/handler@0.3`.
    Wasi03,
    /// `wasi:http/incoming-handler@0.2`.
    Wasi02,
}

impl HandlerKind {
    fn of(exports: &[String]) -> Option<Self> {
        let known = [
            (HTTP_HANDLER, Self::HttpHandler),
            (WASI_HANDLER_03, Self::Wasi03),
            (WASI_HANDLER_02, Self::Wasi02),
        ];
        let exported = |prefix: &str| exports.iter().any(|export| export.starts_with(prefix));
        known.into_iter().find(|(prefix, _)| exported(prefix)).map(|(_, kind)| kind)
    }
}

impl Inspection {
    /// Whether a host can call it for notifications.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.exports.iter().any(|export| export == PG_LISTENER)
    }

    /// Whether other services can have it as a guard.
    #[must_use]
    pub fn guards(&self) -> bool {
        self.exports.iter().any(|export| export == GUARD)
    }

    /// Whether it is initialised once, at deploy, instead of in every instance.
    #[must_use]
    pub fn prepares(&self) -> bool {
        self.exports.iter().any(|export| export == LIFECYCLE)
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
    let concurrent = validate(bytes)?;
    let (imports, exports) = names(bytes)?;
    let capabilities = capabilities(&imports);
    let handler = HandlerKind::of(&exports);
    Ok(Inspection {
        world: world(handler, &imports, &exports),
        handler,
        concurrent,
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

/// Validates the whole component; true when it is one only with `async` of the component model.
fn validate(bytes: &[u8]) -> Result<bool, InspectError> {
    let without = WasmFeatures::default() - WasmFeatures::CM_ASYNC;
    if Validator::new_with_features(without).validate_all(bytes).is_ok() {
        return Ok(false);
    }
    let with = WasmFeatures::default() | WasmFeatures::CM_ASYNC;
    Validator::new_with_features(with).validate_all(bytes).map_err(invalid)?;
    Ok(true)
}

/// The names at the outermost level.
fn names(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), InspectError> {
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

fn world(handler: Option<HandlerKind>, imports: &[String], exports: &[String]) -> Option<&'static str> {
    let imports = |name: &str| imports.iter().any(|i| interface(i) == Some(name));
    let exports = |name: &str| exports.iter().any(|e| interface(e) == Some(name));
    let uses_capabilities = ["config", "log", "pg-client", "kv", "http-client"].into_iter().any(imports);
    match handler {
        Some(HandlerKind::Wasi03) => return Some("wasi:http/service@0.3"),
        Some(HandlerKind::Wasi02) => return Some("wasi:http/proxy@0.2"),
        Some(HandlerKind::HttpHandler) | None => {}
    }
    if handler.is_some() {
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
        assert_eq!((inspection.handler, inspection.concurrent), (None, false));
    }
}
