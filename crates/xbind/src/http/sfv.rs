//! Structured fields (RFC 9651): read strictly, written in their one canonical form.
//!
//! Stricter than the RFC in what no honest sender writes: a key that comes twice in a dictionary or in parameters is refused
//! instead of overwritten, and so is base64 without its padding or with bits left over.

use std::borrow::Cow;

use base64_simd::STANDARD;

/// A value without parameters (section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bare<'a> {
    /// Up to 15 digits (3.3.1).
    Integer(i64),
    /// In thousandths (3.3.2).
    Decimal(i64),
    /// Printable ASCII (3.3.3).
    String(Cow<'a, str>),
    /// A word (3.3.4).
    Token(&'a str),
    /// Base64 between colons (3.3.5).
    Bytes(Vec<u8>),
    /// `?0` or `?1` (3.3.6).
    Boolean(bool),
    /// Seconds since the epoch (3.3.7).
    Date(i64),
    /// Unicode (3.3.8).
    Display(String),
}

/// Keys with their values, in order, no key twice.
pub type Parameters<'a> = Vec<(&'a str, Bare<'a>)>;

/// A value with parameters (section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// The value.
    pub value: Bare<'a>,
    /// What is said about it.
    pub parameters: Parameters<'a>,
}

/// Items in parentheses (section 3.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InnerList<'a> {
    /// The items.
    pub items: Vec<Item<'a>>,
    /// What is said about all of them.
    pub parameters: Parameters<'a>,
}

/// What a dictionary holds under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member<'a> {
    /// One value.
    Item(Item<'a>),
    /// Several.
    List(InnerList<'a>),
}

/// Members by key, in order, no key twice (section 3.2).
pub type Dictionary<'a> = Vec<(&'a str, Member<'a>)>;

/// The most members of a dictionary, parameters of a value and items of a list: more than anybody signs with, and few enough
/// to be looked for one by one.
pub const MAX_MEMBERS: usize = 64;

/// Reads a dictionary (section 4.2.2); `None` for anything that is none. No text at all is an empty one.
#[must_use]
pub fn dictionary(text: &str) -> Option<Dictionary<'_>> {
    let mut reader = Reader::new(text)?;
    let mut members = Vec::new();
    while !reader.rest.is_empty() {
        let key = reader.key()?;
        if members.len() >= MAX_MEMBERS || contains(&members, key) {
            return None;
        }
        let member = if reader.eat('=') {
            reader.member()?
        } else {
            Member::Item(Item { value: Bare::Boolean(true), parameters: reader.parameters()? })
        };
        members.push((key, member));
        reader.skip(&[' ', '\t']);
        if reader.rest.is_empty() {
            break;
        }
        reader.expect(',')?;
        reader.skip(&[' ', '\t']);
        if reader.rest.is_empty() {
            return None;
        }
    }
    Some(members)
}

/// Reads one item (section 4.2.3); `None` for anything that is none.
#[must_use]
pub fn item(text: &str) -> Option<Item<'_>> {
    let mut reader = Reader::new(text)?;
    let item = reader.item()?;
    reader.rest.is_empty().then_some(item)
}

fn contains<T>(members: &[(&str, T)], key: &str) -> bool {
    members.iter().any(|(other, _)| *other == key)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Option<Self> {
        text.is_ascii().then(|| Self { rest: text.trim_matches(' ') })
    }

    fn eat(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, c: char) -> Option<()> {
        self.eat(c).then_some(())
    }

    fn skip(&mut self, any: &[char]) {
        self.rest = self.rest.trim_start_matches(any);
    }

    /// The longest beginning of such characters.
    fn take(&mut self, fits: impl Fn(u8) -> bool) -> &'a str {
        let end = self.rest.bytes().position(|byte| !fits(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        self.rest = rest;
        taken
    }

    fn key(&mut self) -> Option<&'a str> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte);
        let key = self.take(fits);
        key.starts_with(|c: char| c.is_ascii_lowercase() || c == '*').then_some(key)
    }

    fn member(&mut self) -> Option<Member<'a>> {
        if !self.rest.starts_with('(') {
            return self.item().map(Member::Item);
        }
        self.expect('(')?;
        let mut items = Vec::new();
        loop {
            self.skip(&[' ']);
            if self.eat(')') {
                return Some(Member::List(InnerList { items, parameters: self.parameters()? }));
            }
            items.push(self.item()?);
            if items.len() > MAX_MEMBERS || !self.rest.starts_with([' ', ')']) {
                return None;
            }
        }
    }

    fn item(&mut self) -> Option<Item<'a>> {
        Some(Item { value: self.bare()?, parameters: self.parameters()? })
    }

    fn parameters(&mut self) -> Option<Parameters<'a>> {
        let mut parameters = Vec::new();
        while self.eat(';') {
            self.skip(&[' ']);
            let key = self.key()?;
            let value = if self.eat('=') { self.bare()? } else { Bare::Boolean(true) };
            if parameters.len() >= MAX_MEMBERS || contains(&parameters, key) {
                return None;
            }
            parameters.push((key, value));
        }
        Some(parameters)
    }

    fn bare(&mut self) -> Option<Bare<'a>> {
        match self.rest.bytes().next()? {
            b'"' => self.string().map(Bare::String),
            b':' => self.bytes().map(Bare::Bytes),
            b'?' => self.boolean().map(Bare::Boolean),
            b'@' => self.date().map(Bare::Date),
            b'%' => self.display().map(Bare::Display),
            b'-' | b'0'..=b'9' => self.number(),
            b'*' | b'A'..=b'Z' | b'a'..=b'z' => Some(Bare::Token(
                self.take(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)),
            )),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Bare<'a>> {
        let sign = if self.eat('-') { -1 } else { 1 };
        let digits = self.take(|byte| byte.is_ascii_digit());
        let whole = |digits: &str| digits.parse::<i64>().ok()?.checked_mul(sign);
        if !self.eat('.') {
            return (digits.len() <= 15).then(|| whole(digits))?.map(Bare::Integer);
        }
        let fraction = self.take(|byte| byte.is_ascii_digit());
        if digits.is_empty() || digits.len() > 12 || fraction.is_empty() || fraction.len() > 3 {
            return None;
        }
        whole(&format!("{digits}{fraction:0<3}")).map(Bare::Decimal)
    }

    fn date(&mut self) -> Option<i64> {
        self.expect('@')?;
        let Bare::Integer(seconds) = self.number()? else { return None };
        Some(seconds)
    }

    fn boolean(&mut self) -> Option<bool> {
        self.expect('?')?;
        if self.eat('1') { Some(true) } else { self.expect('0').map(|()| false) }
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.expect('"')?;
        let plain = self.take(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
        if self.eat('"') {
            return Some(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        while self.eat('\\') {
            text.push(if self.eat('"') { '"' } else { self.expect('\\').map(|()| '\\')? });
            text.push_str(self.take(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'));
            if self.eat('"') {
                return Some(Cow::Owned(text));
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        self.expect(':')?;
        let text = self.take(|byte| byte != b':');
        self.expect(':')?;
        STANDARD.decode_to_vec(text).ok()
    }

    fn display(&mut self) -> Option<String> {
        self.expect('%')?;
        self.expect('"')?;
        let mut bytes = Vec::new();
        loop {
            let plain = self.take(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'%');
            bytes.extend_from_slice(plain.as_bytes());
            if self.eat('"') {
                return String::from_utf8(bytes).ok();
            }
            self.expect('%')?;
            let (digits, rest) = self.rest.split_at_checked(2)?;
            if !digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            self.rest = rest;
        }
    }
}

/// Appends an item (section 4.1.3).
pub fn write_item(out: &mut String, item: &Item<'_>) {
    write_bare(out, &item.value);
    write_parameters(out, &item.parameters);
}

/// Appends an inner list (section 4.1.1.1).
pub fn write_list(out: &mut String, list: &InnerList<'_>) {
    out.push('(');
    for (n, item) in list.items.iter().enumerate() {
        if n > 0 {
            out.push(' ');
        }
        write_item(out, item);
    }
    out.push(')');
    write_parameters(out, &list.parameters);
}

/// Appends what a dictionary holds under a key, as a component with `key` has it (RFC 9421 section 2.1.2).
pub fn write_member(out: &mut String, member: &Member<'_>) {
    match member {
        Member::Item(item) => write_item(out, item),
        Member::List(list) => write_list(out, list),
    }
}

fn write_parameters(out: &mut String, parameters: &Parameters<'_>) {
    for (key, value) in parameters {
        out.push(';');
        out.push_str(key);
        if *value != Bare::Boolean(true) {
            out.push('=');
            write_bare(out, value);
        }
    }
}

fn write_bare(out: &mut String, value: &Bare<'_>) {
    match value {
        Bare::Integer(number) => out.push_str(&number.to_string()),
        Bare::Decimal(thousandths) => write_decimal(out, *thousandths),
        Bare::String(text) => write_string(out, text),
        Bare::Token(word) => out.push_str(word),
        Bare::Bytes(bytes) => {
            out.push(':');
            STANDARD.encode_append(bytes, out);
            out.push(':');
        }
        Bare::Boolean(yes) => out.push_str(if *yes { "?1" } else { "?0" }),
        Bare::Date(seconds) => out.push_str(&format!("@{seconds}")),
        Bare::Display(text) => {
            out.push_str("%\"");
            for byte in text.bytes() {
                match byte {
                    b'%' | b'"' | ..b' ' | 0x7f.. => out.push_str(&format!("%{byte:02x}")),
                    _ => out.push(char::from(byte)),
                }
            }
            out.push('"');
        }
    }
}

/// Appends a string with its quotation marks; printable ASCII only.
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

fn write_decimal(out: &mut String, thousandths: i64) {
    let sign = if thousandths < 0 { "-" } else { "" };
    let digits = format!("{:04}", thousandths.unsigned_abs());
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(3));
    let fraction = fraction.trim_end_matches('0');
    out.push_str(&format!("{sign}{whole}.{}", if fraction.is_empty() { "0" } else { fraction }));
}
