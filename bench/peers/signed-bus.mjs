// A signed in-process bus as a careful engineer writes it by hand. The key is the only part that differs between peers:
// { did, sign(bytes) → signature, verify(bytes, signature) → boolean }, cached for as long as the agent lives.
import { hash, randomUUID } from 'node:crypto'
import { Turn } from './turn.mjs'

const LIFE_SECONDS = 5 // one clock, one process
const MAX_TRACKED = 1_000_000

export class SignedBus {
  #names = new Map()
  #agents = new Map()
  #turn = new Turn()

  join(name, key, handler) {
    const agent = { name, key, handler, pending: new Map(), seen: new ReplayWindow() }
    this.#names.set(name, agent)
    this.#agents.set(key.did, agent)
    return agent
  }

  close() {
    this.#names.clear()
    this.#agents.clear()
  }

  call(from, name, payload, timeoutMs = 30_000) {
    return new Promise((resolve, reject) => {
      const to = this.#names.get(name)
      if (!to) return reject(new Error(`no agent is named ${name}`))
      const id = randomUUID()
      const timer = setTimeout(() => from.pending.delete(id) && reject(new Error('timed out')), timeoutMs)
      from.pending.set(id, { to: to.key.did, resolve, reject, timer })
      this.#turn.run(() => this.#deliver(to, seal(from.key, { op: 'call', aud: to.key.did, jti: id }, payload)))
    })
  }

  async #deliver(to, request) {
    try {
      const { claims, payload } = this.open(to, request)
      const [op, value] = await answer(to, claims, payload)
      const reply = seal(to.key, { op, aud: claims.iss, jti: randomUUID(), irt: claims.jti }, value)
      this.#settle(this.#agents.get(claims.iss), reply)
    } catch {
      // An unproven sender is told nothing; its call times out.
    }
  }

  #settle(caller, reply) {
    const { claims, payload } = this.open(caller, reply)
    const call = caller.pending.get(claims.irt)
    if (call?.to !== claims.iss) return
    caller.pending.delete(claims.irt)
    clearTimeout(call.timer)
    if (claims.op === 'result') call.resolve(payload)
    else call.reject(new Error(payload))
  }

  open(me, envelope) {
    return opened(me, envelope, (did) => this.#agents.get(did)?.key)
  }
}

// Every check, or a throw. `keyOf` knows the keys of the others.
export function opened(me, { signed, body, signature }, keyOf) {
  const claims = JSON.parse(signed)
  const now = Date.now() / 1000
  if (claims.aud !== me.key.did) throw new Error('for somebody else')
  if (now > claims.exp || now < claims.iat - 1) throw new Error('not in time')
  if (!keyOf(claims.iss)?.verify(Buffer.from(signed), signature)) throw new Error('wrong signature')
  if (hash('sha256', body, 'base64url') !== claims.digest) throw new Error('another body')
  if (claims.op === 'call' && !me.seen.accept(claims.jti, claims.exp, now)) throw new Error('seen before')
  return { claims, payload: JSON.parse(body) }
}

export function seal(key, claims, payload, now = Date.now() / 1000) {
  const body = JSON.stringify(payload)
  const digest = hash('sha256', body, 'base64url')
  const iat = Math.floor(now)
  const signed = JSON.stringify({ ...claims, iss: key.did, iat, exp: iat + LIFE_SECONDS, digest })
  return { signed, body, signature: key.sign(Buffer.from(signed)) }
}

async function answer(to, claims, payload) {
  try {
    return ['result', await to.handler({ from: claims.iss, payload })]
  } catch (error) {
    return ['error', error.message]
  }
}

export class ReplayWindow {
  #until = new Map() // oldest first

  accept(id, until, now) {
    for (const [old, end] of this.#until) {
      if (end >= now) break
      this.#until.delete(old)
    }
    if (this.#until.has(id) || this.#until.size >= MAX_TRACKED) return false
    this.#until.set(id, until)
    return true
  }
}
