//! Payments: one attempt to pay an order each, and the one-way life it has.

use chrono::{DateTime, Utc};
use kernel::Money;
use kernel::id::{OrderId, PaymentId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = PaymentAttemptStatus)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaymentStatus {
    /// Stored, and not yet shown to the provider.
    Created,
    /// The provider may have it.
    Sent,
    /// The buyer has to do something, see `next_action`.
    RequiresAction,
    /// The money is promised.
    Authorized,
    /// The money is taken.
    Captured,
    /// Refused.
    Failed,
    /// The provider did not answer; it will be asked.
    Unknown,
    /// The promise was given back.
    Voided,
}

impl PaymentStatus {
    pub(crate) const ALL: [Self; 8] = [
        Self::Created,
        Self::Sent,
        Self::RequiresAction,
        Self::Authorized,
        Self::Captured,
        Self::Failed,
        Self::Unknown,
        Self::Voided,
    ];

    /// The name in the database and in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Sent => "sent",
            Self::RequiresAction => "requires_action",
            Self::Authorized => "authorized",
            Self::Captured => "captured",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Voided => "voided",
        }
    }

    /// The status with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether an attempt may go from here to `next`. Late news never takes an attempt back; money that turns up after
    /// we had given an attempt up is still money, so that `failed` is not quite the end.
    pub(crate) fn may_become(self, next: Self) -> bool {
        use PaymentStatus::{Authorized, Captured, Created, Failed, RequiresAction, Sent, Unknown, Voided};
        match self {
            Created => matches!(next, Sent | Failed),
            Sent => matches!(next, RequiresAction | Authorized | Captured | Failed | Unknown | Voided),
            Unknown => matches!(next, RequiresAction | Authorized | Captured | Failed | Voided),
            RequiresAction => matches!(next, Authorized | Captured | Failed | Voided),
            Authorized => matches!(next, Captured | Voided),
            Failed => matches!(next, Authorized | Captured),
            Captured | Voided => false,
        }
    }

    /// Whether the outcome is open: nobody but the provider knows.
    pub(crate) fn is_unresolved(self) -> bool {
        matches!(self, Self::Created | Self::Sent | Self::Unknown)
    }

    /// Whether the order counts as paid for.
    pub(crate) fn is_success(self) -> bool {
        matches!(self, Self::Authorized | Self::Captured)
    }
}

/// One attempt to pay an order.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub(crate) id: PaymentId,
    pub(crate) order: OrderId,
    pub(crate) provider: String,
    pub(crate) status: PaymentStatus,
    pub(crate) amount: Money,
    /// Minor units taken so far.
    pub(crate) captured: i64,
    /// Minor units given back so far.
    pub(crate) refunded: i64,
    pub(crate) next_action: Option<Value>,
    pub(crate) failure: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
}

/// What can be asked of a provider about an existing payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperationKind {
    /// Take the money that was promised.
    Capture,
    /// Give the promise back.
    Void,
    /// Give the money back.
    Refund,
}

impl OperationKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Capture, Self::Void, Self::Refund]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    /// How much the operation moves, where the payment allows it at all.
    pub(crate) fn amount_for(self, payment: &Payment) -> Option<i64> {
        let amount = payment.amount.amount;
        match (self, payment.status) {
            (Self::Capture, PaymentStatus::Authorized) => Some(amount),
            (Self::Void, PaymentStatus::Authorized | PaymentStatus::RequiresAction) => Some(amount),
            (Self::Refund, PaymentStatus::Captured) if payment.refunded < payment.captured => {
                Some(payment.captured - payment.refunded)
            }
            _ => None,
        }
    }

    /// What a payment needs so that its order can be cancelled, if anything.
    pub(crate) fn to_undo(payment: &Payment) -> Option<Self> {
        [Self::Void, Self::Refund]
            .into_iter()
            .find(|kind| kind.amount_for(payment).is_some())
    }
}

/// The payments that have to be undone now that the order is `cancelled`, or paid for by another attempt: all of them,
/// or all but the first that succeeded.
pub(crate) fn surplus(cancelled: bool, payments: &[Payment]) -> Vec<(PaymentId, OperationKind)> {
    let first = |status| payments.iter().find(|payment| !cancelled && payment.status == status);
    // Money is better than a promise.
    let kept = first(PaymentStatus::Captured)
        .or_else(|| first(PaymentStatus::Authorized))
        .map(|payment| payment.id);
    let undone = payments.iter().filter(|payment| Some(payment.id) != kept);
    let open_attempt =
        |payment: &Payment| !cancelled && payment.status == PaymentStatus::RequiresAction && kept.is_none();
    undone
        .filter(|payment| !open_attempt(payment))
        .filter_map(|payment| Some((payment.id, OperationKind::to_undo(payment)?)))
        .collect()
}

/// The payment status of an order, derived from its attempts: what is most advanced, or most worrying, wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderPaymentStatus {
    Pending,
    Authorized,
    Captured,
    PartiallyRefunded,
    Refunded,
    Voided,
    Failed,
    Unknown,
}

impl OrderPaymentStatus {
    /// The name in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Authorized => "authorized",
            Self::Captured => "captured",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
            Self::Voided => "voided",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// Derives the status. `amount_due` is in minor units; an order that costs nothing is paid from the start.
    pub(crate) fn of(payments: &[Payment], amount_due: i64) -> Self {
        let any = |wanted: &dyn Fn(&Payment) -> bool| payments.iter().any(wanted);
        let captured: i64 = payments.iter().map(|payment| payment.captured).sum();
        let refunded: i64 = payments.iter().map(|payment| payment.refunded).sum();
        if captured > 0 {
            return match refunded {
                0 => Self::Captured,
                refunded if refunded < captured => Self::PartiallyRefunded,
                _ => Self::Refunded,
            };
        }
        if amount_due == 0 {
            return Self::Captured;
        }
        if any(&|payment| payment.status == PaymentStatus::Authorized) {
            return Self::Authorized;
        }
        if any(&|payment| payment.status == PaymentStatus::Unknown) {
            return Self::Unknown;
        }
        if any(&|payment| payment.status.is_unresolved() || payment.status == PaymentStatus::RequiresAction) {
            return Self::Pending;
        }
        match payments.last().map(|payment| payment.status) {
            Some(PaymentStatus::Voided) => Self::Voided,
            Some(PaymentStatus::Failed) => Self::Failed,
            _ => Self::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn payment(status: PaymentStatus, captured: i64, refunded: i64) -> Payment {
        Payment {
            id: PaymentId::generate(),
            order: OrderId::generate(),
            provider: "sandbox".into(),
            status,
            amount: Money::new(100, "USD".parse().unwrap()),
            captured,
            refunded,
            next_action: None,
            failure: None,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    fn any_status() -> impl Strategy<Value = PaymentStatus> {
        prop::sample::select(PaymentStatus::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn no_sequence_of_legal_steps_takes_money_back_into_the_unknown(steps in prop::collection::vec(any_status(), 1..12)) {
            let mut status = PaymentStatus::Created;
            let mut succeeded = false;
            for next in steps {
                if status.may_become(next) {
                    status = next;
                }
                succeeded |= status.is_success();
                prop_assert!(!succeeded || status.is_success() || status == PaymentStatus::Voided);
            }
        }
    }

    #[test]
    fn a_captured_payment_can_be_refunded_once_in_full_and_never_voided() {
        let captured = payment(PaymentStatus::Captured, 100, 0);
        assert_eq!(OperationKind::Refund.amount_for(&captured), Some(100));
        assert_eq!(OperationKind::Void.amount_for(&captured), None);
        assert_eq!(
            OperationKind::Refund.amount_for(&payment(PaymentStatus::Captured, 100, 100)),
            None
        );
        assert_eq!(OperationKind::to_undo(&captured), Some(OperationKind::Refund));
    }

    #[test]
    fn an_authorised_payment_is_undone_by_a_void() {
        let authorized = payment(PaymentStatus::Authorized, 0, 0);
        assert_eq!(OperationKind::to_undo(&authorized), Some(OperationKind::Void));
        assert_eq!(OperationKind::Capture.amount_for(&authorized), Some(100));
        assert_eq!(OperationKind::to_undo(&payment(PaymentStatus::Failed, 0, 0)), None);
    }

    #[test]
    fn a_cancelled_order_keeps_no_payment_and_a_placed_one_keeps_one() {
        let captured = payment(PaymentStatus::Captured, 100, 0);
        let authorized = payment(PaymentStatus::Authorized, 0, 0);
        let waiting = payment(PaymentStatus::RequiresAction, 0, 0);
        let both = [captured.clone(), authorized.clone()];
        let undo_both = vec![
            (captured.id, OperationKind::Refund),
            (authorized.id, OperationKind::Void),
        ];
        assert_eq!(surplus(true, &both), undo_both);
        assert_eq!(surplus(false, &both), vec![(authorized.id, OperationKind::Void)]);
        assert_eq!(surplus(false, std::slice::from_ref(&waiting)), vec![]);
        assert_eq!(
            surplus(true, std::slice::from_ref(&waiting)),
            vec![(waiting.id, OperationKind::Void)]
        );
    }

    #[test]
    fn the_orders_payment_status_follows_from_its_attempts() {
        use OrderPaymentStatus as Of;
        let failed = payment(PaymentStatus::Failed, 0, 0);
        let cases = [
            (vec![], 100, Of::Pending),
            (vec![], 0, Of::Captured),
            (vec![failed.clone()], 100, Of::Failed),
            (
                vec![failed.clone(), payment(PaymentStatus::Unknown, 0, 0)],
                100,
                Of::Unknown,
            ),
            (
                vec![failed.clone(), payment(PaymentStatus::RequiresAction, 0, 0)],
                100,
                Of::Pending,
            ),
            (
                vec![failed.clone(), payment(PaymentStatus::Captured, 100, 0)],
                100,
                Of::Captured,
            ),
            (
                vec![payment(PaymentStatus::Captured, 100, 40)],
                100,
                Of::PartiallyRefunded,
            ),
            (vec![payment(PaymentStatus::Captured, 100, 100)], 100, Of::Refunded),
            (vec![failed, payment(PaymentStatus::Voided, 0, 0)], 100, Of::Voided),
        ];
        for (payments, due, expected) in cases {
            assert_eq!(OrderPaymentStatus::of(&payments, due), expected, "{payments:?}");
        }
    }
}
