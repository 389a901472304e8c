//! `#[listener]`: the component's export around an implementation of `pg::Listener`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemImpl;

use crate::shape::OnImpl;

const SHAPE: OnImpl = OnImpl {
    name: "listener",
    implements: ("pg", "Listener"),
    instead: "channels are named in `wharf.toml`",
};

pub(crate) fn expand(arguments: &TokenStream, item: &ItemImpl) -> syn::Result<TokenStream> {
    SHAPE.check(arguments, item)?;
    let listener = &item.self_ty;
    Ok(quote! {
        #item

        // Natively nothing else uses it.
        const _: fn(::wharf_guest::pg::Notification) -> ::wharf_guest::Result<()> =
            <#listener as ::wharf_guest::pg::Listener>::on_notify;

        // Natively (a service's own unit tests) there is nothing to export.
        #[cfg(target_family = "wasm")]
        #[allow(unused_qualifications, missing_docs, clippy::all)]
        const _: () = {
            struct Export;
            impl ::wharf_guest::__private::ListenerGuest for Export {
                fn on_notify(
                    notification: ::wharf_guest::pg::Notification,
                ) -> ::core::result::Result<(), ::std::string::String> {
                    ::wharf_guest::__private::on_notify::<#listener>(notification)
                }
                fn on_listening(
                    database: ::std::string::String,
                    missed: bool,
                ) -> ::core::result::Result<(), ::std::string::String> {
                    ::wharf_guest::__private::on_listening::<#listener>(&database, missed)
                }
            }
            ::wharf_guest::bindings::listener::export!(Export with_types_in ::wharf_guest::bindings::listener);
        };
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(arguments: &TokenStream, item: &str) -> String {
        expand(arguments, &syn::parse_str(item).unwrap())
            .map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn an_implementation_is_exported() {
        let tokens = expanded(&TokenStream::new(), "impl pg::Listener for Orders {}");
        assert!(tokens.contains("on_notify :: < Orders >"), "{tokens}");
    }
}
