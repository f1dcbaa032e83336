//! The templates of mails: those that are built in, and those of the shop's own that stand in for them.
//!
//! `<kind>.<locale>.txt` is a mail: its first line is the subject, the rest the text. `<kind>.<locale>.html` is the same for
//! who would rather look at it, and may be missing. `layout.html`, `order.<locale>.txt` and `order.<locale>.html` are parts
//! of others.

use std::collections::BTreeMap;
use std::path::Path;

use kernel::Locale;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use super::built_in::BUILT_IN;
use super::facts::Facts;
use crate::domain::wording;

/// How many steps a template may take: far more than any mail needs, and none takes for ever.
const FUEL: u64 = 500_000;
/// The largest file of a template, in bytes.
const MAX_FILE: u64 = 64 * 1024;
/// The largest mail without what is attached to it, in bytes.
const MAX_RENDERED: usize = 512 * 1024;
/// The longest subject, in characters.
const MAX_SUBJECT: usize = 150;

/// What the templates of a mail come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rendered {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: Option<String>,
}

/// A template of the shop's own that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// The file's name.
    pub(super) name: String,
    /// Why.
    pub(super) reason: String,
}

/// The templates of a shop.
pub(super) struct Templates {
    built_in: Environment<'static>,
    /// The built-in ones with the shop's own in their place.
    own: Environment<'static>,
    shop: Locale,
}

impl Templates {
    /// The built-in templates, and those in `folder`, where there is one. What of these cannot be used is told of and left out.
    pub(super) fn new(folder: &Path, shop: &Locale, samples: &[Facts]) -> (Self, Vec<Broken>) {
        let mut broken = Vec::new();
        let mut files = match folder.as_os_str().is_empty() {
            true => BTreeMap::new(),
            false => read(folder, &mut broken),
        };
        let own = loop {
            match with_own(&files).and_then(|own| all_of(&own, samples).map(|()| own)) {
                Ok(own) => break own,
                Err(Broken { name, reason }) => {
                    // Without it there is one less: this comes to an end.
                    if files.remove(&name).is_none() {
                        files.clear();
                    }
                    broken.push(Broken { name, reason });
                }
            }
        };
        let templates = Self {
            built_in: built_in(),
            own,
            shop: shop.clone(),
        };
        (templates, broken)
    }

    /// The language in which a mail of `kind` is written to somebody who speaks `wanted`: that, or the same without its region,
    /// or the shop's, or English.
    pub(super) fn locale_for(&self, kind: &str, wanted: &Locale) -> Locale {
        let has = |tag: &&str| self.own.get_template(&format!("{kind}.{tag}.txt")).is_ok();
        let tag = wording::wider(wanted)
            .chain(wording::wider(&self.shop))
            .find(has)
            .unwrap_or(FALLBACK);
        // What a locale becomes when its region is taken off is one.
        tag.parse().unwrap_or_else(|_| self.shop.clone())
    }

    /// The mail of `kind` with `facts`, in their language. A template of the shop's own that fails is told of in the log, and
    /// the built-in one is used.
    pub(super) fn render(&self, kind: &str, facts: &Facts) -> Result<Rendered, String> {
        match render(&self.own, kind, &facts.locale, facts) {
            Ok(rendered) => Ok(rendered),
            Err(broken) => {
                tracing::error!(
                    template = broken.name,
                    reason = broken.reason,
                    "a template of mails failed; the built-in one is used"
                );
                let locale = match self.built_in.get_template(&format!("{kind}.{}.txt", facts.locale)) {
                    Ok(_) => facts.locale.as_str(),
                    Err(_) => FALLBACK,
                };
                render(&self.built_in, kind, locale, facts)
                    .map_err(|broken| format!("{}: {}", broken.name, broken.reason))
            }
        }
    }
}

/// The language of the last resort.
const FALLBACK: &str = "en";

fn render(environment: &Environment<'static>, kind: &str, locale: &str, facts: &Facts) -> Result<Rendered, Broken> {
    let facts = Value::from(Serde(facts));
    let part = |ending: &str| rendered(environment, &format!("{kind}.{locale}.{ending}"), &facts);
    let html = format!("{kind}.{locale}.html");
    let has_html = environment.get_template(&html).is_ok();
    Ok(Rendered {
        subject: one_line(&part("subject")?),
        text: part("txt")?.trim().to_owned() + "\n",
        html: has_html.then(|| part("html")).transpose()?,
    })
}

fn rendered(environment: &Environment<'static>, name: &str, facts: &Value) -> Result<String, Broken> {
    let broken = |error: minijinja::Error| Broken {
        name: error.name().unwrap_or(name).replace(".subject", ".txt"),
        reason: reason(&error),
    };
    let text = environment
        .get_template(name)
        .and_then(|template| template.render(facts))
        .map_err(broken)?;
    match text.len() > MAX_RENDERED {
        true => Err(Broken {
            name: name.to_owned(),
            reason: "it comes to more than a mail bears".to_owned(),
        }),
        false => Ok(text),
    }
}

/// What is wrong and in which line, without the values that it is about.
fn reason(error: &minijinja::Error) -> String {
    let detail = error.detail().unwrap_or_default();
    match error.line() {
        Some(line) => format!("line {line}: {}: {detail}", error.kind()),
        None => format!("{}: {detail}", error.kind()),
    }
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars()
        .filter(|character| !character.is_control())
        .take(MAX_SUBJECT)
        .collect()
}

/// Renders each mail in each of its languages with each of the samples.
fn all_of(environment: &Environment<'static>, samples: &[Facts]) -> Result<(), Broken> {
    let names: Vec<String> = environment.templates().map(|(name, _)| name.to_owned()).collect();
    let mails = names.iter().filter_map(|name| {
        let (kind, locale) = name.strip_suffix(".subject")?.split_once('.')?;
        Some((kind, locale))
    });
    for (kind, locale) in mails {
        for sample in samples {
            let facts = Facts {
                locale: locale.to_owned(),
                ..sample.clone()
            };
            render(environment, kind, locale, &facts)?;
        }
    }
    Ok(())
}

fn built_in() -> Environment<'static> {
    let mut environment = empty();
    for (name, source) in BUILT_IN {
        // A test compiles and renders each of them.
        if let Err(broken) = add(&mut environment, name, source) {
            tracing::error!(
                template = broken.name,
                reason = broken.reason,
                "a built-in template is wrong"
            );
        }
    }
    environment
}

fn with_own(files: &BTreeMap<String, String>) -> Result<Environment<'static>, Broken> {
    let mut environment = built_in();
    for (name, source) in files {
        add(&mut environment, name, source)?;
    }
    Ok(environment)
}

fn empty() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment
}

/// Adds a file: a mail's text as two templates, of which the first is the subject.
fn add(environment: &mut Environment<'static>, name: &str, source: &str) -> Result<(), Broken> {
    let broken = |error: minijinja::Error| Broken {
        name: name.to_owned(),
        reason: reason(&error),
    };
    let is_mail = name.ends_with(".txt") && !name.starts_with("order.");
    if !is_mail {
        return environment
            .add_template_owned(name.to_owned(), source.to_owned())
            .map_err(broken);
    }
    let (subject, text) = source.split_once('\n').unwrap_or((source, ""));
    environment
        .add_template_owned(name.replace(".txt", ".subject"), subject.to_owned())
        .and_then(|()| environment.add_template_owned(name.to_owned(), text.to_owned()))
        .map_err(broken)
}

/// The files of `folder` that are templates, by their names.
fn read(folder: &Path, broken: &mut Vec<Broken>) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            broken.push(Broken {
                name: folder.display().to_string(),
                reason: error.to_string(),
            });
            return files;
        }
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".txt") && !name.ends_with(".html") {
            continue;
        }
        match source(&entry.path(), &name) {
            Ok(source) => {
                files.insert(name, source);
            }
            Err(reason) => broken.push(Broken { name, reason }),
        }
    }
    files
}

fn source(path: &Path, name: &str) -> Result<String, String> {
    if !is_known(name) {
        return Err("no mail has this name".to_owned());
    }
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_FILE {
        return Err(format!("has more than {MAX_FILE} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Whether a file of this name is a mail, or a part of one, in some language.
fn is_known(name: &str) -> bool {
    let (stem, _) = name.rsplit_once('.').unwrap_or((name, ""));
    let Some((kind, locale)) = stem.split_once('.') else {
        return name == "layout.html";
    };
    let is_built_in = BUILT_IN
        .iter()
        .any(|(known, _)| known.split('.').next() == Some(kind) && known.split('.').count() == 3);
    is_built_in && locale.parse::<Locale>().is_ok_and(|parsed| parsed.as_str() == locale)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn templates(files: &[(&str, &str)]) -> (Templates, Vec<Broken>) {
        let folder = std::env::temp_dir().join(format!("bodega-templates-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, source) in files {
            std::fs::write(folder.join(name), source).unwrap();
        }
        let made = Templates::new(&folder, &"de".parse().unwrap(), &samples());
        std::fs::remove_dir_all(&folder).unwrap();
        made
    }

    fn facts(locale: &str) -> Facts {
        Facts {
            locale: locale.to_owned(),
            ..samples().remove(0)
        }
    }

    #[test]
    fn every_file_is_built_in_and_every_mail_can_be_written_in_both_languages() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, BUILT_IN.map(|(name, _)| name));
        let mut environment = empty();
        for (name, source) in BUILT_IN {
            assert_eq!(add(&mut environment, name, source), Ok(()));
        }
        assert_eq!(all_of(&environment, &samples()), Ok(()));
        for occasion in &super::super::OCCASIONS {
            for locale in ["en", "de"] {
                let mail = render(&environment, occasion.template, locale, &facts(locale)).unwrap();
                assert!(!mail.subject.is_empty() && mail.text.len() > 20, "{mail:?}");
                assert!(mail.html.unwrap().contains(&format!("<html lang=\"{locale}\">")));
            }
        }
    }

    #[test]
    fn a_language_is_looked_for_near_and_far() {
        let (templates, broken) = templates(&[("order_placed.fr.txt", "Commande {{ order.number }}\n\nMerci.\n")]);
        assert_eq!(broken, []);
        for (wanted, found) in [("de-AT", "de"), ("fr-CA", "fr"), ("en-GB", "en"), ("ja", "de")] {
            assert_eq!(
                templates.locale_for("order_placed", &wanted.parse().unwrap()).as_str(),
                found,
                "{wanted}"
            );
        }
        let mail = templates.render("order_placed", &facts("fr")).unwrap();
        assert!(mail.subject.starts_with("Commande "), "{mail:?}");
        assert_eq!((mail.text.as_str(), mail.html), ("Merci.\n", None));
        assert_eq!(
            templates.locale_for("order_shipped", &"fr".parse().unwrap()).as_str(),
            "de"
        );
    }

    #[test]
    fn what_cannot_be_used_is_told_of_and_the_built_in_one_is_used() {
        let (templates, mut broken) = templates(&[
            ("order_placed.de.txt", "Bestellung\n\n{% if %}"),
            ("order_placed.en.txt", "Order\n\n{{ order.nummer }}"),
            (
                "order_shipped.en.html",
                "{% for i in range(10000) %}{% for j in range(10000) %}x{% endfor %}{% endfor %}",
            ),
            ("order_returned.en.txt", "Back\n\nThanks, {{ order.number }}."),
            ("order_plced.en.txt", "Order\n\n"),
            ("layout.html", "{% block content %}"),
        ]);
        broken.sort_by(|one, other| one.name.cmp(&other.name));
        let names: Vec<&str> = broken.iter().map(|broken| broken.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "layout.html",
                "order_placed.de.txt",
                "order_placed.en.txt",
                "order_plced.en.txt",
                "order_shipped.en.html"
            ],
            "{broken:?}"
        );
        assert!(broken.iter().all(|broken| !broken.reason.is_empty()));
        let built_in = templates.render("order_placed", &facts("de")).unwrap();
        assert!(built_in.text.contains("Gesamtbetrag"), "{built_in:?}");
        let own = templates.render("order_returned", &facts("en")).unwrap();
        assert!(own.text.starts_with("Thanks, "), "{own:?}");
    }

    #[test]
    fn a_template_that_fails_later_gives_way_to_the_built_in_one() {
        let only_long = "Order\n\n{% if order.lines | length > 1 %}{{ nothing.at_all }}{% endif %}Mine.";
        let (templates, broken) = templates(&[("order_placed.en.txt", only_long)]);
        assert_eq!(broken, []);
        let short = templates.render("order_placed", &facts("en")).unwrap();
        assert_eq!(short.text, "Mine.\n");
        let long = templates.render(
            "order_placed",
            &Facts {
                locale: "en".to_owned(),
                ..super::super::facts::samples::long_sample()
            },
        );
        assert!(long.unwrap().text.contains("Thank you"));
    }

    #[test]
    fn what_buyers_wrote_is_no_template_and_no_html() {
        let (templates, _) = templates(&[]);
        let facts = super::super::facts::samples::hostile_sample();
        let mail = templates.render("order_placed", &facts).unwrap();
        assert!(
            mail.text.contains("{{ 7 * 7 }}") && !mail.text.contains("49"),
            "{}",
            mail.text
        );
        let html = mail.html.unwrap();
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script>"), "{html}");
        assert!(!mail.subject.contains(['\r', '\n']));
        assert_eq!(one_line("a\r\nBcc: b\u{7}"), "a Bcc: b");
    }
}
