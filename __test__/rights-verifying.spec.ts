import { XBindError } from '@private.me/autogen'
import { TokenVerifier, type TokenClaims } from '@private.me/autogen/tokens'
import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { b64u, parts, type Members } from './helpers/jws.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { AUDIENCE, forgedToken, forger, issue, NOW, seeded, trusting } from './helpers/rights.ts'

const operator = seeded(1)
const agent = seeded(2)
const stranger = seeded(99)

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
