//! Answers of the API server without `metadata.managedFields`. Nothing of the operator reads them; they are half of an answer,
//! and a decoded entry takes many times the memory of its text, for each of its levels is a map. The API server cannot leave
//! them out, so they are taken out of the text.

use http_body_util::BodyExt;
use hyper::{
    Response,
    body::{Body, Bytes},
    header::CONTENT_TYPE,
};

/// The list whose content is dropped.
const LIST: &[u8] = b"managedFields";
/// The object that has the list.
const PARENT: &[u8] = b"metadata";
/// Bytes of a name that are kept: any longer name is neither of both.
const LONGEST: usize = LIST.len() + 1;

/// An answer whose lists of managed fields are empty. An answer that is not JSON stays as it is.
pub fn without_managed_fields<B>(
    response: Response<B>,
) -> Response<impl Body<Data = Bytes, Error = B::Error> + Send + 'static>
where
    B: Body<Data = Bytes> + Send + 'static,
{
    let kind = response.headers().get(CONTENT_TYPE);
    let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    response.map(|body| {
        let mut filter = Filter::default();
        body.map_frame(move |frame| {
            frame.map_data(|bytes| if is_json { filter.pass(bytes) } else { bytes })
        })
    })
}

/// The place in a JSON text, or in several that follow each other; its bytes arrive in pieces.
#[derive(Default)]
struct Filter {
    text: Text,
    /// The beginning of the last text.
    name: Vec<u8>,
    next: Next,
    /// Lists and objects around the place.
    depth: usize,
    /// Depth inside the innermost `metadata`; 0 outside.
    metadata: usize,
    /// Depth inside the list that is dropped; 0 outside.
    dropped: usize,
}

/// Whether the place is in a text.
#[derive(Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    /// Behind a backslash.
    Escaped,
}

/// The part of the text that may follow.
#[derive(Default, PartialEq, Eq)]
enum Next {
    #[default]
    Anything,
    /// A colon, if the text was a name.
    Colon,
    /// The value of the name.
    Value,
}

impl Filter {
    /// The bytes that are kept of the next ones.
    fn pass(&mut self, bytes: Bytes) -> Bytes {
        let mut kept = Vec::new();
        // The beginning of bytes that are kept as they are.
        let mut from = (self.dropped == 0).then_some(0);
        let mut is_whole = from.is_some();
        for (at, &byte) in bytes.iter().enumerate() {
            self.step(byte);
            match (from, self.dropped > 0) {
                // The bracket stays.
                (Some(begin), true) => {
                    kept.extend_from_slice(bytes.get(begin..=at).unwrap_or_default());
                    (from, is_whole) = (None, false);
                }
                (None, false) => from = Some(at),
                (Some(_), false) | (None, true) => {}
            }
        }
        if is_whole {
            return bytes;
        }
        let rest = from.and_then(|begin| bytes.get(begin..));
        kept.extend_from_slice(rest.unwrap_or_default());
        kept.into()
    }

    fn step(&mut self, byte: u8) {
        match self.text {
            Text::Escaped => self.text = Text::Inside,
            Text::Inside => match byte {
                b'"' => {
                    self.text = Text::Outside;
                    self.next = Next::Colon;
                }
                b'\\' => {
                    self.text = Text::Escaped;
                    self.spell(byte);
                }
                _ => self.spell(byte),
            },
            Text::Outside => self.outside(byte),
        }
    }

    /// Neither name has an escaped character: a text with one is another one.
    fn spell(&mut self, byte: u8) {
        if self.name.len() < LONGEST {
            self.name.push(byte);
        }
    }

    fn outside(&mut self, byte: u8) {
        let is_value = self.next == Next::Value;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => return,
            b'"' => {
                self.text = Text::Inside;
                self.name.clear();
            }
            b':' if self.next == Next::Colon => {
                self.next = Next::Value;
                return;
            }
            b'{' => {
                self.depth += 1;
                if is_value && self.dropped == 0 && self.name == PARENT {
                    self.metadata = self.depth;
                }
            }
            b'[' => {
                let is_in_metadata = self.depth > 0 && self.metadata == self.depth;
                self.depth += 1;
                if is_value && self.dropped == 0 && is_in_metadata && self.name == LIST {
                    self.dropped = self.depth;
                }
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth < self.metadata {
                    self.metadata = 0;
                }
                if self.depth < self.dropped {
                    self.dropped = 0;
                }
            }
            _ => {}
        }
        self.next = Next::Anything;
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn filtered<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut filter = Filter::default();
        let kept = pieces.into_iter().map(Bytes::copy_from_slice);
        kept.flat_map(|piece| filter.pass(piece).to_vec()).collect()
    }

    /// The same for a decoded text.
    fn emptied(value: &mut Value) {
        match value {
            Value::Array(all) => all.iter_mut().for_each(emptied),
            Value::Object(fields) => {
                if let Some(Value::Object(metadata)) = fields.get_mut("metadata")
                    && let Some(Value::Array(list)) = metadata.get_mut("managedFields")
                {
                    list.clear();
                }
                fields.values_mut().for_each(emptied);
            }
            _ => {}
        }
    }

    fn list() -> Value {
        let managed = json!([{
            "manager": "casskop-operator", "operation": "Apply",
            "fieldsV1": { "f:status": { "k:{\"type\":\"]Ready\\\"}": { ".": {}, "f:type": {} } } },
        }]);
        let object = json!({
            "metadata": { "name": "demo", "managedFields": managed, "labels": { "managedFields": "[" } },
            "spec": { "managedFields": [1], "template": { "metadata": { "labels": {} }, "managedFields": [2] } },
        });
        json!({ "kind": "List", "metadata": { "resourceVersion": "7" }, "items": [object, object] })
    }

    #[test]
    fn only_the_lists_of_the_metadata_are_emptied_wherever_the_text_is_cut() {
        let mut expected = list();
        emptied(&mut expected);
        assert_eq!(expected["items"][1]["metadata"]["managedFields"], json!([]));
        assert_eq!(expected["items"][1]["spec"], list()["items"][1]["spec"]);
        for text in [
            list().to_string(),
            serde_json::to_string_pretty(&list()).unwrap(),
        ] {
            let text = text.as_bytes();
            for cut in 0..text.len() {
                let (first, second) = text.split_at(cut);
                let kept = filtered([first, second]);
                let kept: Value = serde_json::from_slice(&kept).unwrap();
                assert_eq!(kept, expected, "{cut}");
            }
        }
    }

    #[test]
    fn the_events_of_a_watch_follow_each_other() {
        let event = |managed: Value| json!({ "type": "ADDED", "object": { "metadata": { "managedFields": managed, "name": "demo" } } });
        let text = format!("{}\n{}\n", event(json!([{ "a": "]" }])), event(json!([1])));
        let expected = format!("{0}\n{0}\n", event(json!([])));
        let kept = filtered(text.as_bytes().chunks(5));
        assert_eq!(String::from_utf8(kept).unwrap(), expected);
    }

    #[tokio::test]
    async fn an_answer_that_is_not_json_stays_as_it_is() {
        let text = r#""metadata":{"managedFields":[1]}"#;
        let text = format!("{{{text}}}");
        let mut kept = Vec::new();
        for kind in ["text/plain", "application/json"] {
            let response = Response::builder().header(CONTENT_TYPE, kind);
            let response = response.body(Full::new(Bytes::from(text.clone()))).unwrap();
            let body = without_managed_fields(response).into_body();
            let bytes = body.collect().await.unwrap().to_bytes();
            kept.push(String::from_utf8(bytes.to_vec()).unwrap());
        }
        assert_eq!(
            kept,
            [text, r#"{"metadata":{"managedFields":[]}}"#.to_owned()]
        );
    }

    #[tokio::test]
    async fn the_pieces_of_one_answer_belong_together() {
        let pieces = [r#"{"metadata":{"managed"#, r#"Fields":[{"a":1"#, "}", "]}}"];
        let frames = pieces.map(|piece| Ok::<_, std::io::Error>(Frame::data(Bytes::from(piece))));
        let body = StreamBody::new(futures::stream::iter(frames));
        let response = Response::builder().header(CONTENT_TYPE, "application/json");
        let response = without_managed_fields(response.body(body).unwrap());
        let kept = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(kept, r#"{"metadata":{"managedFields":[]}}"#);
    }

    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => Just("metadata".to_owned()),
            3 => Just("managedFields".to_owned()),
            1 => Just("managedFields2".to_owned()),
            2 => "[a\"\\\\\\[\\]{}:,é\n]{0,6}",
        ]
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            texts().prop_map(Value::from),
            Just(json!(-1.5)),
            Just(Value::Null)
        ];
        leaf.prop_recursive(6, 60, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(texts(), inner, 0..4)
                    .prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    /// The names inside of a list that is dropped are not those of an object that has one.
    fn whole(value: &Value) -> Value {
        let mut value = value.clone();
        emptied(&mut value);
        value
    }

    proptest! {
        #[test]
        fn any_text_is_filtered_as_its_value_would_be(value in values(), size in 1_usize..40) {
            let text = value.to_string();
            let kept = filtered(text.as_bytes().chunks(size));
            let kept: Value = serde_json::from_slice(&kept).unwrap();
            // Inside of `metadata`, a second one ends the place of the first one: at most less is dropped.
            prop_assert_eq!(whole(&kept), whole(&value));
        }

        #[test]
        fn any_bytes_pass(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            filtered(bytes.chunks(7));
        }
    }
}
