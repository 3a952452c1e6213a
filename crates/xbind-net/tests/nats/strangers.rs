//! Who is on the bus and speaks for nobody, and who only says that he is there.

use std::collections::HashMap;

use xbind::cluster::{NKey, Role};

use super::*;

/// Notes what is written about who is there, by its bytes.
async fn written(server: &Server) -> Arc<Mutex<HashMap<Vec<u8>, usize>>> {
    let all = Arc::<Mutex<HashMap<Vec<u8>, usize>>>::default();
    let client = async_nats::connect(&server.url).await.unwrap();
    let mut entries = client.subscribe("$KV.XB1_main_AGENTS.>").await.unwrap();
    client.flush().await.unwrap();
    let noted = all.clone();
    tokio::spawn(async move {
        while let Some(entry) =
            std::future::poll_fn(|context| std::pin::Pin::new(&mut entries).poll_next(context)).await
        {
            let mut noted = noted.lock().unwrap();
            let times = noted.entry(entry.payload.to_vec()).or_default();
            *times = usize::saturating_add(*times, 1);
        }
        drop(client);
    });
    all
}

#[test]
fn a_host_without_agents_and_hosts_that_are_none_make_nobody_write_again() {
    let server = Server::start(&[]);
    block_on(async {
        let written = written(&server).await;
        let (here, bus) = node(&server, "main").await;
        let agents: Vec<_> = (1..=5).map(|seed| join(&here, seed, &format!("agent-{seed}"))).collect();
        for agent in &agents {
            bus.named(agent.did()).await.unwrap();
        }
        until(|| written.lock().unwrap().len() >= agents.len()).await;
        let (_watching, watcher) = node(&server, "main").await;
        until(|| watcher.agents().len() == agents.len()).await;
        // Somebody says again and again that he is there, under many keys and always the same one, and sends what nobody has signed.
        let stranger = async_nats::connect(&server.url).await.unwrap();
        for round in 0..40_u8 {
            for seed in [200, round] {
                let host = NKey::of(Role::User, SigningKey::from_seed(&[seed; 32]).verifying_key());
                stranger.publish(format!("xb1.main.{host}.b"), "".into()).await.unwrap();
            }
            sleep(Duration::from_millis(100)).await;
        }
        // What is signed anew is other bytes.
        let twice = written.lock().unwrap().values().filter(|times| **times > 1).count();
        assert_eq!(twice, 0, "{:?}", written.lock().unwrap().values());
        assert_eq!(watcher.agents().len(), agents.len());
    });
}
