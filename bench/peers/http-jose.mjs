// What services do today: HTTP on localhost to a process of its own, with an EdDSA bearer token made and checked by jose.
// The token is reused while it lives, and the reply is not signed: less is proven than in a signed call.
import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import { fileURLToPath } from 'node:url'
import * as jose from 'jose'

export const outOfProcess = true
export const fleet = httpFleet({ fresh: false })

// With a fresh token per request, the server also refuses a token that it has seen.
export function httpFleet({ fresh }) {
  return async () => {
    const { publicKey, privateKey } = await jose.generateKeyPair('EdDSA')
    const server = fork(fileURLToPath(new URL('http-server.mjs', import.meta.url)), { serialization: 'advanced' })
    server.send({ jwk: await jose.exportJWK(publicKey), fresh })
    const [{ port }] = await once(server, 'message')
    const agent = new http.Agent({ keepAlive: true, maxSockets: 64 })
    const issue = () => {
      const token = new jose.SignJWT({ jti: randomUUID() }).setProtectedHeader({ alg: 'EdDSA' }).setIssuer('agent-0')
      return token.setAudience('agent-1').setIssuedAt().setExpirationTime('60s').sign(privateKey)
    }
    let token = await issue()
    let renewAt = Date.now() + 45_000

    async function call(_from, _to, payload) {
      if (fresh || Date.now() > renewAt) {
        token = await issue()
        renewAt = Date.now() + 45_000
      }
      return post({ agent, port, token, body: JSON.stringify(payload) })
    }
    return {
      call,
      close: () => {
        agent.destroy()
        server.disconnect()
      },
    }
  }
}

export const route = joseRoute({ fresh: false })

/** A route behind a bearer token; with a fresh one for each request, each is taken once. */
export function joseRoute({ fresh }) {
  return async () => {
    const { bearer, routed } = await import('./express-route.mjs')
    const { publicKey, privateKey } = await jose.generateKeyPair('EdDSA')
    const demands = { algorithms: ['EdDSA'], issuer: 'issuer', audience: 'shop', requiredClaims: ['exp', 'jti', 'sub'] }
    const verify = async (token) => (await jose.jwtVerify(token, publicKey, demands)).payload
    const { send } = await routed(() => bearer(verify, fresh ? new Set() : undefined))
    const issue = (scopes) => {
      const token = new jose.SignJWT({ jti: randomUUID(), scope: scopes.join(' ') }).setProtectedHeader({ alg: 'EdDSA' })
      return token.setIssuer('issuer').setSubject('me').setAudience('shop').setIssuedAt().setExpirationTime('1h').sign(privateKey)
    }
    const kept = { order: await issue(['order']), read: await issue(['read']) }
    const headers = async (_, scopes = ['order']) => ({
      authorization: `Bearer ${fresh ? await issue(scopes) : kept[scopes[0]]}`,
    })
    return { headers, send, once: fresh, whole: false }
  }
}

export { jose as agents } from './http-agents.mjs'

function post({ agent, port, token, body }) {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    }
    const request = http.request({ agent, host: '127.0.0.1', port, method: 'POST', headers, timeout: 30_000 })
    request.on('error', reject).on('timeout', () => request.destroy(new Error('timed out')))
    request.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part) => (text += part)).on('error', reject)
      response.on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(text))
        else reject(new Error(`status ${response.statusCode}`))
      })
    })
    request.end(body)
  })
}
