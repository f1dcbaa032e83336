//! Payments: one attempt to pay an order each, and the one-way life it has.

use chrono::{DateTime, Utc};
use kernel::Money;
use kernel::id::{OrderId, PaymentId, RefundId, ReturnId};
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

/// Money that was given back, or is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Refund {
    pub(crate) id: RefundId,
    pub(crate) payment_id: PaymentId,
    pub(crate) status: RefundStatus,
    pub(crate) amount: Money,
    pub(crate) reason: Option<String>,
    /// The return that it is for.
    pub(crate) return_id: Option<ReturnId>,
    pub(crate) created_at: DateTime<Utc>,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundStatus {
    /// The provider was asked and has not answered.
    Pending,
    Succeeded,
    /// Refused by the provider; nothing was given back.
    Failed,
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

    /// The most that the operation can move, where the payment allows it at all. What is captured in parts is promised
    /// still as far as it is not taken.
    pub(crate) fn most_for(self, payment: &Payment) -> Option<i64> {
        let most = match (self, payment.status) {
            (Self::Capture, PaymentStatus::Authorized) => payment.amount.amount - payment.captured,
            (Self::Void, PaymentStatus::Authorized | PaymentStatus::RequiresAction) => {
                payment.amount.amount - payment.captured
            }
            (Self::Refund, PaymentStatus::Authorized | PaymentStatus::Captured) => payment.captured - payment.refunded,
            _ => 0,
        };
        (most > 0).then_some(most)
    }
}

impl Payment {
    /// Minor units that are taken or promised and not given back.
    pub(crate) fn held(&self) -> i64 {
        match self.status {
            PaymentStatus::Authorized => self.amount.amount - self.refunded,
            PaymentStatus::Captured => self.captured - self.refunded,
            _ => 0,
        }
    }

    /// Minor units that are promised and not taken.
    pub(crate) fn promised(&self) -> i64 {
        match self.status {
            PaymentStatus::Authorized => self.amount.amount - self.captured,
            _ => 0,
        }
    }

    /// What becomes of the payment when an operation on it has succeeded: its status, and how much of it is taken.
    /// `is_final` of a capture after which nothing more can be taken. `None` where news of the provider have come first:
    /// then the payment is what they have made of it.
    pub(crate) fn after(&self, kind: OperationKind, amount: i64, is_final: bool) -> Option<(PaymentStatus, i64)> {
        let after = match kind {
            OperationKind::Refund => return Some((self.status, self.captured)),
            OperationKind::Capture if self.status != PaymentStatus::Authorized => return None,
            OperationKind::Capture => {
                let captured = self.captured + amount;
                match is_final || captured >= self.amount.amount {
                    true => (PaymentStatus::Captured, captured),
                    false => return Some((PaymentStatus::Authorized, captured)),
                }
            }
            OperationKind::Void if self.captured > 0 => (PaymentStatus::Captured, self.captured),
            OperationKind::Void => (PaymentStatus::Voided, 0),
        };
        self.status.may_become(after.0).then_some(after)
    }
}

/// Minor units that are missing for an order that is worth `due`.
pub(crate) fn outstanding(due: i64, payments: &[Payment]) -> i64 {
    (due - payments.iter().map(Payment::held).sum::<i64>()).max(0)
}

/// What has to be undone of payments so that no more is held than `due`: money is kept before promises, and what came first
/// before what came later. A promise of which a part is needed stays whole; only the part is taken. What waits for its buyer
/// is undone where nothing is missing.
pub(crate) fn surplus(due: i64, payments: &[Payment]) -> Vec<(PaymentId, OperationKind, i64)> {
    let mut missing = due;
    let mut undone = Vec::new();
    for payment in payments {
        let taken = payment.held() - payment.promised();
        let kept = taken.min(missing);
        missing -= kept;
        if taken > kept {
            undone.push((payment.id, OperationKind::Refund, taken - kept));
        }
    }
    for payment in payments {
        let is_needed = missing > 0;
        missing -= payment.promised().min(missing);
        let most = OperationKind::Void.most_for(payment);
        if let Some(most) = most.filter(|_| !is_needed) {
            undone.push((payment.id, OperationKind::Void, most));
        }
    }
    undone
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

    /// Derives the status of an order that is worth `due` minor units; one that costs nothing is paid from the start.
    pub(crate) fn of(payments: &[Payment], due: i64) -> Self {
        let any = |wanted: &dyn Fn(&Payment) -> bool| payments.iter().any(wanted);
        let captured: i64 = payments.iter().map(|payment| payment.captured).sum();
        let refunded: i64 = payments.iter().map(|payment| payment.refunded).sum();
        let held: i64 = payments.iter().map(Payment::held).sum();
        if captured > 0 && refunded >= captured && held <= 0 {
            return Self::Refunded;
        }
        if captured - refunded >= due {
            return match refunded {
                0 => Self::Captured,
                _ => Self::PartiallyRefunded,
            };
        }
        if held >= due {
            return Self::Authorized;
        }
        if any(&|payment| payment.status == PaymentStatus::Unknown) {
            return Self::Unknown;
        }
        if held > 0 || any(&|payment| payment.status.is_unresolved() || payment.status == PaymentStatus::RequiresAction)
        {
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

    fn any_payment() -> impl Strategy<Value = Payment> {
        (any_status(), 0..=100_i64, 0..=100_i64).prop_map(|(status, captured, refunded)| {
            let captured = match status {
                PaymentStatus::Authorized | PaymentStatus::Captured => captured,
                _ => 0,
            };
            payment(status, captured, refunded.min(captured))
        })
    }

    /// The payments when everything in `undone` has been done.
    fn after(mut payments: Vec<Payment>, undone: &[(PaymentId, OperationKind, i64)]) -> Vec<Payment> {
        for (id, kind, amount) in undone {
            let payment = payments.iter_mut().find(|payment| payment.id == *id).unwrap();
            assert!(
                kind.most_for(payment).is_some_and(|most| most >= *amount),
                "{kind:?} {amount} of {payment:?}"
            );
            if *kind == OperationKind::Refund {
                payment.refunded += amount;
            }
            (payment.status, payment.captured) = payment.after(*kind, *amount, false).unwrap();
        }
        payments
    }

    proptest! {
        #[test]
        fn what_is_undone_leaves_what_the_order_needs_and_no_money_beyond_it(
            due in 0..300_i64,
            payments in prop::collection::vec(any_payment(), 0..4),
        ) {
            let held = |payments: &[Payment]| payments.iter().map(Payment::held).sum::<i64>();
            let taken = |payments: &[Payment]| payments.iter().map(|payment| payment.captured - payment.refunded).sum::<i64>();
            let before = held(&payments);
            let left = after(payments.clone(), &surplus(due, &payments));
            prop_assert!(held(&left) >= before.min(due));
            prop_assert!(taken(&left) <= due);
            // Nothing is left to undo, and the last promise that is kept is needed beside the others.
            prop_assert_eq!(surplus(due, &left), vec![]);
            let last = left.iter().rev().map(Payment::promised).find(|promised| *promised > 0);
            prop_assert!(last.is_none_or(|promised| held(&left) - promised < due));
            if before <= due {
                prop_assert_eq!(held(&left), before);
            }
        }

        #[test]
        fn no_operation_moves_more_than_there_is(start in any_payment(), steps in prop::collection::vec((0..3_usize, 1..=100_i64, any::<bool>()), 0..8)) {
            let mut payment = start;
            for (kind, amount, is_final) in steps {
                let kind = [OperationKind::Capture, OperationKind::Void, OperationKind::Refund][kind];
                let Some(most) = kind.most_for(&payment) else { continue };
                let amount = if kind == OperationKind::Void { most } else { amount.min(most) };
                if kind == OperationKind::Refund {
                    payment.refunded += amount;
                }
                let (status, captured) = payment.after(kind, amount, is_final).unwrap();
                prop_assert!(payment.status == status || payment.status.may_become(status) || kind == OperationKind::Void);
                (payment.status, payment.captured) = (status, captured);
                prop_assert!(0 <= payment.refunded && payment.refunded <= payment.captured);
                prop_assert!(payment.captured <= payment.amount.amount);
                prop_assert!(payment.captured == 0 || matches!(status, PaymentStatus::Authorized | PaymentStatus::Captured));
            }
        }
    }

    #[test]
    fn what_the_provider_has_told_before_its_answer_stands() {
        let declined = payment(PaymentStatus::Failed, 0, 0);
        assert_eq!(declined.after(OperationKind::Void, 100, false), None);
        let voided = payment(PaymentStatus::Voided, 0, 0);
        assert_eq!(voided.after(OperationKind::Void, 100, false), None);
        let captured = payment(PaymentStatus::Captured, 100, 0);
        assert_eq!(captured.after(OperationKind::Capture, 100, true), None);
    }

    #[test]
    fn a_captured_payment_can_be_refunded_in_full_and_never_voided() {
        let captured = payment(PaymentStatus::Captured, 100, 0);
        assert_eq!(OperationKind::Refund.most_for(&captured), Some(100));
        assert_eq!(OperationKind::Void.most_for(&captured), None);
        let refunded = payment(PaymentStatus::Captured, 100, 100);
        assert_eq!(OperationKind::Refund.most_for(&refunded), None);
        assert_eq!(OperationKind::Capture.most_for(&refunded), None);
    }

    #[test]
    fn money_that_the_order_does_not_need_is_undone_and_the_rest_kept() {
        let captured = payment(PaymentStatus::Captured, 100, 0);
        let authorized = payment(PaymentStatus::Authorized, 0, 0);
        let waiting = payment(PaymentStatus::RequiresAction, 0, 0);
        let both = [authorized.clone(), captured.clone(), waiting.clone()];
        let undo_both = vec![
            (captured.id, OperationKind::Refund, 100),
            (authorized.id, OperationKind::Void, 100),
            (waiting.id, OperationKind::Void, 100),
        ];
        assert_eq!(surplus(0, &both), undo_both);
        let undo_promises = vec![
            (authorized.id, OperationKind::Void, 100),
            (waiting.id, OperationKind::Void, 100),
        ];
        assert_eq!(surplus(100, &both), undo_promises);
        assert_eq!(surplus(150, &both), vec![(waiting.id, OperationKind::Void, 100)]);
        assert_eq!(
            surplus(60, std::slice::from_ref(&captured)),
            vec![(captured.id, OperationKind::Refund, 40)]
        );
        // Only a part of the promise is needed, and only that is taken later.
        assert_eq!(surplus(60, &[authorized]), vec![]);
        assert_eq!(surplus(100, &[waiting]), vec![]);
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
                60,
                Of::PartiallyRefunded,
            ),
            (vec![payment(PaymentStatus::Captured, 100, 100)], 0, Of::Refunded),
            (vec![payment(PaymentStatus::Authorized, 40, 0)], 100, Of::Authorized),
            (vec![payment(PaymentStatus::Captured, 40, 0)], 100, Of::Pending),
            (vec![payment(PaymentStatus::Captured, 100, 0)], 120, Of::Pending),
            (vec![failed, payment(PaymentStatus::Voided, 0, 0)], 100, Of::Voided),
        ];
        for (payments, due, expected) in cases {
            assert_eq!(OrderPaymentStatus::of(&payments, due), expected, "{payments:?}");
        }
    }
}
