//! Where the books of a provider and ours differ. Pure: both are read elsewhere.

use chrono::{DateTime, Utc};
use kernel::Money;
use kernel::id::PaymentId;
use serde::Serialize;
use uuid::Uuid;

use super::payment::{Payment, PaymentStatus};

/// In which way the two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DiscrepancyKind {
    /// The provider has money that no payment of ours knows.
    UnknownCharge,
    /// The provider has money for a payment that has failed or was given back here.
    UnexpectedMoney,
    /// What was charged, taken or given back is not the same in both.
    AmountDiffers,
    /// The provider does not know of money that was taken by our books.
    MissingCharge,
}

impl DiscrepancyKind {
    const ALL: [Self; 4] = [
        Self::UnknownCharge,
        Self::UnexpectedMoney,
        Self::AmountDiffers,
        Self::MissingCharge,
    ];

    /// The name in the database and in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UnknownCharge => "unknown_charge",
            Self::UnexpectedMoney => "unexpected_money",
            Self::AmountDiffers => "amount_differs",
            Self::MissingCharge => "missing_charge",
        }
    }

    /// The kind with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A place where the books of a provider and ours differ.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PaymentDiscrepancy)]
pub(crate) struct Discrepancy {
    pub(crate) id: Uuid,
    #[schema(example = "stripe")]
    pub(crate) provider: String,
    /// The provider's name for the charge.
    pub(crate) reference: String,
    pub(crate) kind: DiscrepancyKind,
    /// Our payment, where there is one.
    pub(crate) payment_id: Option<PaymentId>,
    /// What either says.
    pub(crate) detail: String,
    pub(crate) first_seen: DateTime<Utc>,
    pub(crate) last_seen: DateTime<Utc>,
    /// When the books agreed again.
    pub(crate) resolved_at: Option<DateTime<Utc>>,
}

/// What a provider's books say of a charge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charged {
    /// What the whole charge is over.
    pub(crate) amount: Money,
    /// Minor units taken.
    pub(crate) captured: i64,
    /// Minor units given back.
    pub(crate) refunded: i64,
}

impl Charged {
    /// How this differs from our payment, if it does. What is on its way does not count.
    pub(crate) fn differs_from(self, payment: Option<&Payment>) -> Option<DiscrepancyKind> {
        let kept = self.captured > self.refunded;
        let Some(payment) = payment else {
            return kept.then_some(DiscrepancyKind::UnknownCharge);
        };
        if self.amount != payment.amount {
            return kept.then_some(DiscrepancyKind::AmountDiffers);
        }
        match payment.status {
            PaymentStatus::Created | PaymentStatus::Sent | PaymentStatus::Unknown | PaymentStatus::RequiresAction => {
                None
            }
            PaymentStatus::Failed | PaymentStatus::Voided => kept.then_some(DiscrepancyKind::UnexpectedMoney),
            PaymentStatus::Authorized | PaymentStatus::Captured => {
                (!self.agrees_with(payment)).then_some(DiscrepancyKind::AmountDiffers)
            }
        }
    }

    /// Where a part alone was taken of what was promised, providers may tell the rest as given back, with or without
    /// telling it as taken before.
    fn agrees_with(self, payment: &Payment) -> bool {
        let rest = self.amount.amount - payment.captured;
        let readings = [
            (self.captured, self.refunded),
            (self.captured, self.refunded - rest),
            (self.captured - rest, self.refunded - rest),
        ];
        readings.contains(&(payment.captured, payment.refunded))
    }
}

#[cfg(test)]
mod tests {
    use kernel::id::OrderId;

    use super::*;

    fn usd(amount: i64) -> Money {
        Money::new(amount, "USD".parse().unwrap())
    }

    fn payment(status: PaymentStatus, captured: i64, refunded: i64) -> Payment {
        Payment {
            id: PaymentId::generate(),
            order: OrderId::generate(),
            provider: "stripe".into(),
            status,
            amount: usd(1000),
            captured,
            refunded,
            next_action: None,
            failure: None,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    fn charged(captured: i64, refunded: i64) -> Charged {
        Charged {
            amount: usd(1000),
            captured,
            refunded,
        }
    }

    #[test]
    fn money_that_nobody_knows_or_that_nobody_should_have_is_told() {
        assert_eq!(
            charged(1000, 0).differs_from(None),
            Some(DiscrepancyKind::UnknownCharge)
        );
        assert_eq!(charged(1000, 1000).differs_from(None), None, "it was given back");
        for status in [PaymentStatus::Failed, PaymentStatus::Voided] {
            let ours = payment(status, 0, 0);
            assert_eq!(
                charged(1000, 0).differs_from(Some(&ours)),
                Some(DiscrepancyKind::UnexpectedMoney)
            );
            assert_eq!(charged(0, 0).differs_from(Some(&ours)), None);
        }
    }

    #[test]
    fn amounts_are_compared_to_the_unit() {
        let ours = payment(PaymentStatus::Captured, 1000, 300);
        assert_eq!(charged(1000, 300).differs_from(Some(&ours)), None);
        for (captured, refunded) in [(1000, 299), (1000, 0), (700, 0), (0, 0), (999, 300)] {
            let differs = charged(captured, refunded).differs_from(Some(&ours));
            assert_eq!(differs, Some(DiscrepancyKind::AmountDiffers), "{captured} {refunded}");
        }
        let promised = payment(PaymentStatus::Authorized, 0, 0);
        assert_eq!(charged(0, 0).differs_from(Some(&promised)), None);
        assert_eq!(
            charged(1000, 0).differs_from(Some(&promised)),
            Some(DiscrepancyKind::AmountDiffers)
        );
        let other = Charged {
            amount: usd(1001),
            ..charged(1001, 0)
        };
        assert_eq!(other.differs_from(Some(&ours)), Some(DiscrepancyKind::AmountDiffers));
    }

    #[test]
    fn the_rest_of_a_promise_may_be_told_as_given_back() {
        let ours = payment(PaymentStatus::Captured, 700, 200);
        for (captured, refunded) in [(700, 200), (700, 500), (1000, 500)] {
            assert_eq!(
                charged(captured, refunded).differs_from(Some(&ours)),
                None,
                "{captured} {refunded}"
            );
        }
        assert!(charged(700, 300).differs_from(Some(&ours)).is_some());
    }
}
