import { Identity, verifySignature } from '@private.me/autogen'
import { MessageVerifier, type VerifiedMessage } from '@private.me/autogen/messages'
import { RevocationList } from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'
import { parts, sha256 } from './helpers/jws.ts'
import { codeOf, valueOf } from './helpers/result.ts'
import { hex, RFC8032, utf8, vectors } from './helpers/vectors.ts'

interface Case {
  name: string
  why: string
  expect: 'accept' | 'reject'
  code?: string
  jws: string
  bodyUtf8?: string
  bodyHex?: string
  token?: string
  after?: string
  now?: number
  pending?: { jti: string; jws: string }
  running?: { jti: string; from: string; jws: string }
  allow?: string[]
  session?: string
  revoked?: string[]
  maxTrackedMessages?: number
  maxBodyBytes?: number
  clockSkewSeconds?: number
  maxLifetimeSeconds?: number
}
interface Vectors {
  now: number
  self: string
  cases: Case[]
}
interface Answer {
  signingInput: string
  jws: string
  claimsJson: string
  protectedHeaderJson: string
  bodyUtf8: string
  bodySha256: string
}

const bodyOf = ({ bodyUtf8, bodyHex }: Case): Uint8Array =>
  bodyHex === undefined ? utf8(bodyUtf8 ?? '') : hex(bodyHex)
const asSealed = ({ jti, jws }: { jti: string; jws: string }) => ({
  id: jti,
  jws,
  body: new Uint8Array(),
  token: undefined,
})
const asOpened = ({ jti, jws }: { jti: string; jws: string }) => ({ id: jti, jws }) as VerifiedMessage
const LIMIT = 300

/** The options of this class are bounded; a case that asks a verifier for more is answered by the constructor. */
const beyond = ({ clockSkewSeconds = 0, maxLifetimeSeconds = 0 }: Case): boolean =>
  clockSkewSeconds > LIMIT || maxLifetimeSeconds > LIMIT

describe.each(['message-v1.json', 'message-batch.json'])('vectors/%s', (file) => {
  const { cases, self, now } = vectors<Vectors>(file)
  const byName = new Map(cases.map((each) => [each.name, each]))

  function open(each: Case): string {
    const { maxTrackedMessages, maxBodyBytes, clockSkewSeconds, maxLifetimeSeconds } = each
    const given = Object.entries({ maxTrackedMessages, maxBodyBytes, clockSkewSeconds, maxLifetimeSeconds })
    const bounds = Object.fromEntries(given.filter(([, value]) => value !== undefined))
    const revocations = new RevocationList()
    for (const did of each.revoked ?? []) revocations.revokeDID(did)
    let current = each
    const verifier = new MessageVerifier({
      audience: self,
      now: () => current.now ?? now,
      ...bounds,
      pending: (id) => (id === current.pending?.jti ? asSealed(current.pending) : undefined),
      running: (id, from) =>
        id === current.running?.jti && from === current.running.from ? asOpened(current.running) : undefined,
      revocations: each.revoked ? revocations : [],
      ...(each.allow && { allow: each.allow }),
      ...(each.session !== undefined && { session: each.session }),
    })
    for (current of before(each)) verifier.open(current.jws, bodyOf(current), current.token)
    current = each
    return codeOf(verifier.open(each.jws, bodyOf(each), each.token))
  }

  /** What the verifier is given first. */
  function before({ after }: Case): Case[] {
    if (after === undefined) return []
    const last = byName.get(after)
    if (last === undefined) throw new Error(`no case ${after}`)
    return [...before(last), last]
  }

  test.each(cases.filter((each) => !beyond(each)))('$name: $why', (each) => {
    expect(open(each)).toBe(each.expect === 'accept' ? 'ok' : each.code)
  })

  test('options beyond their bounds are refused when the verifier is made', () => {
    for (const each of cases.filter(beyond)) {
      expect(() => open(each), each.name).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
    }
    expect(cases.filter(({ expect: verdict }) => verdict === 'reject').length).toBeGreaterThan(30)
  })
})

describe('vectors/message-v1-known-answer.json', () => {
  const answer = vectors<{ now: number; request: Answer; response: Answer }>('message-v1-known-answer.json')
  const { now, request, response } = answer
  const [A, B] = [0, 1].map((n) => valueOf(Identity.fromSeed(hex(RFC8032[n]!.seed)))) as [Identity, Identity]
  const callId = parts(request.jws).claims.jti as string

  test('its members belong together', () => {
    for (const { jws, signingInput, claimsJson, protectedHeaderJson, bodyUtf8, bodySha256 } of [request, response]) {
      const { header, claims, signature } = parts(jws)
      expect(header).toEqual(JSON.parse(protectedHeaderJson))
      expect(claims).toEqual(JSON.parse(claimsJson))
      expect(Buffer.from(sha256(bodyUtf8), 'base64url').toString('hex')).toBe(bodySha256)
      expect(valueOf(verifySignature(String(claims.iss), utf8(signingInput), signature))).toBe(true)
    }
  })

  test('the call opens for B, and its result for A, who made that call', () => {
    const opened = valueOf(
      new MessageVerifier({ audience: B.did, now: () => now }).open(request.jws, utf8(request.bodyUtf8)),
    )
    expect(opened).toEqual({
      id: callId,
      op: 'call',
      from: A.did,
      to: B.did,
      body: utf8(request.bodyUtf8),
      contentType: 'application/json',
      issuedAt: now,
      expiresAt: now + 30,
      inReplyTo: undefined,
      jws: request.jws,
    })
    const pending = (id: string) => (id === callId ? asSealed({ jti: id, jws: request.jws }) : undefined)
    const verifier = new MessageVerifier({ audience: A.did, now: () => now, pending })
    const result = valueOf(verifier.open(response.jws, utf8(response.bodyUtf8)))
    expect([result.op, result.from, result.inReplyTo]).toEqual(['result', B.did, callId])
  })

  test('sealing the same again differs in id and signature only', () => {
    const sealed = valueOf(A.seal({ op: 'call', to: B.did, body: utf8(request.bodyUtf8), now }))
    const [ours, theirs] = [parts(sealed.jws), parts(request.jws)]
    expect(Object.entries(ours.header)).toEqual(Object.entries(theirs.header))
    expect(Object.keys(ours.claims)).toEqual(Object.keys(theirs.claims))
    expect({ ...ours.claims, jti: callId }).toEqual(theirs.claims)
  })
})
