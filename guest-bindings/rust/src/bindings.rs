//! What `wit-bindgen` generates from `wit/`, unwrapped: for what the typed wrappers do not cover.

#![allow(missing_docs, reason = "the generated code documents what the contract documents")]
#![allow(missing_debug_implementations, reason = "generated")]
#![allow(unreachable_pub, reason = "generated")]
#![allow(unused_qualifications, reason = "generated")]
#![allow(clippy::all, clippy::restriction, clippy::pedantic, reason = "generated")]

#[doc(hidden)]
pub mod guard;
#[doc(hidden)]
pub mod lifecycle;
#[doc(hidden)]
pub mod listener;
#[doc(hidden)]
pub mod watcher;

wit_bindgen::generate!({
    path: "wit",
    inline: "
        package wharf:guest;

        /// Everything that a Rust service may import; what it does not use vanishes when it is linked.
        world guest {
            include wharf:platform/service@0.1.0;
            import wasi:clocks/wall-clock@0.2.12;
            import wasi:clocks/monotonic-clock@0.2.12;
            import wasi:random/random@0.2.12;
        }
    ",
    world: "wharf:guest/guest",
    pub_export_macro: true,
    default_bindings_module: "::wharf_guest::bindings",
    generate_all,
});
