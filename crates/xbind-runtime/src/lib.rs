//! Agents, buses and inboxes.
#![forbid(unsafe_code)]
