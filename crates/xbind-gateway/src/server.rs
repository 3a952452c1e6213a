//! A gateway that runs.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use xbind::Did;
use xbind_server::{Counts, Fault, Limits, Times, acceptor, fault, listen, serve};

use crate::answer::Body;
use crate::app::App;
use crate::books::Books;
use crate::config::Config;
use crate::lists::ROUND;
use crate::pipeline;

/// What a first line and header fields take at most: a chain of delegations is among them.
const MAX_HEAD: usize = 128 * 1024;
const MAX_FIELDS: usize = 128;
/// How long the head of a request may take to come, and a connection to live.
const HEAD: Duration = Duration::from_secs(15);
const CONNECTION: Duration = Duration::from_secs(3600);
/// How long requests may go on when the gateway stops.
const DRAIN: Duration = Duration::from_secs(30);
/// How often what is over is forgotten.
const PURGE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);

/// A gateway that runs. Dropping it stops it.
pub struct Gateway {
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    app: Arc<App>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    /// Starts one. When this returns, it takes connections.
    ///
    /// # Errors
    /// What of its configuration cannot be used: a directory, file, certificate or address.
    pub fn start(config: Config) -> Result<Self, Fault> {
        config.check()?;
        let tls = config.tls.as_ref().map(acceptor).transpose()?;
        let listener = listen(config.listen)?;
        let counted = config.metrics.map(listen).transpose()?;
        let address = listener.local_addr()?;
        let metrics = counted.as_ref().map(std::net::TcpListener::local_addr).transpose()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = config.url.clone().unwrap_or_else(|| format!("{scheme}://{address}"));
        let books = Books::open(&config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("xbind-gateway")
            .worker_threads(thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8)))
            .enable_all()
            .build()?;
        let app = {
            let _inside = runtime.enter();
            books.begin();
            Arc::new(App::new(config, books, url)?)
        };
        let (stop, stopped) = watch::channel(false);
        let (tell, told) = channel();
        let own = app.clone();
        let work = move || {
            runtime.block_on(async {
                let listeners = (TcpListener::from_std(listener), counted.map(TcpListener::from_std).transpose());
                match listeners {
                    (Ok(listener), Ok(counted)) => {
                        tell.send(Ok(())).unwrap_or_default();
                        if let Some(counted) = counted {
                            tokio::spawn(count(counted, own.clone(), stopped.clone()));
                        }
                        tokio::spawn(look(own.clone()));
                        tokio::spawn(purge(own.clone()));
                        take(listener, own.clone(), tls, stopped).await;
                    }
                    (Err(error), _) | (_, Err(error)) => tell.send(Err(error)).unwrap_or_default(),
                }
                own.tasks.close();
                drop(timeout(DRAIN, own.tasks.wait()).await);
                own.books.drain().await;
            });
            drop(runtime); // what still runs ends here, before what it would need
            own.books.close();
        };
        let thread = thread::Builder::new().name("xbind-gateway".to_owned()).spawn(work)?;
        told.recv().map_err(|_| fault("the gateway did not start"))??;
        Ok(Self { address, metrics, app, stop, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where Prometheus asks.
    #[must_use]
    pub const fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// How clients reach it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.app.door.url
    }

    /// For whom tokens have to be.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.app.audience
    }

    /// Whose key signs its log.
    #[must_use]
    pub fn did(&self) -> Did {
        *self.app.books.did()
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

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end();
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("url", &self.url()).finish_non_exhaustive()
    }
}

async fn take(
    listener: TcpListener,
    app: Arc<App>,
    tls: Option<tokio_rustls::TlsAcceptor>,
    stop: watch::Receiver<bool>,
) {
    let limits = Limits {
        max_connections: app.config.limits.connections,
        max_connections_per_address: app.config.limits.connections_per_address,
        times: Times { head: HEAD, body: app.config.limits.answer, connection: CONNECTION },
        drain: DRAIN,
        max_head: MAX_HEAD,
        max_fields: MAX_FIELDS,
    };
    let counts = app.counts.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(pipeline::answer(app, request).await) }
    });
    serve(listener, service, limits, counts, tls, stop).await;
}

/// What is relied upon is renewed twice a second, and whatever holds no more by what has come is ended.
async fn look(app: Arc<App>) {
    let mut round = interval(ROUND);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_round = tokio::select! {
            _ = round.tick() => true,
            () = app.rights.lists.news.notified() => false,
        };
        if !is_round {
            tokio::time::sleep(PAUSE).await; // many come together
        }
        let now = xbind_runtime::now();
        let tokens = app.running.judge(|links| app.rights.ends(links, now));
        if is_round {
            tokens.iter().for_each(|token| app.rights.lists.keep(token.links()));
            app.rights.renew();
        }
    }
}

/// Forgets what is over, a little at a time, so that nobody waits for it.
async fn purge(app: Arc<App>) {
    let mut round = interval(PURGE);
    loop {
        round.tick().await;
        let now = xbind_runtime::now();
        app.rights.lists.at_hand.purge(now);
        let problem = loop {
            match app.books.purge(now).await {
                Ok(0) => break None,
                Ok(_) => tokio::time::sleep(PAUSE).await,
                Err(problem) => break Some(problem),
            }
        };
        if let Some(problem) = problem {
            app.log(
                || serde_json::json!({ "time": now, "upkeep": problem.cause().unwrap_or_else(|| problem.detail()) }),
            );
        }
    }
}

/// Counts, and whether it can decide, for who watches over it.
async fn count(listener: TcpListener, app: Arc<App>, stop: watch::Receiver<bool>) {
    let limits = Limits {
        max_connections: 64,
        max_connections_per_address: 64,
        times: Times::default(),
        drain: Duration::from_secs(1),
        max_head: 16 * 1024,
        max_fields: 64,
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let app = app.clone();
        async move {
            let (status, text) = match (request.method().as_str(), request.uri().path()) {
                ("GET", "/metrics") => (200, app.metrics()),
                ("GET", "/live") => (200, "live\n".to_owned()),
                ("GET", "/ready") if app.books.check().is_ok() => (200, "ready\n".to_owned()),
                ("GET", "/ready") => (503, "the database cannot be read\n".to_owned()),
                _ => (404, "GET /metrics, /live or /ready\n".to_owned()),
            };
            let mut response = Response::new(Body::whole(text));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
            let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, text);
            Ok::<_, Infallible>(response)
        }
    });
    let counts = Arc::<Counts>::default();
    serve(listener, service, limits, counts, None, stop).await;
}
