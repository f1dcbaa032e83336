use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::listing::ProductOption;

fn locale(text: &str) -> Locale {
    text.parse().unwrap()
}

fn product(json: Value) -> ProductTranslation {
    serde_json::from_value(json).unwrap()
}

fn in_locales(translations: &[(&str, Value)], chain: &[&str]) -> Value {
    let by_locale = translations
        .iter()
        .map(|(tag, json)| (locale(tag), product(json.clone())));
    let chain: Vec<Locale> = chain.iter().map(|tag| locale(tag)).collect();
    serde_json::to_value(merged(by_locale.collect(), &chain)).unwrap()
}

#[test]
fn each_field_falls_back_by_itself() {
    let translations = [
        (
            "de-AT",
            json!({"title": "Sackerl", "options": {"Size": {"values": {"Small": "Kloa"}}}}),
        ),
        (
            "de",
            json!({"title": "Beutel", "handle": "beutel", "seo": {"title": "Beutel kaufen"},
                "options": {"Size": {"name": "Größe", "values": {"Small": "Klein", "Large": "Groß"}}}}),
        ),
        ("fr", json!({"description": "Un sac"})),
    ];
    assert_eq!(
        in_locales(&translations, &["de-AT", "de"]),
        json!({"title": "Sackerl", "handle": "beutel", "seo": {"title": "Beutel kaufen", "description": null},
            "options": {"Size": {"name": "Größe", "values": {"Small": "Kloa", "Large": "Groß"}}}})
    );
    assert_eq!(in_locales(&translations, &["pt"]), json!({}));
}

#[test]
fn a_translation_says_something_and_not_too_much() {
    let code = |translation: ProductTranslation| {
        let errors = translation.check().err().unwrap_or_default();
        errors
            .as_slice()
            .first()
            .map(|error| (error.pointer.clone(), error.code.clone()))
    };
    let one = |pointer: &str, code: &str| Some((pointer.to_owned(), code.to_owned()));
    assert_eq!(
        code(product(json!({"title": null, "seo": null, "options": null}))),
        one("", "required")
    );
    assert_eq!(code(product(json!({"description": ""}))), None);
    let names: serde_json::Map<String, Value> = (0..4).map(|number| (number.to_string(), json!({}))).collect();
    assert_eq!(code(product(json!({"options": names}))), one("/options", "too_many"));
    let values: serde_json::Map<String, Value> = (0..101).map(|number| (number.to_string(), "x".into())).collect();
    let wide = product(json!({"options": {"a/b": {"values": values}}}));
    assert_eq!(code(wide), one("/options/a~1b/values", "too_many"));
}

#[test]
fn titles_made_of_values_are_made_of_their_translations() {
    let options: Vec<ProductOption> = serde_json::from_value(json!([
        {"name": "Size", "values": ["S", "M"]}, {"name": "Colour", "values": ["Red", "Blue"]},
    ]))
    .unwrap();
    let german = product(json!({"variants": {"Gift box": "Geschenkbox"},
        "options": {"Colour": {"values": {"Red": "Rot"}}}}));
    assert_eq!(german.variant_title("S / Red", &options, &["S", "Red"]), "S / Rot");
    assert_eq!(german.variant_title("M / Blue", &options, &["M", "Blue"]), "M / Blue");
    assert_eq!(german.variant_title("Gift box", &options, &["S", "Red"]), "Geschenkbox");
    assert_eq!(german.variant_title("Other", &options, &["S", "Red"]), "Other");
}

#[test]
fn a_path_shows_each_name_that_is_translated() {
    let name = |name: &str| CategoryTranslation {
        name: Some(Name::parse(name).unwrap()),
        handle: None,
    };
    let names = CategoryNames {
        steps: [(0, name("Rechner")), (2, name("Spielelaptops"))].into_iter().collect(),
    };
    let (mut handle, mut shown) = ("gaming".to_owned(), "Gaming".to_owned());
    let mut path: Vec<String> = ["Computers", "Laptops", "Gaming"].map(str::to_owned).into();
    names.apply(&mut handle, &mut shown, &mut path);
    assert_eq!((handle.as_str(), shown.as_str()), ("gaming", "Spielelaptops"));
    assert_eq!(path, ["Rechner", "Laptops", "Spielelaptops"]);
}

proptest! {
    #[test]
    fn the_nearest_language_that_says_something_is_heard(
        said in proptest::collection::vec(proptest::option::of("[a-z]{1,8}"), 3),
    ) {
        let tags = ["de-AT", "de", "fr"];
        let by_locale = tags.iter().zip(&said).map(|(tag, title)| (locale(tag), product(json!({"title": title}))));
        let chain = tags.map(locale);
        let merged = merged(by_locale.collect(), &chain);
        let first = said.iter().flatten().next();
        prop_assert_eq!(merged.title.as_deref(), first.map(String::as_str));
    }
}
