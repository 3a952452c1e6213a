//! An operator: registered, and its domain proven.

use xbind_authority::wire::{OperatorView, ProveDomain};

use crate::args::VerifyOperator;
use crate::commands::Room;
use crate::failure::{Exit, Failure, Result};
use crate::home::Role;
use crate::plain::plain;
use crate::said::Said;

pub(crate) fn register(room: &Room<'_>) -> Result<Said> {
    let _alone = room.home.operator()?.0.lock()?;
    let (home, mut operator) = room.home.operator()?;
    let key = home.key(Role::Operator, &operator.did, &room.passphrases())?;
    let mut client = room.client(&operator.server)?;
    operator.authority.pin(&mut client)?;
    let body = ProveDomain { domain: operator.domain.clone() };
    let view: OperatorView = client.send("POST", "/v1/operators", &body, Some(&key))?;
    if view.did != operator.did {
        return Err(Failure::new(Exit::Invalid, "strange-answer", "the authority registered another key"));
    }
    operator.id = Some(view.id.clone());
    home.save_operator(&operator)?;
    room.say("next: publish the TXT record, then xbind verify-operator confirm");
    Ok(Said::of(&view))
}

pub(crate) fn verify(room: &Room<'_>, args: &VerifyOperator) -> Result<Said> {
    let own = room.as_operator()?;
    let body = ProveDomain { domain: own.operator.domain.clone() };
    match args {
        VerifyOperator::Instructions => {
            let view: OperatorView = own.client.send("POST", "/v1/operators", &body, Some(&own.key))?;
            room.say(&format!(
                "publish this TXT record of {}, then xbind verify-operator confirm",
                plain(&view.domain)
            ));
            let text = format!("{} TXT \"{}\"", view.txt.name, view.txt.value);
            Ok(Said::of(&view).with_text(plain(&text)))
        }
        VerifyOperator::Confirm => {
            let path = format!("/v1/operators/{}/verification", own.id);
            let view: OperatorView = own.client.send("POST", &path, &body, Some(&own.key))?;
            room.say("next: xbind init for an agent, then xbind register agent");
            Ok(Said::of(&view))
        }
        VerifyOperator::Status => {
            // What is not proven is nowhere stored, so whoever asks about it says who it would be.
            let view: OperatorView = own.client.send("POST", "/v1/operators", &body, Some(&own.key))?;
            Ok(Said::of(&view))
        }
    }
}
