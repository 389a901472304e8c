//! `#[guard]`: the component's export around a function that judges requests.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, ItemFn};

use crate::service::{check_input, check_output};
use crate::shape::OnFn;

const SHAPE: OnFn = OnFn {
    name: "guard",
    forms: "a guard is `fn(&wharf_guest::Head) -> wharf_guest::guard::Verdict`",
    parameters: 1..=1,
    instead: "routes list it in the `wharf.toml` of their service",
};

pub(crate) fn expand(arguments: &TokenStream, function: &ItemFn) -> syn::Result<TokenStream> {
    SHAPE.check(arguments, function)?;
    let (signature, name) = (&function.sig, &function.sig.ident);
    let input = signature.inputs.first().map(|input| match input {
        FnArg::Typed(input) => check_input(&quote!(&::wharf_guest::Head), &input.ty),
        FnArg::Receiver(_) => TokenStream::new(),
    });
    let output = check_output(signature, &quote!(::wharf_guest::guard::IntoVerdict));
    let check = if signature.asyncness.is_some() { quote!(check_async) } else { quote!(check) };
    Ok(quote! {
        #function
        #input
        #output
        // Natively nothing else uses it.
        const _: fn() = || { let _ = #name; };

        // Natively (a guard's own unit tests) there is nothing to export.
        #[cfg(target_family = "wasm")]
        #[allow(unused_qualifications, missing_docs, clippy::all)]
        const _: () = {
            struct Export;
            impl ::wharf_guest::__private::GuardGuest for Export {
                fn check(request: ::wharf_guest::__private::Request) -> ::wharf_guest::__private::Verdict {
                    ::wharf_guest::__private::#check(#name, request)
                }
            }
            ::wharf_guest::bindings::guard::export!(Export with_types_in ::wharf_guest::bindings::guard);
        };
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(item: &str) -> String {
        let expanded = expand(&TokenStream::new(), &syn::parse_str(item).unwrap());
        expanded.map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn a_function_of_a_head_is_exported() {
        assert!(expanded("fn f(r: &Head) -> Verdict { v }").contains(":: check (f , request)"));
        assert!(expanded("async fn f(r: &Head) -> Verdict { v }").contains(":: check_async (f"));
    }

    #[test]
    fn a_function_without_a_request_is_no_guard() {
        assert!(expanded("fn f() -> Verdict { v }").contains("a guard is `fn("));
    }
}
