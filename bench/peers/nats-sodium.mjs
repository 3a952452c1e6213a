// Request and reply of nats.js, each signed by hand with libsodium: keys of the others are exchanged beforehand and kept.
import { randomUUID } from 'node:crypto'
import { connect } from '@nats-io/transport-node'
import { natsFleet } from './nats-fleet.mjs'
import { opened, ReplayWindow, seal } from './signed-bus.mjs'
import { createKey, keyOf } from './sodium-native.mjs'

export { refusals } from './sodium-native.mjs'
export const nats = natsFleet(import.meta.url)

const crowd = (count) => Array.from({ length: count }, () => ({ key: createKey(), seen: new ReplayWindow() }))
const shownOf = (agents) => agents.map(({ key }) => Buffer.from(key.publicKey).toString('base64'))

class Known {
  #keys = new Map()

  meet(shown) {
    for (const text of shown) {
      const key = keyOf(Buffer.from(text, 'base64'))
      this.#keys.set(key.did, key)
    }
    return this
  }

  all = () => [...this.#keys.values()]
  find = (did) => this.#keys.get(did)
}

// Three lines: what is signed, the body, the signature.
const written = ({ signed, body, signature }) => `${signed}\n${body}\n${signature.toString('base64')}`

function read(text) {
  const [signed, body, signature] = text.split('\n')
  return { signed, body, signature: Buffer.from(signature, 'base64') }
}

export async function answers(servers, space, count, handler) {
  const connection = await connect({ servers })
  const [agents, known] = [crowd(count), new Known()]
  for (const [at, me] of agents.entries()) {
    const callback = async (_, message) => {
      try {
        const { claims, payload } = opened(me, read(message.string()), known.find)
        if (claims.op !== 'call') return
        const value = await handler({ from: claims.iss, payload })
        const answer = { op: 'result', aud: claims.iss, jti: randomUUID(), irt: claims.jti }
        message.respond(written(seal(me.key, answer, value)))
      } catch {
        // An unproven sender is told nothing; its call times out.
      }
    }
    connection.subscribe(`${space}.agent-${at}`, { callback })
  }
  await connection.flush()
  return { shown: shownOf(agents), meet: (callers) => known.meet(callers) }
}

export async function calls(servers, space, count, shown) {
  const connection = await connect({ servers })
  const [agents, known] = [crowd(count), new Known().meet(shown)]
  const others = known.all()
  const options = { timeout: 100_000 }
  const call = async (from, to, payload) => {
    const [me, other] = [agents[from], others[to]]
    const id = randomUUID()
    const request = written(seal(me.key, { op: 'call', aud: other.did, jti: id }, payload))
    const answer = await connection.request(`${space}.agent-${to}`, request, options)
    const { claims, payload: value } = opened(me, read(answer.string()), known.find)
    if (claims.op !== 'result' || claims.irt !== id || claims.iss !== other.did) throw new Error('no answer to this')
    return value
  }
  return { call, shown: shownOf(agents), close: () => connection.close() }
}
