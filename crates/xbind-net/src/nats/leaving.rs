//! Who has gone is taken off the bus, with the names that they had: what the brokers have not acknowledged is tried again, and at the
//! end it is said.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use xbind::cluster::Namespace;
use xbind::{Did, Error, ErrorKind, Result};

use super::bucket::Bucket;
use super::link::{Link, lock};
use super::tasks::{PAUSE, UNDER_WAY};
use super::{Status, envelope};

/// How long the brokers have for all that is said at the end.
const LAST: Duration = Duration::from_secs(10);

/// What they are told.
#[derive(Clone, Copy, Debug)]
enum Word {
    /// An agent has gone.
    Gone(Did),
    /// A claim is given up, which stands there.
    Free(u64, Did),
}

impl Link {
    /// Takes out who has gone. False if some could not be.
    pub(super) async fn say_left(self: &Arc<Self>, agents: &Bucket, names: &Bucket) -> bool {
        let gone = lock(&self.roster).leaving().into_iter().map(Word::Gone);
        let free = lock(&self.claims).given_up().into_iter().map(|(seq, did)| Word::Free(seq, did));
        let (mut words, mut under_way, mut is_well) = (gone.chain(free), JoinSet::new(), true);
        loop {
            while under_way.len() < UNDER_WAY
                && let Some(word) = words.next()
            {
                let (link, agents, names) = (self.clone(), agents.clone(), names.clone());
                under_way.spawn(async move { link.say(word, &agents, &names).await });
            }
            match under_way.join_next().await {
                Some(heard) => is_well &= matches!(heard, Ok(true)),
                None => return is_well,
            }
        }
    }

    async fn say(&self, word: Word, agents: &Bucket, names: &Bucket) -> bool {
        match word {
            Word::Gone(did) => {
                let key = Namespace::presence_key(&self.host, &did);
                let left = envelope::of_leave(&self.key, &self.namespace, &key, self.unix());
                let is_heard = agents.remove(&key, left.into()).await.is_ok();
                if is_heard {
                    lock(&self.roster).has_left(&did);
                }
                is_heard
            }
            Word::Free(seq, did) => {
                let is_heard = !self.is_to_free(&did) || names.delete(seq).await.is_ok();
                if is_heard {
                    lock(&self.claims).is_given_up(seq, &did);
                }
                is_heard
            }
        }
    }

    /// Whether the name of who was here is given back: not while another process speaks for its DID, and not by this side where
    /// statements let in. The callout sees there that they have left.
    fn is_to_free(&self, did: &Did) -> bool {
        self.is_open() && !self.is_there(did) && !self.has_mailbox(did)
    }

    /// Takes everybody out, as long as that can be said.
    pub(super) async fn leave(self: &Arc<Self>, agents: &Bucket, names: &Bucket) {
        let begun = Instant::now();
        lock(&self.roster).end(self.unix());
        let asked = lock(&self.claims).end();
        for (did, name) in asked {
            let Some(key) = Namespace::name_key(&name) else { continue };
            if let Ok(Some((Some(holder), seq))) = self.read_name(names, &key).await
                && holder == did
            {
                lock(&self.claims).give_up(seq, did);
            }
        }
        let is_over = || begun.elapsed() >= LAST || self.status() != Status::Connected;
        while !is_over() && !self.say_left(agents, names).await {
            sleep(PAUSE).await;
        }
    }

    /// Whether all was heard that was said at the end.
    pub(super) fn was_heard(&self) -> Result<()> {
        let agents = lock(&self.roster).leaving().len();
        let names = lock(&self.claims).given_up();
        let names = names.iter().filter(|(_, did)| self.is_to_free(did)).count();
        if agents == 0 && names == 0 {
            return Ok(());
        }
        let why = format!("the brokers have not heard that {agents} agents have gone and {names} names are free");
        Err(Error::new(ErrorKind::BrokerUnavailable, why).with_hint("others know within a minute"))
    }
}
