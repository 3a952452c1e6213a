import type { FetchDocument, TokenVerifierOptions } from '@private.me/autogen'
import { delegateToken, StatusList, StatusListSource, type StatusListSourceOptions } from '@private.me/autogen/tokens'
import { deflateSync } from 'node:zlib'
import { beforeEach, describe, expect, test } from 'vitest'
import { b64u } from './helpers/jws.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { forgedToken, forger, NOW, trusting } from './helpers/rights.ts'
import { agent, forged, forgery, operator, published, token, uri, worker } from './helpers/status-list.ts'

describe('a verifier with a StatusListSource', () => {
  const clock = { now: NOW }
  let hits: string[]
  let list: unknown
  beforeEach(() => {
    clock.now = NOW
    hits = []
    list = published()
  })
  const fetch: FetchDocument = async (url) => {
    hits.push(url)
    if (list instanceof Error) throw list
    return list as string
  }
  const verifierWith = (source: StatusListSourceOptions = {}, options: Partial<TokenVerifierOptions> = {}) => {
    const revocations = new StatusListSource({ fetch, now: () => clock.now, ...source })
    return trusting([operator.did], { now: () => clock.now, revocations, ...options })
  }

  test('accepts and refuses by the list that the token names', async () => {
    list = published([3, 99])
    const verifier = verifierWith()
    const verdicts = await Promise.all(
      [2, 3, 4, 99, 98].map(async (index) => codeOf(await verifier.verify(token(index)))),
    )
    expect(verdicts).toEqual(['ok', 'REVOKED', 'ok', 'REVOKED', 'ok'])
    expect(hits).toEqual([uri])
    expect(valueOf(verifier.verifySync(token(2))).revocation).toBe('fresh')
    expect(codeOf(verifier.verifySync(token(3)))).toBe('REVOKED')
  })

  test('anything but 0 is a refusal', async () => {
    const wide = new StatusList({ size: 8, bits: 2 })
    for (const status of [1, 2, 3]) valueOf(wide.set(status, status))
    list = valueOf(wide.sign(operator, { uri, now: NOW }))
    const verdicts = [0, 1, 2, 3].map(async (index) => codeOf(await verifierWith().verify(token(index))))
    expect(await Promise.all(verdicts)).toEqual(['ok', 'REVOKED', 'REVOKED', 'REVOKED'])
  })

  test('needs the list: without one nothing is accepted, and nothing asked without I/O', async () => {
    const error = errorOf(verifierWith().verifySync(token()))
    expect([error.code, error.retryable]).toEqual(['REVOCATION_UNKNOWN', true])
    expect(error.message).toBe("the token's status list is not at hand")
    expect(error.hint).toContain('the evidence is absent')
    expect(hits).toEqual([])
    // A verifier without any source refuses such a token too: its issuer has said where to ask.
    expect(codeOf(await trusting([operator.did]).verify(token()))).toBe('REVOCATION_UNKNOWN')
  })

  test('a token without status needs none', async () => {
    expect(valueOf(await verifierWith().verify(forgedToken(forgery, agent.did))).revocation).toBe('unchecked')
    expect(hits).toEqual([])
  })

  test.each<[string, () => unknown, string]>([
    ['a list by another', () => forged({}, {}, forger(99)), 'unreadable'],
    ["a list by another in the issuer's name", () => forged({ iss: operator.did }, {}, forger(99)), 'unreadable'],
    ['a list for another address', () => forged({ sub: `${uri}0` }), 'unreadable'],
    ['a list without address', () => forged({ sub: undefined }), 'unreadable'],
    ['a token in place of a list', () => token(), 'unreadable'],
    ['another typ', () => forged({}, { typ: 'JWT' }), 'unreadable'],
    ['no alg', () => forged({}, { alg: 'none' }), 'unreadable'],
    ['crit', () => forged({}, { crit: ['exp'] }), 'unreadable'],
    ['a list that has expired', () => published([], { now: NOW - 5000, lifetimeSeconds: 60 }), 'stale'],
    ['a list from the future', () => published([], { now: NOW + 31 }), 'stale'],
    ['a list that is older than a day', () => published([], { now: NOW - 86_431, lifetimeSeconds: 200_000 }), 'stale'],
    ['a list that expires before it is issued', () => forged({ exp: NOW - 1 }), 'unreadable'],
    ['no time of issue', () => forged({ iat: undefined }), 'unreadable'],
    ['no list', () => forged({ status_list: undefined }), 'unreadable'],
    ['bits 3', () => forged({ status_list: { bits: 3, lst: b64u(deflateSync(new Uint8Array(9))) } }), 'unreadable'],
    [
      'an empty list',
      () => forged({ status_list: { bits: 1, lst: b64u(deflateSync(new Uint8Array())) } }),
      'unreadable',
    ],
    [
      'too short a list',
      () => forged({ status_list: { bits: 8, lst: b64u(deflateSync(new Uint8Array(7))) } }),
      'unreadable',
    ],
    ['no zlib', () => forged({ status_list: { bits: 1, lst: b64u(new Uint8Array(16)) } }), 'unreadable'],
    [
      'half a stream',
      () => forged({ status_list: { bits: 1, lst: b64u(deflateSync(new Uint8Array(999)).subarray(0, 9)) } }),
      'unreadable',
    ],
    [
      'a stream and more',
      () =>
        forged({
          status_list: { bits: 1, lst: b64u(Buffer.concat([deflateSync(new Uint8Array(16)), Buffer.from([0])])) },
        }),
      'unreadable',
    ],
    [
      'a bomb',
      () => forged({ status_list: { bits: 1, lst: b64u(deflateSync(new Uint8Array((1 << 20) + 1))) } }),
      'unreadable',
    ],
    [
      'a great bomb',
      () => forged({ status_list: { bits: 1, lst: b64u(deflateSync(new Uint8Array(1 << 26))) } }),
      'unreadable',
    ],
    ['a page of HTML', () => '<!doctype html><title>503</title>', 'absent|unreadable'],
    ['nothing', () => '', 'absent|unreadable'],
    ['more than 2 MiB', () => 'x'.repeat((2 << 20) + 1), 'absent'],
    ['no text', () => new Uint8Array([0xff, 0xfe]), 'absent'],
    ['no bytes', () => ({}), 'absent'],
    ['an error', () => new Error('down'), 'absent'],
  ])('refuses when there is %s', async (_, given, evidence) => {
    list = given()
    const verifier = verifierWith()
    const error = errorOf(await verifier.verify(token()))
    expect(error.code).toBe('REVOCATION_UNKNOWN')
    expect(error.hint).toMatch(new RegExp(`^the evidence is (${evidence})\\b`))
    expect(codeOf(verifier.verifySync(token()))).toBe('REVOCATION_UNKNOWN')
    const open = verifierWith({}, { dangerouslyAcceptUnknownRevocation: true })
    expect(valueOf(await open.verify(token())).revocation).toMatch(new RegExp(`^(${evidence})$`))
  })

  test('a list of 1 MiB is no bomb', async () => {
    list = forged({ status_list: { bits: 1, lst: b64u(deflateSync(new Uint8Array(1 << 20))) } })
    expect(codeOf(await verifierWith().verify(token(8_388_607)))).toBe('ok')
    expect(codeOf(await verifierWith().verify(token(8_388_608)))).toBe('REVOCATION_UNKNOWN')
  })

  test('a bomb by another is refused before it is inflated', async () => {
    const bomb = { bits: 1, lst: b64u(deflateSync(new Uint8Array(1 << 26))) }
    list = forged({ iss: undefined, status_list: bomb }, {}, forger(99))
    expect(errorOf(await verifierWith().verify(token())).hint).toContain('not the key of the issuer')
  })

  test('the one switch to fail open still heeds what a fresh list says', async () => {
    list = published([7])
    expect(codeOf(await verifierWith({}, { dangerouslyAcceptUnknownRevocation: true }).verify(token()))).toBe('REVOKED')
  })

  test('asks again when the copy is five minutes old, and learns what was revoked meanwhile', async () => {
    const verifier = verifierWith()
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    list = published([7], { now: NOW + 100 })
    clock.now = NOW + 299
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    clock.now = NOW + 300
    expect(codeOf(await verifier.verify(token()))).toBe('REVOKED')
    expect(hits).toHaveLength(2)
  })

  test('while none comes, the old one serves its time, and is asked for every 30 s at most', async () => {
    const verifier = verifierWith()
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    list = new Error('down')
    clock.now = NOW + 300
    for (let i = 0; i < 10; i++) expect(codeOf(await verifier.verify(token()))).toBe('ok')
    expect(hits).toHaveLength(2)
    clock.now = NOW + 329
    await verifier.verify(token())
    expect(hits).toHaveLength(2)
    clock.now = NOW + 330
    await verifier.verify(token())
    expect(hits).toHaveLength(3)
    clock.now = NOW + 3629
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    clock.now = NOW + 3630
    const error = errorOf(await verifier.verify(token()))
    expect(error.hint).toBe(
      'the evidence is stale (the request failed): the issuer has to publish its status list anew',
    )
  })

  test('a ttl and the limit of the source end it earlier', async () => {
    list = published([], { ttlSeconds: 60 })
    const byTtl = verifierWith()
    expect(codeOf(await byTtl.verify(token()))).toBe('ok')
    clock.now = NOW + 60
    expect(codeOf(byTtl.verifySync(token()))).toBe('ok')
    clock.now = NOW + 61
    expect(codeOf(byTtl.verifySync(token()))).toBe('REVOCATION_UNKNOWN')
    clock.now = NOW
    list = published()
    const byAge = verifierWith({ maxAgeSeconds: 10 })
    expect(codeOf(await byAge.verify(token()))).toBe('ok')
    clock.now = NOW + 40
    expect(codeOf(byAge.verifySync(token()))).toBe('ok')
    clock.now = NOW + 41
    expect(codeOf(byAge.verifySync(token()))).toBe('REVOCATION_UNKNOWN')
  })

  test('an older list does not take a newer one back', async () => {
    list = published([7], { now: NOW })
    const verifier = verifierWith()
    expect(codeOf(await verifier.verify(token()))).toBe('REVOKED')
    list = published([], { now: NOW - 1 })
    clock.now = NOW + 300
    expect(codeOf(await verifier.verify(token()))).toBe('REVOKED')
    expect(hits).toHaveLength(2)
  })

  test('one request at a time for a list, however many tokens name it', async () => {
    const verifier = verifierWith()
    const verdicts = await Promise.all(Array.from({ length: 40 }, (_, index) => verifier.verify(token(index))))
    expect(new Set(verdicts.map(codeOf))).toEqual(new Set(['ok']))
    expect(hits).toEqual([uri])
  })

  test('asks nobody for tokens that are no good', async () => {
    const verifier = verifierWith()
    const status = { status_list: { idx: 0, uri: 'https://attacker.example/list' } }
    const wrong = [
      forgedToken(forger(99), agent.did, { status }),
      forgedToken(forgery, agent.did, { status, exp: NOW - 40, iat: NOW - 50 }),
      forgedToken(forgery, agent.did, { status, aud: 'https://other.example' }),
      `${forgedToken(forgery, agent.did, { status })}x`,
    ]
    for (const each of wrong) expect((await verifier.verify(each)).ok).toBe(false)
    expect((await verifier.verify(token(), { scopes: ['b'] })).ok).toBe(false)
    expect((await verifier.verify(token(), { presenter: worker.did })).ok).toBe(false)
    expect(hits).toEqual([])
  })

  test.each([
    'http://status.example/1',
    'https://user:secret@status.example/',
    'status.example',
    'urn:list:1',
    'file:///x',
  ])('never asks %s', async (at) => {
    expect(codeOf(await verifierWith().verify(token(7, at)))).toBe('REVOCATION_UNKNOWN')
    expect(hits).toEqual([])
  })

  describe('of a delegation', () => {
    const handedOn = (at = 'https://agents.example/status') =>
      valueOf(
        delegateToken(agent, forgedToken(forgery, agent.did, { scope: 'a.*' }), {
          subject: worker.did,
          status: { index: 3, uri: at },
          now: NOW,
        }),
      )
    const byAgent = (revoked: number[]) => {
      const made = new StatusList({ size: 8 })
      for (const index of revoked) valueOf(made.set(index, 1))
      return valueOf(made.sign(agent, { uri: 'https://agents.example/status', now: NOW }))
    }

    test('is asked for only where its origin is listed, because nobody here has chosen its maker', async () => {
      list = byAgent([])
      expect(codeOf(await verifierWith().verify(handedOn()))).toBe('REVOCATION_UNKNOWN')
      expect(codeOf(await verifierWith({ origins: ['https://status.example'] }).verify(handedOn()))).toBe(
        'REVOCATION_UNKNOWN',
      )
      expect(hits).toEqual([])
      expect(codeOf(await verifierWith({ origins: ['https://agents.example/'] }).verify(handedOn()))).toBe('ok')
      expect(hits).toEqual(['https://agents.example/status'])
    })

    test('takes it back for its maker', async () => {
      list = byAgent([3])
      const verifier = verifierWith({ origins: ['https://agents.example'] })
      expect(codeOf(await verifier.verify(handedOn()))).toBe('REVOKED')
    })

    test('counts only when it is by the one who handed on', async () => {
      const made = new StatusList({ size: 8 })
      list = valueOf(made.sign(worker, { uri: 'https://agents.example/status', now: NOW }))
      const verifier = verifierWith({ origins: ['https://agents.example'] })
      expect(codeOf(await verifier.verify(handedOn()))).toBe('REVOCATION_UNKNOWN')
    })
  })

  test('origins bind tokens as well', async () => {
    const verifier = verifierWith({ origins: ['https://agents.example'] })
    expect(codeOf(await verifier.verify(token()))).toBe('REVOCATION_UNKNOWN')
    expect(hits).toEqual([])
  })

  test('an issuer with a JWK set signs its lists with the same keys', async () => {
    const issuer = 'https://login.example'
    const signer = forger(50)
    const jwks = { keys: [{ ...signer.identity.toJWK(), kid: 'one' }] }
    const status = { status_list: { idx: 1, uri } }
    const named = forgedToken(signer, agent.did, { iss: issuer, status }, { kid: 'one' })
    const revocations = new StatusListSource({ fetch })
    const verifier = trusting([{ issuer, jwks }], { revocations })
    list = forged({ iss: issuer }, { kid: 'one' }, signer)
    expect(codeOf(await verifier.verify(named))).toBe('ok')
    const offline = new StatusListSource({ offline: true, now: () => NOW })
    expect(codeOf(offline.put(String(list), { issuer, jwks }))).toBe('ok')
    expect(codeOf(trusting([{ issuer, jwks }], { revocations: offline }).verifySync(named))).toBe('ok')
    const other = trusting([{ issuer, jwks }], { revocations: new StatusListSource({ fetch }) })
    list = forged({ iss: issuer }, { kid: 'one' }, forger(99))
    expect(codeOf(await other.verify(named))).toBe('REVOCATION_UNKNOWN')
  })

  test('fresh evidence of one source is enough', async () => {
    const [empty, full] = [0, 1].map(() => new StatusListSource({ offline: true, now: () => NOW })) as [
      StatusListSource,
      StatusListSource,
    ]
    valueOf(full.put(published([3])))
    const verifier = trusting([operator.did], { revocations: [empty, full] })
    expect(codeOf(verifier.verifySync(token(2)))).toBe('ok')
    expect(codeOf(verifier.verifySync(token(3)))).toBe('REVOKED')
  })

  test('there is room for so many lists, and then for no more', async () => {
    const verifier = verifierWith({ maxLists: 2, maxAgeSeconds: 60 })
    const at = (name: string) => `https://status.example/${name}`
    const asked = async (name: string) => {
      list = valueOf(new StatusList({ size: 8 }).sign(operator, { uri: at(name), now: clock.now }))
      return codeOf(await verifier.verify(token(7, at(name))))
    }
    expect([await asked('a'), await asked('b'), await asked('c'), await asked('a')]).toEqual([
      'ok',
      'ok',
      'REVOCATION_UNKNOWN',
      'ok',
    ])
    clock.now = NOW + 3700
    expect([await asked('c'), await asked('b')]).toEqual(['ok', 'ok'])
  })
})
