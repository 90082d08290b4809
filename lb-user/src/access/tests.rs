//! Lists against what each address of a small world says.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use proptest::prelude::*;

use super::{AccessList, Admission, Prefix, Rule};

fn rule(text: &str) -> Rule {
    let (sign, net) = text.split_at(1);
    let admission = if sign == "+" { Admission::Allow } else { Admission::Deny };
    Rule { prefix: net.parse::<IpNet>().unwrap().into(), admission }
}

fn list(rules: &[&str]) -> AccessList {
    AccessList::new(rules.iter().map(|text| rule(text)).collect())
}

#[test]
fn prefixes_survive_the_way_through_a_key() {
    for text in ["0.0.0.0/0", "10.0.0.0/8", "192.0.2.7/32", "::/0", "2001:db8::/32", "2001:db8::1/128"] {
        let prefix = Prefix::from(text.parse::<IpNet>().unwrap());
        assert_eq!(prefix.to_string(), text);
        assert_eq!((Prefix::from_key(&prefix.key(7)), prefix.key(7).list()), (prefix, 7));
        assert_eq!(prefix.is_whole(), text.ends_with("/0"));
    }
}

#[test]
fn the_longest_prefix_decides() {
    let list = list(&["+10.0.0.0/8", "-10.1.0.0/16", "+10.1.2.0/24", "-0.0.0.0/0"]);
    for (client, prefix) in [
        ("10.1.2.3", "10.1.2.0/24"),
        ("10.1.3.3", "10.1.0.0/16"),
        ("10.2.0.1", "10.0.0.0/8"),
        ("11.0.0.1", "0.0.0.0/0"),
    ] {
        let decides = list.decides(client.parse().unwrap()).unwrap();
        assert_eq!(decides.prefix.to_string(), prefix, "{client}");
    }
    assert_eq!((list.count(Admission::Allow), list.count(Admission::Deny), list.size()), (2, 1, 3));
}

#[test]
fn who_lets_anybody_in() {
    for (rules, anybody) in [
        (&["+0.0.0.0/0"][..], true),
        (&["-0.0.0.0/0"], false),
        (&["-0.0.0.0/0", "+10.0.0.0/8"], true),
        (&["-0.0.0.0/0", "+10.0.0.0/8", "-10.0.0.0/9", "-10.128.0.0/9"], false),
        (&["-0.0.0.0/0", "+10.0.0.0/8", "-10.0.0.0/9", "-10.128.0.0/10"], true),
        (&["+0.0.0.0/0", "-0.0.0.0/1", "-128.0.0.0/1"], false),
        (&["+::/0", "-::/1", "-8000::/1"], false),
        (&["+::/0", "-::/1", "-8000::/2"], true),
        (&["+::/0", "-::/1", "-8000::/1", "+ffff::/128"], true),
    ] {
        assert_eq!(list(rules).admits_anybody(), anybody, "{rules:?}");
    }
}

proptest! {
    #[test]
    fn somebody_is_let_in_if_some_address_is(
        rules in prop::collection::vec((0u8..64, 26u8..=32, any::<bool>()), 0..24),
        open in any::<bool>(),
    ) {
        // A world of 64 addresses.
        let world = |last: u8| IpAddr::from(Ipv4Addr::new(192, 0, 2, last));
        let rule = |(last, length, allows)| Rule {
            prefix: IpNet::new(world(last), length).unwrap().into(),
            admission: if allows { Admission::Allow } else { Admission::Deny },
        };
        let mut rules: Vec<_> = rules.into_iter().map(rule).collect();
        rules.push(rule((0, 26, open)));
        let list = AccessList::new(rules);
        let admits = |last| list.decides(world(last)).is_some_and(|rule| rule.admission == Admission::Allow);
        prop_assert_eq!(list.admits_anybody(), (0..64).any(admits));
    }
}
