import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An issuer of users' tokens on this machine: discovery, keys, and what it signs. Nobody signs in. */
export async function issuer(audience: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const keys = [{ ...publicKey.export({ format: 'jwk' }), alg: 'EdDSA', kid: 'k', use: 'sig' }]
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const documents: Record<string, object> = {
      '/.well-known/openid-configuration': { issuer: url, jwks_uri: `${url}/jwks` },
      '/jwks': { keys },
    }
    const document = documents[request.url ?? '']
    response.writeHead(document ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(document ?? {}))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const signed = (typ: string, own: object) => {
    const iat = Math.floor(Date.now() / 1000)
    const claims = { iss: url, aud: audience, iat, exp: iat + 600, jti: randomUUID(), ...own }
    const part = (json: object) => Buffer.from(JSON.stringify(json)).toString('base64url')
    const text = `${part({ alg: 'EdDSA', kid: 'k', typ })}.${part(claims)}`
    return `${text}.${sign(null, Buffer.from(text), privateKey).toString('base64url')}`
  }

  return {
    url,
    /** The paths that were asked for. */
    asked,
    /** The access token of a user who has signed in, for so many seconds. */
    token: (user: string, { scope = 'workspace', seconds = 600 } = {}) =>
      signed('at+jwt', { sub: user, sid: `of-${user}`, scope, exp: Math.floor(Date.now() / 1000) + seconds }),
    /** Tells an authority that the user has signed out. */
    async signOut(user: string, authority: string) {
      const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
      const body = new URLSearchParams({ logout_token: signed('logout+jwt', { sub: user, sid: `of-${user}`, events }) })
      const response = await fetch(`${authority}/oauth/backchannel-logout`, { method: 'POST', body })
      if (response.status !== 200) throw new Error(await response.text())
    },
    stop: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  }
}
