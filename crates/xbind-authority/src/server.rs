//! The server as a whole: started, stopped, copied, brought back. It has a runtime of its own, so that whoever starts it
//! needs none, and takes no signals: a host that is no program of its own, such as Node.js, has handlers already.

use std::fmt::Display;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use xbind::record::Verdict;
use xbind::{Did, VerifyingKey};
use xbind_runtime::{AuditLog, Decided, Durability, LogOptions};
use xbind_server::{Limits, Passphrase, check_exposure, files};

use crate::app::{App, read_url};
use crate::config::Config;
use crate::dns::Dns;
use crate::domain::operator;
use crate::http::{MAX_FIELDS, MAX_HEAD};
use crate::identity::Keys;
use crate::issuers::Issuers;
use crate::keychain::{AuthorityKey, Keychain, Step};
use crate::oauth::sessions;
use crate::problem::Problem;
use crate::store::{Fault, Store, backup, fault, private};
use crate::{identity, routes, signer, upkeep, wishes};

const DATABASE: &str = "authority.db";
const LOG: &str = "audit.jsonl";
/// A file of the log that is longer is continued in the next.
const MAX_LOG_BYTES: u64 = 1 << 30;

/// A server that runs. Dropping it stops it.
pub struct Server {
    address: SocketAddr,
    app: Arc<App>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts one. When this returns, it takes connections.
    ///
    /// # Errors
    /// A directory, file, certificate or address that cannot be used; an address beyond loopback without TLS.
    pub fn start(config: Config) -> Result<Self, Fault> {
        check_exposure(config.listen, config.tls.is_some() || config.dangerously_allow_plain_http)?;
        let shortest = config.notice.max(config.keys_age).saturating_mul(2);
        if config.rotate_every.is_some_and(|every| every < shortest) {
            return Err(fault(format!(
                "a key signs for {shortest} s at least, of which the next one is told for half"
            )));
        }
        let acceptor = config.tls.as_ref().map(xbind_server::acceptor).transpose()?;
        let listener = xbind_server::listen(config.listen)?;
        let address = listener.local_addr()?;
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let url = config.public_url.clone().unwrap_or_else(|| format!("{scheme}://{address}"));
        read_url(&url)?;
        let issuers = Issuers::read(config.issuers.as_deref(), config.roots.clone(), config.clock_skew)?;
        let passphrase = config.passphrase.as_ref().map(Passphrase::text);
        let Opened { keys, audit, store } = Opened::of(&config.directory, passphrase)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("xbind-authority")
            .worker_threads(thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8)))
            .enable_all()
            .build()?;
        let keys = Keychain::new(config.directory.clone(), config.passphrase.clone(), config.keys_age, keys);
        let app = {
            let _inside = runtime.enter();
            Arc::new(App::new(config, issuers, store, audit, keys, url)?)
        };
        runtime.spawn(sessions::watch(app.clone()));
        // A key whose time came while no server ran signs from the first answer on.
        upkeep::begin(&app).map_err(|problem| fault(problem.cause().unwrap_or_else(|| problem.detail()).to_owned()))?;
        let (stop, stopped) = watch::channel(false);
        let (tell, told) = channel();
        let own = app.clone();
        let (end, ended) = channel();
        let upkeep = {
            let own = app.clone();
            thread::Builder::new().name("xbind-upkeep".to_owned()).spawn(move || upkeep::run(&own, &ended))?
        };
        let work = move || {
            let serve = async {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => {
                        tell.send(Ok(())).unwrap_or_default();
                        let service = TowerToHyperService::new(routes::router(own.clone()));
                        let counts = own.metrics.connections.clone();
                        xbind_server::serve(listener, service, limits(own.config()), counts, acceptor, stopped).await;
                    }
                    Err(error) => tell.send(Err(error)).unwrap_or_default(),
                }
            };
            runtime.block_on(serve);
            drop(end);
            drop(upkeep.join());
            drop(runtime); // what still runs ends here, before what it would need
            own.store.close();
            drop(own.audit.close());
        };
        let thread = thread::Builder::new().name("xbind-authority".to_owned()).spawn(work)?;
        told.recv().map_err(|_| fault("the server did not start"))??;
        Ok(Self { address, app, stop, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How clients reach it.
    #[must_use]
    pub fn url(&self) -> &str {
        self.app.url()
    }

    /// Who issues its tokens.
    #[must_use]
    pub fn did(&self) -> Did {
        self.app.did()
    }

    /// Makes the holder of a key the operator of a domain that nobody has proven, and gives his id: for development and tests,
    /// where there is no DNS. The log says that it was not proven.
    ///
    /// # Errors
    /// What is no domain, or another operator's.
    pub fn dangerously_add_operator(&self, domain: &str, key: &VerifyingKey) -> Result<String, Fault> {
        let wrong = |problem: Problem| fault(problem.detail().to_owned());
        operator::check_domain(domain).map_err(wrong)?;
        let (by, now) = (self.did(), xbind_runtime::now());
        let (domain, key) = (domain.to_owned(), key.clone());
        let change = move |change: &mut crate::store::Change<'_>| {
            let operator = operator::add(change.db(), &domain, &key, now)?;
            let mut decided = Decided::new("operator.verified", Verdict::Accepted, by, now);
            decided.chain = operator.chain();
            decided.note = crate::domain::note(&format!("{domain} without a proof"));
            change.record(decided);
            Ok(operator.id)
        };
        self.app.store.write_and_wait(change).map_err(wrong)
    }

    /// Takes no more connections, lets requests end that are under way, and closes database and log. It waits for that.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("url", &self.url()).finish_non_exhaustive()
    }
}

/// What connections may take.
const fn limits(config: &Config) -> Limits {
    Limits {
        max_connections: config.max_connections,
        max_connections_per_address: config.max_connections_per_address,
        times: config.times,
        drain: config.drain,
        max_head: MAX_HEAD,
        max_fields: MAX_FIELDS,
    }
}

/// The TXT records of a name, as a server with that resolver sees them: those of the system without one.
///
/// # Errors
/// A resolver that cannot be used, or gives no answer.
pub fn look_up(name: &str, resolver: Option<SocketAddr>) -> Result<Vec<String>, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let records = Dns::new(resolver)?.txt(name).await;
        records.map_err(|problem| fault(problem.detail().to_owned()))
    })
}

/// Copies everything of the server of that directory into another, which must not be there. The server may run meanwhile: the
/// log is copied after the database, so it holds every decision of it.
///
/// # Errors
/// A directory of no server, one to copy to that is there, or files that cannot be read or written.
pub fn backup(directory: &Path, to: &Path) -> Result<(), Fault> {
    has_authority(directory)?;
    whole(to, |to| {
        backup::copy_database(&directory.join(DATABASE), &to.join(DATABASE))?;
        copy_files(directory, to)
    })
}

/// Makes the directory of a server of a backup. What was signed until now is not accepted by it. The log is verified when the
/// server starts, and what no signature covers at its end is cut off.
///
/// # Errors
/// As [`backup`], and a database that is damaged.
pub fn restore(from: &Path, directory: &Path) -> Result<(), Fault> {
    has_authority(from)?;
    whole(directory, |directory| {
        backup::restore(&from.join(DATABASE), &directory.join(DATABASE), xbind_runtime::now())?;
        copy_files(from, directory)
    })
}

/// Frees a domain whose operator is gone; the server of that directory must not run.
///
/// # Errors
/// A server that runs, a directory of none, a domain that nobody has proven.
pub fn release(directory: &Path, passphrase: Option<&str>, domain: &str) -> Result<(), Fault> {
    let opened = Opened::existing(directory, passphrase)?;
    let (by, now) = (*opened.keys.did(), xbind_runtime::now());
    let domain = domain.to_owned();
    opened.change(move |change| {
        let operator = operator::release(change.db(), &domain)?;
        let mut decided = Decided::new("operator.released", Verdict::Accepted, by, now);
        decided.chain = operator.chain();
        decided.note = crate::domain::note(&domain);
        change.record(decided);
        Ok(())
    })
}

/// Takes a step with the authority's keys, and tells how they stand then. A server that runs does it itself, within a second.
///
/// # Errors
/// A directory of none, a step that cannot be taken now, files that cannot be read or written, a server that does not answer.
pub fn keys(directory: &Path, passphrase: Option<&Passphrase>, step: &Step) -> Result<Vec<AuthorityKey>, Fault> {
    has_authority(directory)?;
    if is_served(directory) {
        return wishes::ask(directory, &directory.join(DATABASE), step);
    }
    let opened = Opened::existing(directory, passphrase.map(Passphrase::text))?;
    let Opened { keys, audit, store } = opened;
    let age = Config::new(directory).keys_age;
    let keychain = Keychain::new(directory.to_owned(), passphrase.cloned(), age, keys);
    let taken = keychain.take(&store, step, |_, _| Ok(()));
    store.close();
    drop(audit.close());
    taken.map_err(|problem| fault(problem.cause().unwrap_or_else(|| problem.detail()).to_owned()))
}

/// Whether a server runs in that directory, and has its log.
#[must_use]
pub fn is_served(directory: &Path) -> bool {
    let lock = fs::File::open(directory.join(format!("{LOG}.lock")));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

/// Everything in the directory of a server, which nobody else uses meanwhile.
struct Opened {
    keys: Keys,
    audit: Arc<AuditLog>,
    store: Store,
}

impl Opened {
    fn of(directory: &Path, passphrase: Option<&str>) -> Result<Self, Fault> {
        files::directory(directory)?;
        for name in [LOG, DATABASE] {
            files::file(directory, &directory.join(name))?;
        }
        let has_log = fs::metadata(directory.join(LOG)).is_ok_and(|log| log.len() > 0);
        if !has_log && has_operators(&directory.join(DATABASE)) {
            return Err(fault(format!(
                "{LOG} is missing in {}: what it held is in a backup, or lost",
                directory.display()
            )));
        }
        if is_served(directory) {
            return Err(fault(format!("another server runs on {}: stop it first", directory.display())));
        }
        let first = identity::open(directory, 0, passphrase)?;
        let options = LogOptions { durability: Durability::Always, max_file_bytes: MAX_LOG_BYTES, first: None };
        let (audit, _) = AuditLog::open_with(&directory.join(LOG), first.duplicate(), options)?;
        let store = Store::open(&directory.join(DATABASE), audit.clone())?;
        match Keys::read(directory, first, &store, passphrase) {
            Ok(keys) => Ok(Self { keys, audit, store }),
            Err(fault) => {
                store.close();
                drop(audit.close()); // whoever tries again at once finds nobody here
                Err(fault)
            }
        }
    }

    /// The same where a server has been before.
    fn existing(directory: &Path, passphrase: Option<&str>) -> Result<Self, Fault> {
        has_authority(directory)?;
        Self::of(directory, passphrase)
    }

    /// Makes a change, and closes everything.
    fn change(
        self,
        change: impl FnOnce(&mut crate::store::Change<'_>) -> crate::problem::Result<()> + Send + 'static,
    ) -> Result<(), Fault> {
        let changed = self.store.write_and_wait(change);
        self.close();
        changed.map_err(|problem| fault(problem.detail().to_owned()))
    }

    fn close(self) {
        self.store.close();
        drop(self.audit.close());
    }
}

fn has_authority(directory: &Path) -> Result<(), Fault> {
    let key = identity::path(directory, 0);
    if key.exists() { Ok(()) } else { Err(fault(format!("there is no authority in {}", directory.display()))) }
}

/// Makes a directory that is there whole or not at all: under another name until then.
fn whole(path: &Path, fill: impl FnOnce(&Path) -> Result<(), Fault>) -> Result<(), Fault> {
    let cannot = |path: &Path, why: &dyn Display| fault(format!("{} cannot be made: {why}", path.display()));
    if fs::symlink_metadata(path).is_ok() {
        return Err(cannot(path, &"it is there already"));
    }
    let mut name = path.file_name().ok_or_else(|| cannot(path, &"it has no name"))?.to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    fs::create_dir(&partial).map_err(|error| cannot(&partial, &error))?;
    let filled = files::only_mine(&partial).and_then(|()| fill(&partial));
    let made = filled.and_then(|()| fs::rename(&partial, path).map_err(|error| cannot(path, &error)));
    if made.is_err() {
        drop(fs::remove_dir_all(&partial));
    }
    made
}

/// Files of the log, and then the keys, the first of them last: without it nobody takes the directory for that of a server.
fn copy_files(from: &Path, to: &Path) -> Result<(), Fault> {
    let (mut logs, mut keys) = (Vec::new(), Vec::new());
    for file in fs::read_dir(from)? {
        let file = file?;
        let name = file.file_name();
        let name = name.to_str().unwrap_or_default();
        let rest = name.strip_prefix(LOG).map(|rest| rest.strip_prefix('.').unwrap_or(rest));
        if rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())) {
            logs.push(name.to_owned());
        } else if identity::is_key(name) || name == signer::FILE {
            keys.push(name.to_owned());
        }
    }
    keys.sort_by_key(|name| from.join(name) == identity::path(from, 0));
    for name in logs.iter().chain(&keys) {
        let copy = to.join(name);
        fs::copy(from.join(name), &copy)?;
        private(&copy)?;
        fs::File::open(&copy)?.sync_all()?;
    }
    Ok(())
}

/// Whether a database knows operators, of whom the log would tell.
fn has_operators(database: &Path) -> bool {
    let known = || -> Result<bool, Fault> {
        Ok(crate::store::reader(database)?.query_row("SELECT EXISTS(SELECT 1 FROM operators)", [], |row| row.get(0))?)
    };
    known().unwrap_or(false)
}
