//! Values of JMX, parsed from an answer while it arrives. Only the parts that are used are kept, and not more than
//! [`MAX_ENTRIES`] of a list. An attribute that cannot be read has an object with an error as its value
//! (`ignoreErrors`), so a value of another type is skipped and counts as absent.

use std::{collections::BTreeSet, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// Most entries of a list or a map: more than a ring has nodes, or a node has keyspaces, streams and snapshots. The
/// shortest entry takes three bytes of an answer but more than fifty of memory.
pub(super) const MAX_ENTRIES: usize = 8 * 1024;

fn too_many<E: Error>() -> E {
    E::custom(format_args!("a list has more than {MAX_ENTRIES} entries"))
}

/// Implements the methods of a visitor that skip a value of another type.
macro_rules! skip {
    ($($method:ident: $type:ty),*) => {
        $(fn $method<E>(self, _: $type) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        })*
    };
    (seq) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            while entries.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
    (map) => {
        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
    (null) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
}

/// Declares a lenient value: its type, its visitor and the parsed types.
macro_rules! lenient {
    ($(#[$meta:meta])* $name:ident($type:ty) { $($body:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Default, PartialEq, Eq)]
        pub(super) struct $name(pub(super) $type);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Any;

                impl<'de> Visitor<'de> for Any {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a value of JMX")
                    }

                    $($body)*
                    skip!(null);
                }

                deserializer.deserialize_any(Any)
            }
        }
    };
}

lenient! {
    /// A text.
    Text(Option<String>) {
        fn visit_str<E>(self, text: &str) -> Result<Text, E> {
            Ok(Text(Some(text.to_owned())))
        }
        skip!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
        skip!(seq);
        skip!(map);
    }
}

lenient! {
    /// A truth value.
    Flag(bool) {
        fn visit_bool<E>(self, flag: bool) -> Result<Flag, E> {
            Ok(Flag(flag))
        }
        skip!(visit_str: &str, visit_i64: i64, visit_u64: u64, visit_f64: f64);
        skip!(seq);
        skip!(map);
    }
}

lenient! {
    /// An integer.
    Number(Option<i64>) {
        fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
            Ok(Number(Some(number)))
        }
        fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
            Ok(Number(i64::try_from(number).ok()))
        }
        skip!(visit_str: &str, visit_bool: bool, visit_f64: f64);
        skip!(seq);
        skip!(map);
    }
}

lenient! {
    /// The number of entries of a list.
    Count(Option<usize>) {
        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Count, A::Error> {
            let mut count = 0;
            while entries.next_element::<IgnoredAny>()?.is_some() {
                count += 1;
            }
            Ok(Count(Some(count)))
        }
        skip!(visit_str: &str, visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
        skip!(map);
    }
}

lenient! {
    /// The texts of a list.
    Texts(Vec<String>) {
        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Texts, A::Error> {
            let mut texts = Vec::new();
            while let Some(Text(text)) = entries.next_element()? {
                texts.extend(text);
                if texts.len() > MAX_ENTRIES {
                    return Err(too_many());
                }
            }
            Ok(Texts(texts))
        }
        skip!(visit_str: &str, visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
        skip!(map);
    }
}

lenient! {
    /// The entries of a map whose values are texts.
    TextMap(Vec<(String, String)>) {
        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<TextMap, A::Error> {
            let mut texts = Vec::new();
            while let Some((key, Text(text))) = entries.next_entry::<String, Text>()? {
                texts.extend(text.map(|text| (key, text)));
                if texts.len() > MAX_ENTRIES {
                    return Err(too_many());
                }
            }
            Ok(TextMap(texts))
        }
        skip!(visit_str: &str, visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
        skip!(seq);
    }
}

/// The keys of a map.
#[derive(Debug, Default)]
pub(super) struct Keys(pub(super) BTreeSet<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Keys, A::Error> {
                let mut keys = BTreeSet::new();
                while let Some((key, IgnoredAny)) = entries.next_entry()? {
                    keys.insert(key);
                    if keys.len() > MAX_ENTRIES {
                        return Err(too_many());
                    }
                }
                Ok(Keys(keys))
            }
        }

        deserializer.deserialize_map(Map)
    }
}

/// A list of values that must all be of one type.
#[derive(Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seq<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Seq<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<List<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(entry) = entries.next_element()? {
                    list.push(entry);
                    if list.len() > MAX_ENTRIES {
                        return Err(too_many());
                    }
                }
                Ok(List(list))
            }
        }

        deserializer.deserialize_seq(Seq(PhantomData))
    }
}
