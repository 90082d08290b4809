//! Single settings that are refused, and where and how errors say so.

use super::{SECOND_SERVICE, assert_cases, assert_errors, errors, parse, with_line};

#[test]
fn unknown_keys_suggest_the_nearest() {
    assert_cases(
        r#"
        1 | colour = 1\n[interface] | 1:1 | unknown key `colour` in the file
        9 | [hash]\nsecet = 'x' | 10:1 | unknown key `secet` in [hash]; did you mean `secret`?
        12 | flow = 65536 | 12:1 | unknown key `flow` in [limits]; did you mean `flows`?
        16 | prot = 80 | 16:1 | unknown key `prot` in [[service]]; did you mean `port`?
        22 | timeout = '30m' | 22:1 | in [service.persistence]; did you mean `idle_timeout`?
        28 | timout = '1s' | 28:1 | in [service.health]; did you mean `timeout`?
        33 | wieght = 100 | 33:1 | unknown key `wieght` in [[service.backend]]; did you mean `weight`?
        "#,
    );
    assert_errors("\"odd\\nkey\" = 1", &[("1:1", "unknown key `odd\\nkey` in the file")]);
}

#[test]
fn missing_keys_are_missed_where_their_table_begins() {
    assert_cases(
        r#"
        2 | # | 1:1 | `names` is missing in [interface]
        14 | # | 13:1 | `name` is missing in [[service]]
        15 | # | 13:1 | `address` is missing in [[service]]
        16 | # | 13:1 | `port` is missing in [[service]]
        30 | # | 29:1 | `name` is missing in [[service.backend]]
        31 | # | 29:1 | `address` is missing in [[service.backend]]
        "#,
    );
}

#[test]
fn wrong_types() {
    assert_cases(
        r#"
        2 | names = 'eth0' | 2:9 | names must be a list, not a string
        2 | names = ['eth0', 1] | 2:18 | names must be a string, not an integer
        2 | names = ['eth0']\nclaim = 'yes' | 3:9 | claim must be true or false, not a string
        12 | flows = 65536.0 | 12:9 | flows must be an integer, not a float
        14 | name = 2020-01-01 | 14:8 | name must be a string, not a date
        16 | port = '80' | 16:8 | port "80" is neither a number nor "any"
        22 | idle_timeout = 30 | 22:16 | idle_timeout must be a string, not an integer
        "#,
    );
    assert_errors("service = 1", &[("1:11", "service must be a list of tables, not an integer")]);
    assert_errors("[service]\nname = 'web'", &[("1:1", "service must be a list of tables, not a table")]);
    assert_errors("interface = 3", &[("1:13", "interface must be a table, not an integer")]);
    assert_errors("interface = {names = ['e']}\nservice = [1]", &[("2:12", "service must be a table")]);
}

#[test]
fn bounds_and_formats() {
    assert_cases(
        r#"
        3 | mode = 'drivr' | 3:8 | unknown mode "drivr"; did you mean "driver"?
        5 | source = ['10.0.0.300'] | 5:11 | "10.0.0.300" is not an IP address
        6 | ports = '1024' | 6:9 | "1024" is not a range of ports
        6 | ports = '1024-70000' | 6:9 | is not a range of ports
        8 | listen = '127.0.0.1' | 8:10 | is not an address and port
        8 | listen = '127.0.0.1:0' | 8:10 | has port 0
        12 | flows = -1 | 12:9 | flows -1 is out of range
        12 | flows = 9223372036854775808 | 12:9 | flows 9223372036854775808 is out of range
        12 | flows = 0xff | 12:9 | flows 0xff is out of range
        12 | slots = 511 | 12:9 | slots 511 is out of range
        16 | port = 0 | 16:8 | port 0 is out of range
        16 | port = 65536 | 16:8 | port 65536 is out of range
        17 | protocol = 'tpc' | 17:12 | unknown protocol "tpc"; did you mean "tcp"?
        17 | protocol = 'sctp-over-udp' | 17:12 | unknown protocol
        19 | slots = 128 | 19:9 | slots 128 is out of range
        19 | slots = 131072 | 19:9 | slots 131072 is out of range
        22 | idle_timeout = '30' | 22:16 | idle_timeout "30" is not a duration
        22 | idle_timeout = '500ms' | 22:16 | idle_timeout 500ms is out of range
        22 | idle_timeout = '31d' | 22:16 | out of range
        22 | prefix_v4 = 33 | 22:13 | prefix_v4 33 is out of range
        22 | prefix_v6 = 0 | 22:13 | prefix_v6 0 is out of range
        25 | type = 'htp' | 25:8 | unknown type "htp"; did you mean "http"?
        27 | interval = '8d' | 27:12 | out of range
        28 | timeout = '99ms' | 28:11 | timeout 99ms is out of range
        28 | rise = 0 | 28:8 | rise 0 is out of range
        28 | fall = 101 | 28:8 | fall 101 is out of range
        32 | port = 0 | 32:8 | port 0 is out of range
        33 | weight = 65536 | 33:10 | weight 65536 is out of range
        33 | weight = 0 | 33:10 | weight 0 would leave the backend without clients
        "#,
    );
}

#[test]
fn names() {
    assert_cases(
        r#"
        2 | names = [] | 2:9 | names is empty
        2 | names = [''] | 2:10 | "" can't be the name of an interface
        2 | names = ['sixteen-letters-'] | 2:10 | can't be the name of an interface
        2 | names = ['a/b'] | 2:10 | can't be the name of an interface
        2 | names = ['..'] | 2:10 | can't be the name of an interface
        2 | names = ['eth0', 'eth0'] | 2:18 | interface "eth0" is already listed at line 2
        14 | name = '' | 14:8 | "" can't be a name
        14 | name = 'a b' | 14:8 | "a b" can't be a name
        14 | name = 'café' | 14:8 | can't be a name
        30 | name = 'web/1' | 30:8 | "web/1" can't be a name
        "#,
    );
    let named = |length| with_line(14, &format!("name = '{}'", "n".repeat(length)));
    parse(&named(63), "f").unwrap();
    assert_errors(&named(64), &[("14:8", "can't be a name")]);
}

#[test]
fn addresses_that_no_host_has() {
    assert_cases(
        r"
        5 | source = ['0.0.0.0'] | 5:11 | the unspecified address
        5 | source = ['10.0.0.2', 'ff02::1'] | 5:23 | a multicast address
        15 | address = '0.0.0.0' | 15:11 | the unspecified address
        15 | address = '255.255.255.255' | 15:11 | the broadcast address
        15 | address = '239.1.2.3' | 15:11 | a multicast address
        15 | address = '127.0.0.2' | 15:11 | a loopback address
        31 | address = '0.0.0.0' | 31:11 | the unspecified address
        31 | address = '127.0.0.1' | 31:11 | a loopback address
        ",
    );
    let v6 = |address| SECOND_SERVICE.replace("192.0.2.11", address).replace("10.0.0.21", "2001:db8::21");
    let interface = "interface = {names = ['eth0']}";
    parse(&(interface.to_owned() + "\n" + &v6("2001:db8::10")), "f").unwrap();
    for (address, what) in [
        ("::", "the unspecified address"),
        ("::1", "a loopback address"),
        ("ff02::1", "a multicast address"),
        ("::ffff:10.0.0.2", "an IPv4 address in IPv6 notation"),
    ] {
        assert_errors(&(interface.to_owned() + "\n" + &v6(address)), &[("4:11", what)]);
    }
}

#[test]
fn what_a_later_version_is_to_have() {
    assert_errors(
        &with_line(25, "type = 'https'"),
        &[("25:8", "type \"https\" is not supported by this version")],
    );
    let help = |line, text| errors(&with_line(line, text)).as_slice()[0].help.clone();
    assert_eq!(help(25, "type = 'https'"), r#"give "tcp", "http" or "none""#);
}
