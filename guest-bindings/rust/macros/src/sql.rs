//! `sql!`: a statement with its parameters, counted when it is compiled and recorded in the component.

mod placeholders;
mod record;
mod types;

use proc_macro2::{Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, Expr, ExprCast, LitStr, Token, Type, parse::ParseStream, spanned::Spanned};

/// Where the macro is used.
pub(crate) struct Place {
    file: String,
    line: usize,
}

impl Place {
    /// A file's path as the compiler has it: from the folder of the workspace. It is told from the folder of the
    /// package, which is the same wherever that lies.
    pub(crate) fn new(file: &str, line: usize) -> Self {
        let within_package = || {
            let package = std::env::var_os("CARGO_MANIFEST_DIR")?;
            let file = std::env::current_dir().ok()?.join(file);
            Some(file.strip_prefix(package).ok()?.to_str()?.to_owned())
        };
        Self { file: within_package().unwrap_or_else(|| file.to_owned()), line }
    }
}

/// What is between the parentheses.
pub(crate) struct Input {
    database: Option<LitStr>,
    text: LitStr,
    params: Vec<Expr>,
}

impl syn::parse::Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut database = None;
        if input.parse::<Option<Token![in]>>()?.is_some() {
            database = Some(input.parse()?);
            input.parse::<Token![,]>()?;
        }
        let text = input.parse().map_err(|error| {
            Error::new(
                error.span(),
                "expected the statement as a string literal: `sql!(\"select ...\", ...)`",
            )
        })?;
        let mut params = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if !input.is_empty() {
                params.push(input.parse()?);
            }
        }
        Ok(Self { database, text, params })
    }
}

pub(crate) fn expand(input: &Input, place: &Place) -> syn::Result<TokenStream> {
    let text = input.text.value();
    check(&text, input)?;
    let types: Vec<_> = input.params.iter().map(types::of).collect();
    let database = input.database.as_ref().map(LitStr::value);
    let record = Literal::byte_string(record::line(database.as_deref(), &text, &types, place).as_bytes());
    let (literal, params) = (&input.text, input.params.iter().map(param));
    // A struct's fields, so that a `let` keeps the parameters for as long as the statement.
    Ok(quote! {
        ::wharf_guest::pg::Sql {
            __text: {
                // Not `#[used]`: the section has it either way, and the memory would have it, too.
                #[cfg(target_family = "wasm")]
                #[allow(dead_code)]
                #[unsafe(link_section = "wharf:sql")]
                static RECORD: [u8; (#record).len()] = *#record;
                #literal
            },
            __params: &[#(#params),*],
        }
    })
}

/// Compares what the text asks for with what is given.
fn check(text: &str, input: &Input) -> syn::Result<()> {
    let highest = placeholders::highest(text).map_err(|problem| Error::new(input.text.span(), problem))?;
    let given = input.params.len();
    match input.params.get(highest) {
        _ if highest == given => Ok(()),
        Some(extra) => {
            Err(Error::new(extra.span(), format!("the statement has no parameter `${}`", highest + 1)))
        }
        None => {
            let problem = format!("the statement has parameters up to `${highest}`, but {given} are given");
            Err(Error::new(input.text.span(), problem))
        }
    }
}

/// A parameter as it is handed over: borrowed, and of the type that was declared.
fn param(expression: &Expr) -> TokenStream {
    // The place of the author's code in errors, but not in lints on how the macro writes it.
    let span = Span::mixed_site().located_at(expression.span());
    let value = match expression {
        Expr::Cast(ExprCast { expr, ty, .. }) if is_cast(ty) => quote_spanned!(span=> &((#expr) as #ty)),
        Expr::Cast(ExprCast { expr, ty, .. }) => quote_spanned!(span=> &(#expr) as &#ty),
        _ => quote_spanned!(span=> &(#expression)),
    };
    quote_spanned!(span=> #value as &dyn ::wharf_guest::pg::ToPg)
}

/// Whether `as` means what it means elsewhere: numbers and references, which are not moved by it.
fn is_cast(ty: &Type) -> bool {
    const NUMBERS: [&str; 15] = [
        "bool", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize",
        "f32", "f64",
    ];
    match ty {
        Type::Reference(_) => true,
        Type::Path(path) => NUMBERS.iter().any(|name| path.path.is_ident(name)),
        Type::Group(group) => is_cast(&group.elem),
        Type::Paren(paren) => is_cast(&paren.elem),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(input: &str) -> String {
        let place = Place::new("src/lib.rs", 12);
        syn::parse_str(input)
            .and_then(|input| expand(&input, &place))
            .map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn a_statement_borrows_its_parameters() {
        let tokens = expanded(r#""select $1, $2, $3", id as i64, user.name as String, flag"#);
        assert!(tokens.contains("& ((id) as i64) as & dyn"), "{tokens}");
        assert!(tokens.contains("& (user . name) as & String as & dyn"), "{tokens}");
        assert!(tokens.contains("& (flag) as & dyn"), "{tokens}");
        assert!(expanded(r#""select $1", &name as &str"#).contains("& ((& name) as & str)"));
    }

    #[test]
    fn parameters_are_counted() {
        assert!(expanded(r#""select $1", a, b"#).contains("has no parameter `$2`"));
        assert!(expanded(r#""select $1 + $3", a"#).contains("up to `$3`, but 1 are given"));
        assert!(expanded(r#""select '$1'","#).contains("Sql"));
        assert!(expanded(r#""select $0""#).contains("no parameter `$0`"));
    }

    #[test]
    fn the_record_names_the_database_and_the_declared_types() {
        let tokens = expanded(r#"in "audit", "select $1, $2", id as i64, other"#);
        assert!(tokens.contains(r#"{\"database\":\"audit\",\"sql\":\"select $1, $2\""#), "{tokens}");
        assert!(tokens.contains(r#"\"params\":[\"int8\",\"any\"],\"file\":\"src/lib.rs\",\"line\":12}\n"#));
        assert!(expanded(r#""select 1""#).contains(r#"{\"database\":null"#));
    }

    #[test]
    fn what_is_no_literal_is_refused() {
        assert!(expanded("text, 1").contains("string literal"));
        assert!(expanded("in audit, \"select 1\"").contains("expected string literal"));
        assert!(expanded("\"select $1\" a").contains("expected `,`"));
    }
}
