//! A model's server, and somebody who asks a gateway before it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use serde_json::json;

/// What a model's server answers, each time on a connection of its own; its URL.
pub fn upstream(times: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = json!({
        "id": "1", "object": "chat.completion", "choices": [],
        "usage": { "prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200 },
    });
    thread::spawn(move || {
        for _ in 0..times {
            let (mut socket, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"}") {
                let mut piece = [0; 4096];
                let length = socket.read(&mut piece).unwrap();
                asked.extend_from_slice(&piece[..length]);
            }
            let body = body.to_string();
            let head = format!("content-type: application/json\r\ncontent-length: {}\r\nconnection: close", body.len());
            socket.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").as_bytes()).unwrap();
        }
    });
    url
}

/// What a gateway answers to somebody who has a token.
pub fn ask(listen: &str, path: &str, token: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(listen).unwrap();
    let head = format!("host: {listen}\r\ncontent-length: {}\r\nconnection: close", body.len());
    let head = format!("{head}\r\ncontent-type: application/json\r\nauthorization: Bearer {token}");
    socket.write_all(format!("POST {path} HTTP/1.1\r\n{head}\r\n\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// Writes a file that nobody else can read.
pub fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}
