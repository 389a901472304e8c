//! Finds `$1`, `$2`, ... in a statement, and not where they are only text: in quotes, comments, names.

/// The highest parameter, 0 without any; or why one is none.
pub(super) fn highest(sql: &str) -> Result<usize, String> {
    let mut rest = Scanner(sql);
    let mut highest = 0;
    while let Some(character) = rest.next() {
        match character {
            '\'' => rest.skip_quoted('\''),
            '"' => rest.skip_quoted('"'),
            '-' if rest.0.starts_with('-') => rest.skip_past("\n"),
            '/' if rest.0.starts_with('*') => rest.skip_comment(),
            '$' => highest = highest.max(rest.dollar()?),
            '0'..='9' => drop(rest.take_while(|it| it.is_ascii_alphanumeric() || it == '_')),
            first if is_letter(first) => {
                // A name may have a `$` in it.
                let more = rest.take_while(|it| is_letter(it) || it.is_ascii_digit() || it == '$');
                if matches!(first, 'e' | 'E') && more.is_empty() && rest.0.starts_with('\'') {
                    rest.skip_escaped();
                }
            }
            _ => {}
        }
    }
    Ok(highest)
}

/// What begins a name, as PostgreSQL sees it.
fn is_letter(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_' || !character.is_ascii()
}

/// What is left of the text.
struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    fn next(&mut self) -> Option<char> {
        let mut characters = self.0.chars();
        let character = characters.next();
        self.0 = characters.as_str();
        character
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let (taken, rest) = self.0.split_at(self.0.find(|it| !belongs(it)).unwrap_or(self.0.len()));
        self.0 = rest;
        taken
    }

    fn skip_past(&mut self, end: &str) {
        self.0 = self.0.split_once(end).map_or("", |(_, rest)| rest);
    }

    /// To the end of quotes that were opened; two in a row are one that is quoted.
    fn skip_quoted(&mut self, quote: char) {
        while let Some(character) = self.next() {
            if character == quote {
                match self.0.strip_prefix(quote) {
                    Some(rest) => self.0 = rest,
                    None => return,
                }
            }
        }
    }

    /// `e'...'`, in which a backslash quotes what follows.
    fn skip_escaped(&mut self) {
        self.next();
        while let Some(character) = self.next() {
            match character {
                '\\' => drop(self.next()),
                '\'' if self.0.starts_with('\'') => drop(self.next()),
                '\'' => return,
                _ => {}
            }
        }
    }

    /// Comments may hold comments.
    fn skip_comment(&mut self) {
        self.next();
        let mut depth = 1;
        while depth > 0 && !self.0.is_empty() {
            if let Some(rest) = self.0.strip_prefix("/*") {
                (self.0, depth) = (rest, depth + 1);
            } else if let Some(rest) = self.0.strip_prefix("*/") {
                (self.0, depth) = (rest, depth - 1);
            } else {
                self.next();
            }
        }
    }

    /// After a `$`: a parameter's number, or 0 after skipping what the dollar quotes.
    fn dollar(&mut self) -> Result<usize, String> {
        let number = self.take_while(|it| it.is_ascii_digit());
        if number.is_empty() {
            self.skip_dollar_quoted();
            return Ok(0);
        }
        // The protocol counts parameters in 16 bits.
        match number.parse::<u16>() {
            Ok(number) if number > 0 => Ok(number.into()),
            _ => Err(format!("there is no parameter `${number}`: they count from `$1` to `$65535`")),
        }
    }

    /// `$$...$$` or `$tag$...$tag$`.
    fn skip_dollar_quoted(&mut self) {
        let Some((tag, rest)) = self.0.split_once('$') else { return };
        let mut characters = tag.chars();
        let is_tag = characters.next().is_none_or(is_letter)
            && characters.all(|it| is_letter(it) || it.is_ascii_digit());
        if is_tag {
            self.0 = rest;
            self.skip_past(&format!("${tag}$"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::highest;

    #[test]
    fn parameters_are_found_among_everything_else() {
        for (sql, count) in [
            ("select 1", 0),
            ("select $1", 1),
            ("select $2::int4+$10 where a=$3", 10),
            ("select a[$1:$2], $3;", 3),
            ("select '$1', 'it''s $2', $1", 1),
            (r"select e'\'$2', E'\\', $1", 1),
            (r"select 'c:\', $1, '$2'", 1),
            (r"select case'\', $1, '$2'", 1),
            (r#"select "$1", "a""$2", $1"#, 1),
            ("select 1 -- $1\n, $2 -- $3", 2),
            ("select /* $1 /* $2 */ $3 */ $1", 1),
            ("select $$ $1 $$, $2", 2),
            ("select $tag$ $1 $$ $tagg$ $2 $tag$, $1", 1),
            ("select $été$ $3 $été$, $1", 1),
            ("select name$1, a$b$c, $1", 1),
            ("select 1e5, 0x1f, 1_000, $1", 1),
            ("select u&'\\0041$2', $1", 1),
            ("select 2-$1, 4/$2", 2),
            ("select 'no end $1", 0),
            ("select /* no end $1", 0),
            ("select $$ no end $1", 0),
            ("", 0),
        ] {
            assert_eq!(highest(sql), Ok(count), "{sql}");
        }
    }

    #[test]
    fn numbers_that_no_parameter_has_are_refused() {
        assert!(highest("select $0").is_err() && highest("select $65536").is_err());
        assert!(highest("select $99999999999999999999").is_err());
    }
}
