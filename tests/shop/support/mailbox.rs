//! The mails of a store that has no server for them: the files that it writes.

use serde_json::{Value, json};

use super::{Store, eventually};

/// The mails whose subject contains `subject`, once there is one: each as the file has it, without soft line breaks.
pub(crate) async fn mails(store: &Store, subject: &str) -> Vec<String> {
    let ask = || async { json!(all(store)) };
    let has = |text: &Value| {
        text.as_str()
            .unwrap()
            .lines()
            .any(|line| line.starts_with("Subject: ") && line.contains(subject))
    };
    let seen = eventually(ask, |seen| seen.as_array().unwrap().iter().any(has)).await;
    let texts = seen.as_array().unwrap().iter().filter(|text| has(text));
    texts.map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// All mails that there are.
pub(crate) fn all(store: &Store) -> Vec<String> {
    let files = std::fs::read_dir(store.data_dir().join("mail"))
        .into_iter()
        .flatten()
        .flatten();
    let whole = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "eml"));
    whole
        .map(|file| readable(&std::fs::read_to_string(file.path()).unwrap()))
        .collect()
}

/// Quoted-printable text as it is meant (RFC 2045, section 6.7).
fn readable(mail: &str) -> String {
    let joined = mail.replace("=\r\n", "");
    let mut bytes = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match (first, byte) {
            (b'=', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).replace('\u{a0}', " ")
}
