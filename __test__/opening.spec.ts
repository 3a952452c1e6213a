import { Identity } from '@private.me/autogen'
import { RevocationList } from '@private.me/autogen/tokens'
import { MessageVerifier, type MessageVerifierOptions } from '@private.me/autogen/messages'
import { describe, expect, test } from 'vitest'
import { node } from './helpers/child.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { utf8 } from './helpers/vectors.ts'

const [alice, bob, mallory] = [Identity.generate(), Identity.generate(), Identity.generate()]
const body = utf8('{"task":"write-summary"}')
const NOW = 1_800_000_000

const request = valueOf(alice.seal({ op: 'call', to: bob.did, body, now: NOW }))
const answer = (from = bob, inReplyTo = request) =>
  valueOf(from.seal({ op: 'result', to: alice.did, body, inReplyTo, now: NOW }))
const verifier = (options: Partial<MessageVerifierOptions> = {}): MessageVerifier =>
  new MessageVerifier({ audience: alice.did, now: () => NOW, ...options })
const note = (from = bob) => valueOf(from.seal({ op: 'send', to: alice.did, body, now: NOW }))

describe('pending', () => {
  test('what it throws, open throws, and no reply is lost', () => {
    const reply = answer()
    for (const thrown of [
      new Error('no database'),
      undefined,
      { toString: () => (thrown as () => never)() },
      {
        toString() {
          throw new Error('toString')
        },
        [Symbol.toPrimitive]() {
          throw new Error('toPrimitive')
        },
      },
      Object.create(null),
      new Proxy({}, { get: () => fail(), getPrototypeOf: () => fail(), ownKeys: () => fail() }),
    ]) {
      let broken = true
      const asker = verifier({
        maxTrackedMessages: 1,
        pending: () => {
          if (broken) throw thrown
          return request
        },
      })
      let caught: unknown = 'nothing'
      for (let times = 0; times < 3; times++) {
        try {
          asker.open(reply.jws, reply.body)
        } catch (error) {
          caught = error
        }
        expect(caught === thrown).toBe(true)
      }
      broken = false
      expect(codeOf(asker.open(reply.jws, reply.body))).toBe('ok')
      expect(codeOf(asker.open(reply.jws, reply.body))).toBe('REPLAYED')
    }
  })

  test('is asked about genuine replies only, by their id', () => {
    const asked: string[] = []
    const asker = verifier({ pending: (id) => void asked.push(id) })
    const reply = answer()
    const forged = reply.jws.replace(/[^.]*$/, 'A'.repeat(86))
    expect(codeOf(asker.open(forged, reply.body))).toBe('INVALID_SIGNATURE')
    expect(codeOf(asker.open(note().jws, body))).toBe('ok')
    expect(asked).toEqual([])
    expect(codeOf(asker.open(reply.jws, reply.body))).toBe('REPLY_MISMATCH')
    expect(asked).toEqual([request.id])
  })

  test('may open other messages meanwhile, and the same one', () => {
    const reply = answer()
    const other = note()
    const inner: string[] = []
    const asker: MessageVerifier = verifier({
      pending: () => {
        if (inner.length === 0) {
          inner.push(codeOf(asker.open(other.jws, other.body)))
          inner.push(codeOf(asker.open(reply.jws, reply.body)))
        }
        return request
      },
    })
    expect(codeOf(asker.open(reply.jws, reply.body))).toBe('REPLAYED')
    expect(inner).toEqual(['ok', 'ok'])
  })

  test('may do so hundreds deep', () => {
    const reply = answer()
    let depth = 0
    const asker: MessageVerifier = verifier({
      pending: () => {
        if (++depth < 500) codeOf(asker.open(reply.jws, reply.body))
        return request
      },
    })
    expect(codeOf(asker.open(reply.jws, reply.body))).toBe('REPLAYED')
    expect(depth).toBe(500)
    expect(codeOf(asker.open(reply.jws, reply.body))).toBe('REPLAYED')
  })

  test('without end it ends in a RangeError, and the process lives', async () => {
    const { stdout, code } = await node(`
      import { Identity } from '@private.me/autogen'
import { MessageVerifier } from '@private.me/autogen/messages'
      const [a, b] = [Identity.generate(), Identity.generate()]
      const body = Buffer.from('{}')
      const request = a.seal({ op: 'call', to: b.did, body }).value
      const reply = b.seal({ op: 'result', to: a.did, body, inReplyTo: request }).value
      let endless = true
      const verifier = new MessageVerifier({
        audience: a.did,
        pending: () => { if (endless) verifier.open(reply.jws, body); return request },
      })
      try { verifier.open(reply.jws, body) } catch (error) { console.log(error.name) }
      endless = false
      console.log(verifier.open(reply.jws, body).ok)
    `)
    expect([code, stdout]).toEqual([0, 'RangeError\ntrue\n'])
  })

  test('whatever else it gives is no call', () => {
    const reply = answer()
    const nothing = [null, 5, '', {}, { jws: 5 }, { jws: 'x' }, Promise.resolve(request), note()]
    for (const given of nothing) {
      const asker = verifier({ pending: () => given as never, maxTrackedMessages: 1 })
      expect(codeOf(asker.open(reply.jws, reply.body))).toBe('REPLY_MISMATCH')
      expect(codeOf(asker.open(note().jws, body))).toBe('ok')
    }
  })

  test('the wrong call is no call, though the reply names its bytes', () => {
    const other = valueOf(alice.seal({ op: 'call', to: bob.did, body, now: NOW }))
    const crossed = answer(bob, { ...other, id: request.id })
    const asker = verifier({ pending: () => other })
    expect(codeOf(asker.open(crossed.jws, crossed.body))).toBe('REPLY_MISMATCH')
  })
})

test('replies to nothing fill no window', () => {
  const asker = verifier({ maxTrackedMessages: 1, pending: (id) => (id === request.id ? request : undefined) })
  for (let n = 0; n < 20; n++) {
    const unasked = answer(mallory, { ...request, id: note().id })
    expect(codeOf(asker.open(unasked.jws, unasked.body))).toBe('REPLY_MISMATCH')
    const forStranger = answer(mallory)
    expect(codeOf(asker.open(forStranger.jws, forStranger.body))).toBe('REPLY_MISMATCH')
  }
  const reply = answer()
  expect(codeOf(asker.open(reply.jws, reply.body))).toBe('ok')
})

describe('senders that are refused', () => {
  test('allow: nothing is remembered of others', () => {
    const one = verifier({ allow: [bob.did], maxTrackedMessages: 1 })
    for (let n = 0; n < 3; n++) expect(codeOf(one.open(note(mallory).jws, body))).toBe('NOT_ALLOWED')
    expect(codeOf(one.open(note().jws, body))).toBe('ok')
    expect(codeOf(verifier({ allow: [] }).open(note().jws, body))).toBe('NOT_ALLOWED')
    expect(() => verifier({ allow: ['bob'] })).toThrow(expect.objectContaining({ code: 'INVALID_DID' }))
  })

  test('the list is read once', () => {
    const allow = [bob.did]
    const one = verifier({ allow })
    allow.push(mallory.did)
    expect(codeOf(one.open(note(mallory).jws, body))).toBe('NOT_ALLOWED')
  })

  test('revocations: asked anew each time, before anything is remembered', () => {
    const list = new RevocationList()
    const one = verifier({ revocations: list, maxTrackedMessages: 2 })
    expect(codeOf(one.open(note().jws, body))).toBe('ok')
    valueOf(list.revokeDID(bob.did))
    for (let n = 0; n < 3; n++) {
      const error = errorOf(one.open(note().jws, body))
      expect([error.code, error.message]).toEqual(['REVOKED', `${bob.did} was revoked`])
    }
    list.reinstate(bob.did)
    expect(codeOf(one.open(note().jws, body))).toBe('ok')
    expect(codeOf(one.open(note().jws, body))).toBe('REPLAY_WINDOW_FULL')
  })

  test('revocations up to a time look at the time of issue', () => {
    const list = new RevocationList()
    valueOf(list.revokeDID(bob.did, { issuedUntil: NOW - 1 }))
    expect(codeOf(verifier({ revocations: [list] }).open(note().jws, body))).toBe('ok')
    valueOf(list.revokeDID(bob.did, { issuedUntil: NOW }))
    expect(codeOf(verifier({ revocations: [list] }).open(note().jws, body))).toBe('REVOKED')
  })

  test('a source that does not know at once refuses, and nothing is lost', () => {
    let answers: unknown[] = []
    const source = { isRevoked: () => (answers.shift() as () => never)() }
    const one = verifier({ revocations: [new RevocationList(), source], maxTrackedMessages: 1 })
    const sealed = note()
    answers = [
      () => undefined,
      () => null,
      () => 0,
      () => 'no',
      () => Promise.resolve(false),
      () => Promise.reject(new Error('late')),
      () => {
        throw new Error('broken')
      },
    ]
    while (answers.length > 0) {
      const { code, retryable } = errorOf(one.open(sealed.jws, sealed.body))
      expect([code, retryable]).toEqual(['REVOCATION_UNKNOWN', true])
    }
    answers = [() => false]
    expect(codeOf(one.open(sealed.jws, sealed.body))).toBe('ok')
  })

  test('before a reply is looked for', () => {
    const never = () => expect.unreachable('asked about the call of a revoked sender')
    const list = new RevocationList()
    valueOf(list.revokeDID(bob.did))
    const reply = answer()
    expect(codeOf(verifier({ revocations: list, pending: never }).open(reply.jws, body))).toBe('REVOKED')
    expect(codeOf(verifier({ allow: [], pending: never }).open(reply.jws, body))).toBe('NOT_ALLOWED')
  })
})

function fail(): never {
  throw new Error('not to be touched')
}
