import type { RevocationSource, RevocationSubject } from '@private.me/autogen'
import { issueToken, RevocationList } from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'
import { never } from './helpers/bus.ts'
import { agent, link, linkId, operator, root, rootId, worker } from './helpers/handed-on.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { AUDIENCE, forgedToken, forger, NOW, trusting } from './helpers/rights.ts'

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
