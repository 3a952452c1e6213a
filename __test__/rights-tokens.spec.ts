import { Identity, XBindError, type TokenRequest } from '@private.me/autogen'
import { covers, delegateToken, issueToken, TokenVerifier, type TokenClaims } from '@private.me/autogen/tokens'
import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { b64u, Forger, parts, type Members } from './helpers/jws.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { AUDIENCE, forgedToken, forger, freshId, NOW, seeded, trusting } from './helpers/rights.ts'

const operator = seeded(1)
const agent = seeded(2)
const stranger = seeded(99)
const forgery = forger(1)

const issue = (request: Partial<TokenRequest> = {}, by = operator) =>
  issueToken(by, {
    subject: agent.did,
    audience: AUDIENCE,
    scopes: ['invoice.*', 'read:payments'],
    now: NOW,
    ...request,
  })

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

function nested(depth: number): unknown {
  return depth === 0 ? 1 : [nested(depth - 1)]
}

describe('verifying', () => {
  test('tells what the token says', async () => {
    const token = valueOf(issue({ claims: { team: { name: 'billing', of: [1, 'two', null] } } }))
    const expected: TokenClaims = {
      issuer: operator.did,
      subject: agent.did,
      audience: AUDIENCE,
      scopes: ['invoice.*', 'read:payments'],
      id: String(parts(token).claims.jti),
      issuedAt: NOW,
      expiresAt: NOW + 3600,
      chain: [operator.did, agent.did],
      claims: { team: { name: 'billing', of: [1, 'two', null] } },
      revocation: 'unchecked',
    }
    const verifier = trusting([operator.did])
    const verified = valueOf(verifier.verifySync(token, { scopes: ['invoice.read'], presenter: agent.did }))
    expect(verified).toStrictEqual(expected)
    expect(valueOf(await verifier.verify(token))).toStrictEqual(expected)
    expect(Object.keys(verified)).toEqual(Object.keys(expected))
  })

  test('the claims are frozen, with all that is in them', () => {
    const token = valueOf(issue({ claims: { team: { of: [{ deep: true }] } } }))
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return
      expect(Object.isFrozen(value)).toBe(true)
      Object.values(value).forEach(walk)
    }
    walk(valueOf(trusting([operator.did]).verifySync(token)))
  })

  test('a claim __proto__ changes no prototype', () => {
    const claims = JSON.parse('{"__proto__":{"isAdmin":true},"constructor":1,"toString":2}') as Record<string, unknown>
    const verified = valueOf(trusting([operator.did]).verifySync(valueOf(issue({ claims }))))
    expect(Object.getPrototypeOf(verified.claims)).toBe(Object.prototype)
    expect((verified.claims as { isAdmin?: boolean }).isAdmin).toBeUndefined()
    expect(JSON.stringify(verified.claims)).toBe(JSON.stringify(claims))
  })

  test('once more, and by a verifier of its own, it answers the same', () => {
    const token = valueOf(issue())
    const verifier = trusting([operator.did])
    const [first, second] = [verifier.verifySync(token), verifier.verifySync(token)]
    expect(second).toStrictEqual(first)
    expect(trusting([operator.did]).verifySync(token)).toStrictEqual(first)
  })

  test('what is remembered expires', () => {
    const clock = { now: NOW }
    const verifier = trusting([operator.did], { now: () => clock.now, clockSkewSeconds: 10 })
    const token = valueOf(issue({ ttlSeconds: 60 }))
    const at = (now: number) => {
      clock.now = now
      return codeOf(verifier.verifySync(token))
    }
    expect([NOW, NOW + 69, NOW + 70, NOW - 10, NOW - 11, NOW].map(at)).toEqual([
      'ok',
      'ok',
      'TOKEN_EXPIRED',
      'ok',
      'TOKEN_NOT_YET_VALID',
      'ok',
    ])
  })

  test.each([
    ['SCOPE_DENIED', { scopes: ['invoice'] }],
    ['SCOPE_DENIED', { scopes: ['invoice.read', 'admin'] }],
    ['SCOPE_DENIED', { scopes: ['payments'] }],
    ['INVALID_CONFIG', { scopes: ['*'] }],
    ['INVALID_CONFIG', { scopes: ['invoice.read', ''] }],
    ['INVALID_TOKEN', { presenter: stranger.did }],
    ['INVALID_TOKEN', { presenter: operator.did }],
    ['INVALID_DID', { presenter: 'agent' }],
    ['INVALID_DID', { presenter: '' }],
    ['ok', { scopes: [] }],
    ['ok', { scopes: ['invoice.read', 'invoice.write', 'read:payments'], presenter: agent.did }],
  ])('%s: asked for %j', async (code, demands) => {
    const token = valueOf(issue())
    const verifier = trusting([operator.did])
    expect(codeOf(verifier.verifySync(token, demands))).toBe(code)
    expect(codeOf(await verifier.verify(token, demands))).toBe(code)
  })

  test('a denied scope names what is missing and what is held', () => {
    const error = errorOf(trusting([operator.did]).verifySync(valueOf(issue()), { scopes: ['admin'] }))
    expect(error.message).toBe('the token does not grant admin')
    expect(error.hint).toBe('held: invoice.* read:payments')
  })

  test('nobody is trusted by default, and nobody who is not named', () => {
    const token = valueOf(issue())
    expect(codeOf(trusting([]).verifySync(token))).toBe('UNTRUSTED_ISSUER')
    expect(codeOf(trusting([stranger.did, agent.did]).verifySync(token))).toBe('UNTRUSTED_ISSUER')
  })

  test.each([`${AUDIENCE}/`, AUDIENCE.toUpperCase(), 'https://api.example:443', agent.did])(
    'audience %s is another',
    (audience) => {
      const verifier = new TokenVerifier({ audience, trust: [operator.did], now: () => NOW })
      expect(codeOf(verifier.verifySync(valueOf(issue())))).toBe('WRONG_AUDIENCE')
    },
  )

  test('a bare DID is no token', async () => {
    for (const token of [operator.did, `did:key:${operator.did}`, '', '..', '...', 'x', 'x.y.z']) {
      expect(codeOf(await trusting([operator.did]).verify(token))).toBe('INVALID_TOKEN')
    }
  })

  test('a message is no token, nor a token a message', () => {
    const sealed = valueOf(operator.seal({ op: 'send', to: agent.did, body: new Uint8Array(), now: NOW }))
    expect(codeOf(trusting([operator.did]).verifySync(sealed.jws))).toBe('INVALID_TOKEN')
  })

  test('every bit of a token counts', () => {
    const token = valueOf(issue())
    const verifier = trusting([operator.did])
    const accepted: string[] = []
    for (let at = 0; at < token.length; at++) {
      for (const bit of [1, 2, 4, 8, 16, 32]) {
        const changed = token.slice(0, at) + String.fromCharCode(token.charCodeAt(at) ^ bit) + token.slice(at + 1)
        if (verifier.verifySync(changed).ok) accepted.push(changed)
      }
    }
    expect(accepted).toEqual([])
    expect(codeOf(verifier.verifySync(token))).toBe('ok')
  })

  test('noise of every length is refused', () => {
    const verifier = trusting([operator.did])
    for (let length = 0; length < 200; length++) {
      const noise = [randomBytes(length).toString('base64url'), randomBytes(length).toString('latin1')]
      for (const part of noise) expect(codeOf(verifier.verifySync(`${part}.${part}.${part}`))).toBe('INVALID_TOKEN')
    }
  })

  test('and a token without end is refused before it is read', () => {
    const verifier = trusting([operator.did])
    for (const text of ['x'.repeat(1 << 24), 'a.'.repeat(1 << 22), `${valueOf(issue())}${'A'.repeat(1 << 20)}`]) {
      expect(codeOf(verifier.verifySync(text))).toBe('INVALID_TOKEN')
    }
  })
})

describe('forged by the trusted issuer itself, and refused', () => {
  const claims: Members[] = [
    { iss: undefined },
    { iss: 5 },
    { iss: '' },
    { sub: undefined },
    { sub: 'agent' },
    { sub: 'did:web:agent.example' },
    { sub: `${agent.did} ` },
    { sub: [agent.did] },
    { aud: undefined },
    { aud: [] },
    { aud: [AUDIENCE, 'https://other.example'] },
    { aud: { 0: AUDIENCE } },
    { aud: null },
    { client_id: undefined },
    { client_id: stranger.did },
    { jti: undefined },
    { jti: '' },
    { jti: 'x'.repeat(513) },
    { jti: 'a\nb' },
    { iat: undefined },
    { iat: '1800000000' },
    { iat: NOW + 0.5 },
    { iat: -1 },
    { iat: null },
    { iat: 1e300 },
    { exp: undefined },
    { exp: NOW },
    { exp: NOW - 1 },
    { exp: '9999999999' },
    { exp: Number.MAX_VALUE },
    { exp: NOW + 86_401 },
    { exp: true },
    { nbf: '0' },
    { nbf: -1 },
    { scope: '' },
    { scope: '*' },
    { scope: ' invoice.read' },
    { scope: 'invoice.read  invoice.write' },
    { scope: 'invoice.read\tinvoice.write' },
    { scope: ['invoice.read'] },
    { scope: null },
    { scope: 'a a' },
    { scope: Array.from({ length: 65 }, (_, i) => `s${i}`).join(' ') },
    { cnf: { jkt: 'x' } },
    { prf: 'x' },
    { status: null },
    { status: {} },
    { status: { status_list: {} } },
    { status: { status_list: { idx: 1, uri: 'https://x', more: 1 } } },
    { status: { status_list: { idx: -1, uri: 'https://x' } } },
    { status: { status_list: { idx: '1', uri: 'https://x' } } },
    { status: { other: {} } },
    { deep: nested(17) },
    Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`c${i}`, i])),
  ]
  test.each(claims.map((change) => [JSON.stringify(change), change]))('claims %s', async (_, change) => {
    const token = forgedToken(forgery, agent.did, change)
    const verifier = trusting([operator.did])
    expect(codeOf(verifier.verifySync(token))).toBe('INVALID_TOKEN')
    expect(codeOf(await verifier.verify(token))).toBe('INVALID_TOKEN')
  })

  const headers: Members[] = [
    { alg: 'none' },
    { alg: 'NONE' },
    { alg: 'HS256' },
    { alg: 'ES256' },
    { alg: 'eddsa' },
    { alg: undefined },
    { alg: null },
    { alg: ['EdDSA'] },
    { typ: 'JWT' },
    { typ: undefined },
    { typ: 'agent-msg+jwt' },
    { typ: 'agent-deleg+jwt' },
    { typ: 'statuslist+jwt' },
    { typ: 'agent-approval+jwt' },
    { typ: 'at+jwt ' },
    { kid: undefined },
    { kid: '' },
    { kid: forgery.did },
    { kid: `${forgery.did}#` },
    { kid: `${stranger.did}#${stranger.did.slice(8)}` },
    { kid: `${forgery.did}#${stranger.did.slice(8)}` },
    { kid: 0 },
    { jwk: operator.toJWK() },
    { jku: 'https://attacker.example/jwks' },
    { x5u: 'https://attacker.example/cert' },
    { x5c: ['AA'] },
    { crit: ['exp'] },
    { crit: [] },
    { b64: false },
    { zip: 'DEF' },
    { cty: 'JWT' },
    { 'x-more': 1 },
  ]
  test.each(headers.map((change) => [JSON.stringify(change), change]))('header %s', (_, change) => {
    expect(codeOf(trusting([operator.did]).verifySync(forgedToken(forgery, agent.did, {}, change)))).toBe(
      'INVALID_TOKEN',
    )
  })

  test('what is forged otherwise is accepted unchanged, so that the change alone refuses it', () => {
    expect(codeOf(trusting([operator.did]).verifySync(forgedToken(forgery, agent.did)))).toBe('ok')
    expect(codeOf(trusting([operator.did]).verifySync(forgedToken(forgery, agent.did, {}, { alg: 'Ed25519' })))).toBe(
      'ok',
    )
    expect(codeOf(trusting([operator.did]).verifySync(forgedToken(forgery, agent.did, { aud: [AUDIENCE] })))).toBe('ok')
  })

  test.each([
    ['a claim twice', (json: string) => json.replace('{', '{"scope":"admin",')],
    ['a claim twice, spelled otherwise', (json: string) => json.replace('{', String.raw`{"\u0073cope":"admin",`)],
    ['a further claim twice', (json: string) => json.replace('{', '{"x":1,"x":2,')],
    ['a byte order mark', (json: string) => `\ufeff${json}`],
    ['something behind', (json: string) => `${json}{}`],
    ['an array', (json: string) => `[${json}]`],
    ['a number beyond doubles', (json: string) => json.replace('{', '{"x":1e999,')],
    ['half a pair', (json: string) => json.replace('{', String.raw`{"x":"\ud800",`)],
    ['a comment', (json: string) => json.replace('{', '{/**/')],
    ['a trailing comma', (json: string) => json.replace('}', ',}')],
  ])('JSON with %s', (_, change) => {
    const said = JSON.stringify(parts(forgedToken(forgery, agent.did)).claims)
    const token = forgery.sign(forgery.header({ typ: 'at+jwt' }), change(said))
    expect(codeOf(trusting([operator.did]).verifySync(token))).toBe('INVALID_TOKEN')
  })

  test.each([
    ['padding', (token: string) => `${token}==`],
    ['a line feed', (token: string) => `${token}\n`],
    ['a blank before', (token: string) => ` ${token}`],
    ['the scheme before', (token: string) => `Bearer ${token}`],
    ['a fourth part', (token: string) => `${token}.AA`],
    ['no signature', (token: string) => token.slice(0, token.lastIndexOf('.') + 1)],
    ['half a signature', (token: string) => token.slice(0, -43)],
    ['standard base64', (token: string) => token.replace('.', '+.')],
    ['a signature of zeros', (token: string) => token.replace(/[^.]+$/, b64u(new Uint8Array(64)))],
    ['a point of small order', (token: string) => token.replace(/[^.]+$/, b64u(new Uint8Array(64).fill(1, 0, 1)))],
    [
      'halves of two tokens',
      (token: string) => token.replace(/[^.]+$/, forgedToken(forgery, agent.did).split('.')[2]!),
    ],
  ])('a token with %s', (_, change) => {
    expect(codeOf(trusting([operator.did]).verifySync(change(forgedToken(forgery, agent.did))))).toBe('INVALID_TOKEN')
  })

  test('signed by another in its name', () => {
    const thief = new Forger()
    const token = thief.sign(forgery.header({ typ: 'at+jwt' }), parts(forgedToken(forgery, agent.did)).claims)
    expect(codeOf(trusting([operator.did]).verifySync(token))).toBe('INVALID_TOKEN')
  })
})

describe('issuers with a JWK set', () => {
  const issuer = 'https://login.example'
  const signer = forger(50)
  const { x } = signer.identity.toJWK()
  const key = { kty: 'OKP', crv: 'Ed25519', x, kid: 'one' }
  const token = (claims: Members = {}, header: Members = {}) =>
    forgedToken(signer, agent.did, { iss: issuer, ...claims }, { kid: 'one', ...header })

  test('are verified without a network', async () => {
    const verifier = trusting([{ issuer, jwks: { keys: [key] } }])
    const verified = valueOf(verifier.verifySync(token()))
    expect([verified.issuer, verified.subject]).toEqual([issuer, agent.did])
    expect(await verifier.verify(token())).toMatchObject({ ok: true })
  })

  test.each([
    ['UNTRUSTED_ISSUER', token({}, { kid: 'two' })],
    ['UNTRUSTED_ISSUER', token({ iss: `${issuer}/` })],
    ['UNTRUSTED_ISSUER', token({ iss: 'https://LOGIN.example' })],
    ['INVALID_TOKEN', forgedToken(forger(51), agent.did, { iss: issuer }, { kid: 'one' })],
  ])('%s: %#', (code, forged) => {
    expect(codeOf(trusting([{ issuer, jwks: { keys: [key] } }]).verifySync(forged))).toBe(code)
  })

  test('the DID of its key is not trusted for it, nor it for the DID', () => {
    const byDid = forgedToken(signer, agent.did)
    expect(codeOf(trusting([{ issuer, jwks: { keys: [key] } }]).verifySync(byDid))).toBe('UNTRUSTED_ISSUER')
    expect(codeOf(trusting([signer.did]).verifySync(token()))).toBe('UNTRUSTED_ISSUER')
  })

  test('an empty set trusts nobody, and keys of other kinds are passed over', () => {
    const rsa = { kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'rsa' }
    expect(codeOf(trusting([{ issuer, jwks: { keys: [] } }]).verifySync(token()))).toBe('UNTRUSTED_ISSUER')
    expect(codeOf(trusting([{ issuer, jwks: { keys: [rsa, key] } }]).verifySync(token()))).toBe('ok')
    const forEncryption = { ...key, use: 'enc' }
    expect(codeOf(trusting([{ issuer, jwks: { keys: [forEncryption] } }]).verifySync(token()))).toBe('UNTRUSTED_ISSUER')
  })

  test.each([
    ['a private key', { keys: [{ ...key, d: x }] }],
    ['a symmetric key', { keys: [{ kty: 'oct', k: 'AAAA', kid: 'a' }] }],
    ['a key without kid', { keys: [{ ...key, kid: undefined }] }],
    ['a kid twice', { keys: [key, { ...key }] }],
    ['a key of small order', { keys: [{ ...key, x: b64u(new Uint8Array(32)) }] }],
    ['a key that is none', { keys: [{ ...key, x: 'AAAA' }] }],
    ['no keys', {}],
    ['keys that are no list', { keys: key }],
    ['a key that is no object', { keys: ['key'] }],
    ['too many keys', { keys: Array.from({ length: 700 }, (_, i) => ({ ...key, kid: `key number ${i}` })) }],
  ])('INVALID_KEY: a set with %s', (_, jwks) => {
    expect(() => trusting([{ issuer, jwks: jwks as never }])).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }))
  })

  test('the private key of a set is not shown', () => {
    const d = b64u(new Uint8Array(32).fill(77))
    try {
      trusting([{ issuer, jwks: { keys: [{ ...key, d }] } }])
      expect.unreachable()
    } catch (error) {
      expect(inspect(error)).not.toContain(d)
    }
  })
})

describe('options', () => {
  test.each([
    ['INVALID_DID', { trust: ['agent'] }],
    ['INVALID_DID', { trust: ['https://login.example'] }],
    ['INVALID_CONFIG', { trust: [{ issuer: operator.did, jwks: { keys: [] } }] }],
    ['INVALID_CONFIG', { trust: [{ issuer: '', jwks: { keys: [] } }] }],
    [
      'INVALID_CONFIG',
      {
        trust: [
          { issuer: 'x', jwks: { keys: [] } },
          { issuer: 'x', jwks: { keys: [] } },
        ],
      },
    ],
    ['INVALID_CONFIG', { trust: [{ issuer: 'x', jwks: 'http://login.example/jwks' }] }],
    ['INVALID_CONFIG', { trust: [{ issuer: 'x', jwks: 'https://user:secret@login.example/jwks' }] }],
    ['INVALID_CONFIG', { trust: [{ issuer: 'x', jwks: 'file:///etc/passwd' }] }],
    ['INVALID_CONFIG', { trust: [{ issuer: 'x', jwks: 'jwks.json' }] }],
    ['INVALID_CONFIG', { trust: [{ issuer: 'x', jwks: '' }] }],
    ['INVALID_CONFIG', { audience: '' }],
    ['INVALID_CONFIG', { clockSkewSeconds: -1 }],
    ['INVALID_CONFIG', { clockSkewSeconds: 301 }],
    ['INVALID_CONFIG', { clockSkewSeconds: Number.NaN }],
    ['INVALID_CONFIG', { maxLifetimeSeconds: 0 }],
    ['INVALID_CONFIG', { maxLifetimeSeconds: Infinity }],
    ['INVALID_CONFIG', { revocationTimeoutMs: 0 }],
  ])('%s: %j', (code, options) => {
    const made = () => new TokenVerifier({ audience: AUDIENCE, trust: [], ...options })
    expect(made).toThrow(expect.objectContaining({ code }))
    expect(made).toThrow(XBindError)
  })

  test.each([
    [undefined],
    [{ audience: 5 }],
    [{ trust: undefined }],
    [{ trust: operator.did }],
    [{ trust: [5] }],
    [{ trust: [null] }],
    [{ trust: [{ issuer: 'x' }] }],
    [{ trust: [{ jwks: { keys: [] } }] }],
    [{ now: 5 }],
    [{ fetch: 'https://proxy' }],
    [{ revocations: {} }],
    [{ revocations: null }],
    [{ revocations: [undefined] }],
    [{ dangerouslyAcceptUnknownRevocation: 'yes' }],
    [{ clockSkewSeconds: '30' }],
  ])('a value of the wrong type throws: %j', (change) => {
    const options = change && { audience: AUDIENCE, trust: [], ...change }
    expect(() => new TokenVerifier(options as never)).toThrow(TypeError)
  })

  test.each([
    [undefined, {}],
    [5, {}],
    ['token', null],
    ['token', { scopes: 'admin' }],
    ['token', { scopes: [5] }],
    ['token', { presenter: 5 }],
  ])('a demand of the wrong type throws, or rejects: %j %j', async (token, demands) => {
    const verifier = trusting([operator.did])
    expect(() => verifier.verifySync(token as never, demands as never)).toThrow(TypeError)
    await expect(verifier.verify(token as never, demands as never)).rejects.toThrow(TypeError)
  })

  test.each([Number.NaN, Infinity, -1])('a clock that gives no time: %j', async (now) => {
    const verifier = trusting([operator.did], { now: () => now })
    expect(codeOf(verifier.verifySync(valueOf(issue())))).toBe('INVALID_CONFIG')
    expect(codeOf(await verifier.verify(valueOf(issue())))).toBe('INVALID_CONFIG')
    expect(() => trusting([], { now: () => 'now' as never }).verifySync('x')).toThrow(TypeError)
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
