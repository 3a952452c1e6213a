import { type ApprovedCall, type CallDecision } from '@private.me/autogen'
import { approveCall, verifyApproval } from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'
import { parts, sha256, type Members } from './helpers/jws.ts'
import { codeOf, valueOf } from './helpers/result.ts'
import { forger, freshId, NOW, seeded } from './helpers/rights.ts'
import { utf8 } from './helpers/vectors.ts'

const [approver, caller, recipient, stranger] = [seeded(1), seeded(2), seeded(3), seeded(99)]
const call: ApprovedCall = {
  caller: caller.did,
  recipient: recipient.did,
  body: utf8('{"pay":"supplier-7","eur":920}'),
}

const approve = (request: Partial<CallDecision> = {}, by = approver) =>
  approveCall(by, { decision: 'approve', call, now: NOW, ...request })
const verify = (
  statement: string,
  held: Partial<ApprovedCall> = {},
  options: { approvers?: string[]; now?: number } = {},
) => verifyApproval(statement, { call: { ...call, ...held }, approvers: [approver.did], now: NOW, ...options })

function forged(claims: Members = {}, header: Members = {}, by = forger(1)): string {
  const said = {
    iss: by.did,
    sub: caller.did,
    aud: recipient.did,
    decision: 'approve',
    jti: freshId(),
    iat: NOW,
    exp: NOW + 300,
    pt: 'application/json',
    pl: call.body.length,
    pd: `sha-256:${sha256(call.body)}`,
    ...claims,
  }
  return by.sign(by.header({ typ: 'agent-approval+jwt', ...header }), said)
}

describe('an approval', () => {
  test.each(['approve', 'deny'] as const)('%s: tells who decided, and how', (decision) => {
    const statement = valueOf(approve({ decision, ttlSeconds: 60 }))
    const id = String(parts(statement).claims.jti)
    const approval = valueOf(verify(statement))
    expect(approval).toEqual({ decision, approver: approver.did, id, issuedAt: NOW, expiresAt: NOW + 60 })
    expect(Object.isFrozen(approval)).toBe(true)
  })

  test('names the very bytes', () => {
    const { header, claims } = parts(valueOf(approve()))
    expect(header).toEqual({ alg: 'EdDSA', kid: `${approver.did}#${approver.did.slice(8)}`, typ: 'agent-approval+jwt' })
    expect(claims).toEqual({
      iss: approver.did,
      sub: caller.did,
      aud: recipient.did,
      decision: 'approve',
      jti: expect.stringMatching(/^[\w-]{22}$/) as string,
      iat: NOW,
      exp: NOW + 300,
      pt: 'application/json',
      pl: call.body.length,
      pd: `sha-256:${sha256(call.body)}`,
    })
  })

  test.each<[string, Partial<ApprovedCall>]>([
    ['INVALID_SIGNATURE', { body: utf8('{"pay":"supplier-7","eur":9200}') }],
    ['INVALID_SIGNATURE', { body: utf8('{"pay":"supplier-8","eur":920}') }],
    ['INVALID_SIGNATURE', { body: new Uint8Array() }],
    ['INVALID_SIGNATURE', { contentType: 'application/octet-stream' }],
    ['INVALID_TOKEN', { caller: stranger.did }],
    ['WRONG_AUDIENCE', { recipient: stranger.did }],
    ['UNTRUSTED_ISSUER', { caller: approver.did }],
    ['INVALID_DID', { caller: 'caller' }],
    ['INVALID_DID', { recipient: '' }],
  ])('%s: held against %j', (code, held) => {
    expect(codeOf(verify(valueOf(approve()), held))).toBe(code)
  })

  test('names the method, where the call does, and holds for no other', () => {
    const methods = [undefined, 'pay', 'Pay', 'pay.', '__proto__', 'constructor', 'x'.repeat(128)]
    const of = (method: string | undefined) => (method === undefined ? {} : { method })
    for (const named of methods) {
      const statement = valueOf(approve({ call: { ...call, ...of(named) } }))
      expect(parts(statement).claims.mth).toBe(named)
      const accepted = methods.filter((asked) => verify(statement, of(asked)).ok)
      expect(accepted).toEqual([named])
    }
    expect(codeOf(verify(valueOf(approve()), { method: 'pay' }))).toBe('INVALID_SIGNATURE')
    expect(codeOf(verify(forged({ mth: 'pay' })))).toBe('INVALID_SIGNATURE')
    expect(codeOf(verify(forged({ mth: 'pay' }), { method: 'pay' }))).toBe('ok')
    for (const mth of [null, 1, '', 'a b', ['pay'], 'x'.repeat(129)])
      expect(codeOf(verify(forged({ mth }), { method: 'pay' }))).toBe('INVALID_TOKEN')
    for (const method of ['', 'a b', 'é', 'x'.repeat(129)])
      expect(codeOf(approve({ call: { ...call, method } }))).toBe('INVALID_CONFIG')
  })

  test.each([
    ['ok', NOW - 30],
    ['TOKEN_NOT_YET_VALID', NOW - 31],
    ['ok', NOW + 329],
    ['TOKEN_EXPIRED', NOW + 330],
  ])('%s at %d', (code, now) => {
    expect(codeOf(verify(valueOf(approve()), {}, { now }))).toBe(code)
  })

  test('without skew where that is asked for, and by the system clock otherwise', () => {
    const statement = valueOf(approve())
    const at = (now: number) => verifyApproval(statement, { call, approvers: [approver.did], now, clockSkewSeconds: 0 })
    expect([NOW - 1, NOW, NOW + 299, NOW + 300].map((now) => codeOf(at(now)))).toEqual([
      'TOKEN_NOT_YET_VALID',
      'ok',
      'ok',
      'TOKEN_EXPIRED',
    ])
    const fresh = valueOf(approveCall(approver, { decision: 'approve', call }))
    expect(codeOf(verifyApproval(fresh, { call, approvers: [approver.did] }))).toBe('ok')
  })

  test('by nobody but an approver, and never by the caller', () => {
    const statement = valueOf(approve())
    expect(codeOf(verify(statement, {}, { approvers: [] }))).toBe('UNTRUSTED_ISSUER')
    expect(codeOf(verify(statement, {}, { approvers: [stranger.did] }))).toBe('UNTRUSTED_ISSUER')
    expect(codeOf(verify(statement, {}, { approvers: [stranger.did, approver.did] }))).toBe('ok')
    expect(codeOf(verify(statement, {}, { approvers: ['approver'] }))).toBe('INVALID_DID')
    expect(codeOf(approve({}, caller))).toBe('INVALID_CONFIG')
    const own = forged({}, {}, forger(2))
    expect(codeOf(verify(own, {}, { approvers: [caller.did] }))).toBe('UNTRUSTED_ISSUER')
  })

  test.each<[string, Partial<CallDecision>]>([
    ['INVALID_CONFIG', { decision: 'maybe' as never }],
    ['INVALID_CONFIG', { ttlSeconds: 0 }],
    ['INVALID_CONFIG', { ttlSeconds: 3601 }],
    ['INVALID_CONFIG', { ttlSeconds: 0.5 }],
    ['INVALID_CONFIG', { now: -1 }],
    ['INVALID_CONFIG', { call: { ...call, contentType: 'json' } }],
    ['INVALID_DID', { call: { ...call, caller: 'caller' } }],
    ['INVALID_DID', { call: { ...call, recipient: 'recipient' } }],
    ['ok', { ttlSeconds: 3600 }],
    ['ok', { call: { ...call, body: new Uint8Array(1 << 20) } }],
  ])('%s: %#', (code, request) => {
    expect(codeOf(approve(request))).toBe(code)
  })

  test.each<[string, Members, Members?]>([
    ['decision yes', { decision: 'yes' }],
    ['decision true', { decision: true }],
    ['no decision', { decision: undefined }],
    ['a further claim', { admin: true }],
    ['a life of two hours', { exp: NOW + 7200 }],
    ['no life', { exp: NOW }],
    ['a short id', { jti: 'x' }],
    ['no id', { jti: undefined }],
    ['another typ', {}, { typ: 'at+jwt' }],
    ['no alg', {}, { alg: 'none' }],
    ["another's kid", {}, { kid: `${stranger.did}#${stranger.did.slice(8)}` }],
    ['crit', {}, { crit: ['exp'] }],
    ['no digest', { pd: undefined }],
  ])('by hand with %s is refused', (_, claims, header) => {
    expect(codeOf(verify(forged(claims, header)))).toBe('INVALID_TOKEN')
  })

  test('by hand and honest it is accepted, so that the change alone refuses it', () => {
    expect(codeOf(verify(forged()))).toBe('ok')
    for (const pd of ['sha-256:', `sha-512:${sha256(call.body)}`, sha256(call.body)])
      expect(codeOf(verify(forged({ pd })))).toBe('INVALID_SIGNATURE')
    expect(codeOf(verify(forged({ pl: call.body.length + 1 })))).toBe('INVALID_SIGNATURE')
  })

  test.each(['', 'x', 'x.y.z', 'x'.repeat(5000), 'null'])('no statement: %.9s', (statement) => {
    expect(codeOf(verify(statement))).toBe('INVALID_TOKEN')
  })

  test('every bit counts', () => {
    const statement = valueOf(approve())
    const accepted: number[] = []
    for (let at = 0; at < statement.length; at++) {
      for (const bit of [1, 2, 4, 8, 16, 32]) {
        const changed =
          statement.slice(0, at) + String.fromCharCode(statement.charCodeAt(at) ^ bit) + statement.slice(at + 1)
        if (verify(changed).ok) accepted.push(at)
      }
    }
    expect(accepted).toEqual([])
  })

  test('wrong values', () => {
    const options = { call, approvers: [approver.did] }
    const wrong: (() => unknown)[] = [
      () => approveCall(approver.did as never, { decision: 'approve', call }),
      () => approveCall(approver, undefined as never),
      () => approveCall(approver, { decision: true as never, call }),
      () => approveCall(approver, { decision: 'approve', call: undefined as never }),
      () => approveCall(approver, { decision: 'approve', call: { ...call, body: 'text' as never } }),
      () => approveCall(approver, { decision: 'approve', call: { ...call, caller: 5 as never } }),
      () => approveCall(approver, { decision: 'approve', call: { ...call, method: 5 as never } }),
      () => approveCall(approver, { decision: 'approve', call: { ...call, method: null as never } }),
      () => approveCall(approver, { decision: 'approve', call, ttlSeconds: '5' as never }),
      () => verifyApproval(5 as never, options),
      () => verifyApproval('x', undefined as never),
      () => verifyApproval('x', { ...options, approvers: approver.did as never }),
      () => verifyApproval('x', { ...options, approvers: [5 as never] }),
      () => verifyApproval('x', { ...options, now: 'now' as never }),
      () => verifyApproval('x', { ...options, call: { ...call, contentType: 5 as never } }),
    ]
    for (const each of wrong) expect(each).toThrow(TypeError)
  })
})
