//! `wharf new`: a project that builds, is tested and deploys at once. Not in here: what it is made of (`templates/`), and what
//! Wharf brings for a language (`vendor.rs`).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use include_dir::{Dir, include_dir};
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;
use wharf_host::Manifest;

use crate::build::tool_is_there;
use crate::output::{self, Paint};
use crate::vendor;

/// Files of new projects: what ends in `.j2` is filled in, `common` comes first.
static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// Begin a service
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf new shop                        an axum router in Rust
  wharf new shop --lang ts --with pg,kv TypeScript, with a database and a bucket
  cd shop && wharf dev                  then http://127.0.0.1:3000/hello/you

The project is whole: what Wharf brings for the language is copied into vendor/wharf (`wharf vendor` writes it anew after
an update), tests/ has cases for `wharf test`, and `wharf build`, `wharf dev` and `wharf deploy` work at once.")]
pub(crate) struct Arguments {
    /// The service's name, and the folder's: a-z, 0-9 and -
    name: String,
    /// What it is written in
    #[arg(long, value_enum, default_value_t = Kind::Rust)]
    lang: Kind,
    /// What it uses
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CAPABILITY,...")]
    with: Vec<Capability>,
    /// Where to put it [default: a new folder of its name]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
}

/// A language that there is a template for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// axum
    Rust,
    /// JavaScript, on QuickJS
    Js,
    /// TypeScript, on QuickJS
    Ts,
    /// CPython
    Python,
    /// clang
    C,
}

/// What a new service may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Capability {
    /// PostgreSQL: a database `main`, with a table
    Pg,
    /// A bucket of keys: `visits`
    Kv,
}

/// What differs between languages.
struct Language {
    /// For people.
    name: &'static str,
    /// The folder of its template, and of its bindings.
    template: &'static str,
    bindings: &'static str,
    /// What `[build]` says.
    build: &'static str,
    /// What git is not to keep, beside `.wharf/`.
    ignored: &'static str,
    /// What has to be run first, if one of these programs is not there.
    setup: &'static str,
    needs: &'static [&'static str],
}

impl Kind {
    fn language(self) -> Language {
        match self {
            Self::Rust => Language {
                name: "Rust",
                template: "rust",
                bindings: "rust",
                build: "language = \"rust\"",
                ignored: "target/",
                setup: "",
                needs: &[],
            },
            Self::Js => Language {
                name: "JavaScript",
                template: "script",
                bindings: "javascript",
                build: "language = \"javascript\"\nentry = \"service.js\"",
                ignored: "node_modules/",
                setup: "npm install",
                needs: &["esbuild", "componentize-qjs"],
            },
            Self::Ts => Language {
                name: "TypeScript",
                build: "language = \"typescript\"\nentry = \"service.ts\"",
                ..Self::Js.language()
            },
            Self::Python => Language {
                name: "Python",
                template: "python",
                bindings: "python",
                build: "language = \"python\"\nentry = \"service.py\"\npackages = [\"vendor/wharf/python\"]",
                ignored: ".venv/\n__pycache__/",
                setup: "python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1",
                needs: &["componentize-py"],
            },
            Self::C => Language {
                name: "C",
                template: "c",
                bindings: "c",
                build: "language = \"c\"\nsources = [\"service.c\", \"vendor/wharf/c/wharf.c\"]",
                ignored: "",
                setup: "",
                needs: &[],
            },
        }
    }
}

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    name: String,
    folder: PathBuf,
    /// Relative to the folder; without those of `vendor/wharf`.
    files: Vec<PathBuf>,
    /// What has to be run before it can be built.
    setup: Option<String>,
}

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let json = arguments.json;
    let made = make(arguments)?;
    if json {
        return output::json(&made);
    }
    let paint = Paint::stdout();
    for file in &made.files {
        output::result(format!("  {} {}", paint.good("+"), file.display()));
    }
    let folder = made.folder.display();
    output::result(format!("  {} vendor/wharf\n\n{}", paint.good("+"), paint.strong("next")));
    output::result(format!("  cd {folder}"));
    for line in made.setup.iter().chain([&"wharf dev".to_owned()]) {
        output::result(format!("  {line}"));
    }
    Ok(())
}

fn make(arguments: Arguments) -> Result<Made> {
    let Arguments { name, lang, with, folder, .. } = arguments;
    // As the manifest wants it; what it says is for people.
    Manifest::minimal(&name)?;
    if lang == Kind::Rust && name.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        bail!("`{name}` is no name for a Rust package: begin with a letter");
    }
    let folder = folder.unwrap_or_else(|| PathBuf::from(&name));
    let is_empty = std::fs::read_dir(&folder).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty {
        bail!("`{}` is not empty: choose another name, or another --folder", folder.display());
    }
    let language = lang.language();
    let missing = !language.needs.iter().all(|tool| tool_is_there(&folder, tool));
    let setup = (missing && !language.setup.is_empty()).then(|| language.setup.to_owned());
    let (pg, kv) = (with.contains(&Capability::Pg), with.contains(&Capability::Kv));
    let values = context! {
        name, pg, kv,
        ts => lang == Kind::Ts,
        language => language.name,
        build => language.build,
        ignored => language.ignored,
        setup => language.setup,
    };
    let mut files = Vec::new();
    for template in ["common", language.template] {
        let template = TEMPLATES.get_dir(template).context("this `wharf` was built without its templates")?;
        write(template, template.path(), &folder, &values, &mut files)?;
    }
    if !pg {
        // The folder of migrations is for a database.
        files.retain(|file| !file.starts_with("migrations"));
        std::fs::remove_dir_all(folder.join("migrations")).context("failed to remove `migrations`")?;
    }
    vendor::write(&folder, language.bindings)?;
    files.sort();
    Ok(Made { name, folder, files, setup })
}

/// Writes a template's files below a folder, and notes them.
fn write(
    template: &Dir<'_>,
    root: &Path,
    folder: &Path,
    values: &minijinja::Value,
    files: &mut Vec<PathBuf>,
) -> Result<()> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    for file in template.files() {
        let text = file.contents_utf8().context("a template is no text")?;
        let path = file.path().strip_prefix(root).unwrap_or(file.path());
        let (path, text) = match path.extension() {
            Some(extension) if extension == "j2" => {
                (path.with_extension(""), environment.render_str(text, values)?)
            }
            _ => (path.to_owned(), text.to_owned()),
        };
        let path = match (path.to_str(), values.get_attr("ts")?.is_true()) {
            (Some("gitignore"), _) => PathBuf::from(".gitignore"),
            // One template for both languages.
            (Some("service.script"), true) => PathBuf::from("service.ts"),
            (Some("service.script"), false) => PathBuf::from("service.js"),
            _ => path,
        };
        output::place(&folder.join(&path), &text)?;
        files.push(path);
    }
    for below in template.dirs() {
        write(below, root, folder, values, files)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str, lang: Kind, with: &[Capability], folder: &Path) -> Result<Made> {
        let folder = Some(folder.to_owned());
        make(Arguments { name: name.to_owned(), lang, with: with.to_vec(), folder, json: false })
    }

    #[test]
    fn every_template_fills_in_to_a_manifest_and_tests() {
        for lang in [Kind::Rust, Kind::Js, Kind::Ts, Kind::Python, Kind::C] {
            for with in [&[][..], &[Capability::Pg], &[Capability::Kv], &[Capability::Pg, Capability::Kv]] {
                let folder = tempfile::tempdir().unwrap();
                let made = made("shop", lang, with, folder.path()).unwrap();
                let project = wharf_control::Project::open(folder.path()).unwrap();
                let grants = &project.manifest().grants;
                assert_eq!(grants.pg.is_empty(), !with.contains(&Capability::Pg));
                assert_eq!(grants.kv.is_empty(), !with.contains(&Capability::Kv));
                assert_eq!(folder.path().join("migrations").exists(), with.contains(&Capability::Pg));
                let tests = wharf_conformance::Suite::tests(&folder.path().join("tests"), "shop").unwrap();
                assert!(tests[0].1.cases.len() >= 2, "{lang:?} {with:?}");
                for file in made.files {
                    let text = std::fs::read_to_string(folder.path().join(&file)).unwrap();
                    assert!(!text.contains("{{") && !text.contains("{%"), "{lang:?} {}", file.display());
                    assert!(text.ends_with('\n'), "{lang:?} {}", file.display());
                }
                assert!(folder.path().join("vendor/wharf/README.md").is_file());
            }
        }
    }

    #[test]
    fn nothing_that_is_there_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("precious"), "").unwrap();
        let error = made("shop", Kind::Python, &[], folder.path()).unwrap_err().to_string();
        assert!(error.contains("is not empty"), "{error}");
        assert!(!folder.path().join("wharf.toml").exists());
    }

    #[test]
    fn a_name_is_one_for_services() {
        let folder = tempfile::tempdir().unwrap();
        for (name, lang) in [("My Shop", Kind::C), ("", Kind::Js), ("7shop", Kind::Rust)] {
            assert!(made(name, lang, &[], folder.path()).is_err(), "{name}");
        }
    }
}
