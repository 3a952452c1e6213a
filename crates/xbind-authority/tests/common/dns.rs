//! A DNS server that says of TXT records what the test wants, by UDP.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

/// Each answer in its turn; the last one from then on.
type Records = Arc<Mutex<HashMap<String, Vec<Vec<Vec<u8>>>>>>;

pub struct DnsServer {
    pub address: SocketAddr,
    records: Records,
    /// Names that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

impl DnsServer {
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let records = Records::default();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (own, told) = (records.clone(), asked.clone());
        thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if let Some(answer) = answer(&buffer[..length], &own, &told) {
                    drop(socket.send_to(&answer, from));
                }
            }
        });
        Self { address, records, asked }
    }

    /// How often somebody asked for that name.
    pub fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == name).count()
    }

    pub fn set(&self, name: &str, texts: &[&str]) {
        self.set_turns(name, &[texts]);
    }

    /// Texts that may be none.
    pub fn set_bytes(&self, name: &str, texts: &[&[u8]]) {
        let texts = texts.iter().map(|text| text.to_vec()).collect();
        self.records.lock().unwrap().insert(name.to_owned(), vec![texts]);
    }

    pub fn set_turns(&self, name: &str, turns: &[&[&str]]) {
        let turns = turns.iter().map(|texts| texts.iter().map(|text| text.as_bytes().to_vec()).collect()).collect();
        self.records.lock().unwrap().insert(name.to_owned(), turns);
    }
}

fn answer(question: &[u8], records: &Records, asked: &Mutex<Vec<String>>) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    let mut at = 12;
    while question[at] != 0 {
        let length = usize::from(question[at]);
        name.push(String::from_utf8(question[at + 1..at + 1 + length].to_vec()).ok()?.to_lowercase());
        at += 1 + length;
    }
    let end = at + 5;
    let name = name.join(".");
    asked.lock().unwrap().push(name.clone());
    let mut records = records.lock().unwrap();
    let texts = match records.get_mut(&name) {
        Some(turns) if turns.len() > 1 => turns.remove(0),
        Some(turns) => turns.first().cloned().unwrap_or_default(),
        None => Vec::new(),
    };
    if texts == [b"silence"] {
        return None;
    }
    let mut out = question[..2].to_vec();
    out.extend([0x81, if texts.is_empty() { 0x83 } else { 0x80 }, 0, 1, 0, texts.len() as u8, 0, 0, 0, 0]);
    out.extend(&question[12..end]);
    for text in texts {
        let parts: Vec<u8> = text.chunks(255).flat_map(|part| [&[part.len() as u8], part].concat()).collect();
        out.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0]);
        out.extend((parts.len() as u16).to_be_bytes());
        out.extend(parts);
    }
    Some(out)
}
