import { createSigner, createVerifier } from 'fast-jwt'
import { claimsOf, issuerKey, revocations } from './jwt.mjs'

export function tokens({ audience, needed, revoked }) {
  const [issuer, holder] = [issuerKey(), issuerKey().did]
  const { stands, revoke } = revocations(revoked)
  const sign = createSigner({ key: issuer.privatePem, algorithm: 'EdDSA', kid: issuer.kid, header: { typ: 'at+jwt' } })
  const options = {
    key: issuer.publicPem,
    algorithms: ['EdDSA'],
    allowedIss: issuer.did,
    allowedAud: audience,
    allowedSub: holder,
    checkTyp: 'at+jwt',
    requiredClaims: ['exp', 'iss', 'aud', 'sub', 'jti'],
  }
  const [first, again] = [createVerifier(options), createVerifier({ ...options, cache: true })]
  return {
    issue: (grant) => sign(claimsOf(issuer.did, holder, grant)),
    verifyFirst: (token) => stands(first(token), needed),
    verifyAgain: (token) => stands(again(token), needed),
    revoke,
  }
}
