//! A catalogue of any size that is like those of real shops where it matters for lists and searches: few brands, words and
//! categories make most of it, each kind of thing has attributes of its own, prices are many low and few high ones, some
//! things come in sizes and colours, and some are sold out. The same for the same size.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::Outcome;
use crate::random::Random;

/// How many brands there are: each has a name of two or three syllables.
const BRANDS: usize = 900;
/// Of a hundred products, those that come in sizes and colours.
const WITH_OPTIONS: usize = 18;
/// Of a hundred variants, those that are sold out.
const SOLD_OUT: usize = 9;

/// A kind of thing: where it is found, what it is called, what is said of it, and what one costs in the middle, in cents.
struct Kind {
    category: &'static str,
    names: &'static [&'static str],
    attributes: &'static [Attribute],
    price: f64,
}

enum Attribute {
    One(&'static str, &'static [&'static str]),
    Number(&'static str, usize, usize),
    Either(&'static str),
}

use Attribute::{Either, Number, One};

const COLOURS: [&str; 14] = [
    "Black", "White", "Grey", "Navy", "Silver", "Red", "Green", "Beige", "Brown", "Pink", "Yellow", "Purple", "Teal",
    "Orange",
];
const SIZES: [&str; 6] = ["M", "L", "S", "XL", "XS", "XXL"];
const MATERIALS: &[&str] = &[
    "Cotton",
    "Polyester",
    "Wool",
    "Linen",
    "Leather",
    "Steel",
    "Oak",
    "Glass",
    "Bamboo",
];
const COLOUR: Attribute = One("colour", &COLOURS);
const MATERIAL: Attribute = One("material", MATERIALS);

const KINDS: [Kind; 24] = [
    Kind {
        category: "Electronics > Computers > Laptops",
        names: &["Laptop", "Notebook", "Ultrabook", "Chromebook"],
        price: 89_900.0,
        attributes: &[
            One(
                "processor",
                &["Core i5", "Core i7", "Ryzen 5", "Ryzen 7", "Core i3", "M2"],
            ),
            Number("memory", 4, 64),
            Number("storage", 128, 2048),
            Number("screen size", 11, 18),
            Either("touchscreen"),
            COLOUR,
        ],
    },
    Kind {
        category: "Electronics > Computers > Monitors",
        names: &["Monitor", "Display", "Curved Monitor"],
        price: 24_900.0,
        attributes: &[
            Number("screen size", 19, 49),
            One("resolution", &["1920 x 1080", "2560 x 1440", "3840 x 2160"]),
            Number("refresh rate", 60, 240),
            One("panel", &["IPS", "VA", "TN", "OLED"]),
            Either("speakers"),
        ],
    },
    Kind {
        category: "Electronics > Computers > Keyboards and mice",
        names: &["Keyboard", "Mouse", "Wireless Keyboard", "Trackball", "Number Pad"],
        price: 3_900.0,
        attributes: &[
            One("connection", &["USB", "Bluetooth", "2.4 GHz"]),
            One("layout", &["QWERTY", "QWERTZ", "AZERTY"]),
            Either("backlight"),
            COLOUR,
        ],
    },
    Kind {
        category: "Electronics > Computers > Cables",
        names: &[
            "HDMI Cable",
            "USB-C Cable",
            "Network Cable",
            "DisplayPort Cable",
            "Adapter",
        ],
        price: 990.0,
        attributes: &[
            Number("length", 1, 20),
            One("connector", &["HDMI", "USB-C", "RJ45", "DisplayPort"]),
            COLOUR,
        ],
    },
    Kind {
        category: "Electronics > Phones",
        names: &["Smartphone", "Phone", "Phone Case", "Screen Protector"],
        price: 19_900.0,
        attributes: &[
            Number("storage", 32, 1024),
            Number("screen size", 4, 7),
            Either("dual sim"),
            COLOUR,
        ],
    },
    Kind {
        category: "Electronics > Audio > Headphones",
        names: &["Headphones", "Earbuds", "Headset"],
        price: 7_900.0,
        attributes: &[
            One("connection", &["Bluetooth", "Jack", "USB"]),
            Either("noise cancelling"),
            Number("battery life", 5, 60),
            COLOUR,
        ],
    },
    Kind {
        category: "Electronics > Audio > Speakers",
        names: &["Speaker", "Soundbar", "Subwoofer"],
        price: 12_900.0,
        attributes: &[Number("power", 5, 500), Either("waterproof"), COLOUR],
    },
    Kind {
        category: "Office > Printers",
        names: &[
            "Inkjet Printer",
            "Laser Printer",
            "Ink Cartridge",
            "Toner",
            "Label Printer",
        ],
        price: 8_900.0,
        attributes: &[
            One("printing colours", &["Black", "Cyan", "Magenta", "Yellow"]),
            Number("pages", 100, 12000),
            Either("duplex"),
        ],
    },
    Kind {
        category: "Office > Paper and pens",
        names: &["Notebook", "Ballpoint Pen", "Copy Paper", "Fountain Pen", "Folder"],
        price: 690.0,
        attributes: &[
            One("format", &["A4", "A5", "A3", "Letter"]),
            Number("sheets", 20, 500),
            COLOUR,
        ],
    },
    Kind {
        category: "Home > Kitchen > Cookware",
        names: &["Frying Pan", "Saucepan", "Casserole", "Wok"],
        price: 4_500.0,
        attributes: &[
            Number("diameter", 14, 36),
            MATERIAL,
            Either("induction"),
            Either("dishwasher safe"),
        ],
    },
    Kind {
        category: "Home > Kitchen > Knives",
        names: &["Chef's Knife", "Bread Knife", "Knife Block", "Paring Knife"],
        price: 3_900.0,
        attributes: &[
            Number("blade length", 7, 30),
            One("steel", &["Stainless", "Damascus", "Carbon"]),
        ],
    },
    Kind {
        category: "Home > Kitchen > Coffee and tea",
        names: &["Coffee Machine", "Kettle", "Espresso Cups", "Coffee Grinder", "Teapot"],
        price: 5_900.0,
        attributes: &[Number("capacity", 1, 12), MATERIAL, COLOUR],
    },
    Kind {
        category: "Home > Lighting",
        names: &["Table Lamp", "Floor Lamp", "Pendant Light", "LED Bulb"],
        price: 4_900.0,
        attributes: &[
            Number("power", 3, 60),
            Either("dimmable"),
            One("socket", &["E27", "E14", "GU10"]),
            COLOUR,
        ],
    },
    Kind {
        category: "Home > Furniture > Chairs",
        names: &["Chair", "Office Chair", "Armchair", "Stool"],
        price: 14_900.0,
        attributes: &[MATERIAL, Number("seat height", 40, 80), COLOUR],
    },
    Kind {
        category: "Home > Furniture > Tables",
        names: &["Desk", "Dining Table", "Coffee Table", "Side Table"],
        price: 24_900.0,
        attributes: &[MATERIAL, Number("width", 40, 240), Number("height", 40, 110)],
    },
    Kind {
        category: "Home > Textiles",
        names: &["Bath Towel", "Duvet Cover", "Cushion", "Blanket", "Curtain"],
        price: 2_900.0,
        attributes: &[MATERIAL, Number("width", 30, 260), COLOUR],
    },
    Kind {
        category: "Clothing > Women > Dresses",
        names: &["Dress", "Maxi Dress", "Summer Dress"],
        price: 5_900.0,
        attributes: &[MATERIAL, COLOUR, One("fit", &["Regular", "Slim", "Loose"])],
    },
    Kind {
        category: "Clothing > Women > Tops",
        names: &["Blouse", "T-Shirt", "Cardigan", "Sweater"],
        price: 2_900.0,
        attributes: &[MATERIAL, COLOUR, One("sleeves", &["Long", "Short", "None"])],
    },
    Kind {
        category: "Clothing > Men > Shirts",
        names: &["Shirt", "Polo Shirt", "T-Shirt"],
        price: 3_500.0,
        attributes: &[MATERIAL, COLOUR, One("fit", &["Regular", "Slim", "Loose"])],
    },
    Kind {
        category: "Clothing > Men > Trousers",
        names: &["Jeans", "Chinos", "Shorts"],
        price: 5_500.0,
        attributes: &[MATERIAL, COLOUR, Number("inseam", 28, 36)],
    },
    Kind {
        category: "Clothing > Shoes",
        names: &["Running Shoes", "Boots", "Sneakers", "Sandals"],
        price: 7_900.0,
        attributes: &[MATERIAL, COLOUR, Either("waterproof")],
    },
    Kind {
        category: "Outdoor > Camping",
        names: &["Tent", "Sleeping Bag", "Camping Stove", "Headlamp"],
        price: 8_900.0,
        attributes: &[Number("persons", 1, 8), Number("weight", 100, 9000), COLOUR],
    },
    Kind {
        category: "Outdoor > Bags",
        names: &["Backpack", "Duffel Bag", "Dry Bag", "Hip Pack"],
        price: 6_900.0,
        attributes: &[Number("volume", 5, 90), MATERIAL, COLOUR],
    },
    Kind {
        category: "Garden > Tools",
        names: &["Spade", "Rake", "Hose", "Pruning Shears", "Lawn Mower"],
        price: 3_900.0,
        attributes: &[Number("length", 15, 180), MATERIAL, Number("weight", 100, 30000)],
    },
];

const FIRST: [&str; 30] = [
    "al", "bor", "cas", "dor", "el", "fen", "gal", "hav", "is", "jor", "kel", "lum", "mar", "nor", "os", "pel", "quin",
    "ros", "sil", "tor", "ul", "ves", "wil", "xan", "yor", "zen", "bri", "cla", "dre", "sto",
];
const LAST: [&str; 30] = [
    "a", "en", "is", "o", "ton", "berg", "dale", "field", "line", "mark", "ric", "sen", "tech", "via", "wick", "worth",
    "ix", "ora", "um", "ley", "man", "son", "ster", "well", "wood", "ford", "ham", "lin", "den", "gard",
];
const SERIES: [&str; 40] = [
    "Pro",
    "Classic",
    "Plus",
    "Air",
    "Max",
    "Lite",
    "Home",
    "Studio",
    "Elite",
    "Basic",
    "Comfort",
    "Travel",
    "Urban",
    "Essential",
    "Premium",
    "Eco",
    "Active",
    "Heritage",
    "Compact",
    "Power",
    "Smart",
    "Flex",
    "Prime",
    "Core",
    "Edge",
    "Nova",
    "Vision",
    "Pulse",
    "Trail",
    "Nordic",
    "Atlas",
    "Orbit",
    "Fusion",
    "Quest",
    "Summit",
    "Vario",
    "Delta",
    "Signature",
    "Original",
    "Evo",
];
const PHRASES: [&str; 24] = [
    "made for everyday use",
    "with a two year guarantee",
    "easy to clean",
    "tested by our own team",
    "light and sturdy",
    "a favourite of our customers",
    "ships in recycled packaging",
    "for beginners and professionals alike",
    "assembled within minutes",
    "designed to last",
    "fits every room",
    "with a soft and even finish",
    "spare parts are kept for ten years",
    "quiet in operation",
    "from certified sources",
    "in a gift box",
    "with a carrying case",
    "for indoors and outdoors",
    "a small footprint",
    "simple to repair",
    "well balanced",
    "with reinforced edges",
    "saves energy and space",
    "comes with all accessories",
];

/// Writes a catalogue of `products` in the form that `bodega import` reads.
pub(crate) fn write(path: &Path, products: usize) -> Outcome<()> {
    let mut random = Random::new(7);
    let brands: Vec<String> = (0..BRANDS).map(|_| brand(&mut random)).collect();
    let mut file = BufWriter::new(File::create(path)?);
    for number in 1..=products {
        writeln!(file, "{}", product(number, &brands, &mut random))?;
    }
    Ok(file.flush()?)
}

/// What the things of all kinds are called.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().flat_map(|kind| kind.names.iter().copied())
}

fn product(number: usize, brands: &[String], random: &mut Random) -> Value {
    let kind = favourite(&KINDS, random);
    let (name, brand) = (favourite(kind.names, random), favourite(brands, random));
    let series = favourite(&SERIES, random);
    let model = format!(
        "{}{}-{}",
        char::from(b'A' + random.below(26) as u8),
        char::from(b'A' + random.below(26) as u8),
        100 + random.below(9900)
    );
    let attributes = attributes(kind, random);
    let said: Vec<&str> = (0..4 + random.below(12))
        .map(|_| *favourite(&PHRASES, random))
        .collect();
    let mut product = json!({
        "id": number.to_string(),
        "handle": format!("{}-{}-{number}", slug(brand), slug(name)),
        "title": format!("{brand} {series} {model} {name}"),
        "description": format!("{name} of the {series} series by {brand}: {}.", said.join(", ")),
        "brand": brand,
        "category": kind.category,
        "released_on": format!("20{:02}-{:02}-{:02}", 8 + random.below(18), 1 + random.below(12), 1 + random.below(28)),
        "attributes": attributes,
        "tags": [favourite(&PHRASES, random)],
    });
    let price = price(kind.price, random);
    if let Value::Object(fields) = &mut product {
        match random.below(100) < WITH_OPTIONS {
            true => add_variants(fields, number, price, random),
            false => fields.extend(single(number, price, random)),
        }
    }
    product
}

fn single(number: usize, price: u64, random: &mut Random) -> Map<String, Value> {
    Map::from_iter([
        ("sku".to_owned(), format!("R{number}").into()),
        ("barcode".to_owned(), format!("41{number:011}").into()),
        ("price_minor".to_owned(), price.into()),
        ("currency".to_owned(), "USD".into()),
        ("stock".to_owned(), stock(random).into()),
    ])
}

fn add_variants(fields: &mut Map<String, Value>, number: usize, price: u64, random: &mut Random) {
    let first = random.below(COLOURS.len() - 2);
    let (colours, sizes) = (
        &COLOURS[first..first + 1 + random.below(2)],
        &SIZES[..2 + random.below(3)],
    );
    let mut variants = Vec::new();
    for colour in colours {
        for size in sizes {
            variants.push(json!({
                "sku": format!("R{number}-{}", variants.len() + 1),
                "options": {"Colour": colour, "Size": size},
                "price_minor": price,
                "stock": stock(random),
            }));
        }
    }
    fields.insert(
        "options".to_owned(),
        json!([{"name": "Colour", "values": colours}, {"name": "Size", "values": sizes}]),
    );
    fields.insert("variants".to_owned(), variants.into());
    fields.insert("currency".to_owned(), "USD".into());
}

fn attributes(kind: &Kind, random: &mut Random) -> Map<String, Value> {
    let value = |attribute: &Attribute, random: &mut Random| match attribute {
        One(name, values) => ((*name).to_owned(), (*favourite(values, random)).into()),
        Number(name, least, most) => ((*name).to_owned(), (least + skewed(most - least + 1, random)).into()),
        Either(name) => ((*name).to_owned(), (random.below(3) == 0).into()),
    };
    kind.attributes
        .iter()
        .map(|attribute| value(attribute, random))
        .collect()
}

/// Many cost somewhat less than the middle, few much more.
fn price(middle: f64, random: &mut Random) -> u64 {
    let bell: f64 = (0..4).map(|_| random.below(1000) as f64 / 1000.0 - 0.5).sum();
    let price = (middle * (1.6 * bell).exp()).max(100.0) as u64;
    price / 100 * 100 + 90
}

fn stock(random: &mut Random) -> usize {
    match random.below(100) < SOLD_OUT {
        true => 0,
        false => 1 + skewed(500, random),
    }
}

/// One of `choices`: half of all draws fall on the first sixth or so, as brands and words are spread in shops.
fn favourite<'a, T>(choices: &'a [T], random: &mut Random) -> &'a T {
    &choices[skewed(choices.len(), random)]
}

/// A number below `bound`, low ones most often.
fn skewed(bound: usize, random: &mut Random) -> usize {
    let even = random.below(1 << 20) as f64 / f64::from(1 << 20);
    ((even * even * even) * bound as f64) as usize
}

fn brand(random: &mut Random) -> String {
    let mut name = String::new();
    for _ in 0..1 + random.below(2) {
        name.push_str(random.pick::<&str>(&FIRST));
    }
    name.push_str(random.pick::<&str>(&LAST));
    let rest = name.split_off(1);
    name.to_uppercase() + &rest
}

fn slug(text: &str) -> String {
    let letter = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    text.chars().filter(|letter| *letter != '\'').map(letter).collect()
}
