//! JSON files that tools are given, refused with the words that Kafka's tools have for a field that is not there or is
//! of another kind.

use serde_json::Value;

/// The words of a file that is no JSON object.
pub fn field<'a>(value: &'a Value, name: &str) -> Result<&'a Value, String> {
    if !value.is_object() {
        return Err(format!("Expected JSON object, received {value}"));
    }
    value.get(name).ok_or_else(|| format!("No such field exists: `{name}`"))
}

pub fn array(value: &Value) -> Result<&[Value], String> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| format!("Expected JSON array, received {value}"))
}

pub fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("Expected `String` value, received {value}"))
}

pub fn integer(value: &Value) -> Result<i32, String> {
    let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| format!("Expected `Integer` value, received {value}"))
}

/// All of a file.
pub fn file(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|_| format!("Unable to read file {path}"))
}

/// Those that stand more than once, each once, in their order.
pub fn twice<T: PartialEq + Clone>(all: &[T]) -> Vec<T> {
    let mut found: Vec<T> = Vec::new();
    for (at, one) in all.iter().enumerate() {
        if all.iter().take(at).any(|before| before == one) && !found.contains(one) {
            found.push(one.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_or_of_another_kind_is_said() {
        let row = json!({ "topic": "t", "partition": "x" });
        assert_eq!(field(&row, "topic").and_then(text), Ok("t"));
        for (found, words) in [
            (field(&row, "replicas").err(), "No such field exists: `replicas`"),
            (field(&json!(1), "topic").err(), "Expected JSON object, received 1"),
            (field(&row, "partition").and_then(integer).err(), "Expected `Integer` value, received \"x\""),
            (array(&json!({})).err(), "Expected JSON array, received {}"),
            (text(&json!([1])).err(), "Expected `String` value, received [1]"),
        ] {
            assert_eq!(found.as_deref(), Some(words));
        }
        assert_eq!(twice(&[1, 2, 1, 3, 1, 2]), [1, 2]);
    }
}
