// Logs whose lines a callback takes: the same lines as in a file, and what it does not take is not done.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AutoGenxBindAgent, Identity, MessageBus, type AuditEntry } from '@private.me/autogen'
import {
  openAuditLog,
  verifyAudit,
  type AuditBatch,
  type AuditLog,
  type AuditLogOptions,
  type AuditSink,
} from '@private.me/autogen/record'
import { RevocationList, TokenVerifier, issueToken } from '@private.me/autogen/tokens'
import { afterAll, describe, expect, test } from 'vitest'
import { gate } from './helpers/bus.ts'
import { signer } from './helpers/record.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

const folder = mkdtempSync(join(tmpdir(), 'xbind-sink-'))
afterAll(() => rmSync(folder, { recursive: true }))
let count = 0
const fresh = (): string => join(folder, `${(count += 1)}.jsonl`)
const good: AuditEntry = { event: 'x', outcome: 'accepted' }

const open = async (sink: AuditSink, options?: Partial<AuditLogOptions>): Promise<AuditLog> =>
  valueOf(await openAuditLog(sink, { signer, ...options }))

/** Takes each batch, and in `batches` what it took. */
function keeping(): { batches: AuditBatch[]; sink: AuditSink; text: () => string } {
  const batches: AuditBatch[] = []
  return { batches, sink: (batch) => batches.push(batch), text: () => batches.map(({ text }) => text).join('') }
}

describe.each(['always', 'batch', 'none'] as const)('with sync %s', (sync) => {
  test('what it is given is what a file would hold, and goes on', async () => {
    const { batches, sink, text } = keeping()
    for (let round = 0; round < 3; round += 1) {
      const lastLine = text().trimEnd().split('\n').at(-1)
      const audit = await open(sink, { sync, ...(lastLine !== '' && lastLine !== undefined && { lastLine }) })
      const bus = new MessageBus({ audit })
      const caller = new AutoGenxBindAgent({ agentOptions: { bus } })
      const echo = new AutoGenxBindAgent({ agentOptions: { bus }, handler: ({ payload }) => payload })
      const calls = Array.from({ length: 50 }, (_, i) => caller.call(echo.getDID(), i))
      expect((await Promise.all(calls)).map(valueOf)).toEqual(Array.from({ length: 50 }, (_, i) => i))
      bus.close()
      const head = valueOf(await audit.close())
      expect(batches.at(-1)?.head).toEqual(head)
      const path = fresh()
      writeFileSync(path, text())
      expect(valueOf(await verifyAudit(path, { did: signer.did, head })).records).toBe((round + 1) * 104)
    }
    let next = 0
    for (const { seq, text } of batches) {
      expect(seq).toBe(next)
      next += text.split('\n').length - 1
    }
  })
})

test('files are written from within, though all threads for files wait', async () => {
  const path = fresh()
  const logs = await Promise.all(
    Array.from({ length: 8 }, (_, i) => open(({ text }) => appendFile(`${path}-${i}`, text), { sync: 'always' })),
  )
  for (const audit of logs) audit.append(good)
  const heads = await Promise.all(logs.flatMap((audit) => [audit.flush(), audit.flush(), audit.close()]))
  heads.forEach(valueOf)
  for (let i = 0; i < 8; i += 1) expect(valueOf(await verifyAudit(`${path}-${i}`)).records).toBe(1)
})

describe('what it does not take is not done', () => {
  const refusals: [string, () => unknown][] = [
    ['throws', () => { throw new Error('the database is gone') }],
    ['rejects', async () => { await Promise.resolve(); throw new Error('the database is gone') }],
    ['throws a hostile value', () => { throw { get message() { throw new Error('no') }, toString() { throw new Error('no') } } }],
    ['throws nothing', () => { throw undefined }],
    ['gives a thenable that rejects', () => ({ then: (_: unknown, no: (why: unknown) => void) => no(Symbol('no')) })],
    ['gives a thenable that throws', () => ({ then() { throw new Error('no') } })],
  ] // prettier-ignore
  test.each(refusals)('it %s', async (_, refuse) => {
    let refuses = false
    const { batches, sink, text } = keeping()
    const audit = await open((batch) => (refuses ? refuse() : sink(batch)), { sync: 'always' })
    const bus = new MessageBus()
    const caller = new AutoGenxBindAgent({ agentOptions: { bus } })
    let begun = 0
    const writer = new AutoGenxBindAgent({ agentOptions: { bus }, audit, handler: () => (begun += 1) })
    valueOf(await caller.call(writer.getDID(), 1))
    valueOf(await audit.flush())
    refuses = true
    expect(errorOf(await caller.call(writer.getDID(), 1))).toMatchObject({ code: 'AUDIT_FAILED', handled: 'no' })
    expect(codeOf(await audit.flush())).toBe('AUDIT_FAILED')
    expect(begun).toBe(1)
    refuses = false
    valueOf(await audit.flush())
    valueOf(await caller.call(writer.getDID(), 1))
    bus.close()
    valueOf(await audit.close())
    const path = fresh()
    writeFileSync(path, text())
    valueOf(await verifyAudit(path, { did: signer.did }))
    expect(new Set(batches.map(({ seq }) => seq)).size).toBe(batches.length)
  })

  test('it says why to whoever asks the log', async () => {
    const refused = await openAuditLog(() => Promise.reject(new Error('the database is gone')), { signer })
    expect(errorOf(refused)).toMatchObject({
      code: 'AUDIT_FAILED',
      message: expect.stringContaining('is gone') as string,
    })
  })

  test('it never says anything: that counts as no, and it gets nothing more before it does', async () => {
    let [stuck, asked] = [false, 0]
    const { sink } = keeping()
    const rest = gate()
    const slow: AuditSink = async (batch) => {
      asked += 1
      if (stuck) await rest.promise
      else sink(batch)
    }
    const audit = await open(slow, { sync: 'always', timeoutMs: 50 })
    const verifier = new TokenVerifier({ audience: 'https://a.example', trust: [signer.did], audit })
    const token = valueOf(issueToken(signer, { subject: signer.did, audience: 'https://a.example', scopes: [] }))
    stuck = true
    expect(codeOf(await verifier.verify(token))).toBe('AUDIT_FAILED')
    expect(audit.append(good), 'it fails').toBe(false)
    expect(asked, 'one batch at a time').toBe(2)
    stuck = false
    rest.open()
    await expect.poll(async () => codeOf(await audit.flush())).toBe('ok')
    valueOf(await verifier.verify(token))
    valueOf(await audit.close())
  })
})

test('it may use the log itself, but not wait for it', async () => {
  const { batches, sink } = keeping()
  let inside: (() => void) | undefined
  const audit = await open((batch) => {
    sink(batch)
    inside?.()
    inside = undefined
  })
  inside = () => {
    audit.append(good)
    void audit.flush()
    expect(() => audit.append({ ...good, event: 'Wrong' })).toThrow('event')
  }
  audit.append(good)
  valueOf(await audit.flush())
  inside = () => void audit.close()
  audit.append(good)
  valueOf(await audit.flush())
  valueOf(await audit.close())
  expect(
    batches
      .map(({ text }) => text)
      .join('')
      .match(/"event":"x"/g),
  ).toHaveLength(3)
})

test('one that waits for the log is not waited for', async () => {
  let waits = false
  let audit: AuditLog | undefined = undefined
  const waiting: AuditSink = async () => {
    if (waits) await audit!.flush()
  }
  audit = await open(waiting, { timeoutMs: 50 })
  waits = true
  audit.append(good)
  expect(codeOf(await audit.flush())).toBe('AUDIT_FAILED')
  waits = false
  await audit.close()
})

test('what it is given is its own', async () => {
  const { batches, sink } = keeping()
  const audit = await open(sink)
  expect(Object.isFrozen(batches[0]) && Object.isFrozen(batches[0]?.head)).toBe(true)
  const hostile = ['__proto__', 'a"b\\c', 'line\r\nfeed\u2028', '\u0000', '😀', '{"seq":1}\n']
  for (const note of hostile) expect(audit.append({ ...good, note, chain: [note] })).toBe(true)
  valueOf(await audit.close())
  const lines = batches
    .flatMap(({ text }) => text.trimEnd().split('\n'))
    .map((line) => JSON.parse(line) as { note?: string })
  expect(lines.flatMap(({ note }) => note ?? [])).toEqual(hostile)
})

test('options are refused that are none', async () => {
  const sink: AuditSink = () => {}
  for (const path of [null, undefined, 0, {}, [], '', true])
    await expect(openAuditLog(path as never, { signer })).rejects.toThrow(TypeError)
  for (const options of [{ lastLine: null }, { lastLine: 1 }, { timeoutMs: '1' }, { timeoutMS: 1 }, { sync: null }])
    await expect(openAuditLog(sink, { signer, ...options } as never)).rejects.toThrow(TypeError)
  for (const options of [
    { maxFileBytes: 4096 },
    { timeoutMs: 0 },
    { timeoutMs: Number.NaN },
    { timeoutMs: 600_001 },
    { sync: 'often' },
  ])
    expect(codeOf(await openAuditLog(sink, { signer, ...options } as never))).toBe('INVALID_CONFIG')
  for (const options of [{ lastLine: 'x' }, { timeoutMs: 1 }])
    expect(codeOf(await openAuditLog(fresh(), { signer, ...options }))).toBe('INVALID_CONFIG')
  for (const lastLine of ['', 'x', '{"seq":0}'])
    expect(codeOf(await openAuditLog(sink, { signer, lastLine }))).toBe('INVALID_AUDIT')
  const gone = Identity.generate()
  gone.destroy()
  expect(codeOf(await openAuditLog(sink, { signer: gone }))).toBe('SIGN_FAILED')
  const audit = await open(sink)
  expect(codeOf(await audit.query())).toBe('INVALID_CONFIG')
  await audit.close()
  expect(codeOf(await audit.flush())).toBe('AUDIT_FAILED')
})

test('a log in a file goes on with a callback, and the other way round', async () => {
  const path = fresh()
  const file = valueOf(await openAuditLog(path, { signer }))
  file.append(good)
  valueOf(await file.close())
  const before = readFileSync(path, 'utf8')
  const { sink, text } = keeping()
  const audit = await open(sink, { lastLine: before.trimEnd().split('\n').at(-1)! })
  audit.append(good)
  valueOf(await audit.close())
  writeFileSync(path, before + text())
  const again = valueOf(await openAuditLog(path, { signer }))
  expect(again.records).toBe(2)
  valueOf(await again.close())
})

test('a log keeps no process alive, though its callback never says anything again', () => {
  const program = `
    import { Identity } from '@private.me/autogen'
    import { openAuditLog } from '@private.me/autogen/record'
    let stuck = false
    const sink = () => (stuck ? new Promise(() => {}) : undefined)
    const { value: log } = await openAuditLog(sink, { signer: Identity.generate(), timeoutMs: 600_000 })
    stuck = true
    log.append({ event: 'x', outcome: 'accepted' })
    setTimeout(() => console.log('leaving'), 50)
  `
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  expect(said).toBe('leaving\n')
})

test('what goes on in any case is on record behind it', async () => {
  const { sink, text } = keeping()
  const log = await open(sink, { sync: 'always' })
  expect(codeOf(new RevocationList({ audit: log }).revokeToken('strict'))).toBe('AUDIT_FAILED')
  const list = new RevocationList({ audit: log, dangerouslyContinueUnrecorded: true })
  valueOf(list.revokeToken('lax'))
  valueOf(await log.close())
  const lines = text().trim().split('\n').map((line) => JSON.parse(line) as { event: string; token?: string }) // prettier-ignore
  expect(lines.filter(({ event }) => event === 'token.revoked').map(({ token }) => token)).toEqual(['lax'])
})
