import { type TokenVerifierOptions } from '@private.me/autogen'
import {
  RevocationList,
  StatusListSource,
  TokenVerifier,
  verifyApproval,
  verifyRotation,
  type TokenClaims,
} from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { forgedToken, forger } from './helpers/rights.ts'
import { utf8, vectors } from './helpers/vectors.ts'

interface Case {
  name: string
  why: string
  expect: 'accept' | 'reject'
  code?: string
  token: string
}
interface TokenCase extends Case {
  is?: Partial<TokenClaims>
  now?: number
  scopes?: string[]
  presenter?: string
  revoked?: { id?: string; did?: string; issuedUntil?: number }[]
  clockSkewSeconds?: number
  maxLifetimeSeconds?: number
}
interface TokenVectors {
  now: number
  audience: string
  trust: TokenVerifierOptions['trust']
  cases: TokenCase[]
}

describe.each([
  ['token-v1.json', 150],
  ['token-delegation.json', 40],
])('vectors/%s', (file, least) => {
  const { now, audience, trust, cases } = vectors<TokenVectors>(file)

  function prepared({ revoked = [], clockSkewSeconds, maxLifetimeSeconds, ...each }: TokenCase): TokenVerifier {
    const list = new RevocationList()
    for (const { id, did, issuedUntil } of revoked) {
      if (id !== undefined) valueOf(list.revokeToken(id))
      const until = Number.isSafeInteger(issuedUntil) ? { issuedUntil: issuedUntil as number } : {}
      if (did !== undefined) valueOf(list.revokeDID(did, until))
    }
    return new TokenVerifier({
      audience,
      trust,
      revocations: list,
      now: () => each.now ?? now,
      ...(clockSkewSeconds !== undefined && { clockSkewSeconds }),
      ...(maxLifetimeSeconds !== undefined && { maxLifetimeSeconds }),
    })
  }
  const demands = ({ scopes, presenter }: TokenCase) => ({
    ...(scopes && { scopes }),
    ...(presenter !== undefined && { presenter }),
  })

  test.each(cases)('$name: $why', async (each) => {
    const verdict = each.expect === 'accept' ? 'ok' : each.code
    const verifier = prepared(each)
    const verified = verifier.verifySync(each.token, demands(each))
    expect(codeOf(verified)).toBe(verdict)
    expect(codeOf(await verifier.verify(each.token, demands(each)))).toBe(verdict)
    // Once more, when the signatures are remembered.
    expect(codeOf(verifier.verifySync(each.token, demands(each)))).toBe(verdict)
    if (each.is) expect(valueOf(verified)).toMatchObject(each.is)
  })

  test('there are many refusals among them', () => {
    expect(cases.filter(({ expect: verdict }) => verdict === 'reject').length).toBeGreaterThan(least)
  })
})

describe('vectors/token-status-list.json', () => {
  interface ListCase {
    name: string
    why: string
    list: string
    uri: string
    signer: string
    index: number
    at: number
    evidence: 'fresh' | 'stale' | 'absent' | 'unreadable'
    status?: number
    asked?: string
    issuer?: string
    code?: string
    held?: string
  }
  const { now, cases } = vectors<{ now: number; cases: ListCase[] }>('token-status-list.json')
  const known = [1, 2, 3, 4, 50, 99].map(forger)

  function verdict({ evidence, status }: ListCase): string {
    if (evidence !== 'fresh') return 'REVOCATION_UNKNOWN'
    return status === 0 ? 'ok' : 'REVOKED'
  }

  // A token can name no place and no time that JavaScript cannot write down.
  const direct = cases.filter(
    ({ asked, issuer, at, index }) =>
      asked === undefined && issuer === undefined && Number.isSafeInteger(at) && Number.isSafeInteger(index),
  )

  test.each(direct)('fetched for a token: $name: $why', async (each) => {
    const issuer = known.find(({ did }) => did === each.signer)!
    const clock = { now }
    const given = each.held === undefined ? [] : [each.held]
    const fetch = () => Promise.resolve(given.shift() ?? each.list)
    const source = new StatusListSource({ fetch, now: () => now })
    const trust = [each.signer]
    const verifier = new TokenVerifier({ audience: 'me', trust, now: () => clock.now, revocations: source })
    const token = (iat: number) => {
      const status = { status_list: { idx: each.index, uri: each.uri } }
      return forgedToken(issuer, each.signer, { aud: 'me', iat, exp: iat + 60, status })
    }
    await verifier.verify(token(now))
    if (each.held !== undefined) source.put(each.list)
    clock.now = each.at
    const later = verifier.verifySync(token(each.at))
    expect(codeOf(later)).toBe(verdict(each))
    if (!later.ok && each.evidence !== 'fresh') expect(later.error.hint).toContain(`the evidence is ${each.evidence}`)
  })

  test.each(cases.filter((each) => each.code === undefined))('put in by hand: $name: $why', (each) => {
    const clock = { now }
    const source = new StatusListSource({ offline: true, now: () => clock.now })
    if (each.held !== undefined) valueOf(source.put(each.held))
    valueOf(source.put(each.list))
    clock.now = each.at
    const answer = source.statusOf(each.issuer ?? each.signer, { index: each.index, uri: each.asked ?? each.uri })
    const { evidence, status } = each
    expect(answer).toEqual(evidence === 'fresh' ? { evidence, status } : { evidence })
  })

  test.each(cases.filter((each) => each.code !== undefined))('refused by hand: $name: $why', (each) => {
    const source = new StatusListSource({ offline: true, now: () => now })
    if (each.held !== undefined) valueOf(source.put(each.held))
    const put = source.put(each.list)
    // By hand a list is looked up by what it says of itself, so one for another address or by another signer is that one's.
    const about = source.statusOf(each.signer, { index: each.index, uri: each.uri })
    if (each.held !== undefined) {
      expect([about.evidence, codeOf(put)]).toEqual([each.evidence, each.code])
      return
    }
    expect(about.evidence).not.toBe('fresh')
    if (!put.ok) expect(['INVALID_TOKEN', 'INVALID_DID']).toContain(put.error.code)
  })
})

describe('vectors/token-rotation.json', () => {
  interface RotationCase extends Case {
    rotation?: { old: string; new: string; issuedAt: number; activeFrom: number; overlap: number }
  }
  const { cases } = vectors<{ cases: RotationCase[] }>('token-rotation.json')

  test.each(cases)('$name: $why', (each) => {
    const verified = verifyRotation(each.token)
    expect(codeOf(verified)).toBe(each.expect === 'accept' ? 'ok' : each.code)
    if (!each.rotation) return
    const { overlap, ...rest } = each.rotation
    expect(valueOf(verified)).toEqual({ ...rest, overlapSeconds: overlap })
  })
})

describe('vectors/token-approval.json', () => {
  interface ApprovalCase extends Case {
    bodyUtf8?: string
    caller?: string
    contentType?: string
    recipient?: string
    method?: string
    session?: string
    now?: number
  }
  interface ApprovalVectors extends Required<Omit<ApprovalCase, keyof Case | 'method' | 'session'>> {
    approvers: string[]
    cases: ApprovalCase[]
  }
  const { cases, approvers, ...of } = vectors<ApprovalVectors>('token-approval.json')

  test.each(cases)('$name: $why', (each) => {
    const { caller, recipient, method, session, contentType, bodyUtf8, now } = { ...of, ...each }
    const named = { ...(method !== undefined && { method }), ...(session !== undefined && { session }) }
    const call = { caller, recipient, ...named, contentType, body: utf8(bodyUtf8) }
    const verified = verifyApproval(each.token, { call, approvers, now })
    // A signed no is a statement too, and a good one.
    const verdict = each.code === 'NOT_ALLOWED' || each.code === 'APPROVAL_REFUSED' ? 'deny' : each.code
    expect(verified.ok ? verified.value.decision : errorOf(verified).code).toBe(
      each.expect === 'accept' ? 'approve' : verdict,
    )
  })
})

describe('vectors/jwk-set.json', () => {
  interface SetCase extends Omit<Case, 'token'> {
    jwks: string
  }
  const { cases } = vectors<{ cases: SetCase[] }>('jwk-set.json')
  const issuer = 'https://login.example'
  const seen = (jwks: string) => {
    const url = 'https://login.example/keys'
    return new TokenVerifier({ audience: 'me', trust: [{ issuer, jwks: url }], fetch: () => Promise.resolve(jwks) })
  }

  test.each(cases)('$name: $why', async ({ jwks, expect: verdict }) => {
    const token = forgedToken(forger(99), 'x', { iss: issuer, aud: 'me' }, { kid: 'none' })
    const error = errorOf(await seen(jwks).verify(token))
    expect(error.code).toBe('UNTRUSTED_ISSUER')
    // A set that is refused is as good as none that came.
    expect(error.message.includes('were not fetched')).toBe(verdict === 'reject')
  })
})
