import { Identity, XBindError, type TokenRequest } from '@private.me/autogen'
import { covers, delegateToken, issueToken } from '@private.me/autogen/tokens'
import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { parts } from './helpers/jws.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { AUDIENCE, forgedToken, forger, freshId, issue, nested, NOW, seeded, trusting } from './helpers/rights.ts'

const operator = seeded(1)
const agent = seeded(2)
const forgery = forger(1)

describe('covers', () => {
  test.each([
    ['invoice.read', 'invoice.read', true],
    ['invoice.*', 'invoice.read', true],
    ['invoice.*', 'invoice.read.lines', true],
    ['invoice.*', 'invoice.*', true],
    ['invoice.*', 'invoice.read.*', true],
    ['invoice.*', 'invoice', false],
    ['invoice.*', 'invoice:read', false],
    ['invoice.*', 'invoices.read', false],
    ['invoice.read.*', 'invoice.*', false],
    ['invoice.read', 'invoice.write', false],
    ['invoice.read', 'invoice.read.lines', false],
    ['invoice.read', 'Invoice.read', false],
    ['read:payments', 'read:payments', true],
    ['read:*', 'read:payments', true],
    ['read:*', 'read.payments', false],
  ])('%s covers %s: %s', (granted, needed, verdict) => {
    expect(covers(granted, needed)).toBe(verdict)
  })

  test.each(['', '*', '.', 'a..b', 'a.', '.a', 'a b', 'a.*.b', 'a*', 'é', 'a\n', 'a/b', 'x'.repeat(129), 'a.\u0000'])(
    'throws for what is no scope: %j',
    (text) => {
      expect(() => covers(text, 'a')).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
      expect(() => covers('a', text)).toThrow(XBindError)
    },
  )

  test.each([undefined, null, 5, {}, ['a']])('throws a TypeError for %j', (value) => {
    expect(() => covers(value as never, 'a')).toThrow(TypeError)
    expect(() => covers('a', value as never)).toThrow(TypeError)
  })
})

describe('issuing', () => {
  test('makes exactly the header and the claims of the format', () => {
    const status = { index: 7, uri: 'https://api.example/status/1' }
    const { header, claims, signature } = parts(valueOf(issue({ claims: { team: 'billing' }, status })))
    expect(header).toEqual({ alg: 'EdDSA', kid: `${operator.did}#${operator.did.slice(8)}`, typ: 'at+jwt' })
    expect(claims).toEqual({
      iss: operator.did,
      sub: agent.did,
      aud: AUDIENCE,
      client_id: agent.did,
      iat: NOW,
      exp: NOW + 3600,
      jti: expect.stringMatching(/^[\w-]{21}[AQgw]$/) as string,
      scope: 'invoice.* read:payments',
      status: { status_list: { idx: 7, uri: 'https://api.example/status/1' } },
      team: 'billing',
    })
    expect(signature).toHaveLength(64)
  })

  test('by default uses the system clock', () => {
    const before = Math.floor(Date.now() / 1000)
    const token = valueOf(issueToken(operator, { subject: agent.did, audience: AUDIENCE, scopes: [] }))
    const { iat, exp, scope } = parts(token).claims as Record<string, number>
    expect([iat! >= before, iat! <= Date.now() / 1000, exp! - iat!, scope]).toEqual([true, true, 3600, undefined])
  })

  test('every id is new', () => {
    const ids = Array.from({ length: 500 }, () => parts(valueOf(issue())).claims.jti)
    expect(new Set(ids).size).toBe(500)
  })

  test.each([
    ['INVALID_DID', { subject: 'bob' }],
    ['INVALID_DID', { subject: '' }],
    ['INVALID_DID', { subject: `${agent.did}#${agent.did.slice(8)}` }],
    ['INVALID_CONFIG', { audience: '' }],
    ['INVALID_CONFIG', { audience: 'x'.repeat(513) }],
    ['INVALID_CONFIG', { audience: 'https://api.example\n' }],
    ['INVALID_CONFIG', { scopes: ['*'] }],
    ['INVALID_CONFIG', { scopes: ['a b'] }],
    ['INVALID_CONFIG', { scopes: [''] }],
    ['INVALID_CONFIG', { scopes: ['a', 'a'] }],
    ['INVALID_CONFIG', { scopes: Array.from({ length: 65 }, (_, i) => `scope.${i}`) }],
    ['INVALID_CONFIG', { ttlSeconds: 0 }],
    ['INVALID_CONFIG', { ttlSeconds: -1 }],
    ['INVALID_CONFIG', { ttlSeconds: 1.5 }],
    ['INVALID_CONFIG', { ttlSeconds: Number.NaN }],
    ['INVALID_CONFIG', { ttlSeconds: Infinity }],
    ['INVALID_CONFIG', { ttlSeconds: 86_401 }],
    ['INVALID_CONFIG', { now: -1 }],
    ['INVALID_CONFIG', { now: 0.5 }],
    ['INVALID_CONFIG', { now: Number.MAX_SAFE_INTEGER + 1 }],
    ['INVALID_CONFIG', { claims: { iss: 'me' } }],
    ['INVALID_CONFIG', { claims: { scope: 'admin' } }],
    ['INVALID_CONFIG', { claims: { exp: 1 } }],
    ['INVALID_CONFIG', { claims: { cnf: {} } }],
    ['INVALID_CONFIG', { claims: { may_act: {} } }],
    ['INVALID_CONFIG', { claims: { prf: 'x' } }],
    ['INVALID_CONFIG', { claims: { status: {} } }],
    ['INVALID_CONFIG', { claims: [] as never }],
    ['INVALID_CONFIG', { claims: { half: '\ud800' } }],
    ['INVALID_CONFIG', { claims: { long: 'x'.repeat(40_000) } }],
    ['INVALID_CONFIG', { claims: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`c${i}`, i])) }],
    ['INVALID_CONFIG', { claims: { deep: nested(17) } }],
    ['INVALID_CONFIG', { claims: { toJSON: () => undefined } }],
    ['INVALID_CONFIG', { status: { index: -1, uri: 'https://api.example' } }],
    ['INVALID_CONFIG', { status: { index: 0.5, uri: 'https://api.example' } }],
    ['INVALID_CONFIG', { status: { index: 0, uri: '' } }],
  ] satisfies [string, Partial<TokenRequest>][])('%s: %j', (code, request) => {
    expect(codeOf(issue(request))).toBe(code)
  })

  test.each<[string, unknown]>([
    ['request.claims', new Map([['limit', 5]])],
    ['request.claims.limit', { limit: NaN }],
    ['request.claims.limit', { limit: Infinity }],
    ['request.claims.limit', { limit: () => 5 }],
    ['request.claims.of[1]', { of: [1, undefined] }],
    ['request.claims.of.only', { of: { only: new Set(['eu']) } }],
    ['request.claims.key', { key: new Uint8Array(2) }],
  ])('claims of which JSON would lose something, named by their path: %s', (path, claims) => {
    const { code, message } = errorOf(issue({ claims: claims as never }))
    expect([code, message.split(' ')[0]]).toEqual(['INVALID_CONFIG', path])
  })

  test('claims that JSON cannot hold', () => {
    const claims: Record<string, unknown> = {}
    claims.self = claims
    expect(codeOf(issue({ claims }))).toBe('INVALID_CONFIG')
    expect(codeOf(issue({ claims: { big: 1n } }))).toBe('INVALID_CONFIG')
  })

  test.each<[string, unknown, string]>([
    ['a Map', { roles: new Map([['admin', true]]) }, 'request.claims.roles is a Map'],
    ['claims in a Map', new Map([['team', 'billing']]), 'request.claims is a Map'],
    ['NaN', { limits: [1, NaN] }, 'request.claims.limits[1] is NaN'],
    ['a hole', { list: [undefined] }, 'request.claims.list[0] is undefined'],
    ['a promise', { team: Promise.resolve('billing') }, 'request.claims.team is a Promise'],
    ['bytes', { key: new Uint8Array(2) }, 'request.claims.key is bytes'],
    ['a function', { team() {} }, 'request.claims.team is a function'],
  ])('claims of which JSON would lose something are not signed: %s', (_, claims, message) => {
    const error = errorOf(issue({ claims: claims as never }))
    expect([error.code, error.message]).toEqual(['INVALID_CONFIG', message])
  })

  test.each([
    [undefined],
    [{ subject: 5 }],
    [{ audience: undefined }],
    [{ scopes: 'admin' }],
    [{ scopes: [5] }],
    [{ scopes: undefined }],
    [{ ttlSeconds: '60' }],
    [{ now: new Date() }],
    [{ claims: 'x' }],
    [{ claims: null }],
    [{ status: 5 }],
    [{ status: { index: '0', uri: 'https://api.example' } }],
    [{ status: { index: 0 } }],
  ])('a value of the wrong type throws: %j', (change) => {
    const request = change && { subject: agent.did, audience: AUDIENCE, scopes: [], ...change }
    expect(() => issueToken(operator, request as never)).toThrow(TypeError)
  })

  test.each([undefined, null, {}, operator.did, Object.create(Identity.prototype)])(
    'only an identity issues and delegates: %#',
    (issuer) => {
      const request = { subject: agent.did, audience: AUDIENCE, scopes: [] }
      expect(() => issueToken(issuer as never, request)).toThrow('issuer must be an Identity')
      expect(() => delegateToken(issuer as never, 'token', request)).toThrow('holder must be an Identity')
    },
  )

  test('not after the identity was destroyed', () => {
    const gone = Identity.generate()
    const token = valueOf(issue({ subject: gone.did }))
    gone.destroy()
    expect(codeOf(issue({}, gone))).toBe('SIGN_FAILED')
    expect(codeOf(delegateToken(gone, token, { subject: agent.did, now: NOW }))).toBe('SIGN_FAILED')
  })

  test('a token of the greatest size there is', () => {
    const token = valueOf(issue({ claims: { long: 'x'.repeat(23_000) } }))
    expect(codeOf(trusting([operator.did]).verifySync(token))).toBe('ok')
  })
})

describe('secrets', () => {
  test('no error, claim or picture of these classes shows a seed', () => {
    const seed = randomBytes(32)
    const identity = valueOf(Identity.fromSeed(new Uint8Array(seed)))
    const token = valueOf(issueToken(identity, { subject: agent.did, audience: AUDIENCE, scopes: ['a'], now: NOW }))
    const verifier = trusting([identity.did])
    const results = [
      issueToken(identity, { subject: 'x', audience: AUDIENCE, scopes: [] }),
      delegateToken(identity, token, { subject: agent.did, now: NOW }),
      verifier.verifySync(token),
      verifier.verifySync(token, { scopes: ['b'] }),
      verifier.verifySync(`${token}x`),
    ]
    const shown = inspect([results, verifier, identity, token], { depth: 9, showHidden: true, getters: true })
    for (const encoding of ['hex', 'base64', 'base64url'] as const) expect(shown).not.toContain(seed.toString(encoding))
    expect(JSON.stringify(verifier)).toBe('{}')
  })

  test('an error does not repeat the token', () => {
    const token = forgedToken(forgery, agent.did, { secret: freshId(), exp: NOW - 60, iat: NOW - 90 })
    const error = errorOf(trusting([operator.did]).verifySync(token))
    for (const part of token.split('.')) expect(inspect(error)).not.toContain(part.slice(0, 20))
  })
})
