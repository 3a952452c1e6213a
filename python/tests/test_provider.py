"""Keys that live elsewhere."""

import asyncio

import pytest

from private_me import Agent, Identity, XBindError, autogen_xbind


class Keystore:
    def __init__(self, how="now"):
        self.identity = Identity()
        self.how = how
        self.asked = 0

    def get_did(self):
        return self.identity.did

    def sign(self, data):
        self.asked += 1
        if self.how == "raises":
            raise RuntimeError("a secret")
        if self.how == "later":
            return self.later(data)
        if self.how in ("none", "short", "another"):
            return {"none": None, "short": b"x", "another": Identity().dangerously_sign(data)}[self.how]
        return bytearray(self.identity.dangerously_sign(data))

    async def later(self, data):
        await asyncio.sleep(0.01)
        return self.identity.dangerously_sign(data)


@pytest.mark.parametrize("how", ["now", "later"])
async def test_an_agent_signs_with_a_key_elsewhere(bus, asker, how):
    keystore = Keystore(how)
    async with Agent("remote", bus=bus, identity=keystore, handler=lambda call: call.sender) as remote:
        assert remote.did == keystore.identity.did
        assert await asker.call("remote") == asker.did
        assert (await remote.describe()).did == remote.did
        assert (await asker.describe("remote")).did == remote.did
        asker.handle(lambda call: call.sender)
        assert await asyncio.gather(*(remote.call("asker") for _ in range(100))) == [remote.did] * 100
        with pytest.raises(XBindError, match="SIGN_FAILED"):
            remote.grant(subject=asker.did, audience="x", scopes=[])
        with pytest.raises(XBindError):
            await remote.export_identity()
    assert 0 < keystore.asked < 100, "many are signed at once"


@pytest.mark.parametrize("how", ["raises", "none", "short", "another"])
async def test_a_provider_that_does_not_sign_is_told_of(bus, asker, caplog, how):
    keystore = Keystore(how)
    async with Agent("remote", bus=bus, identity=keystore) as remote:
        asker.handle(lambda call: 1)
        with pytest.raises(XBindError) as caught:
            await remote.call("asker", timeout=5)
        assert caught.value.code == "SIGN_FAILED" and "secret" not in str(caught.value)
        assert "identity provider" in caplog.text
        with pytest.raises((XBindError, TypeError)):
            await remote.describe()


async def test_what_is_no_provider_is_told(bus):
    class NoDid(Keystore):
        def get_did(self):
            return "did:web:x"

    for wrong in (1, "x", object(), NoDid()):
        with pytest.raises((TypeError, XBindError)):
            Agent(bus=bus, identity=wrong)
    agent = autogen_xbind.AutoGenxBindAgent(agent_options={"bus": bus}, identity_provider=Keystore())
    await agent.close()
    assert bus.agents() == []
