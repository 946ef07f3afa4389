//! The properties. `JANGTEO_SEQUENCES` says how many sequences, `JANGTEO_SEED` where to begin; a
//! failure prints the seed of its sequence, and the fewest steps that show it.

use jangteo::{Durability, Engine};
use jangteo_gateway::access::Access;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use redis::ProtocolVersion::{RESP2, RESP3};

use super::face::Face;
use super::operation::{Operation, operations};
use crate::shop::{OPENS_MS, Shop, campaign_file};
use crate::tokens::{Guarded, claims, token};

/// Sequences of each property, if nothing else is said.
const SEQUENCES: u64 = 100;

const RULES: &str = "hold_ttl = \"2m\"\nlimit_per_customer = 4\nareas = [\"seoul\"]";
const ITEMS: &str = r#"
[[items]]
sku = "a"
title = "a"
price = 1000
stock = 9
gift = { sku = "g", quantity = 1, required = false }
[[items]]
sku = "b"
title = "b"
price = 500
stock = 4
limit_per_customer = 2
[[items]]
sku = "free"
title = "free"
price = 0
stock = "unlimited"
[[gifts]]
sku = "g"
title = "g"
stock = 3
"#;

fn file() -> String {
    let opens = "opens = \"2020-04-29T10:00:00\"";
    campaign_file(RULES, ITEMS).replace(opens, &format!("{opens}\ncloses_after = \"2h\""))
}

fn open(access: Access) -> Shop {
    let options = Engine::options().durability(Durability::Memory);
    Shop::guarded(options, OPENS_MS - 1_000, &file(), access, None)
}

/// Plays sequences on new faces until they differ or enough were played.
fn play(faces: impl Fn() -> Vec<Face>, callers: usize) {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (sequences, first) = (number("JANGTEO_SEQUENCES", SEQUENCES), number("JANGTEO_SEED", 1));
    let config = || Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: 500,
        ..Config::default()
    };
    let step = operations().prop_flat_map(move |operations| {
        let callers = prop::collection::vec(0..callers, operations.len());
        (Just(operations), callers)
    });
    for seed in first..first + sequences {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(config(), rng);
        let same = |(operations, callers): (Vec<Operation>, Vec<usize>)| {
            compare(&mut faces(), &operations, &callers)
        };
        if let Err(difference) = runner.run(&step, same) {
            panic!("JANGTEO_SEED={seed}: {difference}");
        }
    }
}

fn compare(
    faces: &mut [Face],
    operations: &[Operation],
    callers: &[usize],
) -> Result<(), TestCaseError> {
    for (at, (operation, caller)) in operations.iter().zip(callers).enumerate() {
        let mut outcomes = faces.iter_mut().map(|face| face.run(operation, *caller));
        let first = outcomes.next().unwrap();
        for (face, outcome) in (1..).zip(outcomes) {
            prop_assert_eq!(&outcome, &first, "face {}, step {}: {:?}", face, at, operation);
        }
    }
    let state = |face: &Face| {
        let sale = face.shop.engine.sale("t-1").unwrap();
        assert!(sale.audit().wait().unwrap().ok);
        sale.view().0
    };
    let first = state(&faces[0]);
    for face in &faces[1..] {
        prop_assert_eq!(&state(face), &first);
    }
    Ok(())
}

#[test]
fn every_face_has_the_same_outcomes() {
    let faces = || {
        let shop = || open(Access::loopback());
        vec![
            Face::library(shop()),
            Face::http(shop(), &[None]),
            Face::resp(shop(), RESP2, &[None]),
            Face::resp(shop(), RESP3, &[None]),
        ]
    };
    play(faces, 1);
}

#[test]
fn every_wire_has_the_same_outcomes_for_the_same_credential() {
    let faces = || {
        let guarded = Guarded::open("", ITEMS, None);
        let customer = |name: &str| {
            let mut long = claims(name);
            long["exp"] = (OPENS_MS / 1_000 + 30 * 86_400).into();
            Some(token(&long))
        };
        let credentials = [Some(guarded.sell.clone()), customer("c-1"), customer("c-2")];
        let shop = || open(guarded.access.clone());
        vec![
            Face::http(shop(), &credentials),
            Face::resp(shop(), RESP2, &credentials),
            Face::resp(shop(), RESP3, &credentials),
        ]
    };
    play(faces, 3);
}
