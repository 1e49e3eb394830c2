//! Tokens of the nodes that form a ring. They start at once, and Cassandra (4.1 and later) works out the tokens of a node
//! from those that it knows: two nodes that know the same take the same, and one of them owns nothing from then on. So
//! each is told its own. Nodes that join later see all others, and take theirs as Cassandra works them out.

use serde_json::Value;

/// Where a node is among those that form the ring with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which one it is in its data center, from 0.
    pub in_dc: u32,
    /// How many form the ring in its data center.
    pub of_dc: u32,
    /// Which one it is of all, from 0.
    pub of_all: u32,
}

impl Place {
    /// Evenly spread tokens of `Murmur3Partitioner`, which none of the others has: what would be the same in two data
    /// centers is moved by a hair.
    pub fn tokens(self, count: u32) -> Vec<i64> {
        let all = u128::from(count) * u128::from(self.of_dc);
        let token = |turn: u32| {
            let place = u128::from(turn) * u128::from(self.of_dc) + u128::from(self.in_dc);
            let share = (place << 64) / all.max(1);
            // The lowest number is no token of a node.
            let token = i128::from(i64::MIN) + 1 + i128::from(self.of_all);
            i64::try_from(token + i128::try_from(share).unwrap_or_default()).unwrap_or(i64::MAX)
        };
        (0..count).map(token).collect()
    }
}

/// Number of tokens of a node without another one in its configuration: that of the images.
const DEFAULT: u32 = 16;

/// Number of tokens of the nodes of a rack with this configuration; none for a value that is no number.
pub fn number_of(config: &Value) -> Option<u32> {
    match &config["cassandra-yaml"]["num_tokens"] {
        Value::Null => Some(DEFAULT),
        number => u32::try_from(number.as_u64()?).ok(),
    }
}

/// Writes the tokens into `cassandra.yaml`, unless the user chose some, or tokens of another kind.
pub fn choose(yaml: &mut Value, place: Place) {
    let partitioner = yaml["partitioner"].as_str().unwrap_or_default();
    let other_kind = !partitioner.is_empty() && !partitioner.ends_with("Murmur3Partitioner");
    let count = yaml["num_tokens"].as_u64();
    let Some(count) = count.and_then(|count| u32::try_from(count).ok()) else {
        return;
    };
    if other_kind || !yaml["initial_token"].is_null() {
        return;
    }
    let tokens: Vec<String> = place.tokens(count).iter().map(i64::to_string).collect();
    yaml["initial_token"] = tokens.join(",").into();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn no_two_nodes_have_a_token_in_common_and_each_owns_as_much() {
        for racks in [[1, 1], [3, 3], [3, 2], [2, 1]] {
            let mut all = BTreeSet::new();
            let mut of_all = 0;
            for of_dc in racks {
                let mut in_one: Vec<(i64, u32)> = Vec::new();
                for in_dc in 0..of_dc {
                    let tokens = Place {
                        in_dc,
                        of_dc,
                        of_all,
                    }
                    .tokens(16);
                    assert_eq!(tokens.len(), 16);
                    in_one.extend(tokens.iter().map(|token| (*token, in_dc)));
                    all.extend(tokens);
                    of_all += 1;
                }
                in_one.sort_unstable();
                let turns: Vec<u32> = in_one.iter().map(|(_, node)| *node).collect();
                let wanted: Vec<u32> = (0..16).flat_map(|_| 0..of_dc).collect();
                assert_eq!(turns, wanted, "they take turns around the ring");
            }
            assert_eq!(all.len(), 16 * of_all as usize);
            assert!(!all.contains(&i64::MIN));
        }
    }

    #[test]
    fn the_user_has_the_last_word() {
        let place = Place {
            in_dc: 0,
            of_dc: 1,
            of_all: 0,
        };
        let chosen = |mut yaml: Value| {
            choose(&mut yaml, place);
            yaml["initial_token"].clone()
        };
        assert_eq!(
            chosen(json!({ "num_tokens": 2 })),
            json!("-9223372036854775807,1")
        );
        assert_eq!(
            chosen(json!({ "num_tokens": 1, "initial_token": "5" })),
            json!("5")
        );
        assert_eq!(chosen(json!({})), Value::Null);
        let random = "org.apache.cassandra.dht.RandomPartitioner";
        assert_eq!(
            chosen(json!({ "num_tokens": 1, "partitioner": random })),
            Value::Null
        );
    }
}
