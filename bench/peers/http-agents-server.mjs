// The other side of the suite http-agents: an agent that is mounted, or a route behind a bearer token of jose, both on node:http.
import { once } from 'node:events'
import http from 'node:http'
import { reply } from '../lib/load.mjs'

const [{ ours, jwk }] = await once(process, 'message')
const { listener, did } = ours ? await mounted() : await guarded()
const server = http.createServer(listener)
server.listen(0, '127.0.0.1', 4096, () => process.send({ port: server.address().port, did }))
process.on('disconnect', () => process.exit())
process.on('message', ({ memory }) => memory && process.send({ rss: process.memoryUsage().rss }))

async function mounted() {
  const { AutoGenxBindAgent, MessageBus } = await import('../../dist/index.mjs')
  const { serveAgents } = await import('../../dist/http.mjs')
  const agent = new AutoGenxBindAgent({ agentOptions: { bus: new MessageBus() } })
  agent.handle(reply)
  agent.handle('tokens', tokens)
  return { listener: serveAgents([agent]), did: agent.getDID() }
}

async function guarded() {
  const jose = await import('jose')
  const key = await jose.importJWK(jwk, 'EdDSA')
  const demands = { algorithms: ['EdDSA'], issuer: 'agent-0', audience: 'agent-1', requiredClaims: ['exp', 'jti'] }
  const listener = async (request, response) => {
    try {
      const [scheme, token] = (request.headers.authorization ?? '').split(' ')
      if (scheme !== 'Bearer') throw new Error('no token')
      const { payload: claims } = await jose.jwtVerify(token, key, demands)
      let text = ''
      request.setEncoding('utf8')
      for await (const part of request) text += part
      if (request.url === '/tokens') return await streamed(response)
      const body = JSON.stringify(reply({ from: claims.iss, payload: JSON.parse(text) }))
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
    } catch {
      if (!response.headersSent) response.writeHead(401)
      response.end()
    }
  }
  return { listener }
}

// As servers of models do: lines, and as many as the socket takes.
async function streamed(response) {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  response.on('error', () => undefined)
  for await (const part of tokens()) {
    if (response.destroyed) return
    if (!response.write(`${JSON.stringify(part)}\n`)) {
      await Promise.race([once(response, 'drain'), once(response, 'close')]).catch(() => undefined)
    }
  }
}

async function* tokens() {
  for (let seq = 0; ; seq += 1) {
    yield { seq, token: ' identity', choice: 0, done: false }
    if (seq % 100 === 99) await new Promise(setImmediate)
  }
}
