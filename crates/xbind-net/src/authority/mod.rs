//! Asking an operator's authority: signed requests, answers that it has signed, refusals as problems. `docs/authority.md` says
//! what goes over the wire.
//!
//! | file | what |
//! | --- | --- |
//! | [`wire`] | requests and answers, for the server and for those who ask it |
//! | `client` | one request, one answer |
//! | `known` | whose answers they are, however its keys change |
//! | `follower` | the same, for whoever accepts its tokens |
//! | `refusal` | why there is none |
//! | `registry` | what an agent asks: its name registered, names of others, tokens |
//! | `names`, `tokens` | what is kept of the answers, and how long |
//! | `user_token` | a secret on its way to the authority |

mod client;
mod follower;
mod known;
mod names;
mod refusal;
mod registry;
mod tokens;
mod user_token;
pub mod wire;

pub use client::{Client, Question};
pub use follower::Follower;
pub use known::Known;
pub use refusal::Refusal;
pub use registry::{Registered, Registry};
pub use tokens::Wanted;
pub use user_token::{USER_TOKEN_TYPE, UserToken};
