// The other side of http-jose.mjs: checks the bearer token of every request, answers in JSON, ends with its parent.
import http from 'node:http'
import { once } from 'node:events'
import * as jose from 'jose'
import { reply } from '../lib/load.mjs'

const [{ jwk, fresh }] = await once(process, 'message')
const key = await jose.importJWK(jwk, 'EdDSA')
const seen = new Map() // oldest first

const server = http.createServer(async (request, response) => {
  try {
    const [scheme, token] = (request.headers.authorization ?? '').split(' ')
    if (scheme !== 'Bearer') throw new Error('no token')
    const { payload: claims } = await jose.jwtVerify(token, key, {
      algorithms: ['EdDSA'],
      issuer: 'agent-0',
      audience: 'agent-1',
      requiredClaims: ['exp', 'jti'],
    })
    if (fresh && !accept(claims)) throw new Error('seen before')
    let text = ''
    request.setEncoding('utf8')
    for await (const part of request) text += part
    const body = JSON.stringify(reply({ from: claims.iss, payload: JSON.parse(text) }))
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
  } catch {
    response.writeHead(401).end()
  }
})
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
process.on('disconnect', () => process.exit())

function accept({ jti, exp }) {
  const now = Date.now() / 1000
  for (const [old, end] of seen) {
    if (end >= now) break
    seen.delete(old)
  }
  if (seen.has(jti)) return false
  seen.set(jti, exp)
  return true
}
