// A message is accepted once.
import { Identity, type SealedMessage } from '@private.me/autogen'
import { MessageVerifier } from '@private.me/autogen/messages'
import { describe, expect, test } from 'vitest'
import { codeOf, valueOf } from './helpers/result.ts'
import { utf8 } from './helpers/vectors.ts'

const START = 1_800_000_000
const alice = Identity.generate()
const bob = Identity.generate()
const body = utf8('"once"')

const seal = (now = START, ttlSeconds = 30, from = alice): SealedMessage =>
  valueOf(from.seal({ op: 'call', to: bob.did, body, now, ttlSeconds }))

function opener(options = {}) {
  const clock = { now: START }
  const verifier = new MessageVerifier({ audience: bob.did, now: () => clock.now, ...options })
  return {
    at(now: number) {
      clock.now = now
      return this
    },
    open: ({ jws, body: bytes }: SealedMessage, other = bytes) => codeOf(verifier.open(jws, other)),
  }
}

test('of 64 that open it side by side exactly one succeeds', async () => {
  const message = seal()
  const bobs = opener()
  const turns = Array.from({ length: 64 }, async (_, i) => {
    if (i % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
    return bobs.open(message)
  })
  const codes = await Promise.all(turns)
  expect(codes.filter((code) => code === 'ok')).toHaveLength(1)
  expect(codes.filter((code) => code === 'REPLAYED')).toHaveLength(63)
})

test('each verifier remembers for itself, and a sender its own ids only', () => {
  const message = seal()
  expect([opener().open(message), opener().open(message)]).toEqual(['ok', 'ok'])
  const bobs = opener()
  const others = Array.from({ length: 100 }, () => seal(START, 30, Identity.generate()))
  expect([message, ...others].map((each) => bobs.open(each))).toEqual(Array.from({ length: 101 }, () => 'ok'))
})

describe('a copy with a wrong body', () => {
  test('does not burn the message', () => {
    const message = seal()
    const bobs = opener()
    for (let i = 0; i < 100; i++) expect(bobs.open(message, utf8('"forged"'))).toBe('INVALID_SIGNATURE')
    expect(bobs.open(message)).toBe('ok')
    expect(bobs.open(message, utf8('"forged"'))).toBe('REPLAYED')
  })

  test('takes no room in the window', () => {
    const bobs = opener({ maxTrackedMessages: 1 })
    for (let i = 0; i < 100; i++) expect(bobs.open(seal(), utf8('"forged"'))).toBe('INVALID_SIGNATURE')
    expect(bobs.open(seal())).toBe('ok')
  })
})

describe('as time goes by', () => {
  test('it is remembered for as long as it is in time, the last second included', () => {
    const message = seal()
    const bobs = opener()
    expect(bobs.at(START).open(message)).toBe('ok')
    for (const after of [0, 1, 29, 30, 31, 58, 59])
      expect(bobs.at(START + after).open(message), `${after} s`).toBe('REPLAYED')
    for (const after of [60, 61, 1000])
      expect(bobs.at(START + after).open(message), `${after} s`).toBe('MESSAGE_EXPIRED')
  })

  test('a message from a fast clock is remembered until it is over, too', () => {
    const message = seal(START + 30)
    const bobs = opener()
    expect(bobs.at(START - 1).open(message)).toBe('MESSAGE_NOT_YET_VALID')
    expect(bobs.at(START).open(message)).toBe('ok')
    for (const after of [60, 89]) expect(bobs.at(START + after).open(message)).toBe('REPLAYED')
    expect(bobs.at(START + 90).open(message)).toBe('MESSAGE_EXPIRED')
  })

  test('a clock that is put back does not make it forget', () => {
    const message = seal()
    const bobs = opener()
    expect(bobs.at(START).open(message)).toBe('ok')
    expect(bobs.at(START + 10_000).open(seal(START + 10_000))).toBe('ok')
    expect(['REPLAYED', 'MESSAGE_EXPIRED']).toContain(bobs.at(START + 10).open(message))
    expect(bobs.at(START + 59).open(message)).not.toBe('ok')
  })

  test.each([
    ['no skew', { clockSkewSeconds: 0 }, [-1, 0, 29, 30], ['MESSAGE_NOT_YET_VALID', 'ok', 'ok', 'MESSAGE_EXPIRED']],
    ['the skew by default', {}, [-31, -30, 59, 60], ['MESSAGE_NOT_YET_VALID', 'ok', 'ok', 'MESSAGE_EXPIRED']],
    [
      'a wide skew',
      { clockSkewSeconds: 300 },
      [-301, -300, 329, 330],
      ['MESSAGE_NOT_YET_VALID', 'ok', 'ok', 'MESSAGE_EXPIRED'],
    ],
    ['a short life', { maxLifetimeSeconds: 29 }, [0], ['MALFORMED_MESSAGE']],
    ['a life as long as it is', { maxLifetimeSeconds: 30 }, [0], ['ok']],
  ])('the seconds at which it opens: %s', (_, options, seconds, codes) => {
    expect(
      seconds.map((second) =>
        opener(options)
          .at(START + second)
          .open(seal()),
      ),
    ).toEqual(codes)
  })

  test('an error says by how much', () => {
    const verifier = new MessageVerifier({ audience: bob.did, now: () => START + 102 })
    const { jws } = seal()
    const result = verifier.open(jws, body)
    expect(result.ok ? '' : result.error.message).toMatch(/expired 72 s ago/)
  })
})

describe('a full window', () => {
  test('refuses what is new, and forgets nothing', () => {
    const messages = Array.from({ length: 5 }, () => seal())
    const bobs = opener({ maxTrackedMessages: 3 })
    expect(messages.map((each) => bobs.open(each))).toEqual([
      'ok',
      'ok',
      'ok',
      'REPLAY_WINDOW_FULL',
      'REPLAY_WINDOW_FULL',
    ])
    expect(messages.slice(0, 3).map((each) => bobs.open(each))).toEqual(['REPLAYED', 'REPLAYED', 'REPLAYED'])
    expect(bobs.at(START + 59).open(messages[4]!)).toBe('REPLAY_WINDOW_FULL')
  })

  test('has room again when what it remembers is over', () => {
    const bobs = opener({ maxTrackedMessages: 2 })
    expect([bobs.open(seal()), bobs.open(seal()), bobs.open(seal())]).toEqual(['ok', 'ok', 'REPLAY_WINDOW_FULL'])
    const later = START + 61
    expect(bobs.at(later).open(seal(later))).toBe('ok')
    expect(bobs.at(later).open(seal(later))).toBe('ok')
    expect(bobs.at(later).open(seal(later))).toBe('REPLAY_WINDOW_FULL')
  })

  test('says that trying again may help', () => {
    const verifier = new MessageVerifier({ audience: bob.did, now: () => START, maxTrackedMessages: 1 })
    const [first, second] = [seal(), seal()]
    expect(verifier.open(first.jws, body).ok).toBe(true)
    const full = verifier.open(second.jws, body)
    expect(full).toMatchObject({ ok: false, error: { code: 'REPLAY_WINDOW_FULL', retryable: true } })
  })

  test('remembers many', () => {
    const verifier = opener()
    const messages = Array.from({ length: 5000 }, () => seal())
    expect(messages.filter((each) => verifier.open(each) !== 'ok')).toEqual([])
    expect(messages.filter((each) => verifier.open(each) !== 'REPLAYED')).toEqual([])
  })
})

test.each([
  ['clockSkewSeconds', [-1, 301, 0.5, Number.NaN, Infinity]],
  ['maxLifetimeSeconds', [0, -1, 301, 1.5, Number.NaN, Infinity]],
  ['maxBodyBytes', [-1, 0.5, Number.NaN, Infinity]],
  ['maxTrackedMessages', [0, -1, 0.5, Number.NaN, Infinity]],
])('%s is bounded', (name, values) => {
  for (const value of values) {
    const make = () => new MessageVerifier({ audience: bob.did, [name]: value })
    expect(make, String(value)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', name: 'XBindError' }))
  }
})

test('a clock that gives no time opens nothing', () => {
  for (const now of [Number.NaN, Infinity, -Infinity, -1]) {
    const verifier = new MessageVerifier({ audience: bob.did, now: () => now })
    expect(codeOf(verifier.open(seal().jws, body))).toBe('INVALID_CONFIG')
  }
  const broken = new MessageVerifier({
    audience: bob.did,
    now: () => {
      throw new RangeError('the clock is broken')
    },
  })
  expect(() => broken.open(seal().jws, body)).toThrow(RangeError)
})
