//! Who lets connections in: the servers ask about each, and it gets the rights that follow from its statement, for minutes. See
//! docs/nats.md, "Getting in".

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::{Client, Message, Subscriber};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use xbind::cluster::{
    AuthRequest, Bucket as Kept, CalloutBox, Connection, NKey, Names, Namespace, Permit, Rights, Role, callout_key,
};
use xbind::{Did, ErrorKind, ReplayWindow, SigningKey, Standing};
use xbind_runtime::Overseer as _;

use super::bucket::{Bucket, PATIENCE};
use super::link::SKEW;
use super::oversight::Oversight;
use super::tasks::{PAUSE, next};
use super::{Fault, Reach, auth, mail, vacancy};
use crate::thread;

/// How often is looked whether what the bus keeps is there.
const LOOKED: Duration = Duration::from_secs(2);
/// Where the servers ask. No client may publish there.
const QUESTIONS: &str = "$SYS.REQ.USER.AUTH";
/// The server's key, where it has encrypted what it asks.
const SERVER_KEY: &str = "Nats-Server-Xkey";
/// Of several that listen, one is asked.
const GROUP: &str = "xb1";
/// Connections that are judged at once; the servers ask about more again.
const MAX_JUDGED: usize = 1024;
/// Statements that are remembered until they have expired.
const MAX_USED: usize = 262_144;

/// Who is let in, and for how long.
pub struct Admission {
    /// How the servers are reached.
    pub reach: Reach,
    /// The account's key, which is `issuer` in their configuration; [`callout_key`] of it is the key of a user there.
    pub issuer: SigningKey,
    /// The account that connections are put into, by its name in their configuration.
    pub account: String,
    /// How long a connection may stay, in seconds: 1 to [`MAX_PERMIT_TTL`](xbind::cluster::MAX_PERMIT_TTL).
    pub stay: u64,
    /// Who may stop agents; they come in in any case, and no stopped agent does.
    pub operators: Vec<Did>,
    /// Is asked whether a DID may come in that has shown that it is there.
    pub allow: Arc<dyn Fn(Did, Decision) + Send + Sync>,
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("account", &self.account).finish_non_exhaustive()
    }
}

/// Whether a DID may come in. One that is dropped, or is not made within 5 s, is a no.
#[derive(Debug)]
pub struct Decision(oneshot::Sender<bool>);

impl Decision {
    /// Makes it.
    pub fn is(self, allowed: bool) {
        let _ = self.0.send(allowed);
    }

    /// Whether nobody waits for it any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_closed()
    }
}

/// Lets connections in, while it is not closed or dropped. Who is in stays until his time is over.
#[derive(Debug)]
pub struct Door {
    tasks: Vec<AbortHandle>,
    clients: Vec<Client>,
}

struct Judge {
    client: Client,
    admission: Admission,
    account: NKey,
    sealing: CalloutBox,
    used: ReplayWindow,
    oversight: Option<Arc<Oversight>>,
}

impl Door {
    /// Begins to answer, and makes what the bus keeps with its brokers.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn open(admission: Admission) -> Result<Self, Fault> {
        let thread = thread::handle().map_err(|_| Fault::Internal)?;
        thread.spawn(open(admission)).await.map_err(|_| Fault::Internal)?
    }

    /// The same for who cannot wait; `done` is called on the thread of this crate.
    pub fn open_then(admission: Admission, done: impl FnOnce(Result<Self, Fault>) + Send + 'static) {
        let Ok(thread) = thread::handle() else { return done(Err(Fault::Internal)) };
        thread.spawn(async move { done(open(admission).await) });
    }

    /// Lets nobody in any more.
    pub fn close(&self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        let Ok(thread) = thread::handle() else { return };
        for client in &self.clients {
            let client = client.clone();
            thread.spawn(async move { client.drain().await });
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.close();
    }
}

async fn open(admission: Admission) -> Result<Door, Fault> {
    let own = callout_key(&admission.issuer);
    let host = NKey::of(Role::User, own.verifying_key());
    let client = admission.reach.dial(auth::known(own, host), &host, unbounded_channel().0).await?;
    let asked = client.queue_subscribe(QUESTIONS, GROUP.to_owned()).await.map_err(|_| Fault::Unavailable)?;
    timeout(PATIENCE, client.flush()).await.ok().and_then(Result::ok).ok_or(Fault::Unavailable)?;

    let (reach, issuer) = (admission.reach.clone(), admission.issuer.duplicate());
    let account = NKey::of(Role::Account, issuer.verifying_key());
    let operators = admission.operators.clone();
    let oversight = (!operators.is_empty()).then(|| Oversight::new(&reach.namespace, operators));
    let used = ReplayWindow::new(MAX_USED);
    let sealing = CalloutBox::of(&issuer);
    let judge = Judge { client: client.clone(), admission, account, sealing, used, oversight: oversight.clone() };
    let answering = tokio::spawn(answer_all(Arc::new(judge), asked)).abort_handle();
    let mut door = Door { tasks: vec![answering], clients: vec![client] };

    // It comes in as everybody does: over the door that has just been opened.
    let (key, host) = auth::fresh_key()?;
    let (told, events) = unbounded_channel();
    let options = auth::options(issuer, key, host, reach.namespace.clone());
    let keeper = reach.dial(options, &host, told).await?;
    door.clients.push(keeper.clone());
    let kinds = [Kept::Agents, Kept::Names, Kept::Boxes, Kept::Seen, Kept::Stops];
    let kept = kinds.map(|kind| Bucket::new(&keeper, kind, &reach.namespace, host));
    kept[0].make_soon().await?;
    make(&kept, &keeper, &reach.namespace).await?;
    let [agents, names, boxes, _, stops] = &kept;
    let three = [agents, names, boxes].map(Bucket::clone);
    let freeing = vacancy::free(three, reach.namespace.clone(), reach.names_kept);
    door.tasks.push(tokio::spawn(freeing).abort_handle());
    if let Some(oversight) = oversight.clone() {
        let (stops, (whole, mut is_whole)) = (stops.clone(), watch::channel(false));
        let reading = async move { oversight.follow(&stops, &whole, now, |_| {}).await };
        door.tasks.push(tokio::spawn(reading).abort_handle());
        let read = timeout(PATIENCE, is_whole.wait_for(|is_whole| *is_whole)).await;
        read.ok().and_then(Result::ok).ok_or(Fault::Unavailable)?;
    }
    door.tasks.push(tokio::spawn(keep((kept.to_vec(), keeper, reach.namespace), events, oversight)).abort_handle());
    Ok(door)
}

async fn make(kept: &[Bucket], keeper: &Client, namespace: &Namespace) -> Result<(), Fault> {
    for bucket in kept {
        bucket.make().await?;
    }
    mail::make(keeper, namespace).await
}

/// Makes it again for brokers that have begun anew, or that somebody had take it away: nobody else may.
async fn keep(
    (kept, keeper, namespace): (Vec<Bucket>, Client, Namespace),
    mut events: UnboundedReceiver<bool>,
    oversight: Option<Arc<Oversight>>,
) {
    let mut is_connected = true;
    loop {
        match timeout(LOOKED, events.recv()).await {
            Ok(None) => return,
            Ok(Some(now)) => {
                is_connected = now;
                if let Some(oversight) = &oversight {
                    oversight.again.notify_one();
                }
            }
            Err(_) => {}
        }
        while is_connected && events.is_empty() && make(&kept, &keeper, &namespace).await.is_err() {
            sleep(PAUSE).await;
        }
    }
}

async fn answer_all(judge: Arc<Judge>, mut asked: Subscriber) {
    let places = Arc::new(Semaphore::new(MAX_JUDGED));
    while let Some(message) = next(&mut asked).await {
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let judge = judge.clone();
        tokio::spawn(async move {
            judge.answer(message).await;
            drop(place);
        });
    }
}

impl Judge {
    async fn answer(&self, message: Message) -> Option<()> {
        let key = message.headers.as_ref().and_then(|headers| headers.get(SERVER_KEY)).map(|key| key.as_str());
        let opened = key.map(|key| self.sealing.open(key, &message.payload)).transpose().ok()?;
        let text = str::from_utf8(opened.as_deref().unwrap_or(&message.payload)).ok()?;
        let request = AuthRequest::verify(text, &self.account, now(), SKEW).ok()?;
        if request.encryption_key() != key {
            return None; // nobody but the server itself says to whom its answer is encrypted
        }
        let judged = self.judge(&request).await;
        let Admission { issuer, account, stay, .. } = &self.admission;
        let (mut id, now) = ([0; 16], now());
        xbind_runtime::random(&mut id).ok()?;
        let permitted = judged.and_then(|(connection, rights)| {
            let permit = Permit { connection: &connection, rights: &rights, account, ttl: *stay, now, id };
            permit.answer(&request, issuer).map_err(|error| error.kind())
        });
        let answer = permitted.unwrap_or_else(|reason| request.refuse(reason, issuer, now, id));
        let mut nonce = [0; 24];
        xbind_runtime::random(&mut nonce).ok()?;
        let sealed = key.map(|key| self.sealing.seal(key, answer.as_bytes(), &nonce)).transpose().ok()?;
        let answer = sealed.unwrap_or_else(|| answer.into_bytes());
        self.client.publish(message.reply.clone()?, answer.into()).await.ok()
    }

    async fn judge(&self, request: &AuthRequest) -> Result<(Connection, Rights), ErrorKind> {
        let Admission { reach, issuer, allow, .. } = &self.admission;
        let namespace = &reach.namespace;
        let connection = request.admit(namespace, &self.used, now(), SKEW).map_err(|error| error.kind())?;
        if connection.agent() == issuer.did() {
            return Ok((connection, Rights::of_keeper(&connection, namespace)));
        }
        let is_operator = self.check_running(connection.agent())?;
        let (told, decided) = oneshot::channel();
        if !is_operator {
            allow(*connection.agent(), Decision(told));
        }
        if !is_operator && !matches!(timeout(PATIENCE, decided).await, Ok(Ok(true))) {
            return Err(ErrorKind::NotAllowed);
        }
        let mut rights = Rights::of(&connection, namespace, Names::FirstCome).map_err(|error| error.kind())?;
        if is_operator {
            rights = rights.and_stops(&connection, namespace);
        }
        self.check_running(connection.agent())?; // it may have been stopped while it was asked for
        Ok((connection, rights))
    }

    /// Whether that DID was not stopped: and whether it is an operator, of whom alone it need not be known.
    fn check_running(&self, did: &Did) -> Result<bool, ErrorKind> {
        let Some(oversight) = &self.oversight else { return Ok(false) };
        match (oversight.of_agent(did, now()), oversight.is_operator(did)) {
            (Standing::Revoked, _) => Err(ErrorKind::Revoked),
            (Standing::Unknown, false) => Err(ErrorKind::RevocationUnknown),
            (_, is_operator) => Ok(is_operator),
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
