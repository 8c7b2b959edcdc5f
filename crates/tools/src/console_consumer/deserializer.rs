//! Kafka's deserializers for what people look at.

/// What bytes are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deserializer {
    /// Printed as they are.
    Bytes,
    Text,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
    Uuid,
    Void,
}

impl Deserializer {
    /// By the class name.
    pub fn named(class: &str) -> Result<Deserializer, String> {
        let name = class.strip_prefix("org.apache.kafka.common.serialization.").unwrap_or_default();
        match name.strip_suffix("Deserializer").unwrap_or_default() {
            "String" => Ok(Deserializer::Text),
            "Short" => Ok(Deserializer::Short),
            "Integer" => Ok(Deserializer::Integer),
            "Long" => Ok(Deserializer::Long),
            "Float" => Ok(Deserializer::Float),
            "Double" => Ok(Deserializer::Double),
            "Boolean" => Ok(Deserializer::Boolean),
            "UUID" => Ok(Deserializer::Uuid),
            "Void" => Ok(Deserializer::Void),
            "ByteArray" | "Bytes" | "ByteBuffer" => Ok(Deserializer::Bytes),
            _ => Err(format!("{class}: no such deserializer")),
        }
    }

    /// Adds the value's text.
    pub fn write(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let text = match self {
            Deserializer::Bytes => {
                out.extend_from_slice(bytes);
                return Ok(());
            }
            Deserializer::Text => {
                out.extend_from_slice(String::from_utf8_lossy(bytes).as_bytes());
                return Ok(());
            }
            Deserializer::Short => i16::from_be_bytes(sized(bytes, "Short")?).to_string(),
            Deserializer::Integer => i32::from_be_bytes(sized(bytes, "Integer")?).to_string(),
            Deserializer::Long => i64::from_be_bytes(sized(bytes, "Long")?).to_string(),
            Deserializer::Float => format!("{:?}", f32::from_be_bytes(sized(bytes, "Float")?)),
            Deserializer::Double => format!("{:?}", f64::from_be_bytes(sized(bytes, "Double")?)),
            Deserializer::Boolean => match bytes {
                [0] => "false".to_owned(),
                [1] => "true".to_owned(),
                [other] => return Err(format!("Unexpected byte received by BooleanDeserializer: {other}")),
                _ => return Err("Size of data received by BooleanDeserializer is not 1".to_owned()),
            },
            Deserializer::Uuid => String::from_utf8_lossy(bytes).into_owned(),
            Deserializer::Void => return Err("Data should be null for a VoidDeserializer.".to_owned()),
        };
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

fn sized<const N: usize>(bytes: &[u8], name: &str) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| format!("Size of data received by {name}Deserializer is not {N}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_java_shows_them() {
        for (class, bytes, text) in [
            ("Integer", &[0, 0, 1, 0][..], Ok("256")),
            ("Long", &[255; 8], Ok("-1")),
            ("Double", &[0x3f, 0xf0, 0, 0, 0, 0, 0, 0], Ok("1.0")),
            ("Boolean", &[1], Ok("true")),
            ("String", b"a\xff", Ok("a\u{fffd}")),
            ("Integer", &[1], Err("Size of data received by IntegerDeserializer is not 4")),
        ] {
            let class = format!("org.apache.kafka.common.serialization.{class}Deserializer");
            let mut out = Vec::new();
            let found = Deserializer::named(&class).unwrap().write(bytes, &mut out);
            let found = found.map(|()| String::from_utf8(out).unwrap());
            assert_eq!(found.as_deref().map_err(String::as_str), text, "{class}");
        }
        assert!(Deserializer::named("foo.Bar").is_err());
    }
}
