import { fileURLToPath } from 'node:url'
import { AutoGenxBindAgent, Identity, MessageBus, verifySignature } from '../../dist/index.mjs'
import { requireAgent } from '../../dist/express.mjs'
import { RequestVerifier, signRequestHeaders } from '../../dist/http.mjs'
import { MessageVerifier } from '../../dist/messages.mjs'
import { natsFleet } from './nats-fleet.mjs'
import { issueToken, RevocationList, TokenVerifier } from '../../dist/tokens.mjs'

export function identity() {
  const mine = Identity.generate()
  return {
    create: () => Identity.generate().did,
    sign: (data) => mine.sign(data),
    verify: (data, signature) => verifySignature(mine.did, data, signature).value,
  }
}

/** What `call` and `send` do with a payload first; it is no part of the public surface, so it is bundled here. */
export async function payload() {
  const { rolldown } = await import('rolldown')
  const input = fileURLToPath(new URL('../../ts/messages/payload.ts', import.meta.url))
  const bundle = await rolldown({ input, platform: 'node' })
  const { output } = await bundle.generate({ format: 'esm' })
  await bundle.close()
  const text = Buffer.from(output[0].code).toString('base64')
  return (await import(`data:text/javascript;base64,${text}`)).encode
}

function valueOf(result) {
  if (result.ok) return result.value
  throw result.error
}

export const fleet = (...given) => fleetOn(new MessageBus(), ...given)

/** Agents on that bus: with a log and without they are called in the same way. */
export function fleetOn(bus, count, handler, { timeoutMs } = {}) {
  const agentOptions = { bus, ...(timeoutMs && { timeoutMs }) }
  const agents = Array.from({ length: count }, (_, i) =>
    new AutoGenxBindAgent({ name: `agent-${i}`, agentOptions }).handle(handler),
  )
  return {
    call: (from, to, payload) => agents[from].call(`agent-${to}`, payload).then(valueOf),
    close: () => {
      for (const agent of agents) agent.close()
      bus.close()
      agents.length = 0
    },
  }
}

/** What reads the parts of an answer that `source` makes. */
export function stream(source) {
  const agentOptions = { bus: new MessageBus() }
  const reader = new AutoGenxBindAgent({ name: 'reader', agentOptions })
  const writer = new AutoGenxBindAgent({ name: 'writer', agentOptions, handler: () => source() })
  return () => reader.stream(writer.name, null)
}

export function tokens({ audience, needed, revoked }) {
  const [issuer, holder] = [Identity.generate(), Identity.generate().did]
  const revocations = new RevocationList()
  for (let i = 0; i < revoked; i += 1) revocations.revokeToken(`revoked-${i}`)
  const verifier = new TokenVerifier({ audience, trust: [issuer.did], revocations })
  const demands = { scopes: [needed], presenter: holder }
  const verify = (token) => verifier.verifySync(token, demands).ok
  return {
    issue: (grant) => {
      const issued = issueToken(issuer, { ...grant, subject: holder })
      if (issued.ok) return issued.value
      throw issued.error
    },
    verifyFirst: verify,
    verifyAgain: verify,
    revoke: (token) => revocations.revokeToken(JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).jti),
  }
}

export function http({ authority }) {
  const mine = Identity.generate()
  const verifier = new RequestVerifier({
    authorities: [authority],
    allow: [mine.did],
    dangerouslyAcceptReplayAfterRestart: true,
  })
  const plain = { 'content-type': 'application/json' }
  return {
    sign: (request, now) => {
      const signed = valueOf(signRequestHeaders(mine, { ...request, headers: plain }, now === undefined ? {} : { now }))
      return { ...plain, ...signed }
    },
    verify: async (request) => (await verifier.verify(request)).ok,
  }
}

export async function route() {
  const { routed } = await import('./express-route.mjs')
  const [issuer, mine] = [Identity.generate(), Identity.generate()]
  const token = (scopes) => valueOf(issueToken(issuer, { subject: mine.did, audience: 'shop', scopes }))
  const tokens = { order: token(['order']), read: token(['read']) }
  const { url, send } = await routed((authority) =>
    requireAgent(
      { authorities: [authority], trust: [issuer.did], audience: 'shop', dangerouslyAcceptReplayAfterRestart: true },
      { scopes: ['order'] },
    ),
  )
  const plain = { 'content-type': 'application/json' }
  const headers = (body, [scope] = ['order']) => {
    const request = { method: 'POST', url, headers: plain, body: Buffer.from(body) }
    return valueOf(signRequestHeaders(mine, request, { token: tokens[scope] }))
  }
  return { headers, send, once: true, whole: true }
}

export function refusals() {
  const [alice, bob, carol] = [Identity.generate(), Identity.generate(), Identity.generate()]
  const [atBob, atCarol] = [bob, carol].map(({ did }) => new MessageVerifier({ audience: did }))
  const body = Buffer.from('{"n":1}')
  const message = (now) => {
    const sealed = alice.seal({ op: 'call', to: bob.did, body, ...(now && { now }) })
    if (sealed.ok) return sealed.value
    throw sealed.error
  }
  const refused = (verifier, jws, bytes = body) => !verifier.open(jws, bytes).ok
  const original = message()
  const [header, , signature] = message().jws.split('.')
  return {
    'a good message': !refused(atBob, original.jws),
    'a replay': refused(atBob, original.jws),
    'another body': refused(atBob, message().jws, Buffer.from('{"n":2}')),
    'other claims': refused(atBob, [header, message().jws.split('.')[1], signature].join('.')),
    'another recipient': refused(atCarol, message().jws),
    'an old message': refused(atBob, message(Math.floor(Date.now() / 1000) - 600).jws),
  }
}

/** Loaded for this alone: what the others measure has no log. */
export const lines = async (records) => (await import('./ours-audited.mjs')).lines(records)
export { ours as agents } from './http-agents.mjs'

export const nats = natsFleet(new URL('nats-ours.mjs', import.meta.url).href)
