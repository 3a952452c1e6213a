import * as jose from 'jose'
import { didKey } from './did-key.mjs'
import { claimsOf, issuerKey, revocations } from './jwt.mjs'

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

export function tokens({ audience, needed, revoked }) {
  const [issuer, holder] = [issuerKey(), issuerKey().did]
  const { stands, revoke } = revocations(revoked)
  const header = { alg: 'EdDSA', kid: issuer.kid, typ: 'at+jwt' }
  const options = {
    issuer: issuer.did,
    audience,
    subject: holder,
    algorithms: ['EdDSA'],
    typ: 'at+jwt',
    requiredClaims: ['exp', 'jti'],
  }
  const verify = async (token) => stands((await jose.jwtVerify(token, issuer.publicKey, options)).payload, needed)
  return {
    isAsync: true,
    issue: (grant) =>
      new jose.SignJWT(claimsOf(issuer.did, holder, grant)).setProtectedHeader(header).sign(issuer.privateKey),
    verifyFirst: verify,
    verifyAgain: verify,
    revoke,
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
