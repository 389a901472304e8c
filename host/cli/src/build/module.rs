//! Core modules: what a compiler without components made, and the world that it carries, become a component.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::ComponentEncoder;

use super::recipe::Job;

pub(super) fn build(job: &Job<'_>, entry: &Path) -> Result<PathBuf> {
    let bytes = std::fs::read(entry).with_context(|| format!("failed to read `{}`", entry.display()))?;
    let component = job.scratch.join("component.wasm");
    let made = componentize(&bytes).with_context(|| format!("`{}` makes no component", entry.display()))?;
    std::fs::write(&component, made).with_context(|| format!("failed to write `{}`", component.display()))?;
    Ok(component)
}

/// A component around a core module. What it asks of WASI 0.1 is adapted.
pub(super) fn componentize(module: &[u8]) -> Result<Vec<u8>> {
    let (world, _) = wit_component::metadata::decode(module).context("it is no module")?;
    if world.is_none() {
        bail!("it carries no world: its compiler left out the section `component-type`");
    }
    let adapter = (WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER);
    ComponentEncoder::default()
        .module(module)
        .context("the world that it carries is none")?
        .adapter(adapter.0, adapter.1)?
        .validate(true)
        .encode()
        .context("its imports and exports do not fit the world that it carries")
}

#[cfg(test)]
mod tests {
    use super::componentize;
    use wit_component::{StringEncoding, embed_component_metadata};
    use wit_parser::Resolve;

    #[test]
    fn a_module_becomes_the_component_of_the_world_that_it_carries() {
        let mut resolve = Resolve::default();
        let package =
            resolve.push_str("w.wit", "package a:b; world w { export answer: func() -> u32; }").unwrap();
        let world = resolve.select_world(&[package], Some("w")).unwrap();
        let mut module =
            wat::parse_str("(module (func (export \"answer\") (result i32) i32.const 42))").unwrap();
        assert!(componentize(&module).unwrap_err().to_string().contains("`component-type`"));
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        let component = componentize(&module).unwrap();
        // The layer of the version field says component.
        assert_eq!(&component[..8], b"\0asm\x0d\0\x01\0");
        let mut other = wat::parse_str("(module)").unwrap();
        embed_component_metadata(&mut other, &resolve, world, StringEncoding::UTF8).unwrap();
        assert!(format!("{:#}", componentize(&other).unwrap_err()).contains("answer"));
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        assert!(componentize(b"no module").is_err());
    }
}
