// What the JWT libraries are given: a key of one issuer, the claims of a token, and a list of revoked ones.
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { didKey } from './did-key.mjs'

export function issuerKey() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const did = didKey(Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url'))
  return {
    publicKey,
    privateKey,
    did,
    kid: `${did}#${did.slice('did:key:'.length)}`,
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }),
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }
}

export function claimsOf(iss, sub, { audience, scopes, ttlSeconds, now = Math.floor(Date.now() / 1000) }) {
  const scope = scopes.join(' ')
  return { iss, sub, aud: audience, client_id: sub, iat: now, exp: now + ttlSeconds, jti: randomUUID(), scope }
}

export function revocations(count) {
  const revoked = new Set(Array.from({ length: count }, () => randomUUID()))
  return {
    // Is it still good for this? Asked of every verified token, every time.
    stands: ({ jti, scope }, needed) => !revoked.has(jti) && scope.split(' ').includes(needed),
    revoke: (token) => revoked.add(JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).jti),
  }
}
