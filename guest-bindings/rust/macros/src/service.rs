//! `#[service]`: the component's export around a router or a plain handler.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Error, FnArg, ItemFn, ReturnType, Signature, Type, spanned::Spanned};

use crate::shape::OnFn;

const SHAPE: OnFn = OnFn {
    name: "service",
    forms: "a service is `fn() -> axum::Router` or `fn(wharf_guest::Request) -> wharf_guest::Response`",
    parameters: 0..=1,
    instead: "it is `prepared` or nothing; routes and grants are in `wharf.toml`",
};

pub(crate) fn expand(arguments: &TokenStream, function: &ItemFn) -> syn::Result<TokenStream> {
    let prepared = arguments.to_string() == "prepared";
    let others = if prepared { TokenStream::new() } else { arguments.clone() };
    SHAPE.check(&others, function)?;
    if prepared && !function.sig.inputs.is_empty() {
        let text = "only a router can be prepared: a handler has nothing to do before its request";
        return Err(Error::new(arguments.span(), text));
    }
    let serve = serve(&function.sig, prepared)?;
    let check = check(&function.sig);
    let export = export_handler(&serve);
    let init = prepared.then(|| export_lifecycle(&function.sig));
    Ok(quote! {
        // The contract hands a request over by value, whether the handler consumes it or not.
        #[allow(clippy::needless_pass_by_value)]
        #function
        #check

        #export
        #init
    })
}

/// The component's export `lifecycle`, which builds the router once, at deploy.
fn export_lifecycle(signature: &Signature) -> TokenStream {
    let name = &signature.ident;
    quote! {
        #[cfg(target_family = "wasm")]
        #[allow(unused_qualifications, missing_docs, clippy::all)]
        const _: () = {
            struct Lifecycle;
            impl ::wharf_guest::__private::LifecycleGuest for Lifecycle {
                fn init() -> ::core::result::Result<(), ::wharf_guest::__private::String> {
                    ::wharf_guest::__prepare_router!(#name)
                }
            }
            ::wharf_guest::bindings::lifecycle::export!(Lifecycle with_types_in ::wharf_guest::bindings::lifecycle);
        };
    }
}

/// The component's export `http-handler`, answering with what `serve` makes of `request` and `body`.
pub(crate) fn export_handler(serve: &TokenStream) -> TokenStream {
    quote! {
        // Natively (a service's own unit tests) there is nothing to export.
        #[cfg(target_family = "wasm")]
        #[allow(unused_qualifications, missing_docs, clippy::all)]
        const _: () = {
            struct Service;
            impl ::wharf_guest::__private::Guest for Service {
                type Chunks = ::wharf_guest::__private::Stream;
                fn handle(
                    request: ::wharf_guest::__private::Request,
                    body: ::wharf_guest::__private::Body,
                ) -> ::wharf_guest::__private::Reply {
                    #serve
                }
            }
            ::wharf_guest::bindings::export!(Service with_types_in ::wharf_guest::bindings);
        };
    }
}

/// The call of the service's function, or why it is none.
fn serve(signature: &Signature, prepared: bool) -> syn::Result<TokenStream> {
    let (name, waits) = (&signature.ident, signature.asyncness.is_some());
    match (signature.inputs.is_empty(), waits) {
        (true, true) => {
            Err(Error::new(signature.asyncness.span(), "a router is built without waiting: drop the `async`"))
        }
        (true, false) if prepared => {
            Ok(quote!(::wharf_guest::__serve_router!(prepared #name, request, body)))
        }
        (true, false) => Ok(quote!(::wharf_guest::__serve_router!(#name, request, body))),
        (false, true) => Ok(quote!(::wharf_guest::__private::serve_async(#name, request, body))),
        (false, false) => Ok(quote!(::wharf_guest::__private::serve_plain(#name, request, body))),
    }
}

/// Checks the types where the author wrote them, so that an error points there and not at the attribute.
fn check(signature: &Signature) -> TokenStream {
    let name = &signature.ident;
    let Some(FnArg::Typed(input)) = signature.inputs.first() else {
        let ReturnType::Type(_, output) = &signature.output else { return TokenStream::new() };
        let check = quote_spanned! {output.span()=>
            const _: fn(#output) -> ::wharf_guest::axum::Router = |app| app;
        };
        // The macro lets the check through, or says that the feature `axum` is missing.
        return quote_spanned! {name.span()=>
            ::wharf_guest::__with_axum! { #check const _: fn() = || { let _ = #name; }; }
        };
    };
    let input = check_input(&quote!(::wharf_guest::Request), &input.ty);
    let output = check_output(signature, &quote!(::wharf_guest::IntoReply));
    quote! {
        #input
        #output
        // Natively nothing else uses it.
        const _: fn() = || { let _ = #name; };
    }
}

/// That `given` is what this parameter takes.
pub(crate) fn check_input(given: &TokenStream, input: &Type) -> TokenStream {
    quote_spanned!(input.span()=> const _: fn(#given) -> #input = |given| given;)
}

/// That what is returned implements `wanted`; of an `impl Trait` only the compiler knows.
pub(crate) fn check_output(signature: &Signature, wanted: &TokenStream) -> TokenStream {
    match &signature.output {
        ReturnType::Type(_, output) if !matches!(**output, Type::ImplTrait(_)) => {
            quote_spanned! {output.span()=>
                const _: fn() = || {
                    fn is_an_answer<T: #wanted>() {}
                    is_an_answer::<#output>();
                };
            }
        }
        _ => TokenStream::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(item: &str) -> String {
        let function = syn::parse_str(item).unwrap();
        expand(&TokenStream::new(), &function).unwrap_err().to_string()
    }

    fn output(item: &str) -> String {
        let function = syn::parse_str(item).unwrap();
        expand(&TokenStream::new(), &function).unwrap().to_string()
    }

    #[test]
    fn the_signature_tells_the_form() {
        assert!(output("fn app() -> Router { r }").contains("__serve_router"));
        assert!(output("fn handle(r: Request) -> Response { r }").contains("serve_plain"));
        assert!(output("async fn handle(r: Request) -> Response { r }").contains("serve_async"));
    }

    #[test]
    fn a_router_may_be_prepared_and_a_handler_may_not() {
        let expanded = |item: &str| {
            let expanded = expand(&quote!(prepared), &syn::parse_str(item).unwrap());
            expanded.map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
        };
        let router = expanded("fn app() -> Router { r }");
        assert!(router.contains("(prepared app , request") && router.contains("__prepare_router ! (app)"));
        assert!(expanded("fn f(r: Request) -> Response { r }").contains("only a router can be prepared"));
        let other = expand(&quote!(fast), &syn::parse_str("fn app() -> Router { r }").unwrap());
        assert!(other.unwrap_err().to_string().contains("it is `prepared` or nothing"));
    }

    #[test]
    fn other_signatures_are_refused_with_the_two_that_work() {
        assert!(error("fn f(a: A, b: B) -> C { a }").contains("a service is `fn() -> axum::Router`"));
        assert!(error("async fn f() -> Router { r }").contains("drop the `async`"));
    }
}
