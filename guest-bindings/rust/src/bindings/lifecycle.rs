//! The export of what is prepared at deploy.

wit_bindgen::generate!({
    path: "wit",
    inline: "
        package wharf:guest-lifecycle;

        /// Beside the world `guest`.
        world prepared {
            export wharf:platform/lifecycle@0.1.0;
        }
    ",
    world: "wharf:guest-lifecycle/prepared",
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "::wharf_guest::bindings::lifecycle",
});
