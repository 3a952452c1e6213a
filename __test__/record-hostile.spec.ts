// Logs that others have their hands on: what cannot be found again was not put on record, and what is no log is left alone.
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AutoGenxBindAgent, Identity, MessageBus, type AuditEntry } from '@private.me/autogen'
import { openAuditLog, verifyAudit, type AuditLog, type AuditLogOptions } from '@private.me/autogen/record'
import { afterAll, describe, expect, test } from 'vitest'
import { gate } from './helpers/bus.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

const folder = mkdtempSync(join(tmpdir(), 'xbind-hostile-'))
afterAll(() => rmSync(folder, { recursive: true }))
let count = 0
const fresh = (): string => join(folder, `${(count += 1)}.jsonl`)
const signer = Identity.generate()
const good: AuditEntry = { event: 'x', outcome: 'accepted' }
const isWindows = process.platform === 'win32'

async function log(options?: Partial<AuditLogOptions>): Promise<{ log: AuditLog; path: string }> {
  const path = fresh()
  return { log: valueOf(await openAuditLog(path, { signer, ...options })), path }
}

test('a record whose line nobody could read is refused, and the log stays whole', async () => {
  const { log: audit, path } = await log()
  const tooLong = [
    Array.from({ length: 16 }, () => 'x'.repeat(1024)),
    Array.from({ length: 3 }, () => '\0'.repeat(1024)),
  ]
  for (const chain of tooLong) {
    expect(() => audit.append({ ...good, chain })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
  }
  expect(audit.append({ ...good, chain: Array.from({ length: 15 }, () => 'x'.repeat(1024)) })).toBe(true)
  expect(audit.append({ ...good, note: '\0'.repeat(1024), token: '"'.repeat(1024) })).toBe(true)
  valueOf(await audit.close())
  expect(valueOf(await verifyAudit(path, { did: signer.did })).records).toBe(2)
  await valueOf(await openAuditLog(path, { signer })).close()
})

test('a file that is no log is not touched', async () => {
  for (const text of ['a diary\n', 'x', '{"a":1}\n'.repeat(9), '\u{feff}{"seq":0}', '\0'.repeat(5000)]) {
    const path = fresh()
    writeFileSync(path, text)
    expect(codeOf(await openAuditLog(path, { signer }))).toBe('INVALID_AUDIT')
    expect(readFileSync(path, 'utf8')).toBe(text)
  }
  const { log: audit, path } = await log()
  valueOf(await audit.close())
  writeFileSync(`${path}.1`, 'a diary\n')
  expect(codeOf(await openAuditLog(path, { signer }))).toBe('INVALID_AUDIT')
  expect(readFileSync(`${path}.1`, 'utf8')).toBe('a diary\n')
})

describe('the file of an open log', () => {
  const hands: [string, (path: string) => void][] = [
    ['deleted', (path) => rmSync(path)],
    ['moved', (path) => renameSync(path, `${path}.old`)],
    ['put in the place of', (path) => {
      renameSync(path, `${path}.old`)
      writeFileSync(path, readFileSync(`${path}.old`))
    }],
    ['cut', (path) => truncateSync(path, 10)],
    ['written to', (path) => appendFileSync(path, 'x\n')],
  ] // prettier-ignore
  test.each(hands)('is %s: nothing is said to be on record any more', async (what, touch) => {
    if (isWindows && what !== 'cut' && what !== 'written to') return
    const { log: audit, path } = await log({ sync: 'always' })
    const bus = new MessageBus()
    const caller = new AutoGenxBindAgent({ agentOptions: { bus } })
    let begun = 0
    const writer = new AutoGenxBindAgent({ agentOptions: { bus }, audit, handler: () => (begun += 1) })
    valueOf(await audit.flush())
    touch(path)
    expect(errorOf(await caller.call(writer.getDID(), 1))).toMatchObject({ code: 'AUDIT_FAILED', handled: 'no' })
    expect(begun).toBe(0)
    expect(codeOf(await audit.flush())).toBe('AUDIT_FAILED')
    expect(codeOf(await audit.close())).toBe('AUDIT_FAILED')
    bus.close()
  })

  test.skipIf(isWindows)('is where it was again: what has happened meanwhile is on record', async () => {
    const { log: audit, path } = await log({ sync: 'always' })
    const bus = new MessageBus()
    const caller = new AutoGenxBindAgent({ agentOptions: { bus } })
    const reader = new AutoGenxBindAgent({ agentOptions: { bus }, audit })
    valueOf(await audit.flush())
    renameSync(path, `${path}.old`)
    expect(codeOf(await caller.send(reader.getDID(), 'before anybody knew'))).toBe('AUDIT_FAILED')
    expect(codeOf(await audit.flush())).toBe('AUDIT_FAILED')
    // Nothing is begun while that is known.
    expect(codeOf(await caller.send(reader.getDID(), 1))).toBe('AUDIT_FAILED')
    const right = { subject: caller.getDID(), audience: 'https://a.example', scopes: ['a'] }
    expect(codeOf(await reader.grant(right))).toBe('AUDIT_FAILED')
    expect(valueOf(await reader.receive())).toEqual([])
    renameSync(`${path}.old`, path)
    valueOf(await audit.flush())
    valueOf(await caller.send(reader.getDID(), 2))
    valueOf(await reader.grant(right))
    valueOf(await audit.flush())
    const events = valueOf(await audit.query()).map(({ event, outcome }) => `${event} ${outcome}`)
    expect(events.filter((event) => event === 'message accepted')).toHaveLength(1)
    expect(events.filter((event) => event === 'token.issued accepted')).toHaveLength(1)
    bus.close()
    valueOf(await audit.close())
    valueOf(await verifyAudit(path, { did: signer.did }))
  })

  test.skipIf(isWindows).each([
    ['another name of the file', (path: string) => (linkSync(path, `${path}-2`), `${path}-2`)],
    ['a lock that was deleted', (path: string) => (rmSync(`${path}.lock`), path)],
  ])('has no second writer by %s', async (_, around) => {
    const { log: first, path } = await log()
    first.append(good)
    valueOf(await first.flush())
    const another = around(path)
    expect(codeOf(await openAuditLog(another, { signer }))).toBe('AUDIT_FAILED')
    first.append(good)
    const head = valueOf(await first.close())
    expect(valueOf(await verifyAudit(path, { head })).records).toBe(2)
    valueOf(await valueOf(await openAuditLog(another, { signer })).close())
  })
})

test.skipIf(isWindows)('a log is verified whole, by a link as well', async () => {
  mkdirSync(join(folder, 'real'))
  const path = join(folder, 'real', 'audit.jsonl')
  const audit = valueOf(await openAuditLog(path, { signer, maxFileBytes: 4096 }))
  for (let i = 0; i < 20; i += 1) {
    audit.append({ ...good, note: 'x'.repeat(1000) })
    valueOf(await audit.flush())
  }
  const head = valueOf(await audit.close())
  const link = join(folder, 'link')
  symlinkSync(path, link)
  expect(valueOf(await verifyAudit(link, { head }))).toEqual(valueOf(await verifyAudit(path, { head })))
  expect(valueOf(await verifyAudit(link)).records).toBe(20)
})

test.skipIf(isWindows)('a pipe in the place of a file is not waited for', async () => {
  const pipe = fresh()
  execFileSync('mkfifo', [pipe])
  expect(codeOf(await verifyAudit(pipe))).toBe('AUDIT_FAILED')
  expect(codeOf(await verifyAudit('/dev/zero'))).toBe('AUDIT_FAILED')
  expect(codeOf(await openAuditLog(pipe, { signer }))).toBe('INVALID_CONFIG')
  const { log: audit, path } = await log()
  valueOf(await audit.close())
  execFileSync('mkfifo', [`${path}.1`])
  expect(codeOf(await verifyAudit(path))).toBe('AUDIT_FAILED')
  expect(codeOf(await openAuditLog(path, { signer }))).toBe('AUDIT_FAILED')
})

test('whoever is told AUDIT_FAILED is told whether the handler ran', async () => {
  const { log: audit } = await log()
  const bus = new MessageBus()
  const caller = new AutoGenxBindAgent({ agentOptions: { bus } })
  const [begun, going] = [gate(), gate()]
  const handler = async (): Promise<void> => {
    begun.open()
    await going.promise
  }
  const writer = new AutoGenxBindAgent({ agentOptions: { bus }, audit, handler })
  const answer = caller.call(writer.getDID(), 1)
  await begun.promise
  await audit.close()
  expect(errorOf(await caller.call(writer.getDID(), 2))).toMatchObject({ code: 'AUDIT_FAILED', handled: 'no' })
  going.open()
  expect(errorOf(await answer)).toMatchObject({ code: 'AUDIT_FAILED', handled: 'yes' })
  bus.close()
})
