//! The authority as it was when it was last asked, and the statements by which its key has changed.

use serde::{Deserialize, Serialize};
use xbind::Did;
use xbind_authority::wire::About;
use xbind_net::authority::Known;

use crate::client::Client;
use crate::failure::{Failure, Result};

/// What a file of an identity says of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Authority {
    /// Its DID, once it was asked.
    #[serde(rename = "authority", default, skip_serializing_if = "Option::is_none")]
    did: Option<String>,
    /// What has led there from keys whose tokens may count still.
    #[serde(rename = "authority_rotations", default, skip_serializing_if = "Vec::is_empty")]
    rotations: Vec<String>,
}

impl Authority {
    /// As it is known here, once it was asked.
    pub(crate) fn known(&self) -> Result<Option<Known>> {
        let wrong = |why| Failure::setup(format!("the authority in the file cannot be read: {why}"));
        self.did.as_deref().map(|did| Known::read(did, &self.rotations).map_err(wrong)).transpose()
    }

    /// Lets the client believe this authority alone, where it is known: as it says now who it is, if each of its keys has signed
    /// over to the next. Tells whether anything has changed.
    pub(crate) fn follow(&mut self, client: &mut Client) -> Result<bool> {
        if self.did.is_none() {
            return Ok(false);
        }
        let before = (self.did.clone(), self.rotations.clone());
        self.pin(client)?;
        Ok(before != (self.did.clone(), self.rotations.clone()))
    }

    /// The same, and whoever answers is taken for it where it is not known yet.
    pub(crate) fn pin(&mut self, client: &mut Client) -> Result<()> {
        let about = client.about()?;
        check_address(client, &about)?;
        let known = match self.known()? {
            Some(known) => known.follow(&about, xbind_runtime::now()).map_err(|refusal| client.failed(refusal))?,
            None => Known::new(*xbind::VerifyingKey::from_did(&about.did)?.did())
                .follow(&about, xbind_runtime::now())
                .map_err(|refusal| client.failed(refusal))?,
        };
        client.trust(*known.did());
        self.did = Some(known.did().to_string());
        self.rotations = known.rotations();
        Ok(())
    }

    /// Every DID whose tokens count.
    pub(crate) fn counting(&self) -> Result<Vec<Did>> {
        Ok(self.known()?.map(|known| known.counting(xbind_runtime::now()).collect()).unwrap_or_default())
    }
}

/// Signatures are for the address that the authority has by its own word.
pub(crate) fn check_address(client: &Client, about: &About) -> Result<()> {
    if about.url == client.server() {
        return Ok(());
    }
    let why = format!("{} says that it is reached by {}", client.server(), about.url);
    Err(Failure::setup(why).hint(format!("init with --server {}", about.url)))
}
