//! The catalogue: made up for the import, and read back through the API, so that any other file does as well.

pub(crate) mod realistic;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;
use serde_json::json;

use crate::Outcome;
use crate::client::{Connection, request};
use crate::random::Random;

/// How many products are made up.
const PRODUCTS: u64 = 20_000;
/// Variants of which there are fewer are not bought: a shop that sells out has something else to say than 201.
const ENOUGH: i64 = 25;

const BRANDS: [&str; 24] = [
    "Northwind",
    "Alpenglow",
    "Fabrikam",
    "Contoso",
    "Tailspin",
    "Quercus",
    "Marlowe",
    "Halcyon",
    "Brightwater",
    "Kestrel",
    "Lumen",
    "Osprey",
    "Pemberton",
    "Rook",
    "Saltmarsh",
    "Thistle",
    "Umber",
    "Vesper",
    "Wren",
    "Yarrow",
    "Zephyr",
    "Bramble",
    "Cinder",
    "Dovetail",
];
const CATEGORIES: [&str; 16] = [
    "Home > Kitchen > Pans",
    "Home > Kitchen > Knives",
    "Home > Kitchen > Kettles",
    "Home > Lighting",
    "Home > Furniture > Chairs",
    "Home > Furniture > Tables",
    "Garden > Tools",
    "Garden > Seeds",
    "Office > Paper",
    "Office > Pens",
    "Computers > Laptops",
    "Computers > Monitors",
    "Computers > Keyboards",
    "Outdoor > Tents",
    "Outdoor > Packs",
    "Outdoor > Boots",
];
const QUALITIES: [&str; 20] = [
    "classic",
    "compact",
    "folding",
    "heavy",
    "insulated",
    "lightweight",
    "modern",
    "original",
    "polished",
    "portable",
    "professional",
    "quiet",
    "rugged",
    "simple",
    "slim",
    "stackable",
    "travel",
    "vintage",
    "waterproof",
    "wireless",
];
const THINGS: [&str; 24] = [
    "kettle", "pan", "knife", "lamp", "chair", "table", "shelf", "spade", "rake", "lantern", "notebook", "pen",
    "laptop", "monitor", "keyboard", "mouse", "tent", "backpack", "boots", "stove", "bottle", "clock", "mirror", "rug",
];
const COLOURS: [&str; 8] = ["black", "white", "grey", "blue", "green", "red", "brown", "yellow"];
const MATERIALS: [&str; 6] = ["steel", "oak", "cotton", "aluminium", "glass", "leather"];

/// Makes up a catalogue, the same every time, in the form that `bodega import` reads.
pub(crate) fn write(path: &Path) -> Outcome<()> {
    let mut random = Random::new(1);
    let mut file = BufWriter::new(File::create(path)?);
    for number in 1..=PRODUCTS {
        writeln!(file, "{}", product(number, &mut random))?;
    }
    Ok(file.flush()?)
}

fn product(number: u64, random: &mut Random) -> serde_json::Value {
    let brand = random.favour(&BRANDS);
    let quality = random.favour(&QUALITIES);
    let thing = random.favour(&THINGS);
    let colour = random.favour(&COLOURS);
    let material = random.favour(&MATERIALS);
    let description = format!(
        "A {quality} {thing} of {material}, made by {brand} for every day. Comes in {colour}, is easily cleaned and \
         repaired, and lasts: spare parts are kept for ten years. Packed in paper and cardboard only."
    );
    json!({
        "id": number.to_string(),
        "handle": format!("{quality}-{thing}-{number}"),
        "title": format!("{brand} {quality} {material} {thing} {number}"),
        "description": description,
        "brand": brand,
        "category": random.favour(&CATEGORIES),
        "sku": format!("BENCH-{number}"),
        "barcode": format!("40{number:011}"),
        "price_minor": 199 + 100 * random.below(900),
        "currency": "USD",
        "stock": 1_000_000,
        "released_on": format!("20{:02}-{:02}-{:02}", 10 + random.below(15), 1 + random.below(12), 1 + random.below(28)),
        "image_url": format!("https://images.example/{number}.jpg"),
        "attributes": {
            "colour": colour,
            "material": material,
            "width": 10 + random.below(200),
            "height": 10 + random.below(200),
            "weight": 50 + random.below(20_000),
            "washable": random.below(2) == 0,
            "warranty years": 1 + random.below(5),
        },
    })
}

/// What visitors know of the catalogue.
#[derive(Debug)]
pub(crate) struct Catalogue {
    /// Ids and handles, taking turns.
    pub(crate) names: Vec<String>,
    /// What can be bought.
    pub(crate) variants: Vec<String>,
    /// One or two words of each title.
    pub(crate) searches: Vec<String>,
}

impl Catalogue {
    /// Walks through all pages of the list.
    pub(crate) async fn read(address: SocketAddr) -> Outcome<Self> {
        let mut connection = Connection::open(address).await?;
        let mut catalogue = Self {
            names: Vec::new(),
            variants: Vec::new(),
            searches: Vec::new(),
        };
        let mut path = "/api/v1/products?limit=100".to_owned();
        loop {
            let page: Page =
                serde_json::from_slice(connection.exchange(&request("GET", &path, &[], None), 200).await?)?;
            page.data.into_iter().for_each(|product| catalogue.add(product));
            let Some(cursor) = page.page.next_cursor else { break };
            path = format!("/api/v1/products?limit=100&cursor={cursor}");
        }
        if catalogue.variants.is_empty() || catalogue.searches.is_empty() {
            return Err("the catalogue has nothing to buy, or nothing to search for".into());
        }
        Ok(catalogue)
    }

    fn add(&mut self, product: Product) {
        let words: Vec<&str> = product
            .title
            .split(|character: char| !character.is_ascii_alphanumeric())
            .filter(|word| word.len() > 2 && word.bytes().any(|byte| byte.is_ascii_alphabetic()))
            .collect();
        match words[..] {
            [] => (),
            [first, .., last] if self.names.len().is_multiple_of(2) => self.searches.push(format!("{first}+{last}")),
            [word, ..] => self.searches.push(word.to_owned()),
        }
        let by_id = self.names.len().is_multiple_of(2);
        self.names.push(if by_id { product.id } else { product.handle });
        let bought = product
            .variants
            .into_iter()
            .filter(|variant| variant.available >= ENOUGH);
        self.variants.extend(bought.map(|variant| variant.id));
    }
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Product>,
    page: Position,
}

#[derive(Deserialize)]
struct Position {
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Product {
    id: String,
    handle: String,
    title: String,
    variants: Vec<Variant>,
}

#[derive(Deserialize)]
struct Variant {
    id: String,
    available: i64,
}
