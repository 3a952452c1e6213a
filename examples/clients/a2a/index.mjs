// An A2A agent whose card its DID has signed, and a client that signs its requests. Run it: node examples/clients/a2a/index.mjs
import assert from 'node:assert/strict'
import { AgentCard, canonicalizeAgentCard, Role, verifyAgentCardSignature } from '@a2a-js/sdk'
import {
  ClientFactory,
  ClientFactoryOptions,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
} from '@a2a-js/sdk/client'
import {
  DefaultRequestHandler,
  InMemoryTaskStore,
  JsonRpcTransportHandler,
  ServerCallContext,
} from '@a2a-js/sdk/server'
import { didToPublicKey, Identity } from '@private.me/autogen'
import { createFetch } from '@private.me/autogen/http'
import { issueToken } from '@private.me/autogen/tokens'
import { changing, refused, serve, show, valueOf } from '../server.mjs'

const [writer, planner, stranger] = [Identity.generate(), Identity.generate(), Identity.generate()]
const grant = (scopes) => valueOf(issueToken(writer, { subject: planner.did, audience: 'writer', scopes }))
const base64url = (text) => Buffer.from(text).toString('base64url')

// ── The agent that is asked ──

/** The card with the signature of that identity: JWS (RFC 7515), EdDSA, a DID as `kid`. */
function signCard(card, identity) {
  const header = base64url(JSON.stringify({ alg: 'EdDSA', kid: identity.toJWK().kid, typ: 'JOSE' }))
  const input = `${header}.${base64url(canonicalizeAgentCard(card))}`
  const signature = base64url(identity.sign(Buffer.from(input)))
  return { ...card, signatures: [{ protected: header, signature, header: undefined }] }
}

const executor = {
  async execute({ userMessage, contextId, context }, events) {
    // The user is whom the verifier has proven.
    const text = `about ${userMessage.parts[0].content.value}, for ${context.user.userName}`
    events.publish({ kind: 'message', data: message(Role.ROLE_AGENT, text, contextId) })
    events.finished()
  },
  async cancelTask() {},
}

function message(role, text, contextId = '') {
  const part = { content: { $case: 'text', value: text }, mediaType: 'text/plain', filename: '', metadata: undefined }
  return {
    messageId: crypto.randomUUID(),
    role,
    parts: [part],
    contextId,
    taskId: '',
    extensions: [],
    metadata: undefined,
    referenceTaskIds: [],
  }
}

let card
let rpc
/** Anybody may read the card. */
const open = ({ method, url }) =>
  method === 'GET' && url === '/.well-known/agent-card.json' ? Response.json(AgentCard.toJSON(card)) : undefined
const server = await serve(
  { trust: [writer.did], audience: 'writer', scopes: ['write'], open },
  async ({ from }, request) => {
    const user = { isAuthenticated: true, userName: from }
    const requestedVersion = request.headers.get('a2a-version') ?? undefined
    return Response.json(await rpc.handle(await request.json(), new ServerCallContext({ user, requestedVersion })))
  },
)
const plain = AgentCard.fromJSON({
  name: 'writer',
  description: 'Writes about a topic.',
  version: '1.0.0',
  supportedInterfaces: [{ url: `${server.url}/a2a`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  capabilities: {},
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [{ id: 'write', name: 'Write', description: 'Writes about a topic.', tags: ['text'] }],
})
card = signCard(plain, writer)
rpc = new JsonRpcTransportHandler(new DefaultRequestHandler(card, new InMemoryTaskStore(), executor))

// ── The agent that asks ──

/** The card at an address, which the key of that DID must have signed: no key is fetched, the DID spells it. */
async function cardOf(url, did) {
  const found = await new DefaultAgentCardResolver().resolve(url)
  await verifyCard(found, did)
  return found
}

/** Throws unless that DID has signed it. */
async function verifyCard(found, did) {
  const x = base64url(valueOf(didToPublicKey(did)))
  await verifyAgentCardSignature(async () => ({ kty: 'OKP', crv: 'Ed25519', x }))(found)
}

async function clientOf(send) {
  const transports = [new JsonRpcTransportFactory({ fetchImpl: send })]
  const options = ClientFactoryOptions.createFrom(ClientFactoryOptions.default, { transports })
  return new ClientFactory(options).createFromAgentCard(await cardOf(server.url, writer.did))
}
const ask = async (send) => {
  const client = await clientOf(send)
  return client.sendMessage({
    message: message(Role.ROLE_USER, 'identity'),
    tenant: '',
    configuration: undefined,
    metadata: undefined,
  })
}

console.debug = () => {} // there the library tells of each signature that is none
console.log('The card is that of the DID which was meant')
const found = await cardOf(server.url, writer.did)
show('  card of', `${found.name}, ${found.skills.length} skill`)
await refused("another DID's card", 'No valid signatures', verifyCard(found, stranger.did))
await refused('a card signed by others', 'No valid signatures', verifyCard(signCard(plain, stranger), writer.did))
await refused(
  'a changed card',
  'No valid signatures',
  verifyCard({ ...found, description: 'Pays invoices.' }, writer.did),
)

console.log('The client signs, and the agent knows for whom it works')
const token = grant(['write'])
const answer = await ask(createFetch(planner, { token }))
const { value } = answer.parts[0].content
show('  answered', `${value.slice(0, 40)}…`)
assert.equal(value, `about identity, for ${planner.did}`)

console.log('Nobody else gets in')
await refused('unsigned', 'INVALID_SIGNATURE', ask(fetch))
await refused('signed, without a token', 'SCOPE_DENIED', ask(createFetch(planner)))
await refused('a token for less', 'SCOPE_DENIED', ask(createFetch(planner, { token: grant(['read']) })))
await refused("somebody else's token", 'INVALID_TOKEN', ask(createFetch(stranger, { token })))
const swapped = changing((text) => text.replace('identity', 'something else'))
await refused('a changed body', 'INVALID_SIGNATURE', ask(createFetch(planner, { token, fetch: swapped })))

server.close()
console.log('\nAll as expected.')
