//! The connections of both wires, and which of them carries a call.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::{http, resp};
use crate::call::{Answer, Call, Outcome, Wire};
use crate::crowd::{Basket, Crowd, Line, SendError};
use crate::timeline::Timeline;

/// Calls due at the same moment that share one RESP connection, hence one write.
///
/// Large enough that system calls do not eat the cores the service needs, small enough that the
/// crowd still comes over many connections at once.
const CHUNK: usize = 16;

/// What every hold request of this crowd has in common.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) drop: String,
    pub(super) baskets: Vec<Basket>,
    pub(super) area: Option<String>,
}

impl Target {
    /// The lines that a customer asks for.
    pub(super) fn lines(&self, customer: u32) -> &[Line] {
        Basket::of(&self.baskets, customer).map_or(&[], |basket| &basket.lines)
    }
}

/// One connection's side of the pool: calls come in, answers go out.
pub(super) struct Link {
    pub(super) address: SocketAddr,
    pub(super) target: Arc<Target>,
    pub(super) timeline: Timeline,
    /// Closed when the run is over.
    pub(super) calls: UnboundedReceiver<Call>,
    answers: UnboundedSender<Answer>,
    connection: usize,
}

impl Link {
    pub(super) async fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    pub(super) fn answer(&self, call: Call, sent_us: i64, received_us: i64, outcome: Outcome) {
        let connection = self.connection;
        let answer = Answer { call, sent_us, received_us, outcome, connection };
        // Nobody listens any more once the run was given up.
        let _ = self.answers.send(answer);
    }
}

/// Every connection of a crowd. Dropping it ends them.
///
/// NOTE: the queues are not bounded: an open-loop generator must never wait for the service. What
/// they hold is bounded by the crowd, since each buyer has at most a few calls under way.
pub(crate) struct Clients {
    resp: Vec<UnboundedSender<Call>>,
    next_resp: usize,
    in_chunk: usize,
    http: Vec<UnboundedSender<Call>>,
    /// HTTP connections without a request; the latest freed is used first and stays warm.
    idle_http: Vec<usize>,
    /// HTTP calls that wait for a free connection, oldest first.
    backlog_http: VecDeque<Call>,
    _tasks: JoinSet<()>,
}

impl Clients {
    /// Opens every connection, and a channel on which their answers arrive.
    pub(crate) async fn connect(
        crowd: &Crowd,
        timeline: Timeline,
    ) -> Result<(Self, UnboundedReceiver<Answer>), SendError> {
        let target = Arc::new(Target {
            drop: crowd.drop.clone(),
            baskets: crowd.baskets.clone(),
            area: crowd.area.clone(),
        });
        let (answers, inbox) = unbounded_channel();
        let link = |address, connection| {
            let (sender, calls) = unbounded_channel();
            let (target, answers) = (Arc::clone(&target), answers.clone());
            (sender, Link { address, target, timeline, calls, answers, connection })
        };
        let mut tasks = JoinSet::new();
        let mut resp_calls = Vec::new();
        for connection in 0..crowd.resp_connections {
            let (calls, link) = link(crowd.resp, connection);
            let stream = open(&link, Wire::Resp).await?;
            tasks.spawn(resp::run(link, stream));
            resp_calls.push(calls);
        }
        let mut http_calls = Vec::new();
        for connection in 0..crowd.http_connections {
            let (calls, link) = link(crowd.http, connection);
            let stream = open(&link, Wire::Http).await?;
            tasks.spawn(http::run(link, stream));
            http_calls.push(calls);
        }
        let clients = Self {
            resp: resp_calls,
            next_resp: 0,
            in_chunk: 0,
            idle_http: (0..http_calls.len()).collect(),
            http: http_calls,
            backlog_http: VecDeque::new(),
            _tasks: tasks,
        };
        Ok((clients, inbox))
    }

    /// Starts a round of calls that are due together: it takes its own connections.
    pub(crate) fn start_round(&mut self) {
        if self.in_chunk > 0 {
            self.turn();
        }
    }

    /// Hands a call to a connection, or to the queue of those that wait for one.
    pub(crate) fn send(&mut self, mut call: Call) {
        match call.wire {
            Wire::Resp => {
                if self.in_chunk == CHUNK {
                    self.turn();
                }
                self.in_chunk += 1;
                hand(&self.resp, self.next_resp, call);
            }
            Wire::Http => match self.idle_http.pop() {
                Some(connection) => hand(&self.http, connection, call),
                None => {
                    call.waited = true;
                    self.backlog_http.push_back(call);
                }
            },
        }
    }

    /// An HTTP connection has answered: the next call may use it.
    pub(crate) fn freed_http(&mut self, connection: usize) {
        match self.backlog_http.pop_front() {
            Some(call) => hand(&self.http, connection, call),
            None => self.idle_http.push(connection),
        }
    }

    fn turn(&mut self) {
        self.in_chunk = 0;
        self.next_resp = (self.next_resp + 1) % self.resp.len();
    }
}

async fn open(link: &Link, wire: Wire) -> Result<TcpStream, SendError> {
    let address = link.address;
    link.connect().await.map_err(|source| SendError::Connect { wire, address, source })
}

fn hand(connections: &[UnboundedSender<Call>], index: usize, call: Call) {
    if let Some(connection) = connections.get(index) {
        // A connection's task ends only with the run; a call to one that is gone stays unanswered.
        let _ = connection.send(call);
    }
}
