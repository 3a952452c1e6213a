// When the keys of an issuer are asked for, and how long they serve.
import { type FetchDocument } from '@private.me/autogen'
import { StatusListSource, type TokenVerifier } from '@private.me/autogen/tokens'
import { beforeEach, describe, expect, test } from 'vitest'
import { agent, issuer, jwk, set, signer, token } from './helpers/jwks.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { forgedToken, forger, NOW, trusting } from './helpers/rights.ts'

describe("a client of the user's own", () => {
  let hits: number
  let keys: string | Uint8Array | Promise<never>
  const fetch: FetchDocument = async () => {
    hits++
    return keys
  }
  beforeEach(() => {
    hits = 0
    keys = set(jwk('one'))
  })
  const clock = { now: NOW }
  const remote = (): TokenVerifier => {
    clock.now = NOW
    return trusting([{ issuer, jwks: `${issuer}/jwks.json` }], { fetch, now: () => clock.now })
  }

  test('is given the URL and the limits', async () => {
    const asked: unknown[] = []
    const verifier = trusting([{ issuer, jwks: `${issuer}/jwks.json` }], {
      fetch: (...args) => {
        asked.push(args)
        return Promise.resolve(new TextEncoder().encode(set(jwk('one'))))
      },
    })
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    const accept = 'application/jwk-set+json, application/json'
    const limits = { maxBytes: 65_536, timeoutMs: 5000, accept, named: 'owner' }
    expect(asked).toEqual([[`${issuer}/jwks.json`, limits]])
  })

  test.each([
    ['stranger', undefined],
    ['listed', [issuer]],
  ])('learns who named the address of a status list: %s', async (named, origins) => {
    const asked: unknown[] = []
    const uri = `${issuer}/status`
    const fetch: FetchDocument = async (...args) => (asked.push(args), '')
    const revocations = new StatusListSource({ fetch, ...(origins && { origins }) })
    const presented = forgedToken(forger(1), agent.did, { status: { status_list: { idx: 0, uri } } })
    expect(codeOf(await trusting([forger(1).did], { revocations }).verify(presented))).toBe('REVOCATION_UNKNOWN')
    const limits = { maxBytes: 2 << 20, timeoutMs: 5000, accept: 'application/statuslist+jwt', named }
    expect(asked).toEqual([[uri, limits]])
  })

  test('one request for many tokens at once', async () => {
    const verifier = remote()
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => verifier.verify(token())))
    expect(new Set(verdicts.map(codeOf))).toEqual(new Set(['ok']))
    expect(hits).toBe(1)
  })

  test('an unknown kid asks once per 30 s, however many there are', async () => {
    const verifier = remote()
    valueOf(await verifier.verify(token()))
    expect(hits).toBe(1)
    for (let i = 0; i < 20; i++) expect(codeOf(await verifier.verify(token(`made-up-${i}`)))).toBe('UNTRUSTED_ISSUER')
    clock.now += 29
    expect(codeOf(await verifier.verify(token('made-up')))).toBe('UNTRUSTED_ISSUER')
    expect(hits).toBe(1)
    clock.now += 1
    for (let i = 0; i < 20; i++) expect(codeOf(await verifier.verify(token(`made-up-${i}`)))).toBe('UNTRUSTED_ISSUER')
    expect(hits).toBe(2)
  })

  test('a new key is found when a token by it comes', async () => {
    const verifier = remote()
    valueOf(await verifier.verify(token()))
    expect(errorOf(await verifier.verify(token('two', forger(51)))).hint).toContain('holds no such key')
    keys = set(jwk('one'), jwk('two', forger(51)))
    clock.now += 30
    expect(codeOf(await verifier.verify(token('two', forger(51))))).toBe('ok')
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    expect(hits).toBe(2)
  })

  test('a key that is taken back is noticed after ten minutes', async () => {
    const verifier = remote()
    valueOf(await verifier.verify(token()))
    keys = set(jwk('two', forger(51)))
    clock.now += 599
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    clock.now += 1
    expect(codeOf(await verifier.verify(token()))).toBe('UNTRUSTED_ISSUER')
    expect(codeOf(verifier.verifySync(token()))).toBe('UNTRUSTED_ISSUER')
    expect(hits).toBe(2)
  })

  test('while nothing comes, the old keys serve for an hour, and then no more', async () => {
    const verifier = remote()
    valueOf(await verifier.verify(token()))
    keys = Promise.reject(new Error('down'))
    keys.catch(() => {})
    clock.now += 3599
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    expect(codeOf(verifier.verifySync(token()))).toBe('ok')
    clock.now += 1
    expect(codeOf(verifier.verifySync(token()))).toBe('UNTRUSTED_ISSUER')
    const error = errorOf(await verifier.verify(token()))
    expect([error.code, error.retryable, error.message]).toEqual([
      'UNTRUSTED_ISSUER',
      true,
      `the keys of ${issuer} were not fetched: the request failed`,
    ])
    keys = set(jwk('one'))
    clock.now += 30
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
  })

  test.each([
    ['no JSON', 'x'],
    ['a private key', set({ ...jwk('one'), d: 'AAAA' })],
    ['too much', set(jwk('one')).padEnd(65_537)],
    ['nothing', undefined],
    ['an object', { keys: [] }],
    ['bytes that are no text', new Uint8Array([0x7b, 0xff, 0x7d])],
    ['a byte order mark', `\ufeff${set(jwk('one'))}`],
  ])('%s is not taken, and does not replace what is there', async (_, wrong) => {
    const verifier = remote()
    valueOf(await verifier.verify(token()))
    keys = wrong as never
    clock.now += 600
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    expect(codeOf(await verifier.verify(token('two', forger(51))))).toBe('UNTRUSTED_ISSUER')
    expect(hits).toBe(2)
  })

  test.each([
    ['rejects', () => Promise.reject(new Error('proxy http://user:hunter2@proxy:3128 refused'))],
    ['rejects with nothing', () => Promise.reject(undefined as never)],
    [
      'rejects with what throws',
      () => Promise.reject(new Proxy({}, { getPrototypeOf: thrower, get: thrower }) as never),
    ],
    [
      'throws',
      () => {
        throw new Error('hunter2')
      },
    ],
  ])('one that %s is told of without its words', async (_, broken) => {
    const verifier = trusting([{ issuer, jwks: `${issuer}/jwks.json` }], { fetch: broken })
    const error = errorOf(await verifier.verify(token()))
    expect(error.message).toBe(`the keys of ${issuer} were not fetched: the request failed`)
    expect(String(error.stack)).not.toContain('hunter2')
  })

  test('is not asked for tokens by issuers that nobody trusts, nor for what is no token', async () => {
    const verifier = remote()
    const foreign = forgedToken(signer, agent.did, { iss: 'https://attacker.example' }, { kid: 'one' })
    for (const text of [foreign, forgedToken(signer, agent.did), 'x.y.z', '', token().slice(1)]) {
      expect((await verifier.verify(text)).ok).toBe(false)
    }
    expect(hits).toBe(0)
  })

  test('addresses in a token are never asked', async () => {
    const header = { kid: 'one', jku: 'https://attacker.example/jwks', x5u: 'https://attacker.example/x5u' }
    const verifier = remote()
    expect(codeOf(await verifier.verify(forgedToken(signer, agent.did, { iss: issuer }, header)))).toBe('INVALID_TOKEN')
    expect(hits).toBe(0)
  })

  test('without I/O nothing is asked, and the hint says so', () => {
    const error = errorOf(remote().verifySync(token()))
    expect([error.code, error.hint]).toEqual([
      'UNTRUSTED_ISSUER',
      'verify() asks for the keys of this issuer, verifySync() does not',
    ])
    expect(hits).toBe(0)
  })
})

function thrower(): never {
  throw new Error('hunter2')
}
