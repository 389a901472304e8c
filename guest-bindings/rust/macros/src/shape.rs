//! What every macro that exports something asks of its item: no arguments, the right kind of item, no generics.

use proc_macro2::TokenStream;
use syn::{Error, FnArg, ItemFn, ItemImpl, ReturnType, Signature, spanned::Spanned};

/// An attribute on an `impl` of one of the crate's traits.
pub(crate) struct OnImpl {
    /// The attribute's name, and what error messages call the item.
    pub(crate) name: &'static str,
    /// The trait, with its module.
    pub(crate) implements: (&'static str, &'static str),
    /// Where to say what arguments might have been meant to say.
    pub(crate) instead: &'static str,
}

impl OnImpl {
    pub(crate) fn check(&self, arguments: &TokenStream, item: &ItemImpl) -> syn::Result<()> {
        let Self { name, implements: (module, wanted), instead } = self;
        no_arguments(name, arguments, instead)?;
        let fits = |path: &syn::Path| path.segments.last().is_some_and(|last| last.ident == wanted);
        if !item.trait_.as_ref().is_some_and(|(_, path, _)| fits(path)) {
            let text = format!("`#[{name}]` is for an `impl {module}::{wanted} for ...`");
            return Err(Error::new(item.self_ty.span(), text));
        }
        if !item.generics.params.is_empty() {
            return Err(Error::new(item.generics.span(), format!("a {name} cannot be generic")));
        }
        Ok(())
    }
}

/// An attribute on a function.
pub(crate) struct OnFn {
    /// The attribute's name, and what error messages call the item.
    pub(crate) name: &'static str,
    /// The signatures that work: the end of every error message.
    pub(crate) forms: &'static str,
    /// How few and how many parameters there may be.
    pub(crate) parameters: std::ops::RangeInclusive<usize>,
    /// Where to say what arguments might have been meant to say.
    pub(crate) instead: &'static str,
}

impl OnFn {
    pub(crate) fn check(&self, arguments: &TokenStream, function: &ItemFn) -> syn::Result<()> {
        let Self { name, forms, instead, .. } = self;
        no_arguments(name, arguments, instead)?;
        let signature = &function.sig;
        let wrong = |place, why: String| Err(Error::new(place, format!("{why}: {forms}")));
        if !signature.generics.params.is_empty() {
            return wrong(signature.generics.span(), format!("a {name} cannot be generic"));
        }
        if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
            return wrong(receiver.span(), format!("a {name} is a free function, not a method"));
        }
        if let ReturnType::Default = signature.output {
            return wrong(signature.ident.span(), "this function returns nothing".to_owned());
        }
        self.check_count(signature)
    }

    fn check_count(&self, signature: &Signature) -> syn::Result<()> {
        let (count, wanted) = (signature.inputs.len(), &self.parameters);
        if wanted.contains(&count) {
            return Ok(());
        }
        let surplus = signature.inputs.iter().nth(*wanted.end());
        let place = surplus.map_or_else(|| signature.ident.span(), Spanned::span);
        let (bound, number) = match (wanted.start(), wanted.end()) {
            (least, most) if least == most => ("exactly", most),
            (least, _) if count < *least => ("at least", least),
            (_, most) => ("at most", most),
        };
        let parameters = if *number == 1 { "parameter" } else { "parameters" };
        let text = format!("a {} has {bound} {number} {parameters}: {}", self.name, self.forms);
        Err(Error::new(place, text))
    }
}

fn no_arguments(name: &str, arguments: &TokenStream, instead: &str) -> syn::Result<()> {
    if arguments.is_empty() {
        return Ok(());
    }
    Err(Error::new(arguments.span(), format!("`#[{name}]` takes no arguments: {instead}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON_FN: OnFn =
        OnFn { name: "guard", forms: "write it so", parameters: 1..=2, instead: "in `wharf.toml`" };

    fn of_fn(arguments: &str, item: &str) -> String {
        let arguments: TokenStream = arguments.parse().unwrap();
        let checked = ON_FN.check(&arguments, &syn::parse_str(item).unwrap());
        checked.map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn a_function_that_fits_is_let_through() {
        assert_eq!(of_fn("", "fn f(a: A) -> B { b }"), "fine");
        assert_eq!(of_fn("", "async fn f(a: &A, b: B) -> B { b }"), "fine");
    }

    #[test]
    fn a_function_that_does_not_fit_is_told_why_and_what_does() {
        let cases = [
            ("fn f<T>(t: T) -> T { t }", "a guard cannot be generic: write it so"),
            ("fn f(&self) -> B { b }", "a guard is a free function, not a method: write it so"),
            ("fn f(a: A) {}", "this function returns nothing: write it so"),
            ("fn f() -> B { b }", "a guard has at least 1 parameter: write it so"),
            ("fn f(a: A, b: B, c: C) -> B { b }", "a guard has at most 2 parameters: write it so"),
        ];
        for (item, message) in cases {
            assert_eq!(of_fn("", item), message);
        }
        assert_eq!(of_fn("fast", "fn f(a: A) -> B { b }"), "`#[guard]` takes no arguments: in `wharf.toml`");
    }

    #[test]
    fn an_implementation_is_of_the_trait_and_not_generic() {
        let on_impl = OnImpl {
            name: "listener",
            implements: ("pg", "Listener"),
            instead: "channels are in `wharf.toml`",
        };
        let told = |arguments: &str, item: &str| {
            let arguments: TokenStream = arguments.parse().unwrap();
            let checked = on_impl.check(&arguments, &syn::parse_str(item).unwrap());
            checked.map_or_else(|error| error.to_string(), |()| "fine".to_owned())
        };
        assert_eq!(told("", "impl pg::Listener for Orders {}"), "fine");
        let wrong_trait = "`#[listener]` is for an `impl pg::Listener for ...`";
        assert_eq!(told("", "impl Orders {}"), wrong_trait);
        assert_eq!(told("", "impl Display for Orders {}"), wrong_trait);
        assert_eq!(told("", "impl<T> Listener for Orders<T> {}"), "a listener cannot be generic");
        assert!(told("orders", "impl Listener for Orders {}").contains("channels are in"));
    }
}
