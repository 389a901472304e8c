//! What the contract calls the type that a parameter was declared with.

use syn::{Expr, GenericArgument, PathArguments, PathSegment, Type, TypePath};

/// The case's name, `[]` behind it for arrays; `any` for what is not declared, or not known here.
pub(super) fn of(param: &Expr) -> String {
    match param {
        Expr::Cast(cast) => name(&cast.ty),
        _ => None,
    }
    .unwrap_or_else(|| "any".to_owned())
}

fn name(ty: &Type) -> Option<String> {
    match ty {
        Type::Reference(reference) => name(&reference.elem),
        Type::Group(group) => name(&group.elem),
        Type::Paren(paren) => name(&paren.elem),
        Type::Slice(slice) => array(&slice.elem),
        Type::Array(array) => self::array(&array.elem),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            match last.ident.to_string().as_str() {
                "Option" | "Cow" => name(argument(last)?),
                "Vec" => array(argument(last)?),
                ident => primitive(ident).or_else(|| known(path, ident)).map(str::to_owned),
            }
        }
        _ => None,
    }
}

/// An array of these; bytes are no array, and what is an array itself adds a dimension and no other type.
fn array(element: &Type) -> Option<String> {
    if matches!(element, Type::Path(path) if path.path.is_ident("u8")) {
        return Some("bytea".to_owned());
    }
    let element = name(element)?;
    Some(if element.ends_with("[]") { element } else { element + "[]" })
}

/// The first type among the arguments in angle brackets.
fn argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// A type of a crate whose conversions are known here. A bare name may be a type of the author's own.
fn known(path: &TypePath, ident: &str) -> Option<&'static str> {
    let crates = ["wharf_guest", "serde_json", "uuid", "chrono", "time", "rust_decimal", "std", "core", "pg"];
    let segments = &path.path.segments;
    let first = segments.first().filter(|_| segments.len() > 1)?.ident.to_string();
    scalar(ident).filter(|_| crates.contains(&first.as_str()))
}

fn primitive(ident: &str) -> Option<&'static str> {
    Some(match ident {
        "bool" => "boolean",
        "i16" => "int2",
        "i32" => "int4",
        "i64" => "int8",
        "u32" => "oid",
        "f32" => "float4",
        "f64" => "float8",
        "str" | "String" => "text",
        _ => return None,
    })
}

fn scalar(ident: &str) -> Option<&'static str> {
    Some(match ident {
        "Uuid" => "uuid",
        "Json" | "Value" => "jsonb",
        "Date" | "NaiveDate" => "date",
        "TimeOfDay" | "NaiveTime" => "time",
        "TimeTz" => "timetz",
        "Timestamp" | "DateTime" | "OffsetDateTime" => "timestamptz",
        "NaiveDateTime" | "PrimitiveDateTime" => "timestamp",
        "Interval" => "interval",
        "Numeric" | "Decimal" => "numeric",
        "IpAddr" => "inet",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn types_are_called_as_the_contract_calls_them() {
        for (param, name) in [
            ("a as bool", "boolean"),
            ("a as i64", "int8"),
            ("-1 as i16", "int2"),
            ("&a as &str", "text"),
            ("a as Option<&'static str>", "text"),
            ("a as std::borrow::Cow<'_, str>", "text"),
            ("a as &[u8]", "bytea"),
            ("a as Vec<u8>", "bytea"),
            ("a as uuid::Uuid", "uuid"),
            ("a as pg::Json<Vec<i32>>", "jsonb"),
            ("a as serde_json::Value", "jsonb"),
            ("a as chrono::DateTime<Utc>", "timestamptz"),
            ("a as Json<Vec<i32>>", "any"),
            ("a as Date", "any"),
            ("a as &[String]", "text[]"),
            ("a as Vec<Option<i32>>", "int4[]"),
            ("a as Vec<Vec<i64>>", "int8[]"),
            ("a as [f64; 3]", "float8[]"),
            ("a as Vec<Vec<u8>>", "bytea[]"),
            ("a as Mood", "any"),
            ("a as Vec<Mood>", "any"),
            ("a", "any"),
            ("7_i64", "any"),
        ] {
            assert_eq!(of(&syn::parse_str(param).unwrap()), name, "{param}");
        }
    }
}
