// What verifiers decide, and what is signed and taken back without an agent: on record before it holds.
import { createHash } from 'node:crypto'
import { Identity } from '@private.me/autogen'
import { problemOf, RequestVerifier, signRequest } from '@private.me/autogen/http'
import { MessageVerifier } from '@private.me/autogen/messages'
import type { AuditLog } from '@private.me/autogen/record'
import {
  approveCall,
  delegateToken,
  issueToken,
  KeyHistory,
  RevocationList,
  signRotation,
  TokenVerifier,
} from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'
import { logs, outcomes } from './helpers/record.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

const log = logs()
const [boss, clerk, temp] = [Identity.generate(), Identity.generate(), Identity.generate()]
const audience = 'https://billing.example'
const right = { subject: clerk.did, audience, scopes: ['pay'] }

const unsigned = (): Request =>
  new Request('https://billing.example/pay?secret=1', { method: 'POST', body: new Uint8Array([1]) })
const request = async (token?: string): Promise<Request> =>
  valueOf(await signRequest(clerk, unsigned(), token === undefined ? {} : { token }))

test.each([
  ['https://billing.example?token=s3cret/tail', undefined],
  ['https://billing.example#s3cret', undefined],
  ['HTTPS://user:s3cret@billing.example/a', '/a'],
  ['//billing.example/a?s3cret', '//billing.example/a'],
  ['//public/admin/a#s3cret', '//public/admin/a'],
  ['/a://b/c?s3cret', '/a://b/c'],
  ['ftp://user:s3cret@billing.example/', '/'],
  ['https:user:s3cret@billing.example/', undefined],
  ['/p?s3cret', '/p'],
  ['/p#s3cret', '/p'],
])('a request for %s is on record with nothing but its path', async (url, path) => {
  const { log: audit } = await log({ sync: 'always' })
  const verifier = new RequestVerifier({ authorities: ['billing.example'], allow: [clerk.did], audit })
  expect(codeOf(await verifier.verify({ method: 'GET', url, headers: {} }))).not.toBe('ok')
  valueOf(await audit.flush())
  const [refused] = valueOf(await audit.query())
  expect(JSON.stringify(refused)).not.toContain('s3cret')
  expect(refused?.note?.startsWith(path === undefined ? '' : `${path}: `)).toBe(true)
  await audit.close()
})

test.each(['//public/admin/delete', '//billing.example/pay', '/pay//now', '///', '/a://b/c'])(
  'a request that was signed for %s is on record with that path',
  async (path) => {
    const { log: audit } = await log()
    const options = { authorities: ['billing.example'], dangerouslyAcceptReplayAfterRestart: true }
    const verifier = new RequestVerifier({ ...options, audit })
    const signed = valueOf(await signRequest(clerk, new Request(`https://billing.example${path}?a=1`)))
    valueOf(await verifier.verify(signed.clone()))
    expect(codeOf(await verifier.verify(signed))).toBe('REPLAYED')
    valueOf(await audit.flush())
    const notes = valueOf(await audit.query()).map(({ note }) => note)
    expect(notes).toEqual([path, expect.stringMatching(/: a request with this nonce was accepted before$/)])
    expect(notes[1]?.startsWith(`${path}: `)).toBe(true)
    await audit.close()
  },
)

test.each([
  ['/' + 'p'.repeat(254), '/' + 'p'.repeat(254)],
  ['/' + 'p'.repeat(255), '/' + 'p'.repeat(254) + '…'],
  ['/' + 'p'.repeat(8000), '/' + 'p'.repeat(254) + '…'],
  ['/p' + '\u{1f600}'.repeat(900), '/p' + '\u{1f600}'.repeat(63) + '…'],
  ['/' + '\ud800'.repeat(900), '/' + '\ufffd'.repeat(84) + '…'],
])('a refusal says why behind a path of any length', async (url, path) => {
  const { log: audit } = await log()
  const verifier = new RequestVerifier({ authorities: ['billing.example'], allow: [clerk.did], audit })
  const { message } = errorOf(await verifier.verify({ method: 'GET', url, headers: {} }))
  valueOf(await audit.flush())
  expect(valueOf(await audit.query()).map(({ note }) => note)).toEqual([`${path}: ${message}`])
  await audit.close()
})

describe.each(['always', 'batch', 'none'] as const)('with sync %s', (sync) => {
  test('a verifier of tokens', async () => {
    const { log: audit } = await log({ sync })
    const verifier = new TokenVerifier({ audience, trust: [boss.did], audit })
    const token = valueOf(issueToken(boss, right))
    const claims = valueOf(await verifier.verify(token, { presenter: clerk.did, scopes: ['pay'] }))
    valueOf(verifier.verifySync(token))
    expect(codeOf(await verifier.verify(token, { presenter: temp.did }))).not.toBe('ok')
    expect(codeOf(verifier.verifySync('x'))).toBe('INVALID_TOKEN')
    expect(codeOf(await verifier.verify(token, { presenter: 'nobody' }))).not.toBe('ok')
    expect(await outcomes(audit)).toEqual([
      'token accepted',
      'token accepted',
      expect.stringMatching(/^token refused [A-Z_]+$/),
      'token refused INVALID_TOKEN',
      expect.stringMatching(/^token refused [A-Z_]+$/),
    ])
    const [first, , third] = valueOf(await audit.query())
    expect(first).toMatchObject({
      by: audit.did,
      from: clerk.did,
      to: clerk.did,
      token: claims.id,
      chain: claims.chain,
    })
    expect(third).toMatchObject({ from: temp.did, note: expect.any(String) as string })
    await audit.close()
    expect(codeOf(await verifier.verify(token))).toBe('AUDIT_FAILED')
    expect(codeOf(verifier.verifySync(token))).toBe('AUDIT_FAILED')
    expect(codeOf(verifier.verifySync('x'))).toBe('INVALID_TOKEN')
  })

  test('a verifier of messages', async () => {
    const { log: audit } = await log({ sync })
    const verifier = new MessageVerifier({ audience: boss.did, audit, allow: [clerk.did] })
    const sealed = (from: Identity) =>
      valueOf(from.seal({ op: 'call', to: boss.did, body: new Uint8Array([0x31]), method: 'pay' }))
    const call = sealed(clerk)
    const opened = valueOf(verifier.open(call.jws, call.body))
    expect(codeOf(verifier.open(call.jws, call.body))).toBe('REPLAYED')
    const stranger = sealed(temp)
    expect(codeOf(verifier.open(stranger.jws, stranger.body))).toBe('NOT_ALLOWED')
    expect(codeOf(verifier.open('x', call.body))).toBe('MALFORMED_MESSAGE')
    expect(await outcomes(audit)).toEqual([
      'message accepted',
      'message refused REPLAYED',
      'message refused NOT_ALLOWED',
      'message refused MALFORMED_MESSAGE',
    ])
    const [first, second] = valueOf(await audit.query())
    const digest = createHash('sha256').update(call.jws).digest('base64url')
    expect(first).toMatchObject({ by: boss.did, from: clerk.did, method: 'pay', messageId: opened.id, digest })
    expect(second).toMatchObject({ by: boss.did, from: clerk.did, digest })
    await audit.close()
    const late = sealed(clerk)
    expect(codeOf(verifier.open(late.jws, late.body))).toBe('AUDIT_FAILED')
    expect(codeOf(verifier.open(late.jws, late.body)), 'nothing of it is remembered').toBe('AUDIT_FAILED')
  })

  test('a verifier of HTTP requests', async () => {
    const { log: audit, path } = await log({ sync })
    const options = { authorities: ['billing.example'], trust: [boss.did], dangerouslyAcceptReplayAfterRestart: true }
    const verifier = new RequestVerifier({ ...options, audit })
    const token = valueOf(issueToken(boss, right))
    const good = await request(token)
    const verified = valueOf(await verifier.verify(good.clone(), { scopes: ['pay'] }))
    expect(codeOf(await verifier.verify(good))).toBe('REPLAYED')
    expect(codeOf(await verifier.verify(await request(token), { scopes: ['rule'] }))).toBe('SCOPE_DENIED')
    expect(codeOf(await verifier.verify(unsigned()))).not.toBe('ok')
    const all = await outcomes(audit)
    expect(all.slice(0, 3)).toEqual(['request accepted', 'request refused REPLAYED', 'request refused SCOPE_DENIED'])
    expect(all[3]).toMatch(/^request refused [A-Z_]+$/)
    const [first, second, , fourth] = valueOf(await audit.query())
    expect(first).toMatchObject({ from: clerk.did, method: 'POST', note: '/pay', chain: verified.chain })
    expect(first?.token).toEqual(expect.any(String))
    expect(second?.note).toMatch(/^\/pay: /)
    expect(fourth).not.toHaveProperty('from')
    await audit.close()
    const late = await request(token)
    const refused = errorOf(await verifier.verify(late.clone()))
    expect(refused).toMatchObject({ code: 'AUDIT_FAILED', retryable: true })
    expect(problemOf(refused, verifier)).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    expect(codeOf(await verifier.verify(late)), 'its nonce is not used up').toBe('AUDIT_FAILED')
    const { readFileSync } = await import('node:fs')
    expect(readFileSync(path, 'utf8')).not.toContain('secret')
  })
})

test('where it is asked for by its name, verifiers go on without a record', async () => {
  const { log: audit } = await log()
  await audit.close()
  const goesOn = { audit, dangerouslyContinueUnrecorded: true }
  const token = valueOf(issueToken(boss, right, goesOn))
  const tokens = new TokenVerifier({ audience, trust: [boss.did], ...goesOn })
  valueOf(await tokens.verify(token))
  valueOf(tokens.verifySync(token))
  const call = valueOf(clerk.seal({ op: 'send', to: boss.did, body: new Uint8Array([0x31]) }))
  valueOf(new MessageVerifier({ audience: boss.did, ...goesOn }).open(call.jws, call.body))
  const requests = { authorities: ['billing.example'], dangerouslyAcceptReplayAfterRestart: true }
  const verified = await new RequestVerifier({ ...requests, ...goesOn }).verify(await request())
  expect(codeOf(verified)).toBe('ok')
})

test('what is signed without an agent is on record, or nobody gets it', async () => {
  const { log: audit } = await log()
  const token = valueOf(issueToken(boss, right, { audit }))
  valueOf(delegateToken(clerk, token, { subject: temp.did, scopes: ['pay'] }, { audit }))
  const call = { caller: temp.did, recipient: clerk.did, body: new Uint8Array([49]) }
  valueOf(approveCall(boss, { decision: 'approve', call }, { audit }))
  valueOf(signRotation(clerk, temp, {}, { audit }))
  expect(codeOf(issueToken(boss, { ...right, subject: 'nobody' }, { audit }))).toBe('INVALID_DID')
  valueOf(await audit.flush())
  const id = expect.any(String) as string
  expect(valueOf(await audit.query())).toMatchObject([
    { event: 'token.issued', outcome: 'accepted', by: boss.did, to: clerk.did, token: id },
    { event: 'token.delegated', by: clerk.did, to: temp.did, token: id },
    { event: 'approval.signed', by: boss.did, to: temp.did },
    { event: 'rotation.signed', by: clerk.did, to: temp.did },
  ])
  await audit.close()
  for (const signed of [
    issueToken(boss, right, { audit }),
    delegateToken(clerk, token, { subject: temp.did, scopes: ['pay'] }, { audit }),
    approveCall(boss, { decision: 'approve', call }, { audit }),
    signRotation(clerk, temp, {}, { audit }),
  ])
    expect(codeOf(signed)).toBe('AUDIT_FAILED')
})

test('what is taken back or given back is on record, or is not done', async () => {
  const { log: audit } = await log()
  const list = new RevocationList({ audit })
  valueOf(list.revokeToken('a "token"\\'))
  valueOf(list.revokeDID(clerk.did))
  expect(list.reinstate(temp.did)).toBe(false)
  expect(list.reinstate(clerk.did)).toBe(true)
  expect(codeOf(list.revokeDID('nobody'))).toBe('INVALID_DID')
  valueOf(await audit.flush())
  expect(valueOf(await audit.query())).toMatchObject([
    { event: 'token.revoked', token: 'a "token"\\' },
    { event: 'did.revoked', to: clerk.did },
    { event: 'did.reinstated', to: clerk.did },
  ])
  await audit.close()
  expect(codeOf(list.revokeDID(temp.did))).toBe('AUDIT_FAILED')
  expect(list.isRevoked({ did: temp.did, issuedAt: 1 }), 'it was not done').toBe(false)
  expect(codeOf(list.revokeToken('another'))).toBe('AUDIT_FAILED')
  expect(list.isRevoked({ tokenId: 'another', issuedAt: 1 })).toBe(false)
  expect(codeOf(list.revokeToken(''))).toBe('INVALID_CONFIG')
})

test('the keys of an agent change on record', async () => {
  const { log: audit } = await log()
  const history = new KeyHistory(boss.did, { audit })
  const inAnHour = Math.floor(Date.now() / 1000) + 3600
  const statement = valueOf(signRotation(boss, clerk, { activeFrom: inAnHour }))
  valueOf(history.prepare(statement))
  expect(codeOf(history.prepare('x'))).toBe('INVALID_TOKEN')
  expect(history.activate(clerk.did, { from: inAnHour }), 'no change').toBe(false)
  expect([history.activate(clerk.did), history.activate(clerk.did)]).toEqual([true, false])
  expect([history.taint(clerk.did), history.taint(clerk.did, { from: inAnHour })]).toEqual([true, false])
  expect([history.revoke(clerk.did), history.revoke(clerk.did)]).toEqual([true, false])
  expect([history.activate(clerk.did, { from: 0 }), history.taint(clerk.did, { from: 0 })]).toEqual([false, false])
  expect(history.revoke(temp.did), 'a key that is not known').toBe(false)
  expect(await outcomes(audit)).toEqual([
    'key.prepared accepted',
    'key.prepared refused INVALID_TOKEN',
    'key.activated accepted',
    'key.tainted accepted',
    'key.revoked accepted',
  ])
  expect(valueOf(await audit.query())[0]).toMatchObject({ from: boss.did, to: clerk.did })
  await audit.close()
  const other = new KeyHistory(boss.did, { audit })
  expect(codeOf(other.prepare(statement))).toBe('AUDIT_FAILED')
  expect(other.state(clerk.did), 'it was not taken in').toBeUndefined()
  expect(() => other.activate(boss.did)).toThrow(expect.objectContaining({ code: 'AUDIT_FAILED' }))
  expect(() => other.revoke(boss.did)).toThrow(expect.objectContaining({ code: 'AUDIT_FAILED' }))
  expect(() => other.taint(boss.did)).toThrow(expect.objectContaining({ code: 'AUDIT_FAILED' }))
  expect(other.maySign(boss.did), 'nothing was done').toBe(true)
})

describe('options that are none', () => {
  const wrong = [null, false, 0, '', Number.NaN, {}, 'audit.jsonl', () => true, []]
  const makers: [string, (options: object) => unknown][] = [
    ['TokenVerifier', (options) => new TokenVerifier({ audience, trust: [boss.did], ...options })],
    ['MessageVerifier', (options) => new MessageVerifier({ audience: boss.did, ...options })],
    ['RequestVerifier', (options) => new RequestVerifier({ authorities: ['a.example'], ...options })],
    ['RevocationList', (options) => new RevocationList(options)],
    ['KeyHistory', (options) => new KeyHistory(boss.did, options)],
    ['issueToken', (options) => issueToken(boss, right, options)],
    ['delegateToken', (options) => delegateToken(clerk, 'x', { subject: temp.did }, options)],
    ['signRotation', (options) => signRotation(boss, clerk, {}, options)],
    ['approveCall', (options) => approveCall(boss, {} as never, options)],
  ]

  test.each(makers)('%s', async (name, make) => {
    const { log: audit } = await log()
    for (const given of wrong) expect(() => make({ audit: given }), typeof given).toThrow(TypeError)
    for (const given of [Object.create(audit), new Proxy(audit, {})])
      expect(() => make({ audit: given as AuditLog })).toThrow(TypeError)
    for (const given of [null, 0, '', 'true', 1, Number.NaN])
      expect(() => make({ audit, dangerouslyContinueUnrecorded: given }), String(given)).toThrow(TypeError)
    expect(() => make({ audits: audit })).toThrow(TypeError)
    expect(() => make({ dangerouslyContinueUnrecorded: true })).toThrow('given beside it')
    if (!['delegateToken', 'approveCall'].includes(name)) {
      let reads = 0
      make({ get audit() { return (reads += 1) === 1 ? audit : null } }) // prettier-ignore
      expect(reads).toBe(1)
    }
    await audit.close()
  })
})

test('a log that is closed while a verifier decides lets nothing through', async () => {
  for (const sync of ['always', 'batch'] as const) {
    const { log: audit } = await log({ sync })
    let begun = (): void => {}
    const asked = new Promise<void>((resolve) => (begun = resolve))
    const revocations = {
      isRevoked: async () => {
        begun()
        await audit.close()
        return false
      },
    }
    const verifier = new TokenVerifier({ audience, trust: [boss.did], audit, revocations })
    const verified = verifier.verify(valueOf(issueToken(boss, right)))
    await asked
    expect(codeOf(await verified)).toBe('AUDIT_FAILED')
  }
})

test('two logs, and one that two share', async () => {
  const [{ log: one }, { log: two }] = [await log({ sync: 'always' }), await log()]
  const token = valueOf(issueToken(boss, right))
  const [shared, alone] = [one, two].map((audit) => new TokenVerifier({ audience, trust: [boss.did], audit }))
  const also = new TokenVerifier({ audience, trust: [boss.did], audit: one })
  await Promise.all(Array.from({ length: 50 }, async () => valueOf(await shared!.verify(token))))
  await Promise.all(Array.from({ length: 50 }, async () => valueOf(await also.verify(token))))
  valueOf(await alone!.verify(token))
  expect(await outcomes(one)).toHaveLength(100)
  expect(await outcomes(two)).toHaveLength(1)
  await one.close()
  expect(codeOf(await also.verify(token))).toBe('AUDIT_FAILED')
  valueOf(await alone!.verify(token))
  await two.close()
})
