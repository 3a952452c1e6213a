//! Keys of a PKCS#11 module: a security module, a smart card, SoftHSM. The module is loaded when it is first asked for, and has a
//! thread of its own, because nothing can stop a call into it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use serde::Deserialize;
use tokio::sync::oneshot;
use xbind::VerifyingKey;
use zeroize::Zeroizing;

use super::{Answer, Keeper, MAX_WAITING, Result, Signer, SignerFault, elsewhere, patience, secret, trimmed, within};

/// Modules of one process.
const MAX_MODULES: usize = 16;
/// PINs of one token that are remembered because it has refused them.
const MAX_REFUSED: usize = 64;

/// A key of a token.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pkcs11Key {
    /// The file of the module.
    pub module: PathBuf,
    /// The token's label.
    #[serde(default)]
    pub token: Option<String>,
    /// Or the number of its slot.
    #[serde(default)]
    pub slot: Option<u64>,
    /// The key's label.
    #[serde(default)]
    pub key: Option<String>,
    /// Its id, in hex.
    #[serde(default)]
    pub id: Option<String>,
    /// A file with the PIN, read for each login.
    #[serde(default)]
    pub pin_file: Option<PathBuf>,
    /// Or a variable of the environment with it.
    #[serde(default)]
    pub pin_env: Option<String>,
    /// How long a signature may take, in milliseconds: 5000 without, at most 30,000.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// What the thread of a module is asked.
struct Job {
    place: Arc<Place>,
    /// What is to be signed; without, the public key is to be told.
    bytes: Option<Vec<u8>>,
    tell: oneshot::Sender<Result<Vec<u8>>>,
}

/// Where a key is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    token: Option<String>,
    slot: Option<u64>,
    key: Option<Vec<u8>>,
    id: Option<Vec<u8>>,
    pin: Pin,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Pin {
    None,
    File(PathBuf),
    Variable(String),
}

struct Kept {
    module: PathBuf,
    place: Arc<Place>,
}

impl Pkcs11Key {
    pub(super) async fn open(&self) -> Result<Vec<Signer>> {
        let wrong = |why| Err(SignerFault::Config(why));
        let patience = patience(self.timeout_ms)?;
        if self.token.is_some() == self.slot.is_some() {
            return wrong("a token is named by its label or by its slot");
        }
        if self.key.is_none() && self.id.is_none() {
            return wrong("a key is named by its label, its id, or both");
        }
        let pin = match (&self.pin_file, &self.pin_env) {
            (None, None) => Pin::None,
            (Some(file), None) => Pin::File(file.clone()),
            (None, Some(name)) => Pin::Variable(name.clone()),
            (Some(_), Some(_)) => return wrong("a PIN is in a file or in a variable"),
        };
        let Some(id) = self.id.as_deref().map_or(Some(None), |id| from_hex(id).map(Some)) else {
            return wrong("the id of a key is pairs of hexadecimal digits");
        };
        let key = self.key.clone().map(String::into_bytes);
        let place = Arc::new(Place { token: self.token.clone(), slot: self.slot, key, id, pin });
        let module = within(patience, elsewhere(&self.module, one_file)).await??;
        let kept = Kept { module, place };
        let told = within(patience, kept.ask(None)?).await?;
        let point = told.unwrap_or(Err(SignerFault::Internal))?;
        let key = VerifyingKey::from_slice(&point).map_err(|_| SignerFault::NotEd25519)?;
        Ok(vec![Signer::new(key, Box::new(kept), patience)])
    }
}

/// The file behind all its names: a module is loaded once, by whichever it is called. A name without a folder stays as it is: the
/// loader searches for it where libraries are, which the working directory is not.
fn one_file(path: &Path) -> Result<PathBuf> {
    let is_bare = path.components().count() < 2;
    let file = (!is_bare).then(|| std::fs::canonicalize(path).ok()).flatten();
    Ok(file.unwrap_or_else(|| path.to_owned()))
}

impl Keeper for Kept {
    fn sign<'a>(&'a self, bytes: &'a [u8]) -> Answer<'a> {
        Box::pin(async move { self.ask(Some(bytes.to_vec()))?.await.unwrap_or(Err(SignerFault::Internal)) })
    }
}

impl Kept {
    fn ask(&self, bytes: Option<Vec<u8>>) -> Result<oneshot::Receiver<Result<Vec<u8>>>> {
        let (tell, told) = oneshot::channel();
        hand_over(&self.module, Job { place: self.place.clone(), bytes, tell })?;
        Ok(told)
    }
}

type Modules = Vec<(PathBuf, SyncSender<Job>)>;

/// The threads of modules, by what they wait for. They are there as long as the process, but for those of what is no module.
static MODULES: Mutex<Modules> = Mutex::new(Vec::new());

fn modules() -> MutexGuard<'static, Modules> {
    MODULES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hand_over(path: &Path, mut job: Job) -> Result<()> {
    let mut modules = modules();
    if let Some((_, queue)) = modules.iter().find(|(known, _)| known == path) {
        job = match queue.try_send(job) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(_)) => return Err(SignerFault::Busy),
            Err(TrySendError::Disconnected(job)) => job, // its thread has panicked: there is another one then
        };
        modules.retain(|(known, _)| known != path);
    }
    if modules.len() >= MAX_MODULES {
        return Err(SignerFault::Config("there are more than 16 PKCS#11 modules"));
    }
    let (queue, jobs) = sync_channel(MAX_WAITING);
    queue.try_send(job).map_err(|_| SignerFault::Internal)?;
    let mut module = Module { path: path.to_owned(), context: None, opened: HashMap::new(), refused: HashMap::new() };
    let work = move || module.work(&jobs);
    std::thread::Builder::new().name("xbind-pkcs11".to_owned()).spawn(work).map_err(|_| SignerFault::Internal)?;
    modules.push((path.to_owned(), queue));
    Ok(())
}

struct Module {
    path: PathBuf,
    /// Loaded and initialized, and whether that was done here.
    context: Option<(Pkcs11, bool)>,
    opened: HashMap<Arc<Place>, Opened>,
    /// PINs that a token has refused, whichever key they were for: each further try may be its last.
    refused: HashMap<String, Vec<Zeroizing<String>>>,
}

struct Opened {
    session: Session,
    private: ObjectHandle,
    point: Vec<u8>,
}

impl Module {
    fn work(&mut self, jobs: &Receiver<Job>) {
        while let Ok(Job { place, bytes, tell }) = jobs.recv() {
            if tell.is_closed() {
                continue; // nobody waits any more
            }
            let served = self.serve(&place, bytes.as_deref());
            let is_none = matches!(served, Err(SignerFault::NotLoaded(_))) && self.refused.is_empty();
            if is_none {
                self.give_up(jobs);
            }
            drop(tell.send(served));
            if is_none {
                return;
            }
        }
    }

    /// What cannot be loaded takes no place. What a token has refused is not forgotten, though its module be gone.
    fn give_up(&self, jobs: &Receiver<Job>) {
        let mut modules = modules();
        modules.retain(|(path, _)| *path != self.path);
        for Job { tell, .. } in jobs.try_iter() {
            drop(tell.send(Err(SignerFault::NotLoaded(self.path.clone()))));
        }
    }

    /// A token that was gone may be there again: whatever has failed is tried once more, from the beginning.
    fn serve(&mut self, place: &Arc<Place>, bytes: Option<&[u8]>) -> Result<Vec<u8>> {
        let served = self.try_to_serve(place, bytes);
        match served {
            Err(SignerFault::Module | SignerFault::NotBegun(_) | SignerFault::NoToken | SignerFault::NoKey) => {
                self.begin_anew();
                self.try_to_serve(place, bytes)
            }
            served => served,
        }
    }

    fn try_to_serve(&mut self, place: &Arc<Place>, bytes: Option<&[u8]>) -> Result<Vec<u8>> {
        let opened = match self.opened.remove(place) {
            Some(opened) if bytes.is_some() => opened,
            _ => self.open(place)?,
        };
        let served = match bytes {
            None => opened.point.clone(),
            Some(bytes) => {
                let how = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
                opened.session.sign(&how, opened.private, bytes).map_err(|error| fault_of(&error))?
            }
        };
        self.opened.insert(place.clone(), opened);
        Ok(served)
    }

    fn begin_anew(&mut self) {
        self.opened.clear();
        if let Some((context, true)) = self.context.take() {
            drop(context.finalize());
        }
    }

    fn context(&mut self) -> Result<&Pkcs11> {
        let context = match self.context.take() {
            Some(context) => context,
            None => {
                let context = Pkcs11::new(&self.path).map_err(|_| SignerFault::NotLoaded(self.path.clone()))?;
                match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
                    Ok(()) => (context, true),
                    Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => (context, false),
                    Err(_) => return Err(SignerFault::NotBegun(self.path.clone())),
                }
            }
        };
        Ok(&self.context.insert(context).0)
    }

    fn open(&mut self, place: &Arc<Place>) -> Result<Opened> {
        let pin = place.pin.read()?;
        let context = self.context()?;
        let slot = slot_of(context, place)?;
        let token = context.get_token_info(slot).map_err(|error| fault_of(&error))?;
        let session = context.open_ro_session(slot).map_err(|error| fault_of(&error))?;
        let wants_pin = token.login_required() && pin.is_none();
        if let Some(pin) = pin {
            let name = [token.manufacturer_id(), token.model(), token.serial_number(), token.label()].join("\n");
            let refused = self.refused.entry(name).or_default();
            // The last try is its owner's.
            if refused.contains(&pin) || token.user_pin_final_try() || token.user_pin_locked() {
                return Err(SignerFault::Pin);
            }
            match session.login(UserType::User, Some(&AuthPin::from(pin.as_str()))) {
                Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
                Err(error) => {
                    let fault = fault_of(&error);
                    if fault == SignerFault::Pin {
                        refused.truncate(MAX_REFUSED.saturating_sub(1));
                        refused.insert(0, pin);
                    }
                    return Err(fault);
                }
            }
        }
        let private = match the_only(&session, &place.template(ObjectClass::PRIVATE_KEY)) {
            Err(SignerFault::NoKey) if wants_pin => return Err(SignerFault::NoPin), // it shows private keys after a login
            private => private?,
        };
        let of_private = [AttributeType::KeyType, AttributeType::Id];
        let (mut is_edwards, mut public) = (false, place.template(ObjectClass::PUBLIC_KEY));
        for attribute in session.get_attributes(private, &of_private).map_err(|error| fault_of(&error))? {
            if let Attribute::KeyType(kind) = attribute {
                is_edwards = kind == KeyType::EC_EDWARDS;
            } else if matches!(&attribute, Attribute::Id(id) if place.id.is_none() && !id.is_empty()) {
                public.push(attribute);
            }
        }
        if !is_edwards {
            return Err(SignerFault::NotEd25519);
        }
        let public = the_only(&session, &public)?;
        let point = session.get_attributes(public, &[AttributeType::EcPoint]).map_err(|error| fault_of(&error))?;
        let Some(Attribute::EcPoint(point)) = point.into_iter().next() else { return Err(SignerFault::Strange) };
        // An OCTET STRING in DER; some modules give what it holds.
        let point = point.strip_prefix(&[4, 32]).filter(|_| point.len() == 34).unwrap_or(&point).to_vec();
        Ok(Opened { session, private, point })
    }
}

impl Place {
    fn template(&self, class: ObjectClass) -> Vec<Attribute> {
        let label = self.key.iter().map(|label| Attribute::Label(label.clone()));
        let id = self.id.iter().map(|id| Attribute::Id(id.clone()));
        [Attribute::Class(class)].into_iter().chain(label).chain(id).collect()
    }
}

impl Pin {
    fn read(&self) -> Result<Option<Zeroizing<String>>> {
        match self {
            Self::None => Ok(None),
            Self::File(path) => secret(path).map(Some),
            Self::Variable(name) => {
                let text = Zeroizing::new(std::env::var(name).map_err(|_| SignerFault::Secret)?);
                trimmed(&text).map(Some)
            }
        }
    }
}

fn slot_of(context: &Pkcs11, place: &Place) -> Result<Slot> {
    let slots = context.get_slots_with_initialized_token().map_err(|error| fault_of(&error))?;
    let mut fitting = slots.into_iter().filter(|slot| match &place.token {
        Some(label) => context.get_token_info(*slot).is_ok_and(|token| token.label() == label),
        None => Some(slot.id()) == place.slot,
    });
    match (fitting.next(), fitting.next()) {
        (Some(slot), None) => Ok(slot),
        (Some(_), Some(_)) => Err(SignerFault::Several),
        (None, _) => Err(SignerFault::NoToken),
    }
}

fn the_only(session: &Session, template: &[Attribute]) -> Result<ObjectHandle> {
    let found = session.find_objects(template).map_err(|error| fault_of(&error))?;
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(SignerFault::NoKey),
        _ => Err(SignerFault::Several),
    }
}

fn fault_of(error: &Error) -> SignerFault {
    use RvError::{PinExpired, PinIncorrect, PinInvalid, PinLenRange, PinLocked};
    let Error::Pkcs11(code, _) = error else { return SignerFault::Module };
    if matches!(code, PinIncorrect | PinInvalid | PinLenRange | PinLocked | PinExpired) {
        SignerFault::Pin
    } else if matches!(code, RvError::TokenNotPresent | RvError::SlotIdInvalid) {
        SignerFault::NoToken
    } else {
        SignerFault::Module
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| {
        let digits = str::from_utf8(pair).ok().filter(|pair| pair.len() == 2 && !pair.contains('+'))?;
        u8::from_str_radix(digits, 16).ok()
    });
    pairs.collect::<Option<Vec<u8>>>().filter(|bytes| !bytes.is_empty() && bytes.len() <= 128)
}
