//! What a request asks for, as a label.

use axum::http::Method;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Hold,
    Confirm,
    Release,
    Extend,
    Refund,
    Get,
    Find,
    Wait,
    Leave,
    Drop,
    Drops,
    Pause,
    Resume,
    Close,
    Stock,
    Audit,
    Orders,
    Report,
    Settle,
    Events,
    /// The connection's own affairs, health, pages, and what is no call at all.
    Other,
}

/// How many kinds there are.
pub(crate) const CALLS: usize = Call::ALL.len();

impl Call {
    pub(crate) const ALL: [Self; 21] = [
        Self::Hold,
        Self::Confirm,
        Self::Release,
        Self::Extend,
        Self::Refund,
        Self::Get,
        Self::Find,
        Self::Wait,
        Self::Leave,
        Self::Drop,
        Self::Drops,
        Self::Pause,
        Self::Resume,
        Self::Close,
        Self::Stock,
        Self::Audit,
        Self::Orders,
        Self::Report,
        Self::Settle,
        Self::Events,
        Self::Other,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Confirm => "confirm",
            Self::Release => "release",
            Self::Extend => "extend",
            Self::Refund => "refund",
            Self::Get => "get",
            Self::Find => "find",
            Self::Wait => "wait",
            Self::Leave => "leave",
            Self::Drop => "drop",
            Self::Drops => "drops",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Close => "close",
            Self::Stock => "stock",
            Self::Audit => "audit",
            Self::Orders => "orders",
            Self::Report => "report",
            Self::Settle => "settle",
            Self::Events => "events",
            Self::Other => "other",
        }
    }

    /// The kind of an HTTP request.
    pub(crate) fn of_request(method: &Method, path: &str) -> Self {
        let mut parts = path.split('/').skip(1);
        let parts = [(); 4].map(|()| parts.next().unwrap_or_default());
        let posted = *method == Method::POST;
        match parts {
            ["v1", "drops", "", _] => Self::Drops,
            ["v1", "drops", _, ""] => Self::Drop,
            ["v1", "drops", _, "holds"] if posted => Self::Hold,
            ["v1", "drops", _, "holds"] => Self::Find,
            ["v1", "drops", _, "pause"] => Self::Pause,
            ["v1", "drops", _, "resume"] => Self::Resume,
            ["v1", "drops", _, "close"] => Self::Close,
            ["v1", "drops", _, "stock"] => Self::Stock,
            ["v1", "drops", _, "audit"] => Self::Audit,
            ["v1", "drops", _, "orders"] => Self::Orders,
            ["v1", "campaigns", _, "report"] => Self::Report,
            ["v1", "campaigns", _, "settle"] => Self::Settle,
            ["v1", "drops", _, "events"] | ["v1", "events", ..] => Self::Events,
            ["v1", "holds", _, ""] => Self::Get,
            ["v1", "holds", _, "confirm"] => Self::Confirm,
            ["v1", "holds", _, "release"] => Self::Release,
            ["v1", "holds", _, "extend"] => Self::Extend,
            ["v1", "holds", _, "refund"] => Self::Refund,
            ["v1", "waits", _, ""] if *method == Method::DELETE => Self::Leave,
            ["v1", "waits", _, ""] => Self::Wait,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_its_kind() {
        let table = [
            ("GET", "/v1/drops", Call::Drops),
            ("GET", "/v1/drops/t-1", Call::Drop),
            ("POST", "/v1/drops/t-1/holds", Call::Hold),
            ("GET", "/v1/drops/t-1/holds", Call::Find),
            ("GET", "/v1/drops/t-1/audit", Call::Audit),
            ("GET", "/v1/drops/t-1/orders", Call::Orders),
            ("GET", "/v1/drops/t-1/events", Call::Events),
            ("GET", "/v1/campaigns/t/report", Call::Report),
            ("POST", "/v1/campaigns/t/settle", Call::Settle),
            ("GET", "/v1/campaigns/t", Call::Other),
            ("GET", "/v1/events", Call::Events),
            ("GET", "/v1/holds/h", Call::Get),
            ("POST", "/v1/holds/h/confirm", Call::Confirm),
            ("POST", "/v1/holds/h/release", Call::Release),
            ("POST", "/v1/holds/h/extend", Call::Extend),
            ("POST", "/v1/holds/h/refund", Call::Refund),
            ("POST", "/v1/drops/t-1/pause", Call::Pause),
            ("POST", "/v1/drops/t-1/resume", Call::Resume),
            ("POST", "/v1/drops/t-1/close", Call::Close),
            ("POST", "/v1/drops/t-1/stock", Call::Stock),
            ("GET", "/v1/waits/w", Call::Wait),
            ("DELETE", "/v1/waits/w", Call::Leave),
            ("GET", "/readyz", Call::Other),
            ("GET", "/", Call::Other),
            ("GET", "*", Call::Other),
        ];
        for (method, path, call) in table {
            assert_eq!(Call::of_request(&method.parse().unwrap(), path), call, "{path}");
        }
        for (place, call) in Call::ALL.into_iter().enumerate() {
            assert_eq!(call as usize, place);
        }
    }
}
