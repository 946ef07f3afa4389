//! The description of the interface, and what is served.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::clients::http;
use crate::shop::Shop;

/// The description, as it is served.
pub(crate) fn described() -> Value {
    let shop = Shop::open("", &[("a", 9)]);
    http(shop.service.http(), "GET /openapi.json", &[], "").json()
}

/// Path, method and description of every operation.
pub(crate) fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let methods = ["get", "put", "post", "delete", "patch", "head", "options", "trace"];
    paths
        .flat_map(|(path, item)| {
            let item = item.as_object().unwrap().iter();
            let item = item.filter(|(name, _)| methods.contains(&name.as_str()));
            item.map(|(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}

#[test]
fn every_route_is_described_and_what_is_described_is_served() {
    let document = described();
    assert_eq!(document["openapi"], "3.1.0");
    // Routes come from their descriptions, and in no other way.
    let router = include_str!("../../src/http/router.rs");
    assert_eq!(router.matches(".route(").count(), 0);
    let lists = router.split("routes!(").skip(1).map(|rest| rest.split(')').next().unwrap());
    let served: usize = lists.map(|list| list.split(',').count()).sum();
    let operations = operations(&document);
    assert_eq!(operations.len(), served);

    let shop = Shop::open("", &[("a", 9)]);
    for (path, method, _) in operations {
        let line = path.replace("{code}", "conflict").replace(['{', '}'], "");
        let answer =
            http(shop.service.http(), &format!("{} {line}", method.to_uppercase()), &[], "");
        assert_ne!(answer.status, 405, "{method} {path}");
        if answer.status == 404 && path != "/v1/events" {
            assert!(answer.code().starts_with("unknown_"), "{method} {path}: {answer:?}");
        }
    }
}

#[test]
fn every_operation_says_what_it_takes_and_how_it_is_answered() {
    let document = described();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let at = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{at}");
        assert!(operation["summary"].is_string() && operation["security"].is_array(), "{at}");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let in_path = parameters.iter().filter(|one| one["in"] == "path").count();
        assert_eq!(in_path, path.matches('{').count(), "{at}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{at}");
        for status in ["400", "401", "403", "406", "408", "413", "414", "431", "500", "503"] {
            assert!(responses.contains_key(status), "{at}: {status}");
        }
        for (status, response) in responses {
            for header in ["X-Request-Id", "Jangteo-Time"] {
                assert!(response["headers"][header].is_object(), "{at} {status} {header}");
            }
            if status.as_str() >= "400" {
                let content = response["content"].as_object().unwrap();
                assert_eq!(content.keys().collect::<Vec<_>>(), ["application/problem+json"]);
                let schema = &content["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{at} {status}");
            }
        }
    }
    let text = document.to_string();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once("#/components/schemas/") {
        let name = after.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name} is not described");
        rest = after;
    }
}

#[test]
fn every_code_that_can_be_told_is_explained() {
    let document = described();
    let schema = &document["components"]["schemas"]["Problem"];
    let text = schema.to_string();
    let codes = text.split("\"enum\":[").nth(1).unwrap().split(']').next().unwrap();
    let codes: Vec<&str> = codes.split(',').map(|code| code.trim_matches('"')).collect();
    assert!(codes.len() >= 28, "{codes:?}");
    let shop = Shop::open("", &[("a", 9)]);
    for code in codes {
        let meaning = http(shop.service.http(), &format!("GET /problems/{code}"), &[], "");
        assert_eq!((meaning.status, &meaning.json()["code"]), (200, &code.into()), "{code}");
    }
}
