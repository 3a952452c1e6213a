import { XBindError, type RevocationSource, type RevocationSubject } from '@private.me/autogen'
import { delegateToken, issueToken, RevocationList } from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'
import { never } from './helpers/bus.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { AUDIENCE, claimsIn, forgedToken, forger, NOW, seeded, trusting } from './helpers/rights.ts'

const [operator, agent, worker] = [seeded(1), seeded(2), seeded(3)]
const stranger = seeded(99)
const root = valueOf(issueToken(operator, { subject: agent.did, audience: AUDIENCE, scopes: ['a.*'], now: NOW }))
const link = valueOf(delegateToken(agent, root, { subject: worker.did, scopes: ['a.b'], now: NOW + 5 }))
const [rootId, linkId] = [root, link].map((token) => String(claimsIn(token).jti)) as [string, string]

describe('RevocationList', () => {
  test.each([
    ['the link', (list: RevocationList) => list.revokeToken(linkId)],
    ['its parent', (list: RevocationList) => list.revokeToken(rootId)],
    ['the first issuer', (list: RevocationList) => list.revokeDID(operator.did)],
    ['the holder', (list: RevocationList) => list.revokeDID(agent.did)],
    ['the subject', (list: RevocationList) => list.revokeDID(worker.did)],
    [
      'the holder, for what was granted to it',
      (list: RevocationList) => list.revokeDID(agent.did, { issuedUntil: NOW }),
    ],
    [
      'the subject, up to that very second',
      (list: RevocationList) => list.revokeDID(worker.did, { issuedUntil: NOW + 5 }),
    ],
  ])('a delegation falls with %s', async (_, revoke) => {
    const list = new RevocationList()
    const verifier = trusting([operator.did], { revocations: list })
    expect(valueOf(verifier.verifySync(link)).revocation).toBe('fresh')
    valueOf(revoke(list))
    const error = errorOf(verifier.verifySync(link))
    expect([error.code, error.retryable]).toEqual(['REVOKED', false])
    expect(codeOf(await verifier.verify(link))).toBe('REVOKED')
  })

  test.each([
    ['another token', (list: RevocationList) => list.revokeToken(`${linkId}x`)],
    ['a stranger', (list: RevocationList) => list.revokeDID(stranger.did)],
    [
      'the subject, up to the second before',
      (list: RevocationList) => list.revokeDID(worker.did, { issuedUntil: NOW + 4 }),
    ],
    [
      'the issuer, up to the second before',
      (list: RevocationList) => list.revokeDID(operator.did, { issuedUntil: NOW - 1 }),
    ],
  ])('and stands when it is %s', (_, revoke) => {
    const list = new RevocationList()
    valueOf(revoke(list))
    expect(codeOf(trusting([operator.did], { revocations: list }).verifySync(link))).toBe('ok')
  })

  test('the parent stands when a link falls', () => {
    const list = new RevocationList()
    valueOf(list.revokeToken(linkId))
    const verifier = trusting([operator.did], { revocations: list })
    expect([root, link].map((token) => codeOf(verifier.verifySync(token)))).toEqual(['ok', 'REVOKED'])
  })

  test('holds for every verifier that has it, among others, from the next token on', async () => {
    const [first, second] = [new RevocationList(), new RevocationList()]
    const verifiers = [[first], [first, second], [second, first]].map((revocations) =>
      trusting([operator.did], { revocations }),
    )
    expect(verifiers.map((verifier) => codeOf(verifier.verifySync(root)))).toEqual(['ok', 'ok', 'ok'])
    valueOf(first.revokeToken(rootId))
    expect(verifiers.map((verifier) => codeOf(verifier.verifySync(root)))).toEqual(['REVOKED', 'REVOKED', 'REVOKED'])
    for (const verifier of verifiers) expect(codeOf(await verifier.verify(root))).toBe('REVOKED')
  })

  test('a suspended DID is reinstated, a revoked token is not', () => {
    const list = new RevocationList()
    const verifier = trusting([operator.did], { revocations: list })
    valueOf(list.revokeDID(agent.did))
    expect(codeOf(verifier.verifySync(root))).toBe('REVOKED')
    expect([list.reinstate(agent.did), list.reinstate(agent.did), list.reinstate(operator.did)]).toEqual([
      true,
      false,
      false,
    ])
    expect(codeOf(verifier.verifySync(root))).toBe('ok')
    valueOf(list.revokeToken(rootId))
    expect(() => list.reinstate(rootId)).toThrow(expect.objectContaining({ code: 'INVALID_DID' }))
    expect(codeOf(verifier.verifySync(root))).toBe('REVOKED')
  })

  test('an earlier time does not take a later one back', () => {
    const list = new RevocationList()
    valueOf(list.revokeDID(agent.did))
    valueOf(list.revokeDID(agent.did, { issuedUntil: 5 }))
    expect(list.isRevoked({ did: agent.did, issuedAt: NOW })).toBe(true)
  })

  test('says so when it is full, and forgets nothing', () => {
    const list = new RevocationList({ maxEntries: 2 })
    valueOf(list.revokeToken('one', { keepUntil: NOW }))
    valueOf(list.revokeDID(agent.did))
    for (const full of [list.revokeToken('two'), list.revokeDID(worker.did)]) {
      const error = errorOf(full)
      expect([error.code, error.message]).toEqual(['INVALID_CONFIG', 'the revocation list is full with 2 entries'])
    }
    expect(codeOf(list.revokeToken('one'))).toBe('ok')
    expect(list.size).toBe(2)
    expect(list.isRevoked({ tokenId: 'one', issuedAt: NOW })).toBe(true)
    expect(list.isRevoked({ tokenId: 'two', issuedAt: NOW })).toBe(false)
  })

  test('purges only what need not be kept', () => {
    const list = new RevocationList()
    valueOf(list.revokeToken('for a while', { keepUntil: NOW }))
    valueOf(list.revokeToken('for good'))
    valueOf(list.revokeDID(agent.did))
    list.purge({ now: NOW })
    expect(list.size).toBe(3)
    list.purge({ now: NOW + 1 })
    expect(list.size).toBe(2)
    expect(list.isRevoked({ tokenId: 'for a while', issuedAt: NOW })).toBe(false)
    list.purge()
    expect(list.isRevoked({ tokenId: 'for good', issuedAt: NOW })).toBe(true)
  })

  test('keeps the later of two times', () => {
    const list = new RevocationList()
    valueOf(list.revokeToken('x', { keepUntil: NOW }))
    valueOf(list.revokeToken('x', { keepUntil: 5 }))
    list.purge({ now: NOW })
    expect(list.size).toBe(1)
  })

  test('is asked by hand as well', () => {
    const list = new RevocationList()
    valueOf(list.revokeDID(agent.did, { issuedUntil: NOW }))
    const ask = (subject: RevocationSubject) => list.isRevoked(subject)
    expect(ask({ did: agent.did, issuedAt: NOW })).toBe(true)
    expect(ask({ did: agent.did, issuedAt: NOW + 1 })).toBe(false)
    expect(ask({ tokenId: agent.did, issuedAt: NOW })).toBe(false)
    expect(ask({ tokenId: '', issuedAt: NOW })).toBe(false)
    expect(ask({ issuedAt: NOW })).toBe(false)
    expect(ask({ did: 'agent', issuedAt: NOW })).toBe(false)
  })

  test.each([
    ['INVALID_DID', (list: RevocationList) => list.revokeDID('agent')],
    ['INVALID_CONFIG', (list: RevocationList) => list.revokeDID(agent.did, { issuedUntil: -1 })],
    ['INVALID_CONFIG', (list: RevocationList) => list.revokeDID(agent.did, { issuedUntil: Infinity })],
    ['INVALID_CONFIG', (list: RevocationList) => list.revokeToken('x', { keepUntil: 0.5 })],
    ['INVALID_CONFIG', (list: RevocationList) => list.revokeToken('x', { keepUntil: Number.NaN })],
  ])('%s: %#', (code, revoke) => {
    const list = new RevocationList()
    expect(codeOf(revoke(list))).toBe(code)
    expect(list.size).toBe(0)
  })

  test('values of the wrong type throw', () => {
    const list = new RevocationList()
    const wrong: (() => unknown)[] = [
      () => list.revokeToken(5 as never),
      () => list.revokeToken('x', { keepUntil: 'soon' as never }),
      () => list.revokeDID(undefined as never),
      () => list.revokeDID(agent.did, null as never),
      () => list.reinstate(5 as never),
      () => list.isRevoked({ tokenId: 5, issuedAt: 1 } as never),
      () => list.isRevoked({ tokenId: 'x' } as never),
      () => list.purge({ now: 0.5 }),
      () => new RevocationList(null as never),
      () => new RevocationList({ maxEntries: '5' as never }),
    ]
    for (const each of wrong) expect(each).toThrow(TypeError)
    for (const maxEntries of [0, -1, 0.5, Infinity]) {
      expect(() => new RevocationList({ maxEntries })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
    }
  })

  test('a list that answers for itself is asked itself', () => {
    class Stricter extends RevocationList {
      override isRevoked(): boolean {
        return true
      }
    }
    expect(codeOf(trusting([operator.did], { revocations: new Stricter() }).verifySync(root))).toBe('REVOKED')
  })
})

describe('sources of your own', () => {
  test('are asked about every link: its id, who granted it and to whom', async () => {
    const asked: RevocationSubject[] = []
    const source: RevocationSource = {
      isRevoked: (subject) => {
        asked.push(subject)
        return false
      },
    }
    const expected = [
      { tokenId: rootId, issuer: operator.did, issuedAt: NOW },
      { did: operator.did, issuedAt: NOW },
      { did: agent.did, issuedAt: NOW },
      { tokenId: linkId, issuer: agent.did, issuedAt: NOW + 5 },
      { did: agent.did, issuedAt: NOW + 5 },
      { did: worker.did, issuedAt: NOW + 5 },
    ]
    const verifier = trusting([operator.did], { revocations: source })
    expect(valueOf(verifier.verifySync(link)).revocation).toBe('fresh')
    expect(asked).toEqual(expected)
    expect(valueOf(await verifier.verify(link)).revocation).toBe('fresh')
    expect(asked).toEqual([...expected, ...expected])
  })

  test('learn where the status is published', () => {
    const status = { index: 7, uri: 'https://api.example/status' }
    const request = { subject: agent.did, audience: AUDIENCE, scopes: [], status, now: NOW }
    const asked: RevocationSubject[] = []
    const isRevoked = (subject: RevocationSubject) => asked.push(subject) < 0
    trusting([operator.did], { revocations: { isRevoked } }).verifySync(valueOf(issueToken(operator, request)))
    expect(asked[0]?.status).toEqual(status)
  })

  test('are not asked about what is no good anyway', async () => {
    const verifier = trusting([operator.did], {
      revocations: { isRevoked: () => expect.unreachable() },
    })
    const wrong = [
      'x.y.z',
      forgedToken(forger(99), agent.did),
      `${root}x`,
      forgedToken(forger(1), agent.did, { exp: NOW - 40, iat: NOW - 50 }),
    ]
    for (const token of wrong) {
      expect((await verifier.verify(token)).ok).toBe(false)
      expect(verifier.verifySync(token).ok).toBe(false)
    }
    expect(codeOf(verifier.verifySync(root, { scopes: ['b'] }))).toBe('SCOPE_DENIED')
  })

  test.each<[string, () => unknown]>([
    ['true', () => true],
    ['a promise of true', () => Promise.resolve(true)],
  ])('one that answers %s revokes', async (_, answer) => {
    const no: RevocationSource = { isRevoked: () => false }
    const verifier = trusting([operator.did], { revocations: [no, { isRevoked: answer as never }, no] })
    expect(codeOf(await verifier.verify(link))).toBe('REVOKED')
  })

  const unknown: [string, () => unknown][] = [
    [
      'throws',
      () => {
        throw new Error('down')
      },
    ],
    [
      'throws nothing',
      () => {
        throw undefined
      },
    ],
    ['rejects', () => Promise.reject(new Error('down'))],
    ['rejects with nothing', () => Promise.reject(undefined)],
    ['answers undefined', () => undefined],
    ['answers null', () => null],
    ['answers 0', () => 0],
    ['answers 1', () => 1],
    ['answers "false"', () => 'false'],
    ['answers ""', () => ''],
    ['answers an object', () => ({ revoked: false })],
    ['answers a boxed false', () => Object(false)],
    ['promises undefined', () => Promise.resolve(undefined)],
    ['promises 0', () => Promise.resolve(0)],
    ['never answers', () => never],
    [
      'answers a thenable that throws',
      () => ({
        then: () => {
          throw new Error('down')
        },
      }),
    ],
    [
      'answers a thenable whose then throws',
      () =>
        Object.defineProperty({}, 'then', {
          get: () => {
            throw new Error('down')
          },
        }),
    ],
    ['answers a function', () => () => false],
  ]
  test.each(unknown)('one that %s does not know, and the token is refused', async (_, answer) => {
    const options = { revocations: { isRevoked: answer as never }, revocationTimeoutMs: 1 }
    const verifier = trusting([operator.did], options)
    for (const verdict of [verifier.verifySync(link), await verifier.verify(link)]) {
      const error = errorOf(verdict)
      expect([error.code, error.retryable]).toEqual(['REVOCATION_UNKNOWN', true])
      expect(error.hint).toContain('the evidence is unknown')
    }
    const open = trusting([operator.did], { ...options, dangerouslyAcceptUnknownRevocation: true })
    expect(valueOf(open.verifySync(link)).revocation).toBe('unknown')
    expect(valueOf(await open.verify(link)).revocation).toBe('unknown')
  })

  test.each<[string, PropertyDescriptor & { name: string }]>([
    [
      'has a constructor that throws',
      {
        name: 'constructor',
        get: () => {
          throw new Error('broken')
        },
      },
    ],
    [
      'has a catch that throws',
      {
        name: 'catch',
        value: () => {
          throw new Error('broken')
        },
      },
    ],
  ])('a promise that %s does not know at once', (_, { name, ...descriptor }) => {
    const isRevoked = () => Object.defineProperty(Promise.resolve(false), name, descriptor)
    const verifier = trusting([operator.did], { revocations: { isRevoked } })
    expect(codeOf(verifier.verifySync(root))).toBe('REVOCATION_UNKNOWN')
  })

  test('one that takes time does not know at once', async () => {
    const verifier = trusting([operator.did], { revocations: { isRevoked: () => Promise.resolve(false) } })
    expect(codeOf(verifier.verifySync(root))).toBe('REVOCATION_UNKNOWN')
    expect(codeOf(await verifier.verify(root))).toBe('ok')
  })

  test('a yes counts more than one who does not know, and either more than a no', async () => {
    const [yes, no, unknown] = [true, false, undefined].map((answer) => ({ isRevoked: () => answer as boolean }))
    const verdict = async (revocations: RevocationSource[], open = false) => {
      const verifier = trusting([operator.did], { revocations, dangerouslyAcceptUnknownRevocation: open })
      const both = [codeOf(verifier.verifySync(link)), codeOf(await verifier.verify(link))]
      expect(both[0]).toBe(both[1])
      return both[0]
    }
    expect(await verdict([no!, unknown!, yes!])).toBe('REVOKED')
    expect(await verdict([yes!, unknown!])).toBe('REVOKED')
    expect(await verdict([no!, unknown!])).toBe('REVOCATION_UNKNOWN')
    expect(await verdict([no!, no!])).toBe('ok')
    expect(await verdict([unknown!, yes!], true)).toBe('REVOKED')
    expect(await verdict([unknown!, no!], true)).toBe('ok')
  })

  test('one yes about any link is enough, whatever is unknown of the others', async () => {
    for (const revoked of [operator.did, agent.did, worker.did, rootId, linkId]) {
      const isRevoked = ({ did, tokenId }: RevocationSubject) => {
        if ((did ?? tokenId) === revoked) return true
        throw new Error('down')
      }
      const verifier = trusting([operator.did], { revocations: { isRevoked } })
      expect(codeOf(await verifier.verify(link))).toBe('REVOKED')
    }
  })

  test('a list of this package beside one of your own', async () => {
    const list = new RevocationList()
    const own = { isRevoked: () => Promise.resolve(false) }
    const verifier = trusting([operator.did], { revocations: [own, list] })
    expect(codeOf(await verifier.verify(link))).toBe('ok')
    valueOf(list.revokeToken(rootId))
    expect(codeOf(await verifier.verify(link))).toBe('REVOKED')
    expect(codeOf(verifier.verifySync(link))).toBe('REVOKED')
  })

  test('a token that expires while they are asked has expired', async () => {
    const clock = { now: NOW }
    const isRevoked = () => {
      clock.now = NOW + 10_000
      return Promise.resolve(false)
    }
    const verifier = trusting([operator.did], { revocations: { isRevoked }, now: () => clock.now })
    expect(codeOf(await verifier.verify(root))).toBe('TOKEN_EXPIRED')
  })

  test('what is revoked while they are asked is revoked', async () => {
    const list = new RevocationList()
    const isRevoked = () => {
      list.revokeToken(rootId)
      return Promise.resolve(false)
    }
    const verifier = trusting([operator.did], { revocations: [list, { isRevoked }] })
    expect(codeOf(await verifier.verify(root))).toBe('REVOKED')
  })

  test('they cannot change what is asked of the next one', () => {
    const meddler: RevocationSource = {
      isRevoked: (subject) => {
        expect(Object.isFrozen(subject)).toBe(true)
        return false
      },
    }
    expect(codeOf(trusting([operator.did], { revocations: meddler }).verifySync(link))).toBe('ok')
  })

  test('without any, nothing was checked, and the claims say so', () => {
    expect(valueOf(trusting([operator.did]).verifySync(root)).revocation).toBe('unchecked')
    expect(valueOf(trusting([operator.did], { revocations: [] }).verifySync(root)).revocation).toBe('unchecked')
  })
})

test('what fails is an XBindError with a code', () => {
  expect(errorOf(new RevocationList().revokeDID('x'))).toBeInstanceOf(XBindError)
})
