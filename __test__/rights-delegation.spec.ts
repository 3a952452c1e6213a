import { Identity, type TokenRequest } from '@private.me/autogen'
import { delegateToken, issueToken } from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'
import { parts, type Members } from './helpers/jws.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { AUDIENCE, forgedLink, forgedToken, forger, NOW, seeded, trusting } from './helpers/rights.ts'

const [operator, agent, worker, helper] = [1, 2, 3, 4].map(seeded) as [Identity, Identity, Identity, Identity]
const [forgedOperator, forgedAgent, forgedWorker] = [1, 2, 3].map(forger) as [
  ReturnType<typeof forger>,
  ReturnType<typeof forger>,
  ReturnType<typeof forger>,
]
const stranger = seeded(99)
const verifier = trusting([operator.did])

const root = (request: Partial<TokenRequest> = {}): string =>
  valueOf(
    issueToken(operator, {
      subject: agent.did,
      audience: AUDIENCE,
      scopes: ['invoice.*', 'read:payments'],
      now: NOW,
      ...request,
    }),
  )
const delegate = (request: Partial<TokenRequest> = {}, by = agent, token = root()) =>
  delegateToken(by, token, { subject: worker.did, now: NOW, ...request })

describe('delegating', () => {
  test('makes exactly the header and the claims of the format', () => {
    const token = root()
    const { header, claims } = parts(valueOf(delegate({ scopes: ['invoice.read'], ttlSeconds: 60 }, agent, token)))
    expect(header).toEqual({ alg: 'EdDSA', kid: `${agent.did}#${agent.did.slice(8)}`, typ: 'agent-deleg+jwt' })
    expect(claims).toEqual({
      iss: agent.did,
      sub: worker.did,
      aud: AUDIENCE,
      iat: NOW,
      exp: NOW + 60,
      jti: expect.stringMatching(/^[\w-]{22}$/) as string,
      scope: 'invoice.read',
      act: { sub: worker.did, act: { sub: agent.did } },
      prf: token,
    })
  })

  test('hands on what the parent grants, until it expires, unless something narrower is asked for', () => {
    const same = valueOf(verifier.verifySync(valueOf(delegate({}, agent, root({ ttlSeconds: 100 })))))
    expect([same.scopes, same.expiresAt, same.audience]).toEqual([['invoice.*', 'read:payments'], NOW + 100, AUDIENCE])
    const narrow = valueOf(verifier.verifySync(valueOf(delegate({ scopes: ['invoice.read'], ttlSeconds: 5 }))))
    expect([narrow.scopes, narrow.expiresAt]).toEqual([['invoice.read'], NOW + 5])
    const nothing = valueOf(verifier.verifySync(valueOf(delegate({ scopes: [] }))))
    expect(nothing.scopes).toEqual([])
  })

  test('eight times, and everybody is in the chain', () => {
    const holders = Array.from({ length: 10 }, (_, i) => seeded(2 + i))
    let token = root()
    for (let depth = 0; depth < 8; depth++) {
      token = valueOf(delegateToken(holders[depth]!, token, { subject: holders[depth + 1]!.did, now: NOW }))
      const { chain, subject, issuer } = valueOf(verifier.verifySync(token, { presenter: holders[depth + 1]!.did }))
      expect(chain).toEqual([operator.did, ...holders.slice(0, depth + 2).map(({ did }) => did)])
      expect([issuer, subject]).toEqual([operator.did, holders[depth + 1]!.did])
    }
    expect(codeOf(delegateToken(holders[8]!, token, { subject: holders[9]!.did, now: NOW }))).toBe('INVALID_DELEGATION')
  })

  test.each([
    ['INVALID_DELEGATION', { scopes: ['admin'] }],
    ['INVALID_DELEGATION', { scopes: ['invoice.read', 'write:payments'] }],
    ['INVALID_DELEGATION', { scopes: ['invoice'] }],
    ['INVALID_DELEGATION', { scopes: ['read:*'] }],
    ['INVALID_DELEGATION', { ttlSeconds: 3601 }],
    ['INVALID_DELEGATION', { audience: 'https://other.example' }],
    ['INVALID_DELEGATION', { subject: operator.did }],
    ['INVALID_DELEGATION', { subject: agent.did }],
    ['INVALID_DID', { subject: 'worker' }],
    ['INVALID_CONFIG', { scopes: ['*'] }],
    ['INVALID_CONFIG', { ttlSeconds: 0 }],
    ['INVALID_CONFIG', { ttlSeconds: 90_000 }],
    ['INVALID_CONFIG', { claims: { team: 'x' } }],
    ['TOKEN_EXPIRED', { now: NOW + 3600 }],
    ['TOKEN_NOT_YET_VALID', { now: NOW - 31 }],
  ] satisfies [string, Partial<TokenRequest>][])('%s: %j', (code, request) => {
    expect(codeOf(delegate(request))).toBe(code)
  })

  test('only the holder does, and only of a token', () => {
    expect(codeOf(delegate({}, stranger))).toBe('INVALID_DELEGATION')
    expect(codeOf(delegate({}, operator))).toBe('INVALID_DELEGATION')
    for (const token of ['', 'x.y.z', agent.did, `${root()}x`])
      expect(codeOf(delegate({}, agent, token))).toBe('INVALID_TOKEN')
  })

  test('what is missing is named, and what is held', () => {
    const error = errorOf(delegate({ scopes: ['admin'] }))
    expect(error.message).toBe('a delegation grants admin, which its parent does not')
    expect(error.hint).toBe('held: invoice.* read:payments')
  })

  test.each([
    [5, { subject: worker.did }],
    ['token', undefined],
    ['token', {}],
    ['token', { subject: worker.did, scopes: 'a' }],
    ['token', { subject: worker.did, audience: 5 }],
    ['token', { subject: worker.did, ttlSeconds: '5' }],
  ])('a value of the wrong type throws: %j %j', (token, request) => {
    expect(() => delegateToken(agent, token as never, request as never)).toThrow(TypeError)
  })
})

describe('attacks by those in the chain', () => {
  const link = (claims: Members = {}, header: Members = {}, parent = root()) =>
    forgedLink(forgedAgent, worker.did, parent, claims, header)

  test('what they forge is accepted when it is honest, so that the change alone refuses it', () => {
    expect(codeOf(verifier.verifySync(link()))).toBe('ok')
    const two = forgedLink(forgedWorker, helper.did, link())
    expect(codeOf(verifier.verifySync(two))).toBe('ok')
  })

  const changes: Members[] = [
    { scope: 'admin' },
    { scope: 'invoice' },
    { scope: 'read:*' },
    { scope: 'invoice.read admin' },
    { exp: NOW + 3601 },
    { iat: NOW - 1 },
    { aud: 'https://other.example' },
    { aud: [AUDIENCE, 'https://other.example'] },
    { sub: operator.did },
    { sub: agent.did },
    { sub: 'worker' },
    { act: undefined },
    { act: {} },
    { act: null },
    { act: { sub: worker.did } },
    { act: { sub: worker.did, act: { sub: operator.did } } },
    { act: { sub: stranger.did, act: { sub: agent.did } } },
    { act: { sub: worker.did, act: { sub: agent.did, act: { sub: operator.did } } } },
    { act: { sub: worker.did, iss: 'x', act: { sub: agent.did } } },
    { act: { act: { sub: agent.did } } },
    { prf: undefined },
    { prf: '' },
    { prf: 'x.y.z' },
    { prf: null },
    { prf: [root()] },
    { prf: parts(root()).claims },
    { client_id: worker.did },
    { nbf: NOW },
    { admin: true },
    { may_act: {} },
    { cnf: {} },
    { iss: operator.did },
    { iss: stranger.did },
    { iss: worker.did },
  ]
  test.each(changes.map((change) => [JSON.stringify(change).slice(0, 70), change]))('link %s', async (_, change) => {
    const token = link(change)
    expect(codeOf(verifier.verifySync(token))).toMatch(/^INVALID_(TOKEN|DELEGATION)$/)
    expect(codeOf(await verifier.verify(token))).toMatch(/^INVALID_(TOKEN|DELEGATION)$/)
  })

  test.each([
    ['another typ', link({}, { typ: 'at+jwt' })],
    ['an unknown alg', link({}, { alg: 'none' })],
    ["another's kid", link({}, { kid: `${operator.did}#${operator.did.slice(8)}` })],
    ['the parent cut off', parts(link()).claims.prf as string],
    ['a parent of another holder', forgedLink(forgedAgent, worker.did, root({ subject: helper.did }))],
    ['a parent by nobody known', forgedLink(forgedAgent, worker.did, forgedToken(forger(99), agent.did))],
    ['a parent that was changed', link({ prf: root().replace(/.$/, (c) => (c === 'A' ? 'Q' : 'A')) })],
    [
      'a parent that has expired',
      link(
        { exp: NOW - 30, iat: NOW - 90 },
        {},
        forgedToken(forgedOperator, agent.did, { iat: NOW - 99, exp: NOW - 30 }),
      ),
    ],
    ['a parent for another audience', link({}, {}, root({ audience: 'https://other.example' }))],
    ['itself as its parent', link({}, {}, link())],
  ])('with %s', (_, token) => {
    expect(codeOf(verifier.verifySync(token, { presenter: worker.did }))).not.toBe('ok')
  })

  test('rights that a parent has lost on the way do not come back', () => {
    const narrow = forgedLink(forgedAgent, worker.did, root(), { scope: 'invoice.read' })
    const wide = forgedLink(forgedWorker, helper.did, narrow, { scope: 'invoice.*' })
    expect(codeOf(verifier.verifySync(wide))).toBe('INVALID_DELEGATION')
    const silent = forgedLink(forgedAgent, worker.did, root(), { scope: undefined })
    expect(valueOf(verifier.verifySync(silent)).scopes).toEqual([])
    expect(codeOf(verifier.verifySync(forgedLink(forgedWorker, helper.did, silent, { scope: 'invoice.read' })))).toBe(
      'INVALID_DELEGATION',
    )
  })

  test('an agent is nobody who grants by its own word', () => {
    const own = valueOf(
      issueToken(agent, { subject: worker.did, audience: AUDIENCE, scopes: ['invoice.read'], now: NOW }),
    )
    const handedOn = valueOf(delegateToken(worker, own, { subject: helper.did, now: NOW }))
    for (const token of [own, handedOn]) expect(codeOf(verifier.verifySync(token))).toBe('UNTRUSTED_ISSUER')
  })

  test('nine links by hand are one too many', () => {
    let token = root()
    for (let depth = 0; depth < 9; depth++) {
      token = forgedLink(forger(2 + depth), seeded(3 + depth).did, token, { scope: 'invoice.read' })
      if (depth < 8) expect(codeOf(verifier.verifySync(token))).toBe('ok')
    }
    expect(codeOf(verifier.verifySync(token))).toBe('INVALID_DELEGATION')
  })

  test('every bit of a delegation counts', () => {
    const token = valueOf(delegate({ scopes: ['invoice.read'] }))
    const accepted: number[] = []
    for (let at = 0; at < token.length; at++) {
      for (const bit of [1, 4, 32]) {
        const changed = token.slice(0, at) + String.fromCharCode(token.charCodeAt(at) ^ bit) + token.slice(at + 1)
        if (verifier.verifySync(changed).ok) accepted.push(at)
      }
    }
    expect(accepted).toEqual([])
  })
})
