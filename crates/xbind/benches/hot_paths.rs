//! How long each operation of a call takes: `cargo bench -p xbind`.

#[path = "paths.rs"]
mod paths;

fn main() {
    divan::main();
}

#[divan::bench(args = paths::NAMES)]
fn path(bencher: divan::Bencher<'_, '_>, name: &str) {
    if let Some(mut path) = paths::path(name) {
        bencher.bench_local(&mut path);
    }
}
