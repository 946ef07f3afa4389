//! The sale commands over RESP, byte for byte.

use crate::clients::Resp;
use crate::shop::{OPENS_MS, Shop, items};

/// The id in a reply to `DROP.HOLD ... BRIEF`.
fn id_of(brief: &str) -> &str {
    brief.strip_prefix("$26 ").unwrap_or_else(|| panic!("{brief}"))
}

#[test]
fn a_hold_is_shown_as_a_map_or_as_its_flat_form() {
    let gift = "[[items]]\nsku = \"b\"\ntitle = \"b\"\nprice = 500\nstock = 9\n\
        gift = { sku = \"g\", quantity = 1, required = false }\n\
        [[gifts]]\nsku = \"g\"\ntitle = \"g\"\nstock = 9\n";
    let shop = Shop::at(OPENS_MS, "", &(items(&[("a", 9)]) + gift));
    let mut client = Resp::connect(shop.service.resp());
    let id = client.one("DROP.HOLD t-1 c-1 2 a 2 b 1 KEY k BRIEF");
    let id = id_of(&id);
    let hold = |replayed: u8, map: &str, state: &str, expires: i64, payment: &str| {
        format!(
            "{map} $2 id $26 {id} $5 state ${} {state} $6 number :1 $5 total :2500 \
             $13 expires_at_ms :{expires} $7 payment {payment} $8 replayed :{replayed} \
             $5 lines *4 $1 a :2 $1 b :1 $5 gifts *2 $1 g :1",
            state.len()
        )
    };
    let expires = i64::try_from(OPENS_MS).unwrap() + 600_000;
    let held = hold(0, "*18", "held", expires, "$-1");
    assert_eq!(
        client.one("DROP.HOLD t-1 c-1 2 b 1 a 2 KEY k"),
        hold(1, "*18", "held", expires, "$-1")
    );
    assert_eq!(client.one(&format!("DROP.GET {id}")), held);
    assert_eq!(client.one("DROP.FIND t-1 c-1"), format!("*1 {held}"));
    assert_eq!(client.one("DROP.FIND t-1 c-2"), "*0");
    shop.clock.advance(60_000);
    let extended = hold(0, "*18", "held", expires + 60_000, "$-1");
    assert_eq!(client.one(&format!("DROP.EXTEND {id}")), extended);
    let confirmed = hold(0, "*18", "confirmed", -1, "$3 p-1");
    assert_eq!(client.one(&format!("DROP.CONFIRM {id} p-1")), confirmed);
    client.one("HELLO 3");
    let confirmed = hold(0, "%9", "confirmed", -1, "$3 p-1");
    assert_eq!(client.one(&format!("DROP.CONFIRM {id} p-1")), confirmed);

    let other = client.one("DROP.HOLD t-1 c-2 1 a 1 BRIEF");
    let released = client.one(&format!("DROP.RELEASE {}", id_of(&other)));
    assert!(released.contains("$5 state $8 released $6 number :2"), "{released}");
    assert!(released.contains("$13 expires_at_ms :-1 $7 payment _ "), "{released}");
}

#[test]
fn an_order_comes_back_and_a_pause_hides_the_deadline() {
    let shop = Shop::open("", &[("a", 9), ("b", 2)]);
    let mut client = Resp::connect(shop.service.resp());
    let id = client.one("DROP.HOLD t-1 c-1 2 a 2 b 1 BRIEF");
    let id = id_of(&id);
    let expires = i64::try_from(OPENS_MS).unwrap() + 600_000;
    let deadline = |at: i64| format!("$13 expires_at_ms :{at} ");
    assert!(client.one(&format!("DROP.GET {id}")).contains(&deadline(expires)));
    shop.engine.sale("t-1").unwrap().pause().unwrap().wait().unwrap();
    let paused = client.one(&format!("DROP.GET {id}"));
    assert!(paused.contains("$4 held") && paused.contains(&deadline(-1)), "{paused}");
    assert_eq!(client.one("DROP.HOLD t-1 c-2 1 a 1"), "-PAUSED");
    assert_eq!(client.one("DROP.HOLD t-1 c-2 1 a 1 BRIEF"), "$6 PAUSED");
    assert!(
        client.one("DROP.LIST PHASE paused").starts_with("*1 *8 $2 id $3 t-1 $5 phase $6 paused")
    );
    shop.clock.advance(5_000);
    shop.engine.sale("t-1").unwrap().resume().unwrap().wait().unwrap();
    assert!(client.one(&format!("DROP.GET {id}")).contains(&deadline(expires + 5_000)));

    assert_eq!(client.one(&format!("DROP.REFUND {id}")), "-WRONGSTATE");
    let order = client.one(&format!("DROP.CONFIRM {id} p-1"));
    // What came back is in the stock; the lines are those that were bought.
    assert_eq!(client.one(&format!("DROP.REFUND {id} ID r 1 a 1")), order);
    assert_eq!(client.one(&format!("DROP.REFUND {id} ID r 1 a 1")), order);
    assert_eq!(client.one(&format!("DROP.REFUND {id} ID r 1 a 2")), "-CONFLICT");
    assert_eq!(client.one(&format!("DROP.REFUND {id} 1 a 2")), "-WRONGSTATE");
    assert_eq!(client.one(&format!("DROP.REFUND {id} 1 z 1")), "-NOSKU");
    assert_eq!(client.one("DROP.REFUND none 1 a 1001"), "-ERR malformed: quantity");
    assert_eq!(client.one("DROP.REFUND none ID \u{e9}"), "-ERR malformed: refund");
    assert_eq!(client.one("DROP.REFUND none"), "-NOHOLD");
    assert_eq!((shop.units("a"), shop.units("b")), ((8, 0, 1), (1, 0, 1)));
    let all = order.replace("$9 confirmed", "$8 refunded");
    assert_eq!(client.one(&format!("DROP.REFUND {id} ID all")), all);
    assert_eq!(client.one(&format!("DROP.REFUND {id}")), all);
    assert_eq!((shop.units("a"), shop.units("b")), ((9, 0, 0), (2, 0, 0)));
}

#[test]
fn stock_and_drops_are_listed() {
    let shop = Shop::open("", &[("a", 9), ("b", 2)]);
    let mut client = Resp::connect(shop.service.resp());
    client.one("DROP.HOLD t-1 c-1 1 b 2");
    let a = "$3 sku $1 a $5 total :9 $9 available :9 $4 held :0 $4 sold :0";
    let b = "$3 sku $1 b $5 total :2 $9 available :0 $4 held :2 $4 sold :0";
    assert_eq!(client.one("DROP.STOCK t-1"), format!("*2 *10 {a} *10 {b}"));
    assert_eq!(client.one("DROP.STOCK t-1 b"), format!("*1 *10 {b}"));
    assert_eq!(client.one("DROP.STOCK t-1 z"), "-NOSKU");
    let next_ms = OPENS_MS + 86_400_000;
    let drop = |id, phase: &str, ms: u64| {
        let length = phase.len();
        format!("$2 id $3 {id} $5 phase ${length} {phase} $8 sold_out :0 $11 opens_at_ms :{ms}")
    };
    let (one, two) = (drop("t-1", "open", OPENS_MS), drop("t-2", "scheduled", next_ms));
    assert_eq!(client.one("DROP.LIST"), format!("*2 *8 {one} *8 {two}"));
    assert_eq!(client.one("DROP.LIST PHASE scheduled"), format!("*1 *8 {two}"));
    assert_eq!(client.one("DROP.LIST LIMIT 1"), format!("*1 *8 {one}"));
    assert_eq!(client.one("DROP.LIST AFTER t-1"), format!("*1 *8 {two}"));
    assert_eq!(client.one("DROP.LIST AFTER t-9"), "-NODROP");
    assert_eq!(client.one("DROP.LIST PHASE ajar"), "-ERR malformed: phase");
    assert_eq!(client.one("DROP.LIST LIMIT 1001"), "-ERR malformed: limit");
    client.one("HELLO 3");
    assert_eq!(client.one("DROP.STOCK t-1 a"), format!("*1 %5 {a}"));
    assert_eq!(client.one("DROP.LIST LIMIT 1"), format!("*1 %4 {one}"));
}

#[test]
fn the_first_check_that_fails_answers() {
    let shop = Shop::open("limit_per_customer = 3\nareas = [\"seoul\"]", &[("a", 4)]);
    let mut client = Resp::connect(shop.service.resp());
    let id = client.one("DROP.HOLD t-1 c-1 1 a 3 KEY k AREA seoul BRIEF");
    let id = id_of(&id).to_owned();
    let opens_ms = OPENS_MS + 86_400_000;
    let table = [
        ("DROP.HOLD nope c-1 1 a 1001 KEY k".to_owned(), "-ERR malformed: quantity".to_owned()),
        ("DROP.HOLD nope c-1 1 a 0".to_owned(), "-ERR malformed: quantity".to_owned()),
        (format!("DROP.HOLD nope {} 1 a 1", "c".repeat(65)), "-ERR malformed: customer".to_owned()),
        (
            format!("DROP.HOLD nope c 1 a 1 KEY {}", "k".repeat(129)),
            "-ERR malformed: key".to_owned(),
        ),
        ("DROP.HOLD nope c-1 1 a 1 KEY k".to_owned(), "-NODROP".to_owned()),
        ("DROP.HOLD t-1 c-1 1 z 9 KEY k".to_owned(), "-KEYREUSED".to_owned()),
        ("DROP.HOLD t-2 c-1 1 z 9 KEY k".to_owned(), format!("-NOTOPEN opens_at_ms={opens_ms}")),
        ("DROP.HOLD t-1 c-2 1 z 9 KEY k".to_owned(), "-NOSKU".to_owned()),
        ("DROP.HOLD t-1 c-2 1 a 9 KEY k AREA busan".to_owned(), "-NOAREA".to_owned()),
        ("DROP.HOLD t-1 c-2 1 a 9 KEY k".to_owned(), "-NOAREA".to_owned()),
        ("DROP.HOLD t-1 c-1 1 a 9 AREA seoul".to_owned(), format!("-LIMIT hold={id}")),
        ("DROP.HOLD t-1 c-2 1 a 2 AREA seoul".to_owned(), "-SOLDOUT available=1".to_owned()),
        ("DROP.GET nope".to_owned(), "-NOHOLD".to_owned()),
        (format!("DROP.GET {}", "0".repeat(26)), "-NOHOLD".to_owned()),
        (format!("DROP.CONFIRM nope {}", "p".repeat(129)), "-ERR malformed: payment".to_owned()),
        (format!("DROP.CONFIRM {id}"), "-ERR malformed: payment".to_owned()),
        ("DROP.FIND nope c-1".to_owned(), "-NODROP".to_owned()),
        (format!("DROP.FIND nope {}", "c".repeat(65)), "-ERR malformed: customer".to_owned()),
        ("DROP.STOCK nope".to_owned(), "-NODROP".to_owned()),
    ];
    for (command, expected) in table {
        assert_eq!(client.one(&command), expected, "{command}");
        let brief = format!("{command} BRIEF");
        if command.starts_with("DROP.HOLD") && !expected.starts_with("-ERR") {
            let word = expected[1..].split(' ').next().unwrap();
            assert_eq!(client.one(&brief), format!("${} {word}", word.len()), "{brief}");
        } else if command.starts_with("DROP.HOLD") {
            assert_eq!(client.one(&brief), expected, "{brief}");
        }
    }
    assert_eq!(shop.units("a"), (1, 3, 0));
}

#[test]
fn what_became_of_a_hold_decides_what_can() {
    let shop = Shop::open("", &[("a", 9)]);
    let mut client = Resp::connect(shop.service.resp());
    let mut hold = || client.one("DROP.HOLD t-1 c-1 1 a 1 BRIEF")[4..].to_owned();
    let (confirmed, released, expired) = (hold(), hold(), hold());
    client.one(&format!("DROP.CONFIRM {confirmed} p-1"));
    client.one(&format!("DROP.RELEASE {released}"));
    shop.clock.advance(600_000);
    assert_eq!(shop.engine.tick(), 1);
    let table = [
        (format!("DROP.CONFIRM {confirmed} p-2"), "-CONFLICT"),
        (format!("DROP.RELEASE {confirmed}"), "-WRONGSTATE"),
        (format!("DROP.EXTEND {confirmed}"), "-WRONGSTATE"),
        (format!("DROP.CONFIRM {released} p-1"), "-WRONGSTATE"),
        (format!("DROP.CONFIRM {expired} p-1"), "-EXPIRED"),
        (format!("DROP.EXTEND {expired}"), "-EXPIRED"),
    ];
    for (command, expected) in table {
        assert_eq!(client.one(&command), expected, "{command}");
    }
    assert_eq!(shop.units("a"), (8, 0, 1));
}

#[test]
fn a_sealed_drop_says_the_same_of_what_it_has_and_of_what_it_has_not() {
    let shop = Shop::at(OPENS_MS - 1, "limit_per_customer = 1", &items(&[("a", 9)]));
    let mut client = Resp::connect(shop.service.resp());
    let commands = [
        "DROP.HOLD t-1 c-1 1 SKU 1",
        "DROP.HOLD t-1 c-1 1 SKU 1000 KEY k BRIEF",
        "DROP.HOLD t-1 c-1 1 SKU 1001",
        "DROP.HOLD t-1 c-1 2 SKU 1 SKU 1",
        "DROP.STOCK t-1 SKU",
    ];
    for command in commands {
        let (real, none) = (command.replace("SKU", "a"), command.replace("SKU", "z"));
        assert_eq!(client.one(&real), client.one(&none), "{command}");
    }
    assert_eq!(client.one("DROP.STOCK t-1"), "*0");
    shop.clock.advance(1);
    assert_eq!(client.one("DROP.HOLD t-1 c-1 1 z 1"), "-NOSKU");
    assert!(client.one("DROP.HOLD t-1 c-1 1 a 1 BRIEF").starts_with("$26 "));
}

#[test]
fn replies_come_in_the_order_of_commands_although_grants_wait() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::on_disk(directory.path(), "limit_per_customer = 1", &[("a", 20)]);
    let mut client = Resp::connect(shop.service.resp());
    let (mut commands, mut expected) = (Vec::new(), Vec::new());
    for n in 0..60 {
        commands.push(format!("DROP.HOLD t-1 c-{n} 1 a 1 BRIEF"));
        expected.push(if n < 20 { "$26 ID" } else { "$7 SOLDOUT" }.to_owned());
        commands.push(format!("DROP.HOLD t-1 c-{} 1 a 1 BRIEF", n / 4));
        expected.push("$5 LIMIT".to_owned());
        commands.push(format!("ECHO {n}"));
        expected.push(format!("${} {n}", n.to_string().len()));
        commands.push("DROP.HOLD t-1 c-0 1 z 1 BRIEF".to_owned());
        expected.push("$5 NOSKU".to_owned());
    }
    let replies = client.all(&commands);
    let words: Vec<&str> = replies.split(' ').collect();
    let shown: Vec<String> = words
        .chunks(2)
        .map(|pair| if pair[0] == "$26" { "$26 ID".to_owned() } else { pair.join(" ") })
        .collect();
    assert_eq!(shown, expected);
    assert_eq!(shop.units("a"), (0, 20, 0));
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let first = {
        let shop = Shop::on_disk(directory.path(), "limit_per_customer = 1", &[("a", 3)]);
        let mut client = Resp::connect(shop.service.resp());
        client.one("DROP.HOLD t-1 c-1 1 a 1 KEY k")
    };
    let shop = Shop::on_disk(directory.path(), "limit_per_customer = 1", &[("a", 3)]);
    let mut client = Resp::connect(shop.service.resp());
    let again = client.one("DROP.HOLD t-1 c-1 1 a 1 KEY k");
    assert_eq!(again, first.replace("$8 replayed :0", "$8 replayed :1"));
    assert!(client.one("DROP.HOLD t-1 c-1 1 a 1 KEY k2").starts_with("-LIMIT hold="));
    assert_eq!(shop.units("a"), (2, 1, 0));
}
