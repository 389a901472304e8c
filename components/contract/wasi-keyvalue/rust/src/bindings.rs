//! What `wit-bindgen` makes of `wasi:keyvalue`, as for any component that was not written for Wharf.

#![allow(missing_docs, reason = "the generated code documents what the contract documents")]
#![allow(missing_debug_implementations, reason = "generated")]
#![allow(unreachable_pub, reason = "generated")]
#![allow(unused_qualifications, reason = "generated")]
#![allow(clippy::all, clippy::restriction, clippy::pedantic, reason = "generated")]

wit_bindgen::generate!({
    path: "../../../../wit",
    inline: "
        package wharf:contract-wasi-keyvalue;

        world imports {
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:keyvalue/atomics@0.2.0-draft2;
            import wasi:keyvalue/batch@0.2.0-draft2;
        }
    ",
    world: "wharf:contract-wasi-keyvalue/imports",
    generate_all,
});
