// Tokens over again, on Node's crypto alone: it makes grants that the package would never sign.
import { randomBytes } from 'node:crypto'
import { Identity, type Result, type TokenRequest, type TokenVerifierOptions } from '@private.me/autogen'
import { issueToken, TokenVerifier } from '@private.me/autogen/tokens'
import { Forger, type Members } from './jws.ts'
import { valueOf } from './result.ts'

export const NOW = 1_800_000_000
export const AUDIENCE = 'https://api.example'

/** The identity of a seed of 32 equal bytes. */
export const seeded = (byte: number): Identity => valueOf(Identity.fromSeed(new Uint8Array(32).fill(byte)))
export const forger = (byte: number): Forger => new Forger(new Uint8Array(32).fill(byte))

/** A verifier that trusts these, at NOW. */
export function trusting(
  trust: TokenVerifierOptions['trust'],
  options: Partial<TokenVerifierOptions> = {},
): TokenVerifier {
  return new TokenVerifier({ audience: AUDIENCE, trust, now: () => NOW, ...options })
}

export const freshId = (): string => randomBytes(16).toString('base64url')

/** A token by hand; what is set to undefined is left out. */
export function forgedToken(by: Forger, subject: string, claims: Members = {}, header: Members = {}): string {
  const said = {
    iss: by.did,
    sub: subject,
    aud: AUDIENCE,
    client_id: claims.sub ?? subject,
    iat: NOW,
    exp: NOW + 3600,
    jti: freshId(),
    scope: 'invoice.* read:payments',
    ...claims,
  }
  return by.sign(by.header({ typ: 'at+jwt', ...header }), said)
}

/** A link by hand, with the `act` that its parents call for unless another is given. */
export function forgedLink(
  by: Forger,
  subject: string,
  parent: string,
  claims: Members = {},
  header: Members = {},
): string {
  const outer = claimsIn(parent)
  const act = { sub: subject, act: outer.act ?? { sub: outer.sub } }
  const said = {
    iss: by.did,
    sub: subject,
    aud: AUDIENCE,
    iat: NOW,
    exp: NOW + 600,
    jti: freshId(),
    scope: 'invoice.read',
    act,
    prf: parent,
    ...claims,
  }
  return by.sign(by.header({ typ: 'agent-deleg+jwt', ...header }), said)
}

export function claimsIn(jws: string): Members {
  return JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()) as Members
}

/** A token by the operator, of seed 1, for the agent, of seed 2; not by hand. */
export function issue(request: Partial<TokenRequest> = {}, by = seeded(1)): Result<string> {
  const usual = { subject: seeded(2).did, audience: AUDIENCE, scopes: ['invoice.*', 'read:payments'], now: NOW }
  return issueToken(by, { ...usual, ...request })
}

/** A number so deep in arrays. */
export function nested(depth: number): unknown {
  return depth === 0 ? 1 : [nested(depth - 1)]
}
