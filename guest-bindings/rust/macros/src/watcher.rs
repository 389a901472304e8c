//! `#[watcher]`: the component's export around an implementation of `kv::Watcher`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemImpl;

use crate::shape::OnImpl;

const SHAPE: OnImpl = OnImpl {
    name: "watcher",
    implements: ("kv", "Watcher"),
    instead: "buckets and prefixes are named in `wharf.toml`",
};

pub(crate) fn expand(arguments: &TokenStream, item: &ItemImpl) -> syn::Result<TokenStream> {
    SHAPE.check(arguments, item)?;
    let watcher = &item.self_ty;
    Ok(quote! {
        #item

        // Natively nothing else uses it.
        const _: fn(
            &str,
            &str,
            ::core::option::Option<::wharf_guest::kv::Entry>,
        ) -> ::wharf_guest::Result<()> = <#watcher as ::wharf_guest::kv::Watcher>::on_change;

        // Natively (a service's own unit tests) there is nothing to export.
        #[cfg(target_family = "wasm")]
        #[allow(unused_qualifications, missing_docs, clippy::all)]
        const _: () = {
            struct Export;
            impl ::wharf_guest::__private::WatcherGuest for Export {
                fn on_change(
                    bucket: ::std::string::String,
                    key: ::std::string::String,
                    entry: ::core::option::Option<::wharf_guest::kv::Entry>,
                ) -> ::core::result::Result<(), ::std::string::String> {
                    ::wharf_guest::__private::on_change::<#watcher>(&bucket, &key, entry)
                }
                fn on_watching(
                    bucket: ::std::string::String,
                    gap: bool,
                ) -> ::core::result::Result<(), ::std::string::String> {
                    ::wharf_guest::__private::on_watching::<#watcher>(&bucket, gap)
                }
            }
            ::wharf_guest::bindings::watcher::export!(Export with_types_in ::wharf_guest::bindings::watcher);
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
        let tokens = expanded(&TokenStream::new(), "impl kv::Watcher for Sessions {}");
        assert!(tokens.contains("on_change :: < Sessions >"), "{tokens}");
        assert!(tokens.contains("on_watching :: < Sessions >"), "{tokens}");
    }
}
