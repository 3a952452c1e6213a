// The same route of Express behind another guard, and a client with one connection that is kept.
import express from 'express'
import http from 'node:http'
import { once } from 'node:events'

/** `guard(authority)` is a middleware; `POST /orders` behind it answers with what was ordered. */
export async function routed(guard) {
  const app = express().disable('x-powered-by').set('env', 'production')
  const server = http.createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  app.post('/orders', await guard(`127.0.0.1:${port}`), express.json(), (request, response) => {
    response.json({ ordered: request.body.item })
  })
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })

  /** The status, and what was ordered. */
  const send = (headers, body) =>
    new Promise((resolve, reject) => {
      const whole = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers }
      const request = http.request({ agent, host: '127.0.0.1', port, method: 'POST', path: '/orders', headers: whole })
      request.on('error', reject).on('response', (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part) => (text += part)).on('error', reject)
        response.on('end', () => {
          const { statusCode: status } = response
          resolve({ status, ordered: status === 200 ? JSON.parse(text).ordered : undefined })
        })
      })
      request.end(body)
    })
  return { url: `http://127.0.0.1:${port}/orders`, send }
}

/** Claims of a bearer token, checked by `verify`, once each where `seen` remembers their ids. */
export const bearer = (verify, seen) => async (request, response, next) => {
  const [scheme, token] = (request.headers.authorization ?? '').split(' ')
  try {
    if (scheme !== 'Bearer') throw new Error('no token')
    const claims = await verify(token)
    if (seen?.has(claims.jti)) throw new Error('seen before')
    seen?.add(claims.jti)
    request.agent = { did: claims.sub, scopes: claims.scope.split(' ') }
  } catch {
    response.status(401).end()
    return
  }
  if (request.agent.scopes.includes('order')) next()
  else response.status(403).end()
}
