import { describe, expect, test } from 'vitest'
import { b64u, Forger, parts, type Members } from './helpers/jws.ts'
import { codeOf } from './helpers/result.ts'
import { AUDIENCE, forgedToken, forger, nested, NOW, seeded, trusting } from './helpers/rights.ts'

const operator = seeded(1)
const agent = seeded(2)
const stranger = seeded(99)
const forgery = forger(1)

describe('forged by the trusted issuer itself, and refused', () => {
  const claims: Members[] = [
    { iss: undefined },
    { iss: 5 },
    { iss: '' },
    { sub: undefined },
    { sub: 'agent' },
    { sub: 'did:web:agent.example' },
    { sub: `${agent.did} ` },
    { sub: [agent.did] },
    { aud: undefined },
    { aud: [] },
    { aud: [AUDIENCE, 'https://other.example'] },
    { aud: { 0: AUDIENCE } },
    { aud: null },
    { client_id: undefined },
    { client_id: stranger.did },
    { jti: undefined },
    { jti: '' },
    { jti: 'x'.repeat(513) },
    { jti: 'a\nb' },
    { iat: undefined },
    { iat: '1800000000' },
    { iat: NOW + 0.5 },
    { iat: -1 },
    { iat: null },
    { iat: 1e300 },
    { exp: undefined },
    { exp: NOW },
    { exp: NOW - 1 },
    { exp: '9999999999' },
    { exp: Number.MAX_VALUE },
    { exp: NOW + 86_401 },
    { exp: true },
    { nbf: '0' },
    { nbf: -1 },
    { scope: '' },
    { scope: '*' },
    { scope: ' invoice.read' },
    { scope: 'invoice.read  invoice.write' },
    { scope: 'invoice.read\tinvoice.write' },
    { scope: ['invoice.read'] },
    { scope: null },
    { scope: 'a a' },
    { scope: Array.from({ length: 65 }, (_, i) => `s${i}`).join(' ') },
    { cnf: { jkt: 'x' } },
    { prf: 'x' },
    { status: null },
    { status: {} },
    { status: { status_list: {} } },
    { status: { status_list: { idx: 1, uri: 'https://x', more: 1 } } },
    { status: { status_list: { idx: -1, uri: 'https://x' } } },
    { status: { status_list: { idx: '1', uri: 'https://x' } } },
    { status: { other: {} } },
    { deep: nested(17) },
    Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`c${i}`, i])),
  ]
  test.each(claims.map((change) => [JSON.stringify(change), change]))('claims %s', async (_, change) => {
    const token = forgedToken(forgery, agent.did, change)
    const verifier = trusting([operator.did])
    expect(codeOf(verifier.verifySync(token))).toBe('INVALID_TOKEN')
    expect(codeOf(await verifier.verify(token))).toBe('INVALID_TOKEN')
  })

  const headers: Members[] = [
    { alg: 'none' },
    { alg: 'NONE' },
    { alg: 'HS256' },
    { alg: 'ES256' },
    { alg: 'eddsa' },
    { alg: undefined },
    { alg: null },
    { alg: ['EdDSA'] },
    { typ: 'JWT' },
    { typ: undefined },
    { typ: 'agent-msg+jwt' },
    { typ: 'agent-deleg+jwt' },
    { typ: 'statuslist+jwt' },
    { typ: 'agent-approval+jwt' },
    { typ: 'at+jwt ' },
    { kid: undefined },
    { kid: '' },
    { kid: forgery.did },
    { kid: `${forgery.did}#` },
    { kid: `${stranger.did}#${stranger.did.slice(8)}` },
    { kid: `${forgery.did}#${stranger.did.slice(8)}` },
    { kid: 0 },
    { jwk: operator.toJWK() },
    { jku: 'https://attacker.example/jwks' },
    { x5u: 'https://attacker.example/cert' },
    { x5c: ['AA'] },
    { crit: ['exp'] },
    { crit: [] },
    { b64: false },
    { zip: 'DEF' },
    { cty: 'JWT' },
    { 'x-more': 1 },
  ]
  test.each(headers.map((change) => [JSON.stringify(change), change]))('header %s', (_, change) => {
    expect(codeOf(trusting([operator.did]).verifySync(forgedToken(forgery, agent.did, {}, change)))).toBe(
      'INVALID_TOKEN',
    )
  })

  test('what is forged otherwise is accepted unchanged, so that the change alone refuses it', () => {
    expect(codeOf(trusting([operator.did]).verifySync(forgedToken(forgery, agent.did)))).toBe('ok')
    expect(codeOf(trusting([operator.did]).verifySync(forgedToken(forgery, agent.did, {}, { alg: 'Ed25519' })))).toBe(
      'ok',
    )
    expect(codeOf(trusting([operator.did]).verifySync(forgedToken(forgery, agent.did, { aud: [AUDIENCE] })))).toBe('ok')
  })

  test.each([
    ['a claim twice', (json: string) => json.replace('{', '{"scope":"admin",')],
    ['a claim twice, spelled otherwise', (json: string) => json.replace('{', String.raw`{"\u0073cope":"admin",`)],
    ['a further claim twice', (json: string) => json.replace('{', '{"x":1,"x":2,')],
    ['a byte order mark', (json: string) => `\ufeff${json}`],
    ['something behind', (json: string) => `${json}{}`],
    ['an array', (json: string) => `[${json}]`],
    ['a number beyond doubles', (json: string) => json.replace('{', '{"x":1e999,')],
    ['half a pair', (json: string) => json.replace('{', String.raw`{"x":"\ud800",`)],
    ['a comment', (json: string) => json.replace('{', '{/**/')],
    ['a trailing comma', (json: string) => json.replace('}', ',}')],
  ])('JSON with %s', (_, change) => {
    const said = JSON.stringify(parts(forgedToken(forgery, agent.did)).claims)
    const token = forgery.sign(forgery.header({ typ: 'at+jwt' }), change(said))
    expect(codeOf(trusting([operator.did]).verifySync(token))).toBe('INVALID_TOKEN')
  })

  test.each([
    ['padding', (token: string) => `${token}==`],
    ['a line feed', (token: string) => `${token}\n`],
    ['a blank before', (token: string) => ` ${token}`],
    ['the scheme before', (token: string) => `Bearer ${token}`],
    ['a fourth part', (token: string) => `${token}.AA`],
    ['no signature', (token: string) => token.slice(0, token.lastIndexOf('.') + 1)],
    ['half a signature', (token: string) => token.slice(0, -43)],
    ['standard base64', (token: string) => token.replace('.', '+.')],
    ['a signature of zeros', (token: string) => token.replace(/[^.]+$/, b64u(new Uint8Array(64)))],
    ['a point of small order', (token: string) => token.replace(/[^.]+$/, b64u(new Uint8Array(64).fill(1, 0, 1)))],
    [
      'halves of two tokens',
      (token: string) => token.replace(/[^.]+$/, forgedToken(forgery, agent.did).split('.')[2]!),
    ],
  ])('a token with %s', (_, change) => {
    expect(codeOf(trusting([operator.did]).verifySync(change(forgedToken(forgery, agent.did))))).toBe('INVALID_TOKEN')
  })

  test('signed by another in its name', () => {
    const thief = new Forger()
    const token = thief.sign(forgery.header({ typ: 'at+jwt' }), parts(forgedToken(forgery, agent.did)).claims)
    expect(codeOf(trusting([operator.did]).verifySync(token))).toBe('INVALID_TOKEN')
  })
})
