//! A gateway that is killed in the middle of requests.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use xbind_gateway::{Config, Gateway};

use crate::common::client::Wire;
use crate::common::upstream::{self, Do, Gate};
use crate::common::world::{REPLY, SECRET, World, chat};
use crate::common::{key, until};

pub const CHILD: &str = "XBIND_GATEWAY_CONFIG";

/// The child: it serves until it is killed.
pub fn serve(config: &str) -> ! {
    let (folder, text) = config.split_once('\n').unwrap();
    let config = Config::parse(text, std::path::Path::new(folder), &|_| Some(SECRET.to_owned())).unwrap();
    let gateway = Gateway::start(config).unwrap();
    println!("\nserves {}", gateway.address());
    loop {
        std::thread::park();
    }
}

fn start(world: &World, test: &str) -> (Child, std::net::SocketAddr) {
    start_within(world, test, "unlimited")
}

/// Whose files may have so many blocks of 512 bytes.
pub fn start_within(world: &World, test: &str, blocks: &str) -> (Child, std::net::SocketAddr) {
    let config = format!("{}\n{}", world.folder.path().display(), world.config);
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, config)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("serves ")?.parse().ok());
    (child, address.unwrap())
}

#[test]
fn what_was_reserved_stays_charged_and_is_on_record_once() {
    if let Ok(config) = std::env::var(CHILD) {
        serve(&config);
    }
    let mut world = World::stopped(|config| config["url"] = json!("http://llm.example"));
    let (mut child, address) = start(&world, "killed::what_was_reserved_stays_charged_and_is_on_record_once");
    let ask = |n: u8| {
        let mut wire = Wire::to(address);
        let token = world.token(key(n).did());
        let request = crate::common::client::Request::post(crate::common::world::CHAT, &chat());
        wire.send(&request.signed(&key(n), &token, "llm.example").bytes("llm.example"));
        wire
    };
    ask(2).answer().expect(200);
    let never = Gate::default();
    let events = "data: {\"choices\":[]}\n\n";
    world.upstream.once(vec![Do::Wait(never.clone())]);
    let _before_its_head = ask(3);
    world.upstream.has(2);
    let begun = [Do::Say(upstream::stream("text/event-stream")), Do::Say(upstream::chunk(events)), Do::Wait(never)];
    world.upstream.once(begun.into());
    let mut streaming = ask(4);
    streaming.head().unwrap().expect(200);
    assert_eq!(streaming.chunk().unwrap(), events.as_bytes());
    until(|| world.records().len() == 1);
    child.kill().unwrap();
    child.wait().unwrap();
    for _ in 0..2 {
        world.start();
        assert_eq!(world.charged(key(2).did()).0, 15);
        for n in [3, 4] {
            let (tokens, money) = world.charged(key(n).did());
            assert!(tokens > 1000 && money > 1_000_000, "{n}: {tokens} {money}");
            let of_it = world.records().into_iter().filter(|record| record["from"] == key(n).did().as_str());
            let codes: Vec<_> = of_it.map(|record| (record["outcome"].clone(), record["code"].clone())).collect();
            assert_eq!(codes, [(json!("failed"), json!("GATEWAY_STOPPED"))], "{n}");
        }
        world.stop();
    }
    let verified = xbind_runtime::verify(&world.log(), xbind_runtime::Wanted::default()).unwrap();
    assert_eq!(verified.records, 3);
}

#[test]
fn what_is_on_record_already_is_charged_as_it_stands_there() {
    let mut world = World::new();
    let gate = Gate::default();
    world.upstream.once(vec![Do::Wait(gate.clone()), Do::Say(upstream::json(REPLY))]);
    let mut wire = world.begin(&world.signed(&key(2), &chat()));
    world.upstream.has(1);
    // The database as it is where a gateway is killed after it has written the record, and before it has written this.
    let kept = world.folder.join("kept.db");
    let db = rusqlite::Connection::open(world.database()).unwrap();
    db.execute("VACUUM INTO ?1", [kept.to_str().unwrap()]).unwrap();
    drop(db);
    gate.open();
    let answer = wire.answer().expect(200);
    world.settled(1);
    world.stop();
    // Into the file that is there, which nobody else may read.
    std::fs::write(world.database(), std::fs::read(&kept).unwrap()).unwrap();
    for name in ["gateway.db-wal", "gateway.db-shm"] {
        drop(std::fs::remove_file(world.folder.join("gateway").join(name)));
    }
    world.start();
    assert_eq!(world.charged(key(2).did()), (15, 20_000), "not all that was reserved");
    let records = world.settled(1);
    assert_eq!(records[0]["messageId"], answer.record());
}
