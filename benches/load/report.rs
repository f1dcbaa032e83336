//! What is printed at the end: one table in Markdown, figures, and the aims.

use crate::references::Rates;

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Per second.
    pub(crate) rate: f64,
    pub(crate) detail: Option<Detail>,
}

/// What is only known of rows of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Detail {
    /// Milliseconds within which half of all turns were done.
    pub(crate) median: f64,
    /// Milliseconds within which 99 % of all turns were done.
    pub(crate) slowest: f64,
    /// Microseconds of processor time per turn, until all that follows from the turns was done.
    pub(crate) store: f64,
    pub(crate) postgres: f64,
    pub(crate) client: f64,
    /// Of the processor time that was used meanwhile, the share that was used by others.
    pub(crate) elsewhere: f64,
}

impl Row {
    pub(crate) fn of_reference(name: &'static str, rate: f64) -> Self {
        Self {
            name,
            rate,
            detail: None,
        }
    }

    fn cells(&self, references: &Rates) -> [String; 11] {
        let detail = |tell: fn(&Detail) -> String| self.detail.as_ref().map_or_else(String::new, tell);
        let database = |rate: fn(&Rates) -> Option<f64>| match rate(references) {
            Some(reference) => ratio(self.rate / reference),
            None => String::new(),
        };
        [
            self.name.to_owned(),
            format!("{:.0}", self.rate),
            detail(|detail| format!("{:.1}", detail.median)),
            detail(|detail| format!("{:.1}", detail.slowest)),
            detail(|detail| format!("{:.0}", detail.store)),
            detail(|detail| format!("{:.0}", detail.postgres)),
            detail(|detail| format!("{:.0}", detail.client)),
            detail(|detail| format!("{:.0} %", detail.elsewhere * 100.0)),
            ratio(self.rate / references.static_route),
            database(|rates| Some(rates.database?.selects)),
            database(|rates| Some(rates.database?.orders)),
        ]
    }
}

/// A goal: something that was measured, and what it should be.
#[derive(Clone, Debug)]
pub(crate) struct Aim {
    pub(crate) name: &'static str,
    /// `None` where it could not be measured.
    pub(crate) measured: Option<f64>,
    pub(crate) bound: Bound,
    pub(crate) unit: &'static str,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtLeast(f64),
    Below(f64),
}

impl Aim {
    fn line(&self) -> String {
        let (met, wanted) = match self.bound {
            Bound::AtLeast(bound) => (
                self.measured.map(|measured| measured >= bound),
                format!("at least {bound}"),
            ),
            Bound::Below(bound) => (self.measured.map(|measured| measured < bound), format!("under {bound}")),
        };
        let measured = self.measured.map_or_else(|| "not measured".to_owned(), ratio);
        let verdict = match met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "-",
        };
        format!(
            "{verdict:>7}  {}: {measured}{}, aim {wanted}{}",
            self.name, self.unit, self.unit
        )
    }
}

/// Prints the table.
pub(crate) fn print_table(rows: &[Row], references: &Rates) {
    let head = [
        "row",
        "/s",
        "p50 ms",
        "p99 ms",
        "store us",
        "pg us",
        "client us",
        "elsewhere",
        "of static",
        "of pgbench -S",
        "of pgbench order",
    ];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| row.cells(references)));
    let widths: Vec<usize> = (0..head.len())
        .map(|column| lines.iter().map(|cells| cells[column].len()).max().unwrap_or_default())
        .collect();
    for (number, cells) in lines.iter().enumerate() {
        let padded = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
        println!("| {} |", padded.collect::<Vec<_>>().join(" | "));
        if number == 0 {
            let rules = widths.iter().enumerate().map(|(column, width)| match column {
                0 => "-".repeat(*width),
                _ => format!("{}:", "-".repeat(width - 1)),
            });
            println!("| {} |", rules.collect::<Vec<_>>().join(" | "));
        }
    }
}

/// Prints the aims, and whether they are met.
pub(crate) fn print_aims(aims: &[Aim]) {
    aims.iter().for_each(|aim| println!("{}", aim.line()));
}

/// Three digits that say something.
fn ratio(value: f64) -> String {
    match value.abs() {
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        0.1.. => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}
