//! JSON with two spaces, as Go's `json.MarshalIndent` writes it, from JSON without any, in pieces of any size.

/// Where in the text we are.
#[derive(Clone, Debug, Default)]
pub struct Indent {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// A bracket was opened and nothing is in it yet.
    opened: bool,
}

// === impl Indent ===

impl Indent {
    /// Appends the next piece of a document. Line ends outside of strings are left out: the end of the document is one.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for byte in piece.iter().copied() {
            if self.in_string {
                out.push(byte);
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            if matches!(byte, b'}' | b']') {
                self.depth = self.depth.saturating_sub(1);
                if !std::mem::take(&mut self.opened) {
                    self.line(out);
                }
                out.push(byte);
                continue;
            }
            if byte == b'\n' {
                continue;
            }
            if std::mem::take(&mut self.opened) {
                self.line(out);
            }
            out.push(byte);
            match byte {
                b'{' | b'[' => {
                    self.depth += 1;
                    self.opened = true;
                }
                b',' => self.line(out),
                b':' => out.push(b' '),
                b'"' => self.in_string = true,
                _ => {}
            }
        }
    }

    fn line(&self, out: &mut Vec<u8>) {
        out.push(b'\n');
        out.resize(out.len() + 2 * self.depth, b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_give_the_same_lines() {
        let text = "{\"a\":{},\"b\":[],\"c\":[1,{\"d\":\"x,{}:\\\"\\\\\"}],\"e\":null}\n";
        let lines = "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": [\n    1,\n    {\n      \"d\": \"x,{}:\\\"\\\\\"\n    }\n  ],\n  \"e\": null\n}";
        for size in 1..text.len() {
            let (mut indent, mut out) = (Indent::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                indent.push(piece, &mut out);
            }
            assert_eq!(String::from_utf8(out).unwrap(), lines, "in pieces of {size}");
        }
    }
}
