//! `SUBSCRIBE` and `UNSUBSCRIBE`: watchers of drops on this wire.
//!
//! A channel is `drop:` and the id of a drop. Messages are sent between two replies, never before
//! the answer to their `SUBSCRIBE`, and the next one is asked for when the last one is written.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use jangteo::Refusal;

use super::bad_request::BadRequest;
use super::command_table;
use super::frame::Args;
use super::reply::{Protocol, Reply};
use super::request::Request;
use super::sale_reply;
use crate::access::Caller;
use crate::app::App;
use crate::command::Refused;
use crate::limits::SUBSCRIPTIONS_MAX;
use crate::watch::{self, CHANNEL, Form, Watch};

/// A command about channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelCommand<'a> {
    /// `SUBSCRIBE channel [channel ...]`.
    Subscribe(Args<'a>),
    /// `UNSUBSCRIBE [channel ...]`: all of them if none is named.
    Unsubscribe(Args<'a>),
    /// `PUNSUBSCRIBE [pattern ...]`: there are none, and clients that leave say it none the less.
    LeavePatterns(Args<'a>),
}

pub(super) fn subscribe(args: Args<'_>) -> Result<Request<'_>, BadRequest<'_>> {
    Ok(Request::Channel(ChannelCommand::Subscribe(args)))
}

pub(super) fn unsubscribe(args: Args<'_>) -> Result<Request<'_>, BadRequest<'_>> {
    Ok(Request::Channel(ChannelCommand::Unsubscribe(args)))
}

pub(super) fn punsubscribe(args: Args<'_>) -> Result<Request<'_>, BadRequest<'_>> {
    Ok(Request::Channel(ChannelCommand::LeavePatterns(args)))
}

/// The subscriptions of one connection, and what of their messages is under way.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    list: Vec<Subscription>,
    unsent: VecDeque<Bytes>,
}

#[derive(Debug)]
struct Subscription {
    channel: Box<[u8]>,
    watch: Watch,
    /// How many replies had to be settled before this one's.
    behind: u64,
}

impl Subscriptions {
    /// Whether the connection understands nothing but messages, as in RESP2.
    pub(super) fn restrict(&self, protocol: Protocol) -> bool {
        protocol == Protocol::Resp2 && !self.list.is_empty()
    }

    /// Reads the words of a frame, unless they are no command for this connection as it is.
    pub(super) fn admit<'a>(
        &self,
        words: Args<'a>,
        protocol: Protocol,
    ) -> Result<Request<'a>, BadRequest<'a>> {
        let request = Request::parse(words.clone())?;
        if self.restrict(protocol) && !request.fits_subscriber() {
            let (command, _) = command_table::find(words)?;
            return Err(BadRequest::Subscribed(command.name()));
        }
        Ok(request)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Executes a command, whose answer stands behind so many replies that wait for the disk.
    pub(super) fn execute(
        &mut self,
        (app, caller): (&Arc<App>, &Caller),
        command: ChannelCommand<'_>,
        behind: u64,
        reply: &mut Reply<'_>,
    ) {
        match command {
            ChannelCommand::Subscribe(channels) => {
                let mut count = self.list.len();
                if let Err(refused) = self.subscribe((app, caller), channels.clone(), behind) {
                    self.list.truncate(count);
                    return sale_reply::refuse(refused, "subscribe", reply);
                }
                for channel in channels {
                    // New ones stand behind the old ones, in the order of the command.
                    count = count.max(self.place(channel).map_or(0, |place| place + 1));
                    write_count("subscribe", Some(channel), count, reply);
                }
            }
            ChannelCommand::Unsubscribe(channels) if !channels.is_empty() => {
                for channel in channels {
                    self.list.retain(|one| *one.channel != *channel);
                    write_count("unsubscribe", Some(channel), self.list.len(), reply);
                }
            }
            ChannelCommand::Unsubscribe(_) if self.list.is_empty() => {
                write_count("unsubscribe", None, 0, reply);
            }
            ChannelCommand::LeavePatterns(patterns) if patterns.is_empty() => {
                write_count("punsubscribe", None, self.list.len(), reply);
            }
            ChannelCommand::LeavePatterns(patterns) => {
                for pattern in patterns {
                    write_count("punsubscribe", Some(pattern), self.list.len(), reply);
                }
            }
            ChannelCommand::Unsubscribe(_) => {
                while let Some(Subscription { channel, .. }) = self.list.pop() {
                    write_count("unsubscribe", Some(&channel), self.list.len(), reply);
                }
            }
        }
    }

    /// Adds the channels that are not subscribed to, or as many as can be before one cannot.
    fn subscribe(
        &mut self,
        (app, caller): (&Arc<App>, &Caller),
        channels: Args<'_>,
        behind: u64,
    ) -> Result<(), Refused> {
        for channel in channels {
            if self.place(channel).is_some() {
                continue;
            }
            let drop = channel.strip_prefix(CHANNEL.as_bytes());
            let drop = drop.and_then(|drop| std::str::from_utf8(drop).ok());
            let drop = drop.ok_or(Refusal::UnknownDrop)?;
            if self.list.len() == SUBSCRIPTIONS_MAX {
                return Err(Refusal::Overloaded.into());
            }
            let watch = watch::begin(app, caller, drop)?;
            self.list.push(Subscription { channel: channel.into(), watch, behind });
        }
        Ok(())
    }

    fn place(&self, channel: &[u8]) -> Option<usize> {
        self.list.iter().position(|one| *one.channel == *channel)
    }

    /// Ends all of them, without a word.
    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    /// Takes up the next messages, if there are any and so many replies are settled; whether there
    /// is something to send.
    pub(super) fn poll(&mut self, protocol: Protocol, settled: u64, context: &Context<'_>) -> bool {
        let form = match protocol {
            Protocol::Resp2 => Form::Resp2,
            Protocol::Resp3 => Form::Resp3,
        };
        let mut ended = Vec::new();
        let Self { list, unsent } = self;
        list.retain_mut(|one| {
            while one.behind <= settled && unsent.is_empty() {
                match one.watch.poll(context) {
                    Poll::Ready(Some(news)) => unsent.extend(news.frames(form)),
                    Poll::Ready(None) => {
                        ended.push(std::mem::take(&mut one.channel));
                        return false;
                    }
                    Poll::Pending => break,
                }
            }
            true
        });
        for channel in ended {
            let mut message = Vec::new();
            let reply = &mut Reply::new(protocol, &mut message);
            write_count("unsubscribe", Some(&channel), self.list.len(), reply);
            self.unsent.push_back(message.into());
        }
        !self.unsent.is_empty()
    }

    /// What is to be sent, from where it was left.
    pub(super) fn unsent(&self) -> &[u8] {
        self.unsent.front().map(Bytes::as_ref).unwrap_or_default()
    }

    /// Says that so many bytes of it were sent.
    pub(super) fn sent(&mut self, count: usize) {
        if let Some(first) = self.unsent.front_mut() {
            first.advance(count);
            if first.is_empty() {
                self.unsent.pop_front();
            }
        }
    }
}

/// `PING` while the connection understands nothing but messages.
pub(super) fn pong(message: Option<&[u8]>, reply: &mut Reply<'_>) {
    reply.array(2);
    reply.bulk("pong");
    reply.bulk(message.unwrap_or_default());
}

/// What a channel's change is answered with: how many there are now.
fn write_count(kind: &str, channel: Option<&[u8]>, count: usize, reply: &mut Reply<'_>) {
    reply.push(3);
    reply.bulk(kind);
    match channel {
        Some(channel) => reply.bulk(channel),
        None => reply.null(),
    }
    reply.integer(count);
}
