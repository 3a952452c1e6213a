// Logs of what was decided: on record before it is done, and nobody edits them unseen.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AutoGenxBindAgent, HandlerError, Identity, MessageBus, type AuditEntry } from '@private.me/autogen'
import {
  openAuditLog,
  verifyAudit,
  verifyWitness,
  witnessHead,
  type AuditLog,
  type AuditLogOptions,
} from '@private.me/autogen/record'
import { afterAll, describe, expect, test } from 'vitest'
import { gate } from './helpers/bus.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { vectors } from './helpers/vectors.ts'

const folder = mkdtempSync(join(tmpdir(), 'xbind-audit-'))
afterAll(() => rmSync(folder, { recursive: true }))
let count = 0
const fresh = (): string => join(folder, `${(count += 1)}.jsonl`)
const signer = Identity.generate()

async function log(options?: Partial<AuditLogOptions>): Promise<{ log: AuditLog; path: string }> {
  const path = fresh()
  return { log: valueOf(await openAuditLog(path, { signer, ...options })), path }
}

const outcomes = async (log: AuditLog): Promise<string[]> => {
  valueOf(await log.flush())
  return valueOf(await log.query()).map(({ event, outcome, code }) => [event, outcome, code].filter(Boolean).join(' '))
}

describe('vectors/audit.json', () => {
  interface Case {
    name: string
    code?: string
    line?: number
    head?: { seq: number; digest: string }
    text: string
  }
  const file = vectors<{ did: string; cases: Case[] }>('audit.json')

  test.each(file.cases.map((one) => [one.name, one] as const))('%s', async (_, { text, code, line, head }) => {
    const path = fresh()
    writeFileSync(path, text)
    const verified = await verifyAudit(path, { did: file.did, ...(head && { head }) })
    expect(codeOf(verified)).toBe(code ?? 'ok')
    if (code !== undefined) expect(errorOf(verified).message).toContain(`.jsonl, line ${line}: `)
  })
})

describe.each(['always', 'batch', 'none'] as const)('with sync %s', (sync) => {
  test('calls that are let in, refused, answered and failed are on record, without what they say', async () => {
    const { log: audit, path } = await log({ sync })
    const bus = new MessageBus()
    const caller = new AutoGenxBindAgent({ name: 'caller', agentOptions: { bus } })
    const stranger = new AutoGenxBindAgent({ agentOptions: { bus } })
    const writer = new AutoGenxBindAgent({ name: 'writer', agentOptions: { bus }, audit })
    writer.handle(
      ({ payload }) => {
        if (payload === 'secret no') throw new HandlerError('NO', 'secret reason')
        return 'secret answer'
      },
      { allow: [caller.getDID()] },
    )
    expect(valueOf(await caller.call('writer', 'secret'))).toBe('secret answer')
    expect(codeOf(await caller.call('writer', 'secret no'))).toBe('HANDLER_FAILED')
    expect(codeOf(await stranger.call('writer', 'secret'))).toBe('NOT_ALLOWED')
    writer.handle(null)
    valueOf(await caller.send('writer', 'secret'))
    writer.close()
    expect(await outcomes(audit)).toEqual([
      'agent.joined accepted',
      'call accepted',
      'call answered',
      'call accepted',
      'call failed HANDLER_FAILED',
      'call refused NOT_ALLOWED',
      'message accepted',
      'agent.left accepted',
    ])
    const [, first] = valueOf(await audit.query())
    expect(first).toMatchObject({ by: writer.getDID(), from: caller.getDID() })
    expect(valueOf(await audit.query({ agent: stranger.getDID() }))).toHaveLength(1)
    valueOf(await audit.close())
    expect(readFileSync(path, 'utf8')).not.toContain('secret')
    expect(valueOf(await verifyAudit(path, { did: signer.did })).records).toBe(8)
    bus.close()
  })

  test('many calls at once are answered, and each is on record', async () => {
    const { log: audit } = await log({ sync })
    const bus = new MessageBus({ audit })
    const caller = new AutoGenxBindAgent({ name: 'caller', agentOptions: { bus } })
    const echo = new AutoGenxBindAgent({ name: 'echo', agentOptions: { bus, concurrency: 7 } })
    echo.handle(({ payload }) => payload)
    const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => caller.call('echo', i)))
    expect(answers.map(valueOf)).toEqual(Array.from({ length: 300 }, (_, i) => i))
    const all = await outcomes(audit)
    expect(all.filter((line) => line === 'call accepted')).toHaveLength(300)
    expect(all.filter((line) => line === 'call answered')).toHaveLength(300)
    bus.close()
    await audit.close()
  })
})

test('a record has the token that a call presents, and on whose behalf it was', async () => {
  const { log: audit } = await log({ sync: 'always' })
  const bus = new MessageBus()
  const [boss, clerk] = [
    new AutoGenxBindAgent({ agentOptions: { bus } }),
    new AutoGenxBindAgent({ agentOptions: { bus } }),
  ]
  const safe = new AutoGenxBindAgent({ name: 'safe', agentOptions: { bus }, audit })
  safe.handle('open', () => 'open', { trust: [boss.getDID()], scopes: ['open'] })
  const token = valueOf(await boss.grant({ subject: clerk.getDID(), audience: safe.getDID(), scopes: ['open'] }))
  const { jti } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { jti: string }
  const answer = await clerk.call('safe', 1, { method: 'open', token, receipt: true })
  expect(valueOf(answer)).toBe('open')
  expect(codeOf(await clerk.call('safe', 1, { method: 'open' }))).toBe('SCOPE_DENIED')
  valueOf(await audit.flush())
  const [record] = valueOf(await audit.query({ token: jti }))
  expect(record).toMatchObject({ method: 'open', token: jti, chain: [boss.getDID(), clerk.getDID()] })
  const { createHash } = await import('node:crypto')
  expect(record?.digest).toBe(createHash('sha256').update(answer.receipt!.call).digest('base64url'))
  bus.close()
  await audit.close()
})

test('tokens, delegations and approvals that an agent signs are on record, or nobody gets them', async () => {
  const { log: audit } = await log()
  const bus = new MessageBus({ audit })
  const [boss, clerk] = [
    new AutoGenxBindAgent({ agentOptions: { bus } }),
    new AutoGenxBindAgent({ agentOptions: { bus } }),
  ]
  const temp = Identity.generate().did
  const token = valueOf(await boss.grant({ subject: clerk.getDID(), audience: 'https://a.example', scopes: ['a'] }))
  valueOf(await clerk.delegate(token, { subject: temp, scopes: ['a'] }))
  const call = { caller: temp, recipient: clerk.getDID(), body: new Uint8Array([49]) }
  valueOf(await boss.decide({ decision: 'approve', call }))
  valueOf(await audit.flush())
  const records = valueOf(await audit.query()).filter(({ event }) => !event.startsWith('agent.'))
  expect(records).toMatchObject([
    { event: 'token.issued', by: boss.getDID(), to: clerk.getDID(), token: expect.any(String) as string },
    { event: 'token.delegated', by: clerk.getDID(), to: temp, token: expect.any(String) as string },
    { event: 'approval.signed', by: boss.getDID(), to: temp },
  ])
  await audit.close()
  const request = { subject: temp, audience: 'https://a.example', scopes: ['a'] }
  expect(codeOf(await boss.grant(request))).toBe('AUDIT_FAILED')
  bus.close()
})

test('an agent that is stopped is on record', async () => {
  const { log: audit } = await log()
  const bus = new MessageBus({ audit })
  const agent = new AutoGenxBindAgent({ agentOptions: { bus } })
  valueOf(bus.stop(agent.getDID()))
  expect(await outcomes(audit)).toEqual(['agent.joined accepted', 'agent.stopped accepted'])
  bus.close()
  await audit.close()
})

describe('a log that takes nothing', () => {
  test('refuses the work, and nothing begins', async () => {
    const { log: audit } = await log()
    const bus = new MessageBus()
    const caller = new AutoGenxBindAgent({ agentOptions: { bus } })
    const writer = new AutoGenxBindAgent({ name: 'writer', agentOptions: { bus }, audit })
    let begun = 0
    writer.handle(() => (begun += 1))
    valueOf(await audit.close())
    const refused = await caller.call('writer', 1)
    expect(codeOf(refused)).toBe('AUDIT_FAILED')
    expect(errorOf(refused)).toMatchObject({ retryable: true, handled: 'no' })
    writer.handle(null)
    expect(codeOf(await caller.send('writer', 1))).toBe('AUDIT_FAILED')
    expect(valueOf(await writer.receive())).toEqual([])
    expect(begun).toBe(0)
    expect(() => new AutoGenxBindAgent({ agentOptions: { bus }, audit })).toThrow('put on record')
    bus.close()
  })

  test('is passed over where that is asked for by its name', async () => {
    const { log: audit } = await log()
    const bus = new MessageBus({ audit, dangerouslyContinueUnrecorded: true })
    valueOf(await audit.close())
    const caller = new AutoGenxBindAgent({ agentOptions: { bus } })
    const writer = new AutoGenxBindAgent({ agentOptions: { bus }, handler: () => 1 })
    expect(valueOf(await caller.call(writer.getDID(), 1))).toBe(1)
    bus.close()
  })

  test('ends work that was begun with a refusal, for its answer cannot be recorded', async () => {
    const { log: audit } = await log()
    const bus = new MessageBus()
    const caller = new AutoGenxBindAgent({ agentOptions: { bus } })
    const [begun, going] = [gate(), gate()]
    const config = { name: 'writer', agentOptions: { bus }, audit }
    new AutoGenxBindAgent(config).handle(async () => {
      begun.open()
      await going.promise
      return 1
    })
    const answer = caller.call('writer', 1)
    await begun.promise
    await audit.close()
    going.open()
    expect(errorOf(await answer)).toMatchObject({ code: 'AUDIT_FAILED', handled: 'yes' })
    bus.close()
  })
})

test('records of your own are found again, whatever they hold', async () => {
  const { log: audit, path } = await log()
  const hostile = [
    '__proto__',
    'a"b\\c',
    'line\r\nfeed\u2028\u2029',
    '\u0000\u0001\u007f',
    '😀',
    '{"seq":1}',
    '</script>',
  ]
  for (const text of hostile) {
    expect(audit.append({ event: 'deployed', outcome: 'accepted', note: text, token: text, code: 'WHY' })).toBe(true)
  }
  valueOf(await audit.flush())
  expect(valueOf(await audit.query()).map(({ note }) => note)).toEqual(hostile)
  for (const token of hostile) expect(valueOf(await audit.query({ token }))).toHaveLength(1)
  expect(valueOf(await audit.query({ token: 'none' }))).toEqual([])
  expect(valueOf(await audit.query({ limit: 2, after: 3 })).map(({ seq }) => seq)).toEqual([4, 5])
  expect(valueOf(await audit.query({ until: 1 }))).toEqual([])
  valueOf(await audit.close())
  expect(readFileSync(path, 'utf8').split('\n').length).toBeLessThan(hostile.length + 8)
  valueOf(await verifyAudit(path, { did: signer.did }))
})

test('what is no record is refused, and nothing of it is written', async () => {
  const { log: audit } = await log()
  const good: AuditEntry = { event: 'x', outcome: 'accepted' }
  const wrong = [
    null,
    undefined,
    0,
    '',
    [],
    {},
    { event: 'x' },
    { ...good, event: 1 },
    { ...good, payload: 1 },
    { ...good, chain: 'x' },
  ]
  for (const record of [...wrong, { ...good, note: null }, { ...good, chain: [1] }])
    expect(() => audit.append(record as AuditEntry)).toThrow(TypeError)
  for (const member of [
    { event: 'log.begin' },
    { event: 'Upper' },
    { event: '' },
    { event: 'x'.repeat(65) },
    { outcome: 'done' },
    { by: 'me' },
    { from: 'did:key:x' },
    { messageId: 'x' },
    { method: 'a b' },
    { code: 'lower' },
    { note: '' },
    { note: 'x'.repeat(1025) },
    { note: '\ud800' },
    { token: 'a\udc00' },
    { chain: Array.from({ length: 17 }, () => 'x') },
  ])
    expect(() => audit.append({ ...good, ...member } as AuditEntry), JSON.stringify(member)).toThrow(
      expect.objectContaining({ name: 'XBindError' }),
    )
  let reads = 0
  const counted = { event: 'x', outcome: 'accepted', get note() { return `read ${(reads += 1)}` } } as AuditEntry // prettier-ignore
  audit.append(counted)
  valueOf(await audit.flush())
  expect(valueOf(await audit.query()).map(({ note }) => note)).toEqual(['read 1'])
  await audit.close()
  expect(audit.append(good)).toBe(false)
})

test('a log goes on where it ended, in as many files as it needs', async () => {
  const path = fresh()
  for (let round = 0; round < 3; round += 1) {
    const audit = valueOf(await openAuditLog(path, { signer, maxFileBytes: 4096 }))
    expect(audit.records).toBe(round * 40)
    for (let i = 0; i < 40; i += 1) {
      audit.append({ event: 'tick', outcome: 'accepted', note: 'x'.repeat(200) })
      if (i % 10 === 9) valueOf(await audit.flush())
    }
    expect(valueOf(await audit.query({ limit: 1000 }))).toHaveLength((round + 1) * 40)
    valueOf(await audit.close())
  }
  expect(valueOf(await verifyAudit(path)).records).toBe(120)
  expect(readFileSync(`${path}.1`, 'utf8')).toContain('log.continued')
})

test('a head kept elsewhere shows that the end was cut off; a witness signs what it has seen', async () => {
  const { log: audit, path } = await log()
  audit.append({ event: 'one', outcome: 'accepted' })
  valueOf(await audit.flush())
  const before = readFileSync(path)
  audit.append({ event: 'two', outcome: 'accepted' })
  const head = valueOf(await audit.close())
  valueOf(await verifyAudit(path, { did: signer.did, head }))
  writeFileSync(path, before)
  valueOf(await verifyAudit(path, { did: signer.did }))
  expect(errorOf(await verifyAudit(path, { head })).message).toContain('cut off')
  const witness = Identity.generate()
  const seen = valueOf(witnessHead(witness, head))
  expect(valueOf(verifyWitness(seen, { witness: witness.did }))).toMatchObject({
    did: signer.did,
    seq: head.seq,
    digest: head.digest,
  })
  expect(codeOf(verifyWitness(seen, { witness: signer.did }))).toBe('UNTRUSTED_ISSUER')
  expect(codeOf(verifyWitness(head.jws, { witness: signer.did }))).toBe('INVALID_AUDIT')
  expect(codeOf(witnessHead(witness, { ...head, jws: seen }))).toBe('INVALID_AUDIT')
  for (const jws of [head.jws, seen])
    expect(() => witness.sign(Buffer.from(jws.slice(0, jws.lastIndexOf('.'))))).toThrow('shape')
})

test('one path is one log, of one key, with one writer', async () => {
  const { log: audit, path } = await log()
  expect(codeOf(await openAuditLog(path, { signer }))).toBe('AUDIT_FAILED')
  await Promise.all([audit.close(), audit.close(), audit.flush(), audit.query()])
  expect(codeOf(await audit.flush())).toBe('AUDIT_FAILED')
  expect(codeOf(await openAuditLog(path, { signer: Identity.generate() }))).toBe('INVALID_AUDIT')
  expect(codeOf(await openAuditLog(folder, { signer }))).toBe('INVALID_CONFIG')
  expect(codeOf(await openAuditLog(join(path, 'below'), { signer }))).toBe('AUDIT_FAILED')
  expect(codeOf(await verifyAudit(join(folder, 'none')))).not.toBe('ok')
  writeFileSync(path, readFileSync(path, 'utf8').replace('log.begin', 'log.began'))
  expect(codeOf(await openAuditLog(path, { signer }))).toBe('INVALID_AUDIT')
})

test('options are refused that are none', async () => {
  for (const path of ['', 'a\0b', null, 0])
    await expect(openAuditLog(path as string, { signer })).rejects.toThrow(TypeError)
  for (const options of [null, {}, { signer: {} }, { signer, synch: 'none' }, { signer, sync: 1 }])
    await expect(openAuditLog(fresh(), options as AuditLogOptions)).rejects.toThrow(TypeError)
  for (const options of [{ sync: 'often' }, { maxFileBytes: 0 }, { maxFileBytes: Number.NaN }])
    expect(codeOf(await openAuditLog(fresh(), { signer, ...options } as AuditLogOptions))).toBe('INVALID_CONFIG')
  const { log: audit } = await log()
  for (const given of [null, false, 0, '', {}, Object.create(audit), 'audit.jsonl', () => true])
    expect(() => new AutoGenxBindAgent({ audit: given as AuditLog })).toThrow(TypeError)
  expect(() => new MessageBus({ audit, dangerouslyContinueUnrecorded: 1 } as object)).toThrow(TypeError)
  expect(() => new MessageBus({ dangerouslyContinueUnrecorded: true })).toThrow('given beside it')
  for (const head of [null, {}, { seq: 1 }, { seq: '1', digest: 'x' }])
    await expect(verifyAudit('x', { head } as object)).rejects.toThrow(TypeError)
  expect(codeOf(await verifyAudit('x', { head: { seq: -1, digest: 'x' } }))).toBe('INVALID_CONFIG')
  for (const query of [null, { agents: 'x' }, { token: 1 }])
    await expect(audit.query(query as object)).rejects.toThrow(TypeError)
  for (const first of [Number.NaN, -1, 1.5]) {
    expect(codeOf(await verifyAudit('x', { first }))).toBe('INVALID_CONFIG')
    expect(codeOf(await openAuditLog(fresh(), { signer, first }))).toBe('INVALID_CONFIG')
  }
  for (const query of [{ limit: 0 }, { limit: 1e9 }, { since: -1 }, { after: Number.NaN }, { token: '\ud800' }])
    expect(codeOf(await audit.query(query))).toBe('INVALID_CONFIG')
  expect(codeOf(await audit.query({ agent: 'nobody' }))).toBe('INVALID_DID')
  await audit.close()
})

test('the log goes on signing when its identity was destroyed', async () => {
  const own = Identity.generate()
  const path = fresh()
  const audit = valueOf(await openAuditLog(path, { signer: own }))
  own.destroy()
  audit.append({ event: 'x', outcome: 'accepted' })
  valueOf(await audit.close())
  valueOf(await verifyAudit(path, { did: own.did }))
  expect(codeOf(await openAuditLog(path, { signer: own }))).toBe('SIGN_FAILED')
})
