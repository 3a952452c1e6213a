// Clients for the suite http-agents: an agent that calls by URL, and node:http with a bearer token of jose that is reused.
import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

async function server(message) {
  const child = fork(fileURLToPath(new URL('http-agents-server.mjs', import.meta.url)), { serialization: 'advanced' })
  child.send(message)
  const [{ port, did }] = await once(child, 'message')
  const memory = async () => {
    child.send({ memory: true })
    return (await once(child, 'message'))[0].rss
  }
  return { port, did, memory }
}

/** An agent, and agents of their own for as many connections. */
export async function ours() {
  const { AutoGenxBindAgent, MessageBus } = await import('../../dist/index.mjs')
  const { port, did, memory } = await server({ ours: true })
  const place = { did, url: `http://127.0.0.1:${port}/` }
  const client = () => {
    const agent = new AutoGenxBindAgent({ agentOptions: { bus: new MessageBus(), timeoutMs: 60_000 } })
    const call = async (payload) => {
      const answer = await agent.call(place, payload)
      if (!answer.ok) throw answer.error
      return answer.value
    }
    return { call, stream: () => agent.stream(place, null, { method: 'tokens' }), close: () => agent.close() }
  }
  return { client, memory }
}

export async function jose() {
  const jose = await import('jose')
  const { publicKey, privateKey } = await jose.generateKeyPair('EdDSA')
  const { port, memory } = await server({ ours: false, jwk: await jose.exportJWK(publicKey) })
  const token = await new jose.SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: 'EdDSA' })
    .setIssuer('agent-0')
    .setAudience('agent-1')
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(privateKey)
  const client = () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 128 })
    const ask = (path, body) =>
      new Promise((resolve, reject) => {
        const headers = {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        }
        const sent = http.request({ agent, host: '127.0.0.1', port, method: 'POST', path, headers })
        sent.on('error', reject).on('response', (response) => {
          if (response.statusCode === 200) resolve(response)
          else reject(new Error(`status ${response.statusCode}`))
        })
        sent.end(body)
      })
    const call = async (payload) => {
      const response = await ask('/', JSON.stringify(payload))
      return new Promise((resolve, reject) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part) => (text += part)).on('error', reject)
        response.on('end', () => resolve(JSON.parse(text)))
      })
    }
    async function* stream() {
      const response = await ask('/tokens', 'null')
      try {
        for await (const line of createInterface({ input: response })) yield JSON.parse(line)
      } finally {
        response.destroy()
      }
    }
    return { call, stream, close: () => agent.destroy() }
  }
  return { client, memory }
}
