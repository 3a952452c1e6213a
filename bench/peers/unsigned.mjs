// The same bus without identities: JSON text on both sides, a promise and a timeout per call. It proves nothing about
// anybody, and shows what the rest of a call costs.
import { EventEmitter } from 'node:events'
import { randomUUID } from 'node:crypto'
import { carried } from './parts.mjs'
import { Turn } from './turn.mjs'

class Bus extends EventEmitter {
  #turn = new Turn()

  join(name, handler) {
    const agent = { name, pending: new Map() }
    this.on(`call:${name}`, (text) => void this.#answer(handler, text))
    this.on(`reply:${name}`, (text) => {
      const { id, value, error } = JSON.parse(text)
      const call = agent.pending.get(id)
      if (!call) return
      agent.pending.delete(id)
      clearTimeout(call.timer)
      if (error === undefined) call.resolve(value)
      else call.reject(new Error(error))
    })
    return agent
  }

  call(from, name, payload, timeoutMs = 30_000) {
    return new Promise((resolve, reject) => {
      const id = randomUUID()
      const timer = setTimeout(() => from.pending.delete(id) && reject(new Error('timed out')), timeoutMs)
      from.pending.set(id, { resolve, reject, timer })
      const text = JSON.stringify({ id, from: from.name, payload })
      this.#turn.run(() => this.emit(`call:${name}`, text))
    })
  }

  async #answer(handler, text) {
    const { id, from, payload } = JSON.parse(text)
    try {
      const value = await handler({ from, payload })
      this.emit(`reply:${from}`, JSON.stringify({ id, value }))
    } catch (error) {
      this.emit(`reply:${from}`, JSON.stringify({ id, error: error.message }))
    }
  }
}

export function fleet(count, handler, { timeoutMs } = {}) {
  const bus = new Bus()
  const agents = Array.from({ length: count }, (_, i) => bus.join(`agent-${i}`, handler))
  return {
    call: (from, to, payload) => bus.call(agents[from], `agent-${to}`, payload, timeoutMs),
    close: () => {
      bus.removeAllListeners()
      agents.length = 0
    },
  }
}

export function stream(source) {
  const open = (seq, text) => {
    const part = JSON.parse(text)
    if (part.seq !== seq) throw new Error('out of order')
    return part.payload
  }
  return () => carried(source(), (seq, payload) => JSON.stringify({ seq, payload }), open)
}
