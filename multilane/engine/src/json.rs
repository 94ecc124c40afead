//! JSON as values: what cargo writes, and our own small files.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter, Write as _};
use std::ops::Index;

use hifijson::token::Lex as _;
use hifijson::value::Value;

/// A value.
#[derive(Debug, Default, PartialEq)]
pub enum Json {
    #[default]
    Null,
    Bool(bool),
    /// In its digits: cargo's hashes need all 64 bits.
    Number(String),
    String(String),
    Array(Vec<Json>),
    /// In the order in which it was written.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// `None` where the text is not one value, or one that is nested too deeply for the stack.
    pub(crate) fn read(text: &[u8]) -> Option<Json> {
        const DEPTH_MAX: usize = 100;
        let mut lexer = hifijson::SliceLexer::new(text);
        let value = lexer.exactly_one(hifijson::SliceLexer::ws_peek, |next, lexer| {
            hifijson::value::parse_bounded(DEPTH_MAX, next, lexer)
        });
        Some(value.ok()?.into())
    }

    pub fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
        Json::Object(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// `None` where this is no object, or has no field of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        let Json::Object(fields) = self else { return None };
        fields.iter().find_map(|(field, value)| (field == name).then_some(value))
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Json::String(text) = self { Some(text) } else { None }
    }

    pub(crate) fn as_u64(&self) -> Option<u64> {
        if let Json::Number(digits) = self { digits.parse().ok() } else { None }
    }

    pub(crate) fn as_array(&self) -> Option<&[Json]> {
        if let Json::Array(items) = self { Some(items) } else { None }
    }
}

impl From<Value<&str, Cow<'_, str>>> for Json {
    fn from(value: Value<&str, Cow<'_, str>>) -> Json {
        match value {
            Value::Null => Json::Null,
            Value::Bool(is) => Json::Bool(is),
            Value::Number((digits, _)) => Json::Number(digits.to_owned()),
            Value::String(text) => Json::String(text.into_owned()),
            Value::Array(items) => items.into_iter().map(Json::from).collect(),
            Value::Object(fields) => {
                let owned =
                    |(name, value): (Cow<'_, str>, _)| (name.into_owned(), Json::from(value));
                Json::Object(fields.into_iter().map(owned).collect())
            }
        }
    }
}

/// `Null` stands for what is missing.
impl Index<&str> for Json {
    type Output = Json;

    fn index(&self, name: &str) -> &Json {
        self.get(name).unwrap_or(&Json::Null)
    }
}

impl Index<usize> for Json {
    type Output = Json;

    fn index(&self, index: usize) -> &Json {
        self.as_array().and_then(|items| items.get(index)).unwrap_or(&Json::Null)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::String(text.to_owned())
    }
}

impl From<Cow<'_, str>> for Json {
    fn from(text: Cow<'_, str>) -> Json {
        Json::String(text.into_owned())
    }
}

impl From<&String> for Json {
    fn from(text: &String) -> Json {
        Json::String(text.clone())
    }
}

impl From<bool> for Json {
    fn from(is: bool) -> Json {
        Json::Bool(is)
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Json {
        Json::Number(number.to_string())
    }
}

impl From<usize> for Json {
    fn from(number: usize) -> Json {
        Json::Number(number.to_string())
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Json {
        value.map_or(Json::Null, Into::into)
    }
}

impl<T: Into<Json>> FromIterator<T> for Json {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Json {
        Json::Array(items.into_iter().map(Into::into).collect())
    }
}

/// On one line.
impl Display for Json {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(is) => write!(f, "{is}"),
            Json::Number(digits) => f.write_str(digits),
            Json::String(text) => quoted(text, f),
            Json::Array(items) => {
                f.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { "," })?;
                }
                f.write_char(']')
            }
            Json::Object(fields) => {
                f.write_char('{')?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    quoted(name, f)?;
                    write!(f, ":{value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

/// hifijson's own leaves some control characters as they are, and does not read them again.
fn quoted(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\0'..='\x1f' => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn what_is_written_is_read() {
        let all_control: String = ('\0'..='\x7f').chain("\u{2028}é🦀".chars()).collect();
        let value = Json::object([
            (&all_control, all_control.as_str().into()),
            ("list", [u64::MAX, 0].into_iter().collect()),
            ("nothing", None::<u64>.into()),
            ("empty", Json::object([])),
            ("is", true.into()),
        ]);
        let text = value.to_string();
        assert_eq!(Json::read(text.as_bytes()), Some(value));
        let by_serde: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(by_serde[&all_control], *all_control);
        assert_eq!(by_serde["list"][0], u64::MAX);
    }

    #[test]
    fn what_others_write_is_read_or_refused() {
        let text = br#" { "a\/\u00e9\ud83e\udd80" : [ -1.5e3 , "x" , null , { } ] } "#;
        let value = Json::read(text).expect("JSON");
        assert_eq!(value["a/é🦀"][1].as_str(), Some("x"));
        assert_eq!(value["a/é🦀"][0].as_u64(), None);
        assert_eq!(value["b"]["c"][7], Json::Null);
        let deep = "[".repeat(1_000_000);
        let bad =
            ["", "{", "{} {}", r#"{"a":1,}"#, r#""\ud800""#, "01", "1.", "nul", "\"a\nb\"", &deep];
        for text in bad {
            assert_eq!(Json::read(text.as_bytes()), None, "{text:.20}");
        }
        assert_eq!(Json::read(b"\"\xff\""), None);
    }
}
