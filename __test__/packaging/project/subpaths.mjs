// What is imported from several parts of the package, in both module systems, is one.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { AutoGenxBindAgent, Identity, XBindError } from '@private.me/autogen'
import { requireAgent } from '@private.me/autogen/express'
import { requireAgent as fastifyAgent } from '@private.me/autogen/fastify'
import { requireAgent as honoAgent } from '@private.me/autogen/hono'
import { startGateway } from '@private.me/autogen/gateway'
import { RequestVerifier, signRequestHeaders } from '@private.me/autogen/http'
import { MessageVerifier } from '@private.me/autogen/messages'
import { connect } from '@private.me/autogen/nats'
import { verifyReceipt } from '@private.me/autogen/record'
import { covers, issueToken, RevocationList, TokenVerifier } from '@private.me/autogen/tokens'

const require = createRequire(import.meta.url)
assert.equal(require('@private.me/autogen/tokens').TokenVerifier, TokenVerifier)
assert.equal(require('@private.me/autogen/messages').MessageVerifier, MessageVerifier)
assert.equal(require('@private.me/autogen/http').RequestVerifier, RequestVerifier)
assert.equal(require('@private.me/autogen/record').verifyReceipt, verifyReceipt)
assert.equal(require('@private.me/autogen/nats').connect, connect)
assert.equal(require('@private.me/autogen/gateway').startGateway, startGateway)

const [issuer, holder] = [Identity.generate(), Identity.generate()]
const audience = 'https://billing.example'
const issued = issueToken(issuer, { subject: holder.did, audience, scopes: ['invoice.*'] })
const verified = new TokenVerifier({ audience, trust: [issuer.did] }).verifySync(issued.value)
assert.deepEqual(verified.value.scopes, ['invoice.*'])
assert.throws(() => covers('', ''), XBindError)

const sealed = issuer.seal({ op: 'send', to: holder.did, body: new Uint8Array([1]) })
assert.equal(
  new MessageVerifier({ audience: holder.did }).open(sealed.value.jws, sealed.value.body).value.from,
  issuer.did,
)

const signed = signRequestHeaders(issuer, { method: 'GET', url: 'https://api.example/a' })
const requests = new RequestVerifier({ authorities: ['api.example'], dangerouslyAcceptReplayAfterRestart: true })
const received = await requests.verify({ method: 'GET', url: 'https://api.example/a', headers: signed.value })
assert.equal(received.value.from, issuer.did)
// The entries of frameworks load without them, and take the verifier of ./http for what it is.
assert.equal(typeof requireAgent(requests), 'function')
assert.equal(typeof honoAgent(requests), 'function')
assert.equal(require('@private.me/autogen/fastify').requireAgent, fastifyAgent)

const [boss, clerk] = ['boss', 'clerk'].map((name) => new AutoGenxBindAgent({ name }))
const revocations = new RevocationList()
boss.handle(() => 'done', { trust: [boss.getDID()], scopes: ['work'], revocations })
const { value: token } = await boss.grant({ subject: clerk.getDID(), audience: boss.getDID(), scopes: ['work'] })
assert.equal((await clerk.call('boss', 1, { token })).value, 'done')
const { receipt } = await clerk.call('boss', 1, { token, receipt: true })
assert(verifyReceipt(receipt, { caller: clerk.getDID(), agent: boss.getDID() }).ok)
revocations.revokeDID(clerk.getDID())
const { error } = await clerk.call('boss', 1, { token })
assert(error instanceof XBindError)
assert.equal(error.code, 'REVOKED')
console.log('the parts are one')
