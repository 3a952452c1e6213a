import { Algorithm, signSync, verifySync } from '@node-rs/jsonwebtoken'
import { claimsOf, issuerKey, revocations } from './jwt.mjs'

export function tokens({ audience, needed, revoked }) {
  const [issuer, holder] = [issuerKey(), issuerKey().did]
  const { stands, revoke } = revocations(revoked)
  const header = { algorithm: Algorithm.EdDSA, keyId: issuer.kid }
  const options = {
    algorithms: [Algorithm.EdDSA],
    iss: [issuer.did],
    aud: [audience],
    sub: holder,
    requiredSpecClaims: ['exp', 'iss', 'aud', 'sub'],
  }
  const verify = (token) => stands(verifySync(token, issuer.publicPem, options), needed)
  return {
    issue: (grant) => signSync(claimsOf(issuer.did, holder, grant), issuer.privatePem, header),
    verifyFirst: verify,
    verifyAgain: verify,
    revoke,
  }
}
