import { Identity, type RevocationSource, type RevocationSubject } from '@private.me/autogen'
import {
  approveCall,
  delegateToken,
  issueToken,
  KeyHistory,
  RevocationList,
  signRotation,
  StatusList,
  StatusListSource,
  TokenVerifier,
  verifyApproval,
} from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'
import { codeOf, valueOf } from './helpers/result.ts'
import { AUDIENCE, NOW, seeded, trusting } from './helpers/rights.ts'

const [operator, agent, worker] = [seeded(1), seeded(2), seeded(3)]
const uri = 'https://status.example/1'
const grant = { subject: agent.did, audience: AUDIENCE, scopes: ['a'], now: NOW }
const token = valueOf(issueToken(operator, grant))
const call = { caller: agent.did, recipient: worker.did, body: new Uint8Array(2) }
const statement = valueOf(approveCall(operator, { decision: 'approve', call, now: NOW }))
const list = () => new StatusList({ size: 8 })
const signedList = valueOf(list().sign(operator, { uri, now: NOW }))
const verifier = trusting([operator.did])

type Make = (options: Record<string, unknown>) => unknown
/** Everything of this part that takes options: a good object, and what is made of it. */
const takers: [string, Record<string, unknown>, string[], Make][] = [
  [
    'TokenVerifier',
    { audience: AUDIENCE, trust: [operator.did] },
    [
      'now',
      'clockSkewSeconds',
      'maxLifetimeSeconds',
      'revocations',
      'revocationTimeoutMs',
      'fetch',
      'trust',
      'audience',
      'dangerouslyAcceptUnknownRevocation',
    ],
    (options) => new TokenVerifier(options as never),
  ],
  [
    'trust',
    { issuer: 'https://login.example', jwks: { keys: [] } },
    ['issuer', 'jwks'],
    (issuer) => new TokenVerifier({ audience: AUDIENCE, trust: [issuer as never] }),
  ],
  ['verify()', {}, ['scopes', 'presenter'], (options) => verifier.verifySync(token, options)],
  [
    'request',
    { ...grant },
    ['subject', 'audience', 'scopes', 'quota', 'ttlSeconds', 'claims', 'status', 'now'],
    (options) => issueToken(operator, options as never),
  ],
  [
    'request',
    { subject: worker.did, now: NOW },
    ['subject', 'audience', 'scopes', 'quota', 'ttlSeconds', 'status', 'now'],
    (options) => delegateToken(agent, token, options as never),
  ],
  [
    'request.status',
    { index: 1, uri },
    ['index', 'uri'],
    (status) => issueToken(operator, { ...grant, status: status as never }),
  ],
  [
    'request',
    { decision: 'approve', call, now: NOW },
    ['decision', 'call', 'ttlSeconds', 'now'],
    (options) => approveCall(operator, options as never),
  ],
  [
    'options',
    { call, approvers: [operator.did], now: NOW },
    ['call', 'approvers', 'now', 'clockSkewSeconds'],
    (options) => verifyApproval(statement, options as never),
  ],
  [
    'call',
    { ...call },
    ['caller', 'recipient', 'body', 'contentType'],
    (about) => verifyApproval(statement, { call: about as never, approvers: [operator.did], now: NOW }),
  ],
  ['RevocationList', {}, ['maxEntries'], (options) => new RevocationList(options)],
  ['revokeToken()', {}, ['keepUntil'], (options) => new RevocationList().revokeToken('x', options)],
  ['revokeDID()', {}, ['issuedUntil'], (options) => new RevocationList().revokeDID(agent.did, options)],
  ['purge()', {}, ['now'], (options) => new RevocationList().purge(options)],
  ['StatusList', { size: 8 }, ['size', 'bits'], (options) => new StatusList(options as never)],
  [
    'read()',
    { uri, issuer: operator.did },
    ['uri', 'issuer'],
    (options) => StatusList.read(signedList, options as never),
  ],
  [
    'sign()',
    { uri },
    ['uri', 'lifetimeSeconds', 'ttlSeconds', 'now'],
    (options) => list().sign(operator, options as never),
  ],
  [
    'StatusListSource',
    {},
    ['maxAgeSeconds', 'refreshSeconds', 'maxLists', 'maxBytes', 'origins', 'offline', 'fetch', 'now'],
    (options) => new StatusListSource(options),
  ],
  ['KeyHistory', {}, ['activeFrom'], (options) => new KeyHistory(operator.did, options)],
  ['prepare()', {}, ['now'], (options) => new KeyHistory(operator.did).prepare('x', options)],
  ['options', {}, ['from'], (options) => new KeyHistory(operator.did).taint(operator.did, options)],
  [
    'request',
    { now: NOW },
    ['activeFrom', 'overlapSeconds', 'now'],
    (options) => signRotation(operator, agent, options),
  ],
]

describe.each(takers)('%s with %j', (what, good, names, make) => {
  const refuses = (options: Record<string, unknown>) => {
    let made: unknown
    try {
      made = make(options)
    } catch {
      return true
    }
    return typeof made === 'object' && made !== null && 'ok' in made && made.ok === false
  }

  test.each(names)('%s: what is nothing is no absence', (name) => {
    // What switches on is switched on only by true, so false is a value of these.
    const booleans = ['offline', 'dangerouslyAcceptUnknownRevocation']
    const zeros = [
      'now',
      'from',
      'issuedUntil',
      'keepUntil',
      'activeFrom',
      'clockSkewSeconds',
      'overlapSeconds',
      'index',
    ]
    for (const value of [null, false, 0, '', Number.NaN]) {
      if ((booleans.includes(name) && value === false) || (zeros.includes(name) && value === 0)) continue
      expect([value, refuses({ ...good, [name]: value })]).toEqual([value, true])
    }
  })

  test('unknown names are refused', () => {
    expect(() => make({ ...good, nowadays: undefined })).toThrow(`${what} has no option nowadays`)
    expect(() => make({ ...good, Now: 5 })).toThrow(TypeError)
  })

  test('each option is read once', () => {
    const reads = new Map<string, number>()
    const counting = Object.defineProperties(
      {},
      Object.fromEntries(
        Object.entries(good).map(([name, value]) => [
          name,
          { enumerable: true, get: () => (reads.set(name, (reads.get(name) ?? 0) + 1), value) },
        ]),
      ),
    )
    make(counting)
    expect(Object.fromEntries(reads)).toEqual(Object.fromEntries(Object.keys(good).map((name) => [name, 1])))
  })
})

test('a skew that no clock has is refused', () => {
  const verify = (clockSkewSeconds: number) =>
    verifyApproval(statement, { call, approvers: [operator.did], now: NOW, clockSkewSeconds })
  expect(codeOf(verify(300))).toBe('ok')
  expect(() => verify(301)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
})

describe('a source that answers for itself is asked', () => {
  const status = { index: 3, uri }
  const withStatus = valueOf(issueToken(operator, { ...grant, status }))
  const fresh = () => {
    const source = new StatusListSource({ offline: true, now: () => NOW })
    valueOf(source.put(signedList))
    return source
  }
  const verdicts = async (source: RevocationSource, presented: string) => {
    const verifier = trusting([operator.did], { revocations: [source] })
    return [codeOf(verifier.verifySync(presented)), codeOf(await verifier.verify(presented))]
  }
  const yes = { isRevoked: () => true }

  class Stricter extends StatusListSource {
    override isRevoked(_subject: RevocationSubject): boolean {
      return true
    }
  }
  class Listed extends RevocationList {
    override isRevoked(_subject: RevocationSubject): boolean {
      return true
    }
  }
  class Otherwise extends StatusListSource {
    override statusOf() {
      return { evidence: 'fresh', status: 1 } as const
    }
  }

  test('as it is made, it lets these through', async () => {
    expect(await verdicts(fresh(), withStatus)).toEqual(['ok', 'ok'])
    expect(await verdicts(new RevocationList(), token)).toEqual(['ok', 'ok'])
  })

  test.each<[string, () => RevocationSource, string]>([
    ['a subclass of StatusListSource', () => new Stricter({ offline: true, now: () => NOW }), token],
    ['a subclass of RevocationList', () => new Listed(), token],
    ['a patched StatusListSource', () => Object.assign(fresh(), yes), token],
    ['a patched RevocationList', () => Object.assign(new RevocationList(), yes), token],
    ['another prototype', () => Object.setPrototypeOf(fresh(), yes) as RevocationSource, token],
    ['a proxy', () => new Proxy(fresh(), { get: () => yes.isRevoked }), token],
  ])('%s', async (_, source, presented) => {
    expect(await verdicts(source(), presented)).toEqual(['REVOKED', 'REVOKED'])
    expect(await verdicts(source(), withStatus)).toEqual(
      source() instanceof RevocationList || !(source() instanceof StatusListSource)
        ? expect.arrayContaining([expect.stringMatching(/^REVO/)])
        : ['REVOKED', 'REVOKED'],
    )
  })

  test('an overridden statusOf', async () => {
    const source = new Otherwise({ offline: true, now: () => NOW })
    valueOf(source.put(signedList))
    expect(await verdicts(source, withStatus)).toEqual(['REVOKED', 'REVOKED'])
  })

  test.each([
    ['StatusListSource', fresh],
    ['RevocationList', () => new RevocationList()],
  ])('%s patched after the verifier was made', (_, make) => {
    const source = make()
    const verifier = trusting([operator.did], { revocations: source })
    expect(codeOf(verifier.verifySync(token))).toBe('ok')
    Object.assign(source, yes)
    expect(codeOf(verifier.verifySync(token))).toBe('REVOKED')
  })

  test('a patched prototype', () => {
    const original = RevocationList.prototype.isRevoked
    const verifier = trusting([operator.did], { revocations: new RevocationList() })
    try {
      RevocationList.prototype.isRevoked = () => true
      expect(codeOf(verifier.verifySync(token))).toBe('REVOKED')
      expect(codeOf(trusting([operator.did], { revocations: new RevocationList() }).verifySync(token))).toBe('REVOKED')
    } finally {
      RevocationList.prototype.isRevoked = original
    }
  })
})

test('an identity is needed all the same', () => {
  expect(() => issueToken(Identity as never, grant)).toThrow(TypeError)
})
