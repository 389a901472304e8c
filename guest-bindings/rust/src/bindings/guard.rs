//! The export of a guard. What it may import is what every service may.

use super::{wasi, wharf};

wit_bindgen::generate!({
    path: "wit",
    inline: "
        package wharf:guest-guard;

        /// Beside the world `guest` when one component has both.
        world guard {
            include wharf:platform/guard-service@0.1.0;
            import wasi:clocks/wall-clock@0.2.12;
            import wasi:clocks/monotonic-clock@0.2.12;
            import wasi:random/random@0.2.12;
        }
    ",
    world: "wharf:guest-guard/guard",
    with: {
        "wharf:platform/config@0.1.0": wharf::platform::config,
        "wharf:platform/log@0.1.0": wharf::platform::log,
        "wharf:platform/pg-client@0.1.0": wharf::platform::pg_client,
        "wharf:platform/kv@0.1.0": wharf::platform::kv,
        "wharf:platform/http-types@0.1.0": wharf::platform::http_types,
        "wharf:platform/http-client@0.1.0": wharf::platform::http_client,
        "wasi:io/poll@0.2.12": wasi::io::poll,
        "wasi:clocks/wall-clock@0.2.12": wasi::clocks::wall_clock,
        "wasi:clocks/monotonic-clock@0.2.12": wasi::clocks::monotonic_clock,
        "wasi:random/random@0.2.12": wasi::random::random,
        "wharf:platform/guard@0.1.0": generate,
    },
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "::wharf_guest::bindings::guard",
});
