// What crosses the border as JSON is read by Rust, member by member, and nothing else is.
import { AutoGenxBindAgent, Identity } from '@private.me/autogen'
import { issueToken, TokenVerifier, verifyApproval } from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'
import { native } from '../ts/native.ts'
import { json, read } from '../ts/native/json.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

describe('text', () => {
  test('comes back as it was', () => {
    const all = ['plain', 'Grüße 👋', '\\ud800', '\\\\ud800', '"\\"', '\u0000\u001f\u2028', '\\u005c', '']
    expect(read(json(all))).toEqual(all)
  })

  test('half a character is U+FFFD, as in every string that crosses', () => {
    const halves = ['\ud800', 'a\udfffb', '\\\ud83d', '\ud83d\ud83d\udc4b', '\udc4b\ud83d']
    expect(read(json(halves))).toEqual(['\ufffd', 'a\ufffdb', '\\\ufffd', '\ufffd👋', '\ufffd\ufffd'])
    const [issuer, subject] = [Identity.generate(), Identity.generate().did]
    const token = valueOf(issueToken(issuer, { subject, audience: 'a\ud800', scopes: ['a:b'] }))
    const verifier = new TokenVerifier({ audience: 'a\ufffd', trust: [issuer.did] })
    expect(valueOf(verifier.verifySync(token)).audience).toBe('a\ufffd')
  })
})

test('what a program has given to all objects and arrays is not asked', () => {
  const value = { list: [{ a: 1 }, 'b', null], ['__proto__']: { c: true } }
  const expected = JSON.stringify(value)
  const given = { value: () => ({ did: 'other' }), configurable: true }
  for (const prototype of [Object.prototype, Array.prototype]) {
    // oxlint-disable-next-line no-extend-native -- as some old libraries do
    Object.defineProperty(prototype, 'toJSON', given)
    try {
      expect(json(value)).toBe(expected)
    } finally {
      delete (prototype as { toJSON?: unknown }).toJSON
    }
  }
})

test('what the native side does not know, or is of another type, is refused and not repeated', () => {
  const key = valueOf({ ok: true, value: native.generateKey() }) as never
  for (const grant of [
    '{"subject":7}',
    '{"subject":"secret","others":1}',
    '"secret"',
    'secret',
    '',
    '{"subject":null}',
  ]) {
    expect(() => native.issueToken(key, grant as never)).toThrow('not what the native side takes')
  }
  expect(() => native.issueToken(key, { subject: 'a' } as never)).toThrow()
})

describe('a wrong DID in a list is told by its place', () => {
  const [{ did }, wrong] = [Identity.generate(), 'did:web:nobody.example']
  const message = (make: () => unknown): string => {
    try {
      make()
    } catch (error) {
      expect((error as { code: string }).code).toBe('INVALID_DID')
      return (error as Error).message
    }
    return 'nothing was wrong'
  }

  test('of a handler, a verifier, and those who approve', () => {
    using agent = new AutoGenxBindAgent()
    const handler = () => 1
    expect(message(() => agent.handle(handler, { allow: [did, wrong] }))).toMatch(/^allow\[1\]: /)
    expect(message(() => agent.handle(handler, { approval: { by: [wrong] } }))).toMatch(/^approval\.by\[0\]: /)
    const other = { issuer: 'https://login.example', jwks: { keys: [] } }
    for (const trust of [
      [did, wrong],
      [other, wrong],
    ]) {
      expect(message(() => new TokenVerifier({ audience: 'a', trust }))).toMatch(/^trust\[1\]: /)
    }
    const call = { caller: did, recipient: Identity.generate().did, body: new Uint8Array() }
    const refused = verifyApproval('a', { call, approvers: [did, did, wrong] })
    expect([codeOf(refused), errorOf(refused).message]).toEqual([
      'INVALID_DID',
      expect.stringMatching(/^approvers\[2\]: /),
    ])
  })
})

test('an agent whose key is elsewhere says what to do about it', async () => {
  const identity = Identity.generate()
  const identityProvider = { getDID: () => identity.did, sign: (data: Uint8Array) => identity.dangerouslySign(data) }
  using agent = new AutoGenxBindAgent({ identityProvider })
  const refused = errorOf(await agent.grant({ subject: identity.did, audience: 'a', scopes: ['a:b'] }))
  expect([refused.code, refused.hint]).toEqual(['SIGN_FAILED', expect.stringContaining('issueToken')])
})
