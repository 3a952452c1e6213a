import * as jose from 'jose'
import { didKey } from './did-key.mjs'

async function createKey() {
  const { publicKey, privateKey } = await jose.generateKeyPair('EdDSA', { extractable: true })
  const { x } = await jose.exportJWK(publicKey)
  return { did: didKey(Buffer.from(x, 'base64url')), publicKey, privateKey }
}

export async function identity() {
  const key = await createKey()
  return {
    isAsync: true,
    create: async () => (await createKey()).did,
    sign: (data) => new jose.CompactSign(data).setProtectedHeader({ alg: 'EdDSA' }).sign(key.privateKey),
    verify: async (_data, jws) => (await jose.compactVerify(jws, key.publicKey)) !== undefined,
  }
}

// Two identities, a signed request and a signed reply.
export async function startUp() {
  const [alice, bob] = [await createKey(), await createKey()]
  const request = await sign(alice, bob.did)
  const { payload } = await jose.jwtVerify(request, alice.publicKey, { issuer: alice.did, audience: bob.did })
  const reply = await sign(bob, payload.iss)
  await jose.jwtVerify(reply, bob.publicKey, { issuer: bob.did, audience: alice.did })
}

function sign(key, audience) {
  const claims = new jose.SignJWT({ seq: 1 }).setProtectedHeader({ alg: 'EdDSA' }).setIssuer(key.did)
  return claims.setAudience(audience).setIssuedAt().setExpirationTime('5s').sign(key.privateKey)
}
