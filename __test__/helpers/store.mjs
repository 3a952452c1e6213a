// A store that several processes share, over a socket, one line of JSON for each question and each answer.
import { createServer, connect } from 'node:net'
import { createInterface } from 'node:readline'

/** Its server. `said` is asked what to answer, with the answer that is right; `forget` begins anew. */
export function serveStore(said = (right) => right) {
  let kept = new Map()
  const asked = []
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    const lines = createInterface({ input: socket }).on('error', () => undefined)
    lines.on('line', async (line) => {
      const { id, op, key, value } = JSON.parse(line)
      asked.push({ op, key, value })
      const right = op === 'agree' ? (kept.get(key) ?? value) : !kept.has(key)
      if (!kept.has(key)) kept.set(key, value)
      const answer = await said(right, op)
      if (answer !== undefined) socket.write(`${JSON.stringify({ id, answer })}\n`)
    })
  })
  return { server, asked, forget: () => (kept = new Map()) }
}

/** The side that asks, as `window` of `serveAgents`. */
export function storeAt(port) {
  const socket = connect(port, '127.0.0.1')
  socket.unref()
  socket.on('error', () => undefined)
  const waiting = new Map()
  let last = 0
  const lines = createInterface({ input: socket }).on('error', () => undefined)
  lines.on('line', (line) => {
    const { id, answer } = JSON.parse(line)
    waiting.get(id)?.(answer)
    waiting.delete(id)
  })
  const ask = (op, key, value) =>
    new Promise((resolve) => {
      waiting.set(++last, resolve)
      socket.write(`${JSON.stringify({ id: last, op, key, value })}\n`)
    })
  return { claim: (key, until) => ask('claim', key, until), agree: (key, value) => ask('agree', key, value) }
}
