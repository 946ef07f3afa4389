//! The waiting line over RESP, byte for byte.

use crate::clients::Resp;
use crate::shop::Shop;

/// The id in a wait.
fn id_of(reply: &str) -> String {
    let words: Vec<&str> = reply.split(' ').collect();
    assert_eq!(words[1..4], ["$4", "wait", "$26"], "{reply}");
    words[4].to_owned()
}

fn shown(map: &str, id: &str, state: &str, place: i64) -> String {
    let length = state.len();
    format!("{map} $4 wait $26 {id} $5 state ${length} {state} $5 place :{place}")
}

#[test]
fn a_wait_is_shown_as_a_map_or_as_its_flat_form() {
    let shop = Shop::open("", &[("a", 1)]);
    let mut client = Resp::connect(shop.service.resp());
    assert!(client.one("DROP.HOLD t-1 c-1 1 a 1 WAIT BRIEF").starts_with("$26 "), "there is one");
    let joined = client.one("DROP.HOLD t-1 c-2 1 a 1 KEY k WAIT");
    let id = id_of(&joined);
    assert_eq!(joined, shown("*6", &id, "waiting", 1));
    assert_eq!(client.one("DROP.HOLD t-1 c-2 1 a 1 KEY k"), joined);
    assert_eq!(client.one(&format!("DROP.WAITING {id}")), joined);
    assert_eq!(client.one("DROP.HOLD t-1 c-2 1 a 2 KEY k WAIT"), "-KEYREUSED");
    for command in ["DROP.HOLD t-1 c-2 1 a 1 KEY k BRIEF", "DROP.HOLD t-1 c-3 1 a 1 BRIEF WAIT"] {
        assert_eq!(client.one(command), "$4 WAIT", "no id, which would be taken for a hold's");
    }
    assert_eq!(client.one("DROP.HOLD t-1 c-4 1 a 1 BRIEF"), "$7 SOLDOUT");
    assert_eq!(client.one("DROP.FIND t-1 c-2"), "*0");
    client.one("HELLO 3");
    assert_eq!(client.one(&format!("DROP.WAITING {id}")), shown("%3", &id, "waiting", 1));
}

#[test]
fn a_wait_is_granted_left_or_unknown() {
    let shop = Shop::open("", &[("a", 1)]);
    let mut client = Resp::connect(shop.service.resp());
    let taken = client.one("DROP.HOLD t-1 c-1 1 a 1 BRIEF").replace("$26 ", "");
    let first = id_of(&client.one("DROP.HOLD t-1 c-2 1 a 1 KEY k WAIT"));
    let second = id_of(&client.one("DROP.HOLD t-1 c-3 1 a 1 KEY k WAIT"));
    client.one(&format!("DROP.RELEASE {taken}"));
    assert_eq!(client.one(&format!("DROP.WAITING {first}")), shown("*6", &first, "granted", -1));
    assert_eq!(client.one(&format!("DROP.WAITING {second}")), shown("*6", &second, "waiting", 1));
    let hold = client.one("DROP.HOLD t-1 c-2 1 a 1 KEY k WAIT");
    assert!(hold.contains("$6 number :2 ") && hold.contains("$8 replayed :1"), "{hold}");
    assert_eq!(client.one(&format!("DROP.LEAVE {first}")), "-WRONGSTATE");
    for _ in 0..2 {
        assert_eq!(client.one(&format!("DROP.LEAVE {second}")), "+OK");
    }
    let left = shown("*6", &second, "left", -1);
    assert_eq!(client.one(&format!("DROP.WAITING {second}")), left);
    assert_eq!(client.one("DROP.HOLD t-1 c-3 1 a 1 KEY k WAIT"), left);
    for command in ["DROP.WAITING nope", "DROP.LEAVE nope", &format!("DROP.WAITING {taken}")] {
        assert_eq!(client.one(command), "-NOWAIT", "{command}");
    }
    assert_eq!(shop.units("a"), (0, 1, 0));
}
