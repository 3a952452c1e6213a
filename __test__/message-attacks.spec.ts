// What an attacker can do with messages that travel in the open, and with a key of his own.
import { createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MessageVerifier } from '@private.me/autogen/messages'
import { describe, expect, test } from 'vitest'
import { b64u, Forger, parts, sha256, type Members } from './helpers/jws.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { utf8 } from './helpers/vectors.ts'

const NOW = 1_800_000_000
const [mallory, alice, bob] = [new Forger(), new Forger(), new Forger()]
const body = utf8('{"pay":"mallory"}')
const verifier = (options = {}): MessageVerifier =>
  new MessageVerifier({ audience: bob.did, now: () => NOW, ...options })

/** Opens what mallory signs with these members changed; undefined takes a member out. */
function forged(header: Members = {}, claims: Members = {}): string {
  const jws = mallory.sign(mallory.header(header), mallory.claims(bob.did, body, NOW, claims))
  return codeOf(verifier().open(jws, body))
}

test('an honest message of the forger is accepted, so that what follows is refused for its own reason', () => {
  expect(forged()).toBe('ok')
  expect(forged({}, { op: 'send' })).toBe('ok')
})

describe('the header chooses neither algorithm nor key', () => {
  test.each<[string, Members]>([
    ['alg none', { alg: 'none' }],
    ['alg None', { alg: 'None' }],
    ['alg HS256', { alg: 'HS256' }],
    ['alg ES256', { alg: 'ES256' }],
    ['alg Ed25519', { alg: 'Ed25519' }],
    ['alg missing', { alg: undefined }],
    ['alg as a list', { alg: ['EdDSA'] }],
    ['crit', { crit: ['b64'], b64: true }],
    ['crit empty', { crit: [] }],
    ['b64 false', { b64: false }],
    ['jwk', { jwk: { kty: 'OKP', crv: 'Ed25519', x: b64u(mallory.identity.publicKey) } }],
    ['jku', { jku: 'https://mallory.example/keys' }],
    ['x5u', { x5u: 'https://mallory.example/cert' }],
    ['cty', { cty: 'json' }],
    ['zip', { zip: 'DEF' }],
    ['typ of a token', { typ: 'at+jwt' }],
    ['typ JWT', { typ: 'JWT' }],
    ['typ missing', { typ: undefined }],
    ['kid missing', { kid: undefined }],
    ['kid without fragment', { kid: mallory.did }],
    ['kid of another fragment', { kid: `${mallory.did}#key-1` }],
    ['kid in lower case', { kid: `${mallory.did}#${mallory.did.slice(8)}`.toLowerCase() }],
    ['__proto__', JSON.parse('{"__proto__":{"alg":"EdDSA"}}') as Members],
  ])('%s', (_, changes) => {
    const header = { ...mallory.header(), ...changes }
    if ('__proto__' in changes && Object.hasOwn(changes, '__proto__')) {
      const text = JSON.stringify(mallory.header()).replace('{', '{"__proto__":{},')
      expect(codeOf(verifier().open(mallory.sign(text, mallory.claims(bob.did, body, NOW)), body))).toBe(
        'MALFORMED_MESSAGE',
      )
      return
    }
    const jws = mallory.sign(header, mallory.claims(bob.did, body, NOW))
    expect(codeOf(verifier().open(jws, body))).toBe('MALFORMED_MESSAGE')
  })

  test('an HMAC over the public key is no signature', () => {
    const input = `${b64u(JSON.stringify(alice.header({ alg: 'HS256' })))}.${b64u(JSON.stringify(alice.claims(bob.did, body, NOW)))}`
    for (const key of [alice.identity.publicKey, utf8(alice.did)]) {
      const mac = createHmac('sha256', key).update(input).digest('base64url')
      expect(codeOf(verifier().open(`${input}.${mac}`, body))).toBe('MALFORMED_MESSAGE')
    }
  })

  test('nothing that a message says is fetched', async () => {
    let hits = 0
    const server = createServer((_, response) => {
      hits++
      response.end('{}')
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    for (const member of ['jku', 'x5u', 'kid', 'iss']) expect(forged({ [member]: url })).toBe('MALFORMED_MESSAGE')
    expect(forged({}, { iss: url })).toBe('MALFORMED_MESSAGE')
    expect(forged({}, { iss: 'did:web:127.0.0.1' })).toBe('MALFORMED_MESSAGE')
    await new Promise((closed) => server.close(closed))
    expect(hits).toBe(0)
  })
})

describe('a message proves its sender, and nobody else', () => {
  const kidOf = ({ did }: Forger): string => `${did}#${did.slice(8)}`

  test('mallory cannot speak for alice: not by iss, not by kid, not by both', () => {
    expect(forged({}, { iss: alice.did })).toBe('MALFORMED_MESSAGE')
    expect(forged({ kid: kidOf(alice) })).toBe('MALFORMED_MESSAGE')
    expect(forged({ kid: kidOf(alice) }, { iss: alice.did })).toBe('INVALID_SIGNATURE')
  })

  test("alice's signature over other words does not carry over", () => {
    const signed = valueOf(alice.identity.seal({ op: 'send', to: bob.did, body, now: NOW })).jws.split('.')
    const [header, claims, signature] = mallory.sign(alice.header(), alice.claims(bob.did, body, NOW)).split('.')
    for (const jws of [`${header}.${claims}.${signed[2]}`, `${signed[0]}.${claims}.${signed[2]}`]) {
      expect(codeOf(verifier().open(jws, body))).toBe('INVALID_SIGNATURE')
    }
    expect(codeOf(verifier().open(`${signed[0]}.${signed[1]}.${signature}`, body))).toBe('INVALID_SIGNATURE')
  })

  test('every claim is under the signature', () => {
    const jws = valueOf(alice.identity.seal({ op: 'call', to: bob.did, body, now: NOW, token: 't' })).jws
    const [header, , signature] = jws.split('.')
    const { claims } = parts(jws)
    const changes: Members = {
      op: 'send',
      jti: randomBytes(16).toString('base64url'),
      iat: NOW - 1,
      exp: NOW + 31,
      pt: 'text/plain',
      pl: body.length + 1,
      pd: `sha-256:${sha256('x')}`,
      ath: sha256('u'),
    }
    for (const [name, value] of Object.entries(changes)) {
      const changed = `${header}.${b64u(JSON.stringify({ ...claims, [name]: value }))}.${signature}`
      expect(codeOf(verifier().open(changed, body, 't')), name).toBe('INVALID_SIGNATURE')
    }
  })

  test('what travels beside the message is bound to it: body and token, swapped, dropped or added', () => {
    const plain = valueOf(alice.identity.seal({ op: 'call', to: bob.did, body, now: NOW }))
    const bearing = valueOf(alice.identity.seal({ op: 'call', to: bob.did, body, now: NOW, token: 'right' }))
    const bodies = [utf8('{"pay":"nobody!"}'), body.subarray(1), new Uint8Array(), utf8('{"pay":"mallory"} ')]
    for (const other of bodies) expect(codeOf(verifier().open(plain.jws, other))).toBe('INVALID_SIGNATURE')
    for (const token of ['wrong', 'right ', '', undefined]) {
      expect(codeOf(verifier().open(bearing.jws, body, token)), `token ${token}`).toBe('INVALID_SIGNATURE')
    }
    for (const token of ['right', '']) expect(codeOf(verifier().open(plain.jws, body, token))).toBe('INVALID_SIGNATURE')
    expect(codeOf(verifier().open(bearing.jws, body, 'right'))).toBe('ok')
  })

  test('every single flipped bit is refused', () => {
    const { jws } = valueOf(alice.identity.seal({ op: 'call', to: bob.did, body, now: NOW }))
    const bytes = Buffer.from(jws, 'latin1')
    const opener = verifier()
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      expect(codeOf(opener.open(bytes.toString('latin1'), body)), `bit ${bit}`).not.toBe('ok')
      bytes[bit >> 3]! ^= 1 << (bit & 7)
    }
    expect(codeOf(opener.open(jws, body))).toBe('ok')
  })

  test('a signature has one spelling', () => {
    const { jws } = valueOf(alice.identity.seal({ op: 'call', to: bob.did, body, now: NOW }))
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const trailing = alphabet[alphabet.indexOf(jws.at(-1)!) + 1]!
    const spellings = [
      `${jws}=`,
      `${jws}==`,
      ` ${jws}`,
      `${jws}\n`,
      jws.replace('.', '.\n'),
      `${jws.slice(0, -1)}${trailing}`,
      jws.replaceAll('-', '+').replaceAll('_', '/') === jws ? `${jws}+` : jws.replaceAll('-', '+').replaceAll('_', '/'),
      `${jws}.`,
      `${jws}.${jws}`,
      jws.split('.').slice(0, 2).join('.'),
    ]
    for (const spelling of spellings) {
      expect(codeOf(verifier().open(spelling, body)), JSON.stringify(spelling.slice(-8))).toBe('MALFORMED_MESSAGE')
    }
  })
})

describe('a message counts for one recipient and one purpose', () => {
  test('bob cannot pass it on, nor hand it back', () => {
    const { jws } = valueOf(alice.identity.seal({ op: 'call', to: bob.did, body, now: NOW }))
    for (const audience of [mallory.did, alice.did]) {
      expect(codeOf(verifier({ audience }).open(jws, body))).toBe('WRONG_AUDIENCE')
    }
    expect(codeOf(verifier().open(bob.sign(bob.header(), bob.claims(bob.did, body, NOW)), body))).toBe('WRONG_AUDIENCE')
  })

  test.each<[string, unknown]>([
    ['a list', [bob.did]],
    ['a list of two', [bob.did, alice.did]],
    ['a wildcard', '*'],
    ['empty', ''],
    ['null', null],
    ['missing', undefined],
    ['a part', bob.did.slice(0, -1)],
    ['with a fragment', `${bob.did}#${bob.did.slice(8)}`],
  ])('the audience is one DID: %s', (_, aud) => {
    expect(['MALFORMED_MESSAGE', 'WRONG_AUDIENCE']).toContain(forged({}, { aud }))
  })

  test('an answer is for the agent that asked, from the agent asked, to that very request', () => {
    const request = valueOf(bob.identity.seal({ op: 'call', to: alice.did, body, now: NOW }))
    const other = valueOf(bob.identity.seal({ op: 'call', to: alice.did, body, now: NOW }))
    const pending = (id: string) => (id === request.id ? request : undefined)
    const answer = (from: Forger, inReplyTo: typeof request): string => {
      const { jws } = valueOf(from.identity.seal({ op: 'result', to: bob.did, body, inReplyTo, now: NOW }))
      return codeOf(verifier({ pending }).open(jws, body))
    }
    expect(answer(alice, request)).toBe('ok')
    expect(answer(mallory, request)).toBe('REPLY_MISMATCH')
    expect(answer(alice, other)).toBe('REPLY_MISMATCH')
    expect(answer(alice, { ...request, jws: other.jws })).toBe('REPLY_MISMATCH')
    expect(answer(alice, { ...other, jws: request.jws })).toBe('REPLY_MISMATCH')
    const { jws } = valueOf(alice.identity.seal({ op: 'result', to: bob.did, body, inReplyTo: request, now: NOW }))
    expect(codeOf(verifier().open(jws, body))).toBe('REPLY_MISMATCH')
    for (const broken of [() => ({ ...request, jws: 'x' }), () => ({}), () => null, () => 5]) {
      expect(codeOf(verifier({ pending: broken }).open(jws, body))).toBe('REPLY_MISMATCH')
    }
  })

  test('no claim is repeated, unknown, of another type or out of its range', () => {
    const claims = JSON.stringify(mallory.claims(bob.did, body, NOW))
    const texts = [
      claims.replace('"v":1', '"v":1,"v":1'),
      claims.replace('{', `{"aud":"${alice.did}",`),
      claims.replace('}', ',"admin":true}'),
      claims.replace('"v":1', '"v":1.0'),
      claims.replace('"v":1', '"v":2'),
      claims.replace('"v":1', '"v":"1"'),
      `[${claims}]`,
      `${claims} {}`,
      `${claims}\0`,
      `\ufeff${claims}`,
      'null',
      '',
      claims.replace(/"iat":\d+/, '"iat":1e9'),
      claims.replace(/"exp":\d+/, '"exp":9223372036854775808'),
      claims.replace(/"exp":\d+/, '"exp":18446744073709551615'),
      claims.replace(/"exp":\d+/, '"exp":-1'),
      claims.replace(/"exp":\d+/, `"exp":${NOW + 301}`),
      claims.replace(/"exp":\d+/, `"exp":${NOW}`),
      claims.replace(/"pl":\d+/, '"pl":-1'),
      claims.replace(/"jti":"[^"]+"/, '"jti":""'),
      claims.replace(/"jti":"[^"]+"/, '"jti":"AAAA"'),
      claims.replace('"op":"call"', '"op":"CALL"'),
      claims.replace('sha-256:', 'md5:'),
    ]
    for (const text of texts) {
      const error = errorOf(verifier().open(mallory.sign(mallory.header(), text), body))
      expect(error.code, text).toBe('MALFORMED_MESSAGE')
      expect(error.message).not.toContain(mallory.did)
    }
  })
})

test('garbage of any shape is refused, and what it says stays out of the error', () => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const opener = verifier()
  for (let i = 0; i < 500; i++) {
    const noise = randomBytes(i * 3)
    const segments = [noise, randomBytes(i), sign(null, noise, privateKey)].map((bytes) => bytes.toString('base64url'))
    for (const jws of [
      noise.toString('latin1'),
      noise.toString('utf8'),
      segments.join('.'),
      segments.slice(1).join('.'),
    ]) {
      const { code, message } = errorOf(opener.open(jws, noise))
      expect(code).toBe('MALFORMED_MESSAGE')
      if (jws.length > 8) expect(message).not.toContain(jws)
    }
  }
  expect(codeOf(opener.open('x'.repeat(50_000_000), body))).toBe('MALFORMED_MESSAGE')
  expect(codeOf(opener.open('.'.repeat(1_000_000), body))).toBe('MALFORMED_MESSAGE')
})
