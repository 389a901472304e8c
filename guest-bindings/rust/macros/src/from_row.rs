//! `#[derive(FromRow)]`: reads each field from its column.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Error, Field, Fields, LitStr, ext::IdentExt, parse_quote};

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "`FromRow` is for structs: an enum has no columns"));
    };
    let values = data.fields.iter().enumerate().map(|(index, field)| read(index, field));
    let values = values.collect::<syn::Result<Vec<_>>>()?;
    let built = match &data.fields {
        Fields::Named(_) => quote!(Self { #(#values),* }),
        Fields::Unnamed(_) => quote!(Self(#(#values),*)),
        Fields::Unit => return Err(Error::new_spanned(&input.ident, "`FromRow` needs fields to fill")),
    };
    let mut generics = input.generics.clone();
    for parameter in input.generics.type_params() {
        let ident = &parameter.ident;
        generics.make_where_clause().predicates.push(parse_quote!(#ident: ::wharf_guest::pg::FromPg));
    }
    let name = &input.ident;
    let (implementation, _, bounds) = generics.split_for_impl();
    let (_, types, _) = input.generics.split_for_impl();
    let row = format_ident!("row");
    Ok(quote! {
        #[automatically_derived]
        impl #implementation ::wharf_guest::pg::FromRow for #name #types #bounds {
            fn from_row(#row: ::wharf_guest::pg::Row) -> ::wharf_guest::Result<Self> {
                ::core::result::Result::Ok(#built)
            }
        }
    })
}

/// The expression for one field.
fn read(index: usize, field: &Field) -> syn::Result<TokenStream> {
    let options = Options::of(field)?;
    let Some(ident) = &field.ident else {
        return Ok(quote!(row.get(#index)?));
    };
    let column = options.rename.unwrap_or_else(|| ident.unraw().to_string());
    Ok(if options.default {
        quote!(#ident: if row.has(#column) { row.get_near(#column, #index)? } else { ::core::default::Default::default() })
    } else {
        quote!(#ident: row.get_near(#column, #index)?)
    })
}

/// What `#[pg(...)]` says about a field.
#[derive(Default)]
struct Options {
    rename: Option<String>,
    default: bool,
}

impl Options {
    fn of(field: &Field) -> syn::Result<Self> {
        let mut options = Self::default();
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("pg")) {
            if field.ident.is_none() {
                return Err(Error::new_spanned(attribute, "fields without a name are taken by position"));
            }
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename") {
                    options.rename = Some(meta.value()?.parse::<LitStr>()?.value());
                    Ok(())
                } else if meta.path.is_ident("default") {
                    options.default = true;
                    Ok(())
                } else {
                    Err(meta.error("expected `rename = \"column\"` or `default`"))
                }
            })?;
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(item: &str) -> String {
        expand(&syn::parse_str(item).unwrap())
            .map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn fields_are_taken_by_name_or_position() {
        let named = expanded(r#"struct A { id: i64, #[pg(rename = "type")] kind: String, r#ref: i32 }"#);
        assert!(named.contains(r#"get_near ("id" , 0usize)"#), "{named}");
        assert!(named.contains(r#"kind : row . get_near ("type" , 1usize)"#), "{named}");
        assert!(named.contains(r#"get_near ("ref" , 2usize)"#), "{named}");
        assert!(expanded("struct A(i64, String);").contains("row . get (1usize)"));
    }

    #[test]
    fn what_has_no_fields_and_unknown_options_are_refused() {
        assert!(expanded("enum A { B }").contains("is for structs"));
        assert!(expanded("struct A;").contains("needs fields"));
        assert!(expanded("struct A { #[pg(name = \"x\")] a: i64 }").contains("expected `rename"));
    }
}
