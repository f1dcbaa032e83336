//! The words of documents, by language.

use kernel::Locale;

use super::fonts::Pen;
use crate::domain::wording;

/// The words of a language.
pub(super) struct Labels {
    /// The language's tag.
    pub(super) language: &'static str,
    pub(super) invoice: &'static str,
    pub(super) credit_note: &'static str,
    pub(super) date: &'static str,
    pub(super) order: &'static str,
    pub(super) order_date: &'static str,
    /// Before the invoice that a credit note takes back a part of.
    pub(super) corrects: &'static str,
    pub(super) reason: &'static str,
    pub(super) tax_number: &'static str,
    pub(super) description: &'static str,
    pub(super) quantity: &'static str,
    pub(super) unit_price: &'static str,
    pub(super) discount: &'static str,
    pub(super) tax: &'static str,
    pub(super) net: &'static str,
    pub(super) gross: &'static str,
    pub(super) shipping: &'static str,
    /// Between a tax and what it is reckoned on.
    pub(super) on: &'static str,
    pub(super) total: &'static str,
    pub(super) gift_card: &'static str,
    pub(super) store_credit: &'static str,
    pub(super) due: &'static str,
    pub(super) includes_tax: &'static str,
    /// As article 226, 11a, of directive 2006/112/EC has it in the language.
    pub(super) reverse_charge: &'static str,
    pub(super) exempt: &'static str,
    /// With `{page}` and `{pages}` in it.
    page: &'static str,
}

impl Labels {
    /// Which page of how many it is.
    pub(super) fn page(&self, page: usize, pages: usize) -> String {
        self.page
            .replace("{pages}", &pages.to_string())
            .replace("{page}", &page.to_string())
    }

    fn all(&self) -> [&'static str; 25] {
        [
            self.invoice,
            self.credit_note,
            self.date,
            self.order,
            self.order_date,
            self.corrects,
            self.reason,
            self.tax_number,
            self.description,
            self.quantity,
            self.unit_price,
            self.discount,
            self.tax,
            self.net,
            self.gross,
            self.shipping,
            self.on,
            self.total,
            self.gift_card,
            self.store_credit,
            self.due,
            self.includes_tax,
            self.reverse_charge,
            self.exempt,
            self.page,
        ]
    }
}

/// The words in the language of `locale`, where there are some and the fonts have all their glyphs; else the English ones.
pub(super) fn of(locale: &Locale, pen: &Pen<'_>) -> &'static Labels {
    let known = |tag: &str| LANGUAGES.into_iter().find(|labels| labels.language == tag);
    let can_be_written = |labels: &&'static Labels| labels.all().iter().all(|text| pen.has_all(text));
    wording::wider(locale)
        .find_map(known)
        .filter(can_be_written)
        .unwrap_or(&ENGLISH)
}

static LANGUAGES: [&Labels; 4] = [&ENGLISH, &GERMAN, &FRENCH, &JAPANESE];

static ENGLISH: Labels = Labels {
    language: "en",
    invoice: "Invoice",
    credit_note: "Credit note",
    date: "Date",
    order: "Order",
    order_date: "Order date",
    corrects: "For invoice",
    reason: "Reason",
    tax_number: "Tax number",
    description: "Description",
    quantity: "Qty",
    unit_price: "Unit price",
    discount: "Discount",
    tax: "Tax",
    net: "Net",
    gross: "Gross",
    shipping: "Shipping",
    on: "on",
    total: "Total",
    gift_card: "Gift card",
    store_credit: "Store credit",
    due: "Amount due",
    includes_tax: "Unit prices and discounts include tax.",
    reverse_charge: "Reverse charge",
    exempt: "Exempt from tax",
    page: "Page {page} of {pages}",
};

// A "Gutschrift" is something else to a tax office: an invoice that the buyer writes (article 226, 10a).
static GERMAN: Labels = Labels {
    language: "de",
    invoice: "Rechnung",
    credit_note: "Rechnungskorrektur",
    date: "Datum",
    order: "Bestellung",
    order_date: "Bestelldatum",
    corrects: "Zur Rechnung",
    reason: "Grund",
    tax_number: "Steuernummer",
    description: "Bezeichnung",
    quantity: "Menge",
    unit_price: "Einzelpreis",
    discount: "Rabatt",
    tax: "Steuer",
    net: "Netto",
    gross: "Brutto",
    shipping: "Versand",
    on: "auf",
    total: "Gesamtbetrag",
    gift_card: "Gutschein",
    store_credit: "Guthaben",
    due: "Zahlbetrag",
    includes_tax: "Einzelpreise und Rabatte enthalten die Steuer.",
    reverse_charge: "Steuerschuldnerschaft des Leistungsempfängers",
    exempt: "Steuerfrei",
    page: "Seite {page} von {pages}",
};

static FRENCH: Labels = Labels {
    language: "fr",
    invoice: "Facture",
    credit_note: "Avoir",
    date: "Date",
    order: "Commande",
    order_date: "Date de commande",
    corrects: "Sur la facture",
    reason: "Motif",
    tax_number: "Numéro fiscal",
    description: "Désignation",
    quantity: "Qté",
    unit_price: "Prix unitaire",
    discount: "Remise",
    tax: "Taxe",
    net: "HT",
    gross: "TTC",
    shipping: "Livraison",
    on: "sur",
    total: "Total",
    gift_card: "Carte cadeau",
    store_credit: "Avoir en compte",
    due: "Net à payer",
    includes_tax: "Les prix unitaires et remises s’entendent toutes taxes comprises.",
    reverse_charge: "Autoliquidation",
    exempt: "Exonéré de taxe",
    page: "Page {page} sur {pages}",
};

static JAPANESE: Labels = Labels {
    language: "ja",
    invoice: "請求書",
    credit_note: "返還請求書",
    date: "発行日",
    order: "注文番号",
    order_date: "注文日",
    corrects: "対象の請求書",
    reason: "理由",
    tax_number: "登録番号",
    description: "品名",
    quantity: "数量",
    unit_price: "単価",
    discount: "値引き",
    tax: "税",
    net: "税抜",
    gross: "税込",
    shipping: "送料",
    on: "対象額",
    total: "合計",
    gift_card: "ギフトカード",
    store_credit: "ストアクレジット",
    due: "お支払額",
    includes_tax: "単価と値引きは税込みです。",
    reverse_charge: "リバースチャージ方式（買い手が納税義務者）",
    exempt: "非課税",
    page: "{page} / {pages} ページ",
};

#[cfg(test)]
mod tests {
    use super::super::fonts::Fonts;
    use super::*;

    #[test]
    fn documents_speak_the_language_of_their_order_where_they_can_be_written_in_it() {
        let fonts = Fonts::new(&[]).unwrap();
        let pen = fonts.pen().unwrap();
        for (locale, language) in [
            ("de-AT", "de"),
            ("fr", "fr"),
            ("en-GB", "en"),
            ("nl", "en"),
            ("ja", "en"),
        ] {
            assert_eq!(of(&locale.parse().unwrap(), &pen).language, language, "{locale}");
        }
        assert_eq!(GERMAN.page(2, 11), "Seite 2 von 11");
        for labels in LANGUAGES {
            assert!(labels.all().iter().all(|text| !text.is_empty()), "{}", labels.language);
        }
    }
}
