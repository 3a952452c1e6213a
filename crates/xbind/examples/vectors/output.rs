//! The files in vectors/, as every maker writes them.

use serde::Serialize;
use std::path::Path;
use std::{fs, io};

/// Writes files of these names and texts.
pub fn write(files: impl IntoIterator<Item = (&'static str, String)>) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    files.into_iter().try_for_each(|(name, text)| fs::write(folder.join(name), text))
}

pub fn text(file: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(file).unwrap();
    text.push('\n');
    text
}
