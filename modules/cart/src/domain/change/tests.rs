//! The rules of changes, by example and by property.

use proptest::prelude::*;

use super::*;
use crate::domain::ItemProblem;
use crate::domain::samples::{address, cart, dollars, item, now, quote};
use kernel::money::MAX_AMOUNT;
use product_api::QuotedPrice;

fn quotes(answers: Vec<Quote>) -> Quotes {
    Quotes::new(answers.iter().map(|quote| quote.variant).collect(), answers)
}

fn add_one(variant: VariantId, quantity: i64) -> Change {
    Change::Add(vec![NewLine {
        pointer: String::new(),
        variant,
        quantity,
    }])
}

fn field_error(error: CartError) -> (String, String) {
    let CartError::Invalid(errors) = error else {
        panic!("{error:?}")
    };
    let first = &errors.as_slice()[0];
    (first.pointer.clone(), first.code.clone())
}

fn refusal(change: &Change, cart: &mut Cart, quotes: &Quotes) -> (String, String) {
    field_error(applied(change, cart, quotes).unwrap_err())
}

/// A change, with the price that the shop without rules puts on the cart then.
fn applied(change: &Change, cart: &mut Cart, quotes: &Quotes) -> Result<(), CartError> {
    let grown = change.apply(cart, quotes)?;
    reprice(cart, &Facts::without_rules(now()), &Known::default(), grown.as_deref())
}

#[test]
fn adding_a_variant_again_grows_its_line() {
    let variant = VariantId::generate();
    let quotes = quotes(vec![quote(variant, 500, 10)]);
    let mut cart = cart(Vec::new());
    add_one(variant, 2).apply(&mut cart, &quotes).unwrap();
    add_one(variant, 3).apply(&mut cart, &quotes).unwrap();
    assert_eq!(cart.items.len(), 1);
    assert_eq!((cart.items[0].quantity, cart.items[0].unit_price), (5, dollars(500)));
    assert_eq!(cart.items[0].problem, None);
}

#[test]
fn more_than_there_are_may_lie_in_the_cart_as_a_problem() {
    let variant = VariantId::generate();
    let mut cart = cart(Vec::new());
    add_one(variant, 5)
        .apply(&mut cart, &quotes(vec![quote(variant, 500, 3)]))
        .unwrap();
    assert_eq!(
        cart.items[0].problem,
        Some(ItemProblem::InsufficientStock { available: 3 })
    );
}

#[test]
fn what_is_unknown_off_sale_or_sold_in_another_currency_is_refused_by_name() {
    let variant = VariantId::generate();
    let offer = quote(variant, 500, 10);
    let off_sale = Quote {
        on_sale: false,
        ..offer.clone()
    };
    let unpriced = Quote {
        prices: Vec::new(),
        ..offer.clone()
    };
    let in_euro = Quote {
        prices: vec![QuotedPrice {
            min_quantity: 1,
            unit_price: Money::new(1, "EUR".parse().unwrap()),
        }],
        ..offer
    };
    let cases = [
        (Quotes::new(vec![variant], Vec::new()), "unknown_variant"),
        (quotes(vec![off_sale]), "not_for_sale"),
        (quotes(vec![unpriced]), "currency_mismatch"),
        (quotes(vec![in_euro]), "currency_mismatch"),
    ];
    for (quotes, code) in cases {
        let mut cart = cart(Vec::new());
        let refused = refusal(&add_one(variant, 1), &mut cart, &quotes);
        assert_eq!(refused, ("/variant_id".to_owned(), code.to_owned()));
    }
}

#[test]
fn all_wrong_lines_of_a_request_are_named_at_once() {
    let lines = [0, 1].map(|index| NewLine {
        pointer: format!("/items/{index}"),
        variant: VariantId::generate(),
        quantity: 1,
    });
    let error = Change::Add(lines.to_vec())
        .apply(&mut cart(Vec::new()), &Quotes::default())
        .unwrap_err();
    let CartError::Invalid(errors) = error else {
        panic!("{error:?}")
    };
    let pointers: Vec<&str> = errors.as_slice().iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/items/0/variant_id", "/items/1/variant_id"]);
}

#[test]
fn a_line_holds_at_most_999_a_cart_at_most_100_lines_and_twelve_digits() {
    let variant = VariantId::generate();
    let cheap = quotes(vec![quote(variant, 500, 10)]);
    let mut full_line = cart(vec![Item {
        variant,
        ..item(999, 500)
    }]);
    assert_eq!(refusal(&add_one(variant, 1), &mut full_line, &cheap).1, "out_of_range");
    let mut full_cart = cart((0..MAX_LINES).map(|_| item(1, 1)).collect());
    assert_eq!(
        refusal(&add_one(variant, 1), &mut full_cart, &cheap).1,
        "too_many_lines"
    );
    let dear = quotes(vec![quote(variant, MAX_AMOUNT, 10)]);
    let refused = refusal(&add_one(variant, 2), &mut cart(Vec::new()), &dear);
    assert_eq!(refused, ("/quantity".to_owned(), "amount_too_large".to_owned()));
}

#[test]
fn a_quantity_is_set_zero_removes_and_an_unknown_line_is_not_found() {
    let line = item(2, 100);
    let id = line.id;
    let mut cart = cart(vec![line, item(1, 5)]);
    let set = |quantity| Change::SetQuantity { item: id, quantity };
    set(7).apply(&mut cart, &Quotes::default()).unwrap();
    assert_eq!(cart.items[0].quantity, 7);
    set(0).apply(&mut cart, &Quotes::default()).unwrap();
    assert_eq!(cart.items.len(), 1);
    assert_eq!(
        set(1).apply(&mut cart, &Quotes::default()),
        Err(CartError::NotFound("item".to_owned()))
    );
}

#[test]
fn a_line_can_be_taken_out_of_a_cart_that_became_too_dear() {
    let line = item(2, MAX_AMOUNT);
    let id = line.id;
    let mut cart = cart(vec![line, item(9, MAX_AMOUNT)]);
    let fewer = Change::SetQuantity { item: id, quantity: 1 };
    applied(&fewer, &mut cart, &Quotes::default()).unwrap();
}

#[test]
fn a_changed_price_is_shown_until_the_buyer_goes_on() {
    let line = item(1, 100);
    let id = line.id;
    let mut cart = cart(vec![line]);
    let dearer = quotes(vec![quote(cart.items[0].variant, 120, 10)]);
    assert!(cart.refresh(&dearer));
    assert_eq!(cart.items[0].price_changed_from(), Some(dollars(100)));
    assert!(!cart.refresh(&dearer), "nothing new the second time");
    assert_eq!(
        cart.items[0].price_changed_from(),
        Some(dollars(100)),
        "and still shown"
    );
    Change::SetQuantity { item: id, quantity: 2 }
        .apply(&mut cart, &dearer)
        .unwrap();
    assert_eq!(cart.items[0].price_changed_from(), None);
}

#[test]
fn a_price_that_changes_with_the_change_is_shown() {
    let line = item(1, 100);
    let id = line.id;
    let mut cart = cart(vec![line]);
    let dearer = quotes(vec![quote(cart.items[0].variant, 120, 10)]);
    Change::SetQuantity { item: id, quantity: 2 }
        .apply(&mut cart, &dearer)
        .unwrap();
    assert_eq!(cart.items[0].price_changed_from(), Some(dollars(100)));
    assert_eq!(cart.items[0].unit_price, dollars(120));
}

#[test]
fn what_is_no_longer_sold_keeps_its_line_and_price() {
    let mut cart = cart(vec![item(1, 100)]);
    let gone = Quotes::new(vec![cart.items[0].variant], Vec::new());
    assert!(cart.refresh(&gone));
    assert_eq!(
        (cart.items[0].problem, cart.items[0].unit_price),
        (Some(ItemProblem::NotForSale), dollars(100))
    );
    assert!(!cart.refresh(&Quotes::default()), "no question, no news");
}

#[test]
fn details_follow_the_rules_of_a_merge_patch() {
    let mut cart = cart(Vec::new());
    cart.email = Some("ada@example.com".to_owned());
    let set = Details {
        shipping_address: Patch::Set(address().into()),
        ..Details::default()
    };
    set.apply(&mut cart).unwrap();
    assert_eq!(
        (cart.email.as_deref(), cart.shipping_address.is_some()),
        (Some("ada@example.com"), true)
    );
    let clear = Details {
        email: Patch::Clear,
        shipping_method: Patch::Clear,
        ..Details::default()
    };
    clear.apply(&mut cart).unwrap();
    assert_eq!((cart.email, cart.shipping_address), (None, Some(address())));
}

#[test]
fn a_method_that_the_shop_does_not_have_is_refused() {
    let mut cart = cart(vec![item(1, 100)]);
    let method = Change::SetDetails(Box::new(Details {
        shipping_method: Patch::Set(ShippingMethodId::generate()),
        ..Details::default()
    }));
    applied(&method, &mut cart, &Quotes::default()).unwrap();
    let refused = field_error(method.check(&cart, &Rules::default()).unwrap_err());
    assert_eq!(
        refused,
        ("/shipping_method".to_owned(), "unknown_shipping_method".to_owned())
    );
}

#[test]
fn a_code_that_nobody_can_use_is_refused_and_a_tax_number_has_to_be_one() {
    let mut cart = cart(vec![item(1, 100)]);
    let change = Change::AddCode(PromotionCode::parse("summer").unwrap());
    applied(&change, &mut cart, &Quotes::default()).unwrap();
    let refused = field_error(change.check(&cart, &Rules::default()).unwrap_err());
    assert_eq!(refused, ("/code".to_owned(), "unknown_code".to_owned()));
    let number = |number| Details {
        tax_number: Patch::Set(Text::parse(number).unwrap()),
        ..Details::default()
    };
    number("at u12345678").apply(&mut cart).unwrap();
    assert_eq!(cart.tax_number.as_deref(), Some("ATU12345678"));
    let refused = field_error(number("DE12").apply(&mut cart).unwrap_err());
    assert_eq!(refused, ("/tax_number".to_owned(), "invalid_tax_number".to_owned()));
}

#[test]
fn a_merge_never_cuts_it_refuses() {
    let variant = VariantId::generate();
    let heavy = |quantity| Item {
        variant,
        ..item(quantity, 1)
    };
    let code =
        |target: &mut Cart, source: &Cart| field_error(absorb(target, source, &Quotes::default()).unwrap_err()).1;
    assert_eq!(
        code(&mut cart(vec![heavy(500)]), &cart(vec![heavy(500)])),
        "out_of_range"
    );
    let many = || cart((0..60).map(|_| item(1, 1)).collect());
    assert_eq!(code(&mut many(), &many()), "too_many_lines");
    let euro = Cart {
        currency: "EUR".parse().unwrap(),
        ..cart(Vec::new())
    };
    assert_eq!(code(&mut cart(Vec::new()), &euro), "currency_mismatch");
}

proptest! {
    #[test]
    fn a_merge_loses_and_doubles_nothing(
        mine in prop::collection::btree_map(0..30_u128, 1..=400_i64, 0..20),
        theirs in prop::collection::btree_map(0..30_u128, 1..=400_i64, 0..20),
    ) {
        let line = |(number, quantity): (&u128, &i64)| Item { variant: variant(*number), ..item(*quantity, 7) };
        let mut target = cart(mine.iter().map(line).collect());
        let source = cart(theirs.iter().map(line).collect());
        absorb(&mut target, &source, &Quotes::default()).unwrap();
        for number in 0..30 {
            let expected = mine.get(&number).unwrap_or(&0) + theirs.get(&number).unwrap_or(&0);
            let lines: Vec<_> = target.items.iter().filter(|item| item.variant == variant(number)).collect();
            prop_assert!(lines.len() <= 1);
            prop_assert_eq!(lines.first().map_or(0, |item| item.quantity), expected);
        }
    }

    #[test]
    fn no_sequence_of_changes_breaks_the_limits(
        steps in prop::collection::vec((0..130_u128, 1..=999_i64, any::<bool>()), 0..200),
    ) {
        let mut cart = cart(Vec::new());
        for (number, quantity, adds) in steps {
            let variant = variant(number);
            let line = cart.line_of(variant).map(|item| item.id);
            let change = match line.filter(|_| !adds) {
                Some(item) => Change::SetQuantity { item, quantity: quantity % 1000 },
                None => add_one(variant, quantity),
            };
            let before = cart.clone();
            let quotes = quotes(vec![quote(variant, 1_000_000, 10)]);
            if applied(&change, &mut cart, &quotes).is_err() {
                cart = before;
            }
            prop_assert!(cart.items.len() <= MAX_LINES);
            prop_assert!(cart.items.iter().all(|item| (1..=MAX_QUANTITY).contains(&item.quantity)));
            prop_assert!(is_payable(&cart.priced.totals));
        }
    }
}

fn variant(number: u128) -> VariantId {
    uuid::Uuid::from_u128(number).into()
}

#[test]
fn a_larger_quantity_has_its_own_price_which_is_no_news_to_who_asks_for_it() {
    let mut cart = cart(vec![item(2, 500)]);
    let (id, variant) = (cart.items[0].id, cart.items[0].variant);
    let mut offer = quote(variant, 500, 1000);
    offer.prices.push(QuotedPrice {
        min_quantity: 10,
        unit_price: dollars(400),
    });
    let quotes = |offer: &Quote| Quotes::new(vec![variant], vec![offer.clone()]);
    let set = |quantity| Change::SetQuantity { item: id, quantity };
    set(10).apply(&mut cart, &quotes(&offer)).unwrap();
    assert_eq!(cart.items[0].unit_price, dollars(400));
    assert_eq!(cart.items[0].price_changed_from(), None);
    set(9).apply(&mut cart, &quotes(&offer)).unwrap();
    assert_eq!(cart.items[0].unit_price, dollars(500));
    assert_eq!(cart.items[0].price_changed_from(), None);
    offer.prices[0].unit_price = dollars(600);
    set(8).apply(&mut cart, &quotes(&offer)).unwrap();
    assert_eq!(cart.items[0].unit_price, dollars(600));
    assert_eq!(cart.items[0].price_changed_from(), Some(dollars(500)));
}
