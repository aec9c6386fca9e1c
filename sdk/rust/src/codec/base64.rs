//! Base64 with padding, RFC 4648 §4, read strictly.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BAD: u8 = 0xFF;

const fn values() -> [u8; 256] {
    let mut values = [BAD; 256];
    let mut at = 0;
    while at < 64 {
        values[DIGITS[at] as usize] = at as u8;
        at += 1;
    }
    values
}

static VALUES: [u8; 256] = values();

/// Append the text of some bytes.
pub fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = (u32::from(chunk[0]) << 16)
            | (u32::from(*chunk.get(1).unwrap_or(&0)) << 8)
            | u32::from(*chunk.get(2).unwrap_or(&0));
        let digit = |shift: u32| DIGITS[((word >> shift) & 63) as usize];
        let third = if chunk.len() > 1 { digit(6) } else { b'=' };
        let fourth = if chunk.len() > 2 { digit(0) } else { b'=' };
        out.extend_from_slice(&[digit(18), digit(12), third, fourth]);
    }
}

/// The bytes of a text; `None` where it is not base64 with padding.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() % 4 != 0 {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let last = text.len() / 4;
    for (at, chunk) in text.chunks_exact(4).enumerate() {
        let padding = if at + 1 == last { chunk.iter().rev().take_while(|byte| **byte == b'=').count() } else { 0 };
        if padding > 2 {
            return None;
        }
        let mut word = 0u32;
        for byte in &chunk[..4 - padding] {
            let value = VALUES[*byte as usize];
            if value == BAD {
                return None;
            }
            word = (word << 6) | u32::from(value);
        }
        word <<= 6 * padding;
        let bytes = [(word >> 16) as u8, (word >> 8) as u8, word as u8];
        if bytes[3 - padding..].iter().any(|byte| *byte != 0) {
            return None; // bits that no byte holds
        }
        out.extend_from_slice(&bytes[..3 - padding]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn it_reads_what_it_writes_and_nothing_else() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            let mut out = Vec::new();
            encode(bytes.as_bytes(), &mut out);
            assert_eq!(out, text.as_bytes());
            assert_eq!(decode(text.as_bytes()).unwrap(), bytes.as_bytes());
        }
        for bad in ["Z", "Zg", "Zg=", "Zh==", "Zg==Zg==", "====", "Z===", "Zm9v\n", "Zm 9v===", "Zm9_"] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
    }
}
