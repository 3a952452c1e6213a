//! A model's server that answers what it is told to, and remembers what it was sent, byte for byte.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::until;

/// What it does, one after the other; then it takes the next request.
#[derive(Clone)]
pub enum Do {
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Waits until the gate is open, or nobody is there any more.
    Wait(Gate),
    /// Sends these again and again until nobody takes them.
    Endless(Vec<u8>),
    /// Closes the connection.
    Close,
}

/// Closed until it is opened.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits a moment; whether it is open.
    fn waits(&self) -> bool {
        let open = self.0.0.lock().unwrap();
        *self.0.1.wait_timeout(open, Duration::from_millis(10)).unwrap().0
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        let mut all = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        all.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn names(&self) -> Vec<String> {
        let names = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        names.map(|(name, _)| name.to_ascii_lowercase()).collect()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

#[derive(Default)]
struct State {
    turns: VecDeque<Vec<Do>>,
    usual: Vec<Do>,
    seen: Vec<Seen>,
    gone: usize,
    open: usize,
}

pub struct Upstream {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Upstream {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let own = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = own.clone();
                thread::spawn(move || {
                    state.lock().unwrap().open += 1;
                    drop(serve(stream, &state));
                    state.lock().unwrap().open -= 1;
                });
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it does from now on.
    pub fn does(&self, usual: Vec<Do>) {
        self.state.lock().unwrap().usual = usual;
    }

    pub fn says(&self, answer: Vec<u8>) {
        self.does(vec![Do::Say(answer)]);
    }

    /// What it does once, before all else.
    pub fn once(&self, turn: Vec<Do>) {
        self.state.lock().unwrap().turns.push_back(turn);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub fn last(&self) -> Seen {
        self.seen().pop().expect("nothing was forwarded")
    }

    pub fn count(&self) -> usize {
        self.state.lock().unwrap().seen.len()
    }

    /// Waits until it was sent so many requests.
    #[track_caller]
    pub fn has(&self, count: usize) {
        until(|| self.count() >= count);
    }

    /// How many went away while they were answered.
    pub fn gone(&self) -> usize {
        self.state.lock().unwrap().gone
    }

    /// How many connections there are.
    pub fn open(&self) -> usize {
        self.state.lock().unwrap().open
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut taken = Vec::new();
    while let Some(seen) = request(&mut stream, &mut taken)? {
        let turn = {
            let mut state = state.lock().unwrap();
            state.seen.push(seen);
            state.turns.pop_front().unwrap_or_else(|| state.usual.clone())
        };
        for act in turn {
            match act {
                Do::Say(bytes) => stream.write_all(&bytes)?,
                Do::Wait(gate) => {
                    while !gate.waits() {
                        if is_gone(&mut stream) {
                            state.lock().unwrap().gone += 1;
                            return Ok(());
                        }
                    }
                }
                Do::Endless(bytes) => loop {
                    if is_gone(&mut stream) || stream.write_all(&bytes).is_err() {
                        state.lock().unwrap().gone += 1;
                        return Ok(());
                    }
                    thread::sleep(Duration::from_millis(1));
                },
                Do::Close => return Ok(()),
            }
        }
    }
    Ok(())
}

fn is_gone(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let read = stream.peek(&mut [0]);
    stream.set_read_timeout(None).unwrap();
    match read {
        Ok(count) => count == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

fn request(stream: &mut TcpStream, taken: &mut Vec<u8>) -> std::io::Result<Option<Seen>> {
    let mut buffer = [0; 16_384];
    loop {
        if let Some(at) = taken.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(taken[..at].to_vec()).unwrap();
            let seen = Seen { head, body: Vec::new() };
            let length: usize = seen.field("content-length").map_or(0, |length| length.parse().unwrap());
            if taken.len() >= at + 4 + length {
                let all: Vec<u8> = taken.drain(..at + 4 + length).collect();
                return Ok(Some(Seen { body: all[at + 4..].to_vec(), ..seen }));
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            n => taken.extend_from_slice(&buffer[..n]),
        }
    }
}

/// A whole answer.
pub fn answer(status: u16, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Said\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}").into()
}

pub fn json(body: &str) -> Vec<u8> {
    answer(200, "application/json", body)
}

/// The head of a stream.
pub fn stream(content_type: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n").into()
}

pub fn chunk(bytes: &str) -> Vec<u8> {
    format!("{:x}\r\n{bytes}\r\n", bytes.len()).into()
}

pub const LAST: &[u8] = b"0\r\n\r\n";
