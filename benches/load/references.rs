//! What the store is compared with. Measured before and after the store, because a machine is not equally fast all the time.

use std::fmt;
use std::time::Duration;

use crate::Outcome;
use crate::pgbench::Pgbench;
use crate::report::Row;
use crate::static_route::StaticRoute;

/// Rates per second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) static_route: f64,
    /// Of pgbench, where it is there.
    pub(crate) database: Option<DatabaseRates>,
}

/// Rates per second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DatabaseRates {
    pub(crate) selects: f64,
    pub(crate) orders: f64,
}

impl Rates {
    /// Measures each for `duration`.
    pub(crate) async fn measure(
        static_route: &StaticRoute,
        pgbench: Option<&Pgbench>,
        duration: Duration,
    ) -> Outcome<Self> {
        let static_route = static_route.measure(duration).await?.rate();
        let rates = |pgbench: &Pgbench| -> Outcome<DatabaseRates> {
            Ok(DatabaseRates {
                selects: pgbench.selects(duration)?,
                orders: pgbench.orders(duration)?,
            })
        };
        Ok(Self {
            static_route,
            database: pgbench.map(rates).transpose()?,
        })
    }

    /// The mean of two measurements.
    pub(crate) fn mean(self, other: Self) -> Self {
        let mean = |(one, two): (DatabaseRates, DatabaseRates)| DatabaseRates {
            selects: f64::midpoint(one.selects, two.selects),
            orders: f64::midpoint(one.orders, two.orders),
        };
        Self {
            static_route: f64::midpoint(self.static_route, other.static_route),
            database: self.database.zip(other.database).map(mean),
        }
    }

    /// The references as rows beside those of the store.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut rows = vec![Row::of_reference("static actix route", self.static_route)];
        if let Some(database) = self.database {
            rows.push(Row::of_reference("pgbench -S", database.selects));
            rows.push(Row::of_reference("pgbench order", database.orders));
        }
        rows
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "static route {:.0}", self.static_route)?;
        match &self.database {
            Some(database) => write!(
                formatter,
                ", selects {:.0}, orders {:.0}",
                database.selects, database.orders
            ),
            None => Ok(()),
        }
    }
}
