//! A client's own journal: what it asked for, what it was told, and what it is in doubt about.

use super::client::{Ask, Client, Reply, Shown};

/// What a client does next about one hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Asks for it, or again with the same key.
    Take,
    /// Asks for more than one customer may have.
    TooMuch,
    Confirm,
    Release,
    Extend,
}

/// One hold.
#[derive(Debug)]
pub(crate) struct Entry {
    customer: String,
    lines: Vec<(&'static str, u32)>,
    /// As it was last acknowledged.
    pub(crate) told: Option<Shown>,
    /// What was asked and not answered.
    pub(crate) doubt: Option<Act>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Journal {
    name: String,
    pub(crate) entries: Vec<Entry>,
    /// Told, and nothing is under way about it.
    pub(crate) idle: Vec<usize>,
    /// What has changed since all was last checked.
    pub(crate) touched: Vec<usize>,
    /// Refusals that may befall anybody where these clients are.
    pub(crate) tolerated: &'static [&'static str],
    /// Holds may have expired whenever the client looks again.
    pub(crate) mortal: bool,
    /// How often such a refusal came.
    pub(crate) refused: u64,
}

impl Journal {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            entries: Vec::new(),
            idle: Vec::new(),
            touched: Vec::new(),
            tolerated: &["overloaded"],
            mortal: false,
            refused: 0,
        }
    }

    /// One more customer, who wants these.
    pub(crate) fn open(&mut self, lines: Vec<(&'static str, u32)>) -> usize {
        let customer = format!("{}-{}", self.name, self.entries.len());
        self.entries.push(Entry { customer, lines, told: None, doubt: None });
        self.entries.len() - 1
    }

    /// The request for an act; in doubt until its answer is heard.
    pub(crate) fn ask(&mut self, at: usize, act: Act) -> Ask {
        let entry = &mut self.entries[at];
        assert!(entry.doubt.is_none(), "one at a time: {entry:?}");
        entry.doubt = Some(act);
        self.touched.push(at);
        self.entries[at].request(act)
    }

    /// Writes down an answer, and fails if it is not what it must be.
    pub(crate) fn heard(&mut self, at: usize, reply: &Reply) {
        let entry = &mut self.entries[at];
        let act = entry.doubt.expect("asked");
        match reply {
            Reply::No(code) if code == "outcome_unknown" && self.tolerated.contains(&&**code) => {
                self.refused += 1;
                return; // still in doubt
            }
            Reply::No(code) if self.tolerated.contains(&&**code) => self.refused += 1,
            Reply::No(code) if code == "expired" && self.mortal => {
                entry.told.as_mut().expect("there is a hold").state = "expired".to_owned();
            }
            Reply::No(code) => assert!(
                act == Act::TooMuch && code == "limit_reached",
                "{act:?} of {entry:?} was answered {code}"
            ),
            Reply::Hold(shown) => entry.acknowledged(act, shown, self.mortal),
        }
        let entry = &mut self.entries[at];
        entry.doubt = None;
        if entry.told.is_some() {
            self.idle.push(at);
        }
    }

    /// After a restart: what was acknowledged is there, and what is in doubt is asked for again in
    /// the same words. Returns how many of the doubtful holds had been granted.
    pub(crate) fn check(&mut self, client: &mut Client, entries: &[usize]) -> u64 {
        let mut survived = 0;
        for some in entries.chunks(400) {
            let told = |at: &&usize| self.entries[**at].told.is_some();
            let known: Vec<usize> = some.iter().filter(told).copied().collect();
            let gets: Vec<Ask> = known.iter().map(|at| self.entries[*at].get()).collect();
            client.send(&gets).unwrap();
            for at in known {
                let shown = client.receive().unwrap().hold();
                self.entries[at].found(&shown, self.mortal);
                self.entries[at].told = Some(shown);
            }
            let doubtful = |at: &&usize| self.entries[**at].doubt.is_some();
            let again: Vec<usize> = some.iter().filter(doubtful).copied().collect();
            let request = |at: &usize| self.entries[*at].request(self.entries[*at].doubt.unwrap());
            let asks: Vec<Ask> = again.iter().map(request).collect();
            client.send(&asks).unwrap();
            for at in again {
                let reply = client.receive().unwrap();
                survived += u64::from(matches!(&reply, Reply::Hold(shown) if shown.replayed));
                self.heard(at, &reply);
            }
        }
        survived
    }

    /// Checks what has changed since the last time.
    pub(crate) fn check_touched(&mut self, client: &mut Client) -> u64 {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        self.check(client, &touched)
    }

    /// Checks everything.
    pub(crate) fn check_all(&mut self, client: &mut Client) -> u64 {
        self.touched.clear();
        let all: Vec<usize> = (0..self.entries.len()).collect();
        self.check(client, &all)
    }

    /// Units of one item in holds of this state.
    pub(crate) fn units(&self, sku: &str, state: &str) -> u64 {
        let in_state = |entry: &&Entry| entry.told.as_ref().is_some_and(|told| told.state == state);
        let lines = self.entries.iter().filter(in_state).flat_map(|entry| &entry.lines);
        lines.filter(|(one, _)| *one == sku).map(|(_, units)| u64::from(*units)).sum()
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().filter_map(|entry| Some(entry.told.as_ref()?.number))
    }
}

impl Entry {
    fn payment(&self) -> String {
        format!("pay-{}", self.customer)
    }

    fn id(&self) -> String {
        self.told.as_ref().expect("there is a hold").id.clone()
    }

    pub(crate) fn get(&self) -> Ask {
        Ask::Get { hold: self.id() }
    }

    pub(crate) fn request(&self, act: Act) -> Ask {
        let customer = self.customer.clone();
        match act {
            Act::Take => {
                Ask::Hold { key: format!("key-{customer}"), customer, lines: self.lines.clone() }
            }
            Act::TooMuch => {
                Ask::Hold { key: format!("more-{customer}"), customer, lines: vec![("a", 3)] }
            }
            Act::Confirm => Ask::Confirm { hold: self.id(), payment: self.payment() },
            Act::Release => Ask::Release { hold: self.id() },
            Act::Extend => Ask::Extend { hold: self.id() },
        }
    }

    /// The answer to an act that says yes.
    fn acknowledged(&mut self, act: Act, shown: &Shown, mortal: bool) {
        self.found(shown, mortal);
        let expected = match act {
            Act::Take => None,
            Act::TooMuch => panic!("{self:?}: more than the limit was granted: {shown:?}"),
            Act::Confirm => Some("confirmed"),
            Act::Release => Some("released"),
            Act::Extend => Some("held"),
        };
        let as_expected = expected.is_none_or(|state| shown.state == state);
        assert!(as_expected || (mortal && shown.state == "expired"), "{self:?} became {shown:?}");
        if shown.state == "confirmed" {
            assert_eq!(shown.payment, Some(self.payment()), "{self:?}");
        }
        self.told = Some(shown.clone());
    }

    /// What is shown of it does not contradict what was acknowledged.
    fn found(&self, shown: &Shown, mortal: bool) {
        let Some(told) = &self.told else { return };
        assert_eq!((&shown.id, shown.number), (&told.id, told.number), "{self:?}");
        let mut states = vec![told.state.as_str()];
        states.extend(match self.doubt {
            Some(Act::Confirm) if told.state == "held" => Some("confirmed"),
            Some(Act::Release) if told.state == "held" => Some("released"),
            _ => None,
        });
        if mortal && told.state == "held" {
            states.push("expired");
        }
        assert!(states.contains(&shown.state.as_str()), "{self:?} is shown as {shown:?}");
        if shown.state == "held" {
            assert!(shown.expires_at_ms >= told.expires_at_ms, "{self:?} is shown as {shown:?}");
        }
    }
}
