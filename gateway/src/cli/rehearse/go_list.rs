//! The list that says go or no-go.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value};

/// What a point of the list says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// It is as it must be.
    Go,
    /// Somebody has to look: it may be as it must be, or it cannot be told from here.
    Look,
    /// The sale would go wrong.
    NoGo,
}

/// One point.
#[derive(Debug, Serialize)]
pub(super) struct Point {
    check: &'static str,
    answer: Answer,
    detail: String,
    #[serde(flatten)]
    figures: Map<String, Value>,
}

impl Point {
    /// A point without figures.
    pub(super) fn new(check: &'static str, answer: Answer, detail: impl Into<String>) -> Self {
        Self { check, answer, detail: detail.into(), figures: Map::new() }
    }

    /// With one figure more.
    pub(super) fn with(mut self, name: &str, figure: impl Into<Value>) -> Self {
        self.figures.insert(name.to_owned(), figure.into());
        self
    }
}

/// Every point, in the order they were looked at.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct GoList(Vec<Point>);

impl GoList {
    pub(super) fn add(&mut self, point: Point) {
        self.0.push(point);
    }

    /// Whether nothing speaks against it.
    pub(super) fn is_go(&self) -> bool {
        self.against().next().is_none()
    }

    fn against(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(|point| point.answer == Answer::NoGo).map(|point| point.check)
    }

    /// The list for people: a line for each point, and the sum of them.
    pub(super) fn tell(&self, out: &mut dyn Write) -> io::Result<()> {
        for Point { check, answer, detail, .. } in &self.0 {
            let answer = match answer {
                Answer::Go => "go",
                Answer::Look => "look",
                Answer::NoGo => "NO-GO",
            };
            writeln!(out, "  {answer:<5}  {check:<11}  {detail}")?;
        }
        if self.is_go() {
            return writeln!(out, "GO");
        }
        let against: Vec<&str> = self.against().collect();
        writeln!(out, "NO-GO: {}", against.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_point_against_it_is_enough_and_one_to_look_at_is_not() {
        let mut list = GoList::default();
        list.add(Point::new("file", Answer::Go, "good"));
        list.add(Point::new("clock", Answer::Look, "not known"));
        assert!(list.is_go());
        list.add(Point::new("stock", Answer::NoGo, "no items").with("items", 0));
        assert!(!list.is_go());
        let mut told = Vec::new();
        list.tell(&mut told).unwrap();
        let told = String::from_utf8(told).unwrap();
        assert!(told.contains("  look   clock        not known\n"), "{told}");
        assert!(told.ends_with("  NO-GO  stock        no items\nNO-GO: stock\n"), "{told}");
        let json = serde_json::to_value(&list).unwrap();
        assert_eq!(json[2]["answer"], "no_go");
        assert_eq!(json[2]["items"], 0);
    }
}
