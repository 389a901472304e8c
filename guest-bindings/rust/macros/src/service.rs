//! `#[service]`: the component's export around a router or a plain handler.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Error, FnArg, ItemFn, ReturnType, Signature, Type, spanned::Spanned};

const FORMS: &str =
    "a service is `fn() -> axum::Router` or `fn(wharf_guest::Request) -> wharf_guest::Response`";

pub(crate) fn expand(arguments: &TokenStream, function: &ItemFn) -> syn::Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new(arguments.span(), "`#[service]` takes no arguments"));
    }
    let serve = serve(&function.sig)?;
    let check = check(&function.sig);
    Ok(quote! {
        // The contract hands a request over by value, whether the handler consumes it or not.
        #[allow(clippy::needless_pass_by_value)]
        #function
        #check

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
    })
}

/// The call of the service's function, or why it is none.
fn serve(signature: &Signature) -> syn::Result<TokenStream> {
    let name = &signature.ident;
    if !signature.generics.params.is_empty() {
        return Err(Error::new(signature.generics.span(), format!("a service cannot be generic: {FORMS}")));
    }
    if let ReturnType::Default = signature.output {
        return Err(Error::new(name.span(), format!("this function returns nothing: {FORMS}")));
    }
    let mut inputs = signature.inputs.iter();
    match (inputs.next(), inputs.next()) {
        (None, _) if signature.asyncness.is_some() => {
            Err(Error::new(signature.asyncness.span(), "a router is built without waiting: drop the `async`"))
        }
        (None, _) => Ok(quote!(::wharf_guest::__serve_router!(#name, request, body))),
        (Some(FnArg::Receiver(receiver)), _) => {
            Err(Error::new(receiver.span(), format!("a service is a free function, not a method: {FORMS}")))
        }
        (Some(_), Some(second)) => {
            Err(Error::new(second.span(), format!("a service has at most one parameter: {FORMS}")))
        }
        (Some(_), None) if signature.asyncness.is_some() => {
            Ok(quote!(::wharf_guest::__private::serve_async(#name, request, body)))
        }
        (Some(_), None) => Ok(quote!(::wharf_guest::__private::serve_plain(#name, request, body))),
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
    let input = &input.ty;
    let input =
        quote_spanned!(input.span()=> const _: fn(::wharf_guest::Request) -> #input = |request| request;);
    let output = match &signature.output {
        ReturnType::Type(_, output) if !matches!(**output, Type::ImplTrait(_)) => {
            quote_spanned! {output.span()=>
                const _: fn() = || {
                    fn answers_a_request<T: ::wharf_guest::IntoReply>() {}
                    answers_a_request::<#output>();
                };
            }
        }
        _ => TokenStream::new(),
    };
    quote! {
        #input
        #output
        // Natively nothing else uses it.
        const _: fn() = || { let _ = #name; };
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
    fn other_signatures_are_refused_with_the_two_that_work() {
        for item in
            ["fn f(a: A, b: B) -> C { a }", "fn f<T>() -> T { t }", "fn f() {}", "fn f(&self) -> C { c }"]
        {
            assert!(error(item).contains("a service is `fn() -> axum::Router`"), "{item}");
        }
        assert!(error("async fn f() -> Router { r }").contains("drop the `async`"));
    }

    #[test]
    fn arguments_are_refused() {
        let function = syn::parse_str("fn app() -> Router { r }").unwrap();
        assert!(expand(&quote!(fast), &function).is_err());
    }
}
