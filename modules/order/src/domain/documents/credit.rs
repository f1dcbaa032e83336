//! What a credit note takes back of an invoice: all that is left, an amount, or some of the goods. However often something is
//! credited, the parts sum to what was billed, taxes too, when nothing is left.

use chrono::{DateTime, Utc};
use kernel::id::{DocumentId, LineId};
use kernel::{Currency, Money};

use super::{CorrectedInvoice, Document, DocumentKind, Position, share, spread, subtotals, totals};

/// What is to be credited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credit {
    /// All that was not credited yet.
    Rest,
    /// So much of it, spread over what is left.
    Amount(Money),
    /// So much of it, or all that is left where that is less: for money that was returned already.
    UpTo(Money),
    /// Some of the goods, and shipping, where it is wanted.
    Lines { lines: Vec<LineCredit>, shipping: bool },
}

/// Some pieces of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineCredit {
    pub(crate) line: LineId,
    pub(crate) quantity: i64,
}

/// What of a position of an invoice was credited before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) credited_quantity: i64,
    pub(crate) credited_tax: i64,
    pub(crate) credited_gross: i64,
}

/// Why something cannot be credited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CreditRefusal {
    /// All of the invoice, or of the positions that were named, was credited before.
    #[error("nothing of it is left to be credited")]
    NothingLeft,
    /// More than what is left.
    #[error("only {0} of the invoice are left to be credited")]
    MoreThanLeft(Money),
    /// More pieces than are left.
    #[error("only {left} of position {position} are left to be credited")]
    MorePiecesThanLeft {
        /// The invoice's position.
        position: i32,
        /// How many pieces.
        left: i64,
    },
    /// The line is not on the invoice.
    #[error("the invoice has no such line")]
    NoSuchLine,
    /// Another currency than the invoice's.
    #[error("the invoice is in {0}")]
    OtherCurrency(Currency),
}

/// What a credit note says besides its invoice.
#[derive(Clone, Debug)]
pub(crate) struct Issue {
    pub(crate) id: DocumentId,
    pub(crate) number: String,
    pub(crate) issued_at: DateTime<Utc>,
    pub(crate) reason: Option<String>,
}

/// What is taken back of each position of `invoice`; `left` tells of each, in the order of the positions, what was before.
pub(crate) fn credit(invoice: &Document, left: &[Left], wanted: &Credit) -> Result<Vec<Position>, CreditRefusal> {
    let rest: Vec<i64> = invoice
        .positions
        .iter()
        .zip(left)
        .map(|(position, left)| position.gross.amount - left.credited_gross)
        .collect();
    let all_left: i64 = rest.iter().sum();
    let positions = || invoice.positions.iter().zip(left);
    let credited: Vec<Position> = match wanted {
        Credit::Rest => positions()
            .zip(&rest)
            .filter_map(|((position, left), rest)| part(position, *left, whole_rest(position, *left), *rest))
            .collect(),
        Credit::Amount(amount) | Credit::UpTo(amount) => {
            if amount.currency != invoice.currency {
                return Err(CreditRefusal::OtherCurrency(invoice.currency));
            }
            let wanted_amount = match wanted {
                Credit::UpTo(_) => amount.amount.min(all_left),
                _ => amount.amount,
            };
            if wanted_amount > all_left {
                return Err(match all_left {
                    0 => CreditRefusal::NothingLeft,
                    left => CreditRefusal::MoreThanLeft(Money::new(left, invoice.currency)),
                });
            }
            if wanted_amount == all_left {
                return credit(invoice, left, &Credit::Rest);
            }
            // No part is larger than its weight, as the amount is smaller than their sum.
            let parts = Money::new(wanted_amount, invoice.currency)
                .allocate(&rest)
                .unwrap_or_default();
            positions()
                .zip(parts)
                .filter_map(|((position, left), amount)| part(position, *left, None, amount.amount))
                .collect()
        }
        Credit::Lines { lines, shipping } => of_lines(invoice, left, lines, *shipping)?,
    };
    // Pieces that cost nothing alone make no credit note.
    match credited.iter().all(|position| position.gross.amount == 0) {
        true => Err(CreditRefusal::NothingLeft),
        false => Ok(credited),
    }
}

fn of_lines(
    invoice: &Document,
    left: &[Left],
    lines: &[LineCredit],
    shipping: bool,
) -> Result<Vec<Position>, CreditRefusal> {
    let on_invoice = |line: &LineCredit| {
        invoice
            .positions
            .iter()
            .any(|position| position.line_id == Some(line.line))
    };
    if !lines.iter().all(on_invoice) {
        return Err(CreditRefusal::NoSuchLine);
    }
    let mut credited = Vec::new();
    for (position, left) in invoice.positions.iter().zip(left) {
        let rest = position.gross.amount - left.credited_gross;
        let pieces: i64 = match position.line_id {
            None => i64::from(shipping),
            Some(id) => {
                let same = lines.iter().filter(|line| line.line == id);
                same.map(|line| line.quantity).fold(0, i64::saturating_add)
            }
        };
        if pieces == 0 {
            continue;
        }
        let billed = position.quantity.unwrap_or(1);
        let pieces_left = billed - left.credited_quantity;
        if pieces > pieces_left {
            return Err(CreditRefusal::MorePiecesThanLeft {
                position: position.position,
                left: pieces_left,
            });
        }
        let amount = match pieces == pieces_left {
            true => rest,
            // Less where amounts were credited before that belong to no pieces.
            false => share(position.gross.amount, pieces, billed).min(rest),
        };
        credited.extend(part(position, *left, Some(pieces), amount));
    }
    Ok(credited)
}

/// The pieces that are left of a position, where there are any.
fn whole_rest(position: &Position, left: Left) -> Option<i64> {
    position
        .quantity
        .map(|billed| billed - left.credited_quantity)
        .filter(|pieces| *pieces > 0)
}

/// `gross` of a position, with the tax that is in it: so that all of the tax was credited when all of the amount was.
fn part(position: &Position, left: Left, quantity: Option<i64>, gross: i64) -> Option<Position> {
    if gross == 0 && quantity.is_none() {
        return None;
    }
    let currency = position.gross.currency;
    let money = |amount| Money::new(amount, currency);
    let credited = left.credited_gross + gross;
    let tax = share(position.tax.amount, credited, position.gross.amount) - left.credited_tax;
    Some(Position {
        quantity,
        discount: None,
        taxes: spread(tax, &position.taxes, currency),
        net: money(gross - tax),
        tax: money(tax),
        gross: money(gross),
        ..position.clone()
    })
}

/// The credit note over `positions` of `invoice`.
pub(crate) fn note(invoice: &Document, positions: Vec<Position>, issue: Issue) -> Document {
    Document {
        id: issue.id,
        kind: DocumentKind::CreditNote,
        number: issue.number,
        issued_at: issue.issued_at,
        corrects: Some(CorrectedInvoice {
            id: invoice.id,
            number: invoice.number.clone(),
            issued_at: invoice.issued_at,
        }),
        reason: issue.reason,
        taxes: subtotals(invoice.currency, &positions),
        totals: totals(invoice.currency, &positions, 0),
        positions,
        gift_cards: Vec::new(),
        ..invoice.clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::bill::tests::{any_currency, any_lines, assert_sums, invoice_of, order_of};
    use super::*;

    fn issue() -> Issue {
        Issue {
            id: DocumentId::generate(),
            number: "CN-1".to_owned(),
            issued_at: DateTime::UNIX_EPOCH,
            reason: None,
        }
    }

    fn take(left: &mut [Left], credited: &[Position]) {
        for position in credited {
            let left = &mut left[usize::try_from(position.position - 1).unwrap()];
            left.credited_quantity += position.quantity.unwrap_or(0);
            left.credited_tax += position.tax.amount;
            left.credited_gross += position.gross.amount;
        }
    }

    /// Seeds of what is credited: a part of what is left in per mille, or pieces of a line.
    #[derive(Clone, Debug)]
    enum Wish {
        Part(i64),
        Pieces(usize, i64),
    }

    fn any_wishes() -> impl Strategy<Value = Vec<Wish>> {
        let wish = prop_oneof![
            (0..=1000_i64).prop_map(Wish::Part),
            (0..8_usize, 1..50_i64).prop_map(|(line, pieces)| Wish::Pieces(line, pieces)),
        ];
        prop::collection::vec(wish, 0..8)
    }

    proptest! {
        #[test]
        fn whatever_is_credited_in_turn_sums_to_the_invoice_and_never_exceeds_it(
            currency in any_currency(), lines in any_lines(), shipping in 0..5_000_i64, is_included in any::<bool>(),
            wishes in any_wishes(),
        ) {
            let (order, content, lines) = order_of(currency, &lines, shipping, is_included, false);
            let invoice = invoice_of(&order, &content, &lines);
            let mut left = vec![Left::default(); invoice.positions.len()];
            let credits = wishes.into_iter().map(|wish| match wish {
                Wish::Part(part) => Credit::UpTo(Money::new(invoice.totals.gross.amount * part / 1000, currency)),
                Wish::Pieces(line, quantity) => {
                    let line = lines[line % lines.len()].id;
                    Credit::Lines { lines: vec![LineCredit { line, quantity }], shipping: false }
                }
            });
            for wanted in credits.chain([Credit::Rest]) {
                let Ok(positions) = credit(&invoice, &left, &wanted) else { continue };
                take(&mut left, &positions);
                assert_sums(&note(&invoice, positions, issue()));
                for (position, left) in invoice.positions.iter().zip(&left) {
                    prop_assert!((0..=position.gross.amount).contains(&left.credited_gross));
                    prop_assert!((0..=position.tax.amount).contains(&left.credited_tax));
                    prop_assert!((0..=position.quantity.unwrap()).contains(&left.credited_quantity));
                }
            }
            for (position, left) in invoice.positions.iter().zip(&left) {
                prop_assert_eq!(left.credited_gross, position.gross.amount);
                prop_assert_eq!(left.credited_tax, position.tax.amount);
            }
            prop_assert_eq!(credit(&invoice, &left, &Credit::Amount(Money::new(1, currency))), Err(CreditRefusal::NothingLeft));
        }
    }

    #[test]
    fn what_cannot_be_credited_is_refused() {
        let eur: Currency = "EUR".parse().unwrap();
        let (order, content, lines) = order_of(eur, &[(2, 1190, 0, 19)], 0, true, false);
        let invoice = invoice_of(&order, &content, &lines);
        let left = [Left::default()];
        let euros = |amount| Money::new(amount, eur);
        let pieces = |line, quantity| Credit::Lines {
            lines: vec![LineCredit { line, quantity }],
            shipping: false,
        };
        let refused = |wanted| credit(&invoice, &left, &wanted).unwrap_err();
        assert_eq!(
            refused(Credit::Amount(euros(2381))),
            CreditRefusal::MoreThanLeft(euros(2380))
        );
        let more = CreditRefusal::MorePiecesThanLeft { position: 1, left: 2 };
        assert_eq!(refused(pieces(lines[0].id, 3)), more);
        assert_eq!(refused(pieces(LineId::generate(), 1)), CreditRefusal::NoSuchLine);
        let dollars = Money::new(1, "USD".parse().unwrap());
        assert_eq!(refused(Credit::Amount(dollars)), CreditRefusal::OtherCurrency(eur));
        let none = Credit::Lines {
            lines: vec![],
            shipping: true,
        };
        assert_eq!(refused(none), CreditRefusal::NothingLeft);
        let one = credit(&invoice, &left, &pieces(lines[0].id, 1)).unwrap();
        assert_eq!(
            (one[0].quantity, one[0].gross.amount, one[0].tax.amount),
            (Some(1), 1190, 190)
        );
    }
}
