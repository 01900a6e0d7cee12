//! SEARCH, SORT and THREAD (RFC 9051 §6.4.4, RFC 5256): what they find, and in which form it is told.

use std::sync::Arc;

use super::authenticated::{Answer, Desk};
use super::fault::Fault;
use super::fetch::Sink;
use super::messages::expunges;
use super::room::Account;
use super::search::{Answer as Found, Scope, Search};
use super::selected::Selected;
use super::sets::Numbering;
use super::sort::{sort, threads};
use crate::wire::imap::found::{Esearch, put_esearch, put_search, put_sort};
use crate::wire::imap::{Key, Returns, SortCriterion, Threading};

/// How a search is asked for and answered.
pub(super) struct Asked<'a> {
    /// Of the command, which ESEARCH repeats.
    pub(super) tag: &'a str,
    pub(super) key: &'a Key,
    pub(super) numbering: Numbering,
}

impl Selected {
    /// RFC 9051 §6.4.4; RFC 3501 §7.2.5 for sessions of IMAP4rev1 that do not ask for more.
    pub(super) async fn search<A: Account>(
        &mut self,
        desk: &mut Desk<A>,
        asked: Asked<'_>,
        returns: Option<Returns>,
    ) -> Result<Answer, Fault> {
        let saves = returns.is_some_and(|returns| returns.save);
        let (found, has_mod_seq) = match self.find(desk, asked.key).await {
            Ok(found) => found,
            Err(fault) => {
                // RFC 5182 §2.1: a search that fails leaves nothing saved.
                self.saved = if saves { Vec::new() } else { std::mem::take(&mut self.saved) };
                return Err(fault);
            }
        };
        let wanted = returns.unwrap_or_default();
        let found = Found::of(&found, &self.roll, asked.numbering, wanted, has_mod_seq);
        if returns.is_none() && !desk.enabled.rev2 {
            put_search(desk.channel.out(), found.all.as_deref().unwrap_or_default(), found.mod_seq);
        } else {
            self.put_extended(desk, &asked, &found);
        }
        self.saved = found.saved.unwrap_or_else(|| std::mem::take(&mut self.saved));
        Ok(answer(asked.numbering))
    }

    /// RFC 5256 §3, RFC 5267 §3.
    pub(super) async fn sort<A: Account>(
        &mut self,
        desk: &mut Desk<A>,
        asked: Asked<'_>,
        criteria: &[SortCriterion],
        returns: Option<Returns>,
    ) -> Result<Answer, Fault> {
        let (found, has_mod_seq) = self.find(desk, asked.key).await?;
        let sorted = sort(&mut desk.account, &self.roll, found, criteria).await?;
        let wanted = returns.unwrap_or_default();
        let found = Found::of(&sorted, &self.roll, asked.numbering, wanted, has_mod_seq);
        if returns.is_none() {
            put_sort(desk.channel.out(), found.all.as_deref().unwrap_or_default(), found.mod_seq);
        } else {
            self.put_extended(desk, &asked, &found);
        }
        self.saved = found.saved.unwrap_or_else(|| std::mem::take(&mut self.saved));
        Ok(answer(asked.numbering))
    }

    /// RFC 5256 §3.
    pub(super) async fn thread<A: Account>(
        &mut self,
        desk: &mut Desk<A>,
        asked: Asked<'_>,
        algorithm: Threading,
    ) -> Result<Answer, Fault> {
        let (found, _) = self.find(desk, asked.key).await?;
        let forest = threads(&mut desk.account, &self.roll, &found, algorithm).await?;
        let number = |place: usize| {
            let message = found.get(place).and_then(|at| Some((*at, self.roll.entries.get(*at)?)));
            message.map_or(0, |(position, entry)| asked.numbering.number(position, entry))
        };
        forest.put(desk.channel.out(), number);
        Ok(answer(asked.numbering))
    }

    /// The positions of what is searched for, and whether MODSEQ was among the keys.
    async fn find<A: Account>(&self, desk: &mut Desk<A>, key: &Key) -> Result<(Vec<usize>, bool), Fault> {
        let now = desk.settings.clock.now().unix();
        let scope = Scope { roll: &self.roll, saved: &self.saved, now };
        let search = Arc::new(Search::of(key, scope));
        // RFC 7162 §3.1: to ask for it is to enable CONDSTORE.
        desk.enabled.condstore |= search.has_mod_seq();
        Ok((search.find(&mut desk.account, &self.roll).await?, search.has_mod_seq()))
    }

    fn put_extended<A: Account>(&self, desk: &mut Desk<A>, asked: &Asked<'_>, found: &Found) {
        if found.is_silent {
            return;
        }
        let esearch = Esearch {
            tag: asked.tag,
            uid: asked.numbering == Numbering::Uid,
            min: found.min,
            max: found.max,
            count: found.count.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
            all: found.all.as_deref(),
            partial: found.partial.as_ref().map(|(range, numbers)| (*range, numbers.as_slice())),
            mod_seq: found.mod_seq,
        };
        put_esearch(desk.channel.out(), &esearch);
    }
}

fn answer(numbering: Numbering) -> Answer {
    Answer { expunges: expunges(numbering), ..Answer::plain("searched") }
}
