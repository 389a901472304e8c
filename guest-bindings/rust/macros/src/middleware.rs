//! `#[middleware]`: the component's export around a function that is given the next handler.
//!
//! The import of the next handler is generated in the crate of the middleware, not in `wharf-guest`: bindings name what
//! they import in the binary whether it is called or not, and what exports a handler and has its import named, too,
//! keeps both. Every service would import a handler.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, ItemFn};

use crate::service::{check_input, check_output, export_handler};
use crate::shape::OnFn;

/// The contract's folder, wherever this crate was unpacked.
const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wit");

const SHAPE: OnFn = OnFn {
    name: "middleware",
    forms: "a middleware is `fn(wharf_guest::Request, wharf_guest::Next) -> wharf_guest::Response`",
    parameters: 2..=2,
    instead: "what it wraps is named by the `wharf.toml` of that service",
};

pub(crate) fn expand(arguments: &TokenStream, function: &ItemFn) -> syn::Result<TokenStream> {
    SHAPE.check(arguments, function)?;
    let (signature, name) = (&function.sig, &function.sig.ident);
    let given = [quote!(::wharf_guest::Request), quote!(::wharf_guest::Next)];
    let inputs = signature.inputs.iter().zip(&given).filter_map(|(input, given)| match input {
        FnArg::Typed(input) => Some(check_input(given, &input.ty)),
        FnArg::Receiver(_) => None,
    });
    let output = check_output(signature, &quote!(::wharf_guest::IntoReply));
    let wrap = if signature.asyncness.is_some() { quote!(wrap_async) } else { quote!(wrap) };
    let export =
        export_handler(&quote!(::wharf_guest::__private::#wrap(#name, __wharf_next::run, request, body)));
    let import = import_next();
    Ok(quote! {
        // The contract hands both over by value, whether the middleware consumes them or not.
        #[allow(clippy::needless_pass_by_value)]
        #function
        #(#inputs)*
        #output
        // Natively nothing else uses it.
        const _: fn() = || { let _ = #name; };
        #import
        #export
    })
}

/// A module with `run`, which calls the handler that this component imports.
fn import_next() -> TokenStream {
    quote! {
        #[cfg(target_family = "wasm")]
        #[allow(unused_qualifications, missing_docs, missing_debug_implementations, unreachable_pub, unsafe_code)]
        #[allow(clippy::all)]
        mod __wharf_next {
            use ::wharf_guest::bindings::wharf::platform::http_types;
            use wharf::platform::http_handler::{Chunks, ReplyBody, handle};

            ::wharf_guest::__private::wit_bindgen::generate!({
                path: #CONTRACT,
                inline: "package wharf:guest-next; world next { import wharf:platform/http-handler@0.1.0; }",
                world: "wharf:guest-next/next",
                with: {
                    "wharf:platform/http-types@0.1.0": ::wharf_guest::bindings::wharf::platform::http_types,
                    "wharf:platform/http-handler@0.1.0": generate,
                },
                runtime_path: "::wharf_guest::__private::wit_bindgen::rt",
            });

            pub(super) fn run(request: ::wharf_guest::Request) -> ::wharf_guest::Response {
                let (head, body) = request.into_parts();
                let reply = handle(&head, body.into_raw());
                let response = match reply.body {
                    ReplyBody::Bytes(bytes) => ::wharf_guest::Response::bytes(bytes),
                    ReplyBody::Reader(reader) => ::wharf_guest::Response::hand_on(reader.into()),
                    ReplyBody::Streamed(chunks) => ::wharf_guest::Response::from_pull(Pulled(chunks)),
                };
                let add = |response: ::wharf_guest::Response, (name, value)| response.add_header(name, value);
                reply.headers.into_iter().fold(response.status(reply.status), add)
            }

            /// What the next handler makes piece by piece.
            struct Pulled(Chunks);

            impl ::wharf_guest::Pull for Pulled {
                fn pull(
                    &mut self,
                ) -> ::core::result::Result<::core::option::Option<::std::vec::Vec<u8>>, http_types::Error> {
                    self.0.next()
                }

                fn trailers(&mut self) -> ::core::option::Option<http_types::Headers> {
                    self.0.trailers()
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(item: &str) -> String {
        let expanded = expand(&TokenStream::new(), &syn::parse_str(item).unwrap());
        expanded.map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn a_function_of_a_request_and_the_next_handler_is_exported() {
        assert!(
            expanded("fn f(r: Request, n: Next) -> Response { r }")
                .contains(":: wrap (f , __wharf_next :: run")
        );
        assert!(expanded("async fn f(r: Request, n: Next) -> Response { r }").contains(":: wrap_async (f"));
    }

    #[test]
    fn without_the_next_handler_it_is_none() {
        assert!(expanded("fn f(r: Request) -> Response { r }").contains("a middleware is `fn("));
    }
}
