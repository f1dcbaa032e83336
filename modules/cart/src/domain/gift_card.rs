//! Gift cards and store credit: money that was paid, or granted, before.

use kernel::keys::random_bytes;
use sha2::{Digest, Sha256};

/// The characters of codes: those that nobody takes for each other (Crockford's base 32, <https://www.crockford.com/base32.html>).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What is kept of a code, as somebody has typed it: spaces, hyphens and capitals do not matter, nor do characters that look
/// alike. Codes have 80 random bits, so that nobody finds one by trying, with the hashes or without.
pub(crate) fn gift_card_hash(typed: &str) -> Vec<u8> {
    let kept = typed.chars().filter(|character| character.is_ascii_alphanumeric());
    let normal: String = kept.map(|character| normal(character.to_ascii_uppercase())).collect();
    Sha256::digest(normal.as_bytes()).to_vec()
}

/// A new code: four groups of four characters.
pub(crate) fn new_gift_card_code() -> String {
    let characters: Vec<char> = random_bytes(16)
        .into_iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect();
    let groups: Vec<String> = characters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

fn normal(character: char) -> char {
    match character {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_however_it_is_typed() {
        let code = new_gift_card_code();
        assert_eq!(code.len(), 19);
        let typed = code
            .replace('-', " ")
            .to_lowercase()
            .replace('0', "o")
            .replace('1', "l");
        assert_eq!(gift_card_hash(&code), gift_card_hash(&typed));
        assert_ne!(gift_card_hash(&code), gift_card_hash(&new_gift_card_code()));
    }
}
