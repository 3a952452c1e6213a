// Its request binding (RFC 9421 and RFC 9530) signs the request, and the reply as a request in the other direction.
import { randomUUID } from 'node:crypto'
import {
  APS_REQUEST_BINDING_TAG,
  InMemoryNonceStore,
  generateKeyPair,
  sign,
  signRequest,
  verify,
  verifyRequest,
} from 'agent-passport-system'
import { didKey } from './did-key.mjs'


const COVERED = ['@method', '@authority', '@path', 'content-digest']
const POLICY = { expectedTag: APS_REQUEST_BINDING_TAG, maxSkewSeconds: 5, requiredComponents: COVERED }

export function identity() {
  const { publicKey, privateKey } = generateKeyPair()
  return {
    create: () => didKey(Buffer.from(generateKeyPair().publicKey, 'hex')),
    sign: (data) => sign(data.toString('latin1'), privateKey),
    verify: (data, signature) => verify(data.toString('latin1'), signature, publicKey),
  }
}

export function fleet(count, handler) {
  const names = new Map()
  const agents = Array.from({ length: count }, (_, i) => createAgent(`agent-${i}`))
  for (const agent of agents) names.set(agent.name, agent)

  async function call(from, to, payload) {
    const caller = agents[from]
    const callee = names.get(`agent-${to}`)
    const id = randomUUID()
    const question = open(callee, caller, seal(caller, callee, 'call', id, payload))
    const value = await handler({ from: caller.did, payload: question })
    return open(caller, callee, seal(callee, caller, `result/${id}`, randomUUID(), value))
  }
  return { call, close: () => void (agents.length = 0) }
}

export function refusals() {
  const [alice, bob, carol] = ['alice', 'bob', 'carol'].map(createAgent)
  const message = (created) => seal(alice, bob, 'call', randomUUID(), { n: 1 }, created)
  const refused = (me, envelope) => {
    try {
      open(me, alice, envelope)
      return false
    } catch {
      return true
    }
  }
  const original = message()
  const another = message()
  another.request.body = Buffer.from('{"n":2}')
  return {
    'a good message': !refused(bob, original),
    'a replay': refused(bob, original),
    'another body': refused(bob, another),
    'other claims': refused(bob, { ...message(), profile: message().profile, request: { ...message().request, method: 'PUT' } }),
    'another recipient': refused(carol, message()),
    'an old message': refused(bob, message(Math.floor(Date.now() / 1000) - 60)),
  }
}

function createAgent(name) {
  const { publicKey, privateKey } = generateKeyPair()
  const did = didKey(Buffer.from(publicKey, 'hex'))
  const verificationMethod = `${did}#${did.slice('did:key:'.length)}`
  return {
    name,
    did,
    signer: { privateKeyHex: privateKey, verificationMethod },
    keys: [{ publicKeyHex: publicKey, verificationMethod }],
    nonces: new InMemoryNonceStore(),
  }
}

function seal(from, to, path, nonce, payload, created = Math.floor(Date.now() / 1000)) {
  const request = { method: 'POST', url: `https://${to.name}/${path}`, body: Buffer.from(JSON.stringify(payload)) }
  return { request, profile: signRequest({ request, signer: from.signer, params: { created, nonce }, covered: COVERED }) }
}

function open(me, sender, { request, profile }) {
  if (new URL(request.url).host !== me.name) throw new Error('for somebody else')
  const verdict = verifyRequest({ profile, request, keys: sender.keys, policy: POLICY, nonceStore: me.nonces })
  if (!verdict.valid) throw new Error(verdict.reason)
  return JSON.parse(Buffer.from(request.body).toString())
}
