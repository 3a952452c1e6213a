// An issuer that is known by its JWK set, and its tokens.
import { forgedToken, forger, NOW, seeded } from './rights.ts'

export const issuer = 'https://login.example'
export const agent = seeded(2)
export const signer = forger(50)
export const jwk = (kid: string, by = signer): object => ({ kty: 'OKP', crv: 'Ed25519', x: by.identity.toJWK().x, kid })
export const set = (...keys: object[]): string => JSON.stringify({ keys })
export const token = (kid = 'one', by = signer): string =>
  forgedToken(by, agent.did, { iss: issuer, exp: NOW + 7200 }, { kid })
