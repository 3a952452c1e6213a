// A log that cannot be written, or not at once: nothing is done that is not on record, and what was refused may come again.
import { renameSync, writeFileSync } from 'node:fs'
import { AutoGenxBindAgent, Identity, MessageBus } from '@private.me/autogen'
import { RequestVerifier, signRequest } from '@private.me/autogen/http'
import { MessageVerifier } from '@private.me/autogen/messages'
import { openAuditLog, verifyAudit, verifyWitness, witnessHead, type AuditSink } from '@private.me/autogen/record'
import { issueToken, KeyHistory, RevocationList, TokenVerifier } from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'
import { gate } from './helpers/bus.ts'
import { logs, outcomes, signer } from './helpers/record.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

const log = logs()
const [boss, clerk] = [Identity.generate(), Identity.generate()]
const audience = 'https://billing.example'
const right = { subject: clerk.did, audience, scopes: ['pay'] }
const entry = { event: 'x', outcome: 'accepted' } as const

/** A file that is not where it was opened cannot be written. */
function breaking(path: string): { breaks: () => void; mends: () => void } {
  return { breaks: () => renameSync(path, `${path}-moved`), mends: () => renameSync(`${path}-moved`, path) }
}

test('with always, the first write that fails refuses what is synchronous, and nothing has changed', async () => {
  const { log: audit, path } = await log({ sync: 'always' })
  const { breaks, mends } = breaking(path)
  const list = new RevocationList({ audit })
  const history = new KeyHistory(boss.did, { audit })
  const token = valueOf(issueToken(boss, right))
  const tokens = new TokenVerifier({ audience, trust: [boss.did], audit })
  const messages = new MessageVerifier({ audience: boss.did, audit })
  const sent = valueOf(clerk.seal({ op: 'send', to: boss.did, body: new Uint8Array([0x31]) }))
  const failed = { code: 'AUDIT_FAILED' }
  const attempts: [string, () => unknown][] = [
    ['append', () => expect(audit.append(entry)).toBe(false)],
    ['issueToken', () => expect(errorOf(issueToken(boss, right, { audit }))).toMatchObject(failed)],
    ['revokeToken', () => expect(errorOf(list.revokeToken('one'))).toMatchObject(failed)],
    ['revokeDID', () => expect(errorOf(list.revokeDID(clerk.did))).toMatchObject(failed)],
    ['taint', () => expect(() => history.taint(boss.did)).toThrow(expect.objectContaining(failed))],
    ['revoke', () => expect(() => history.revoke(boss.did)).toThrow(expect.objectContaining(failed))],
    ['verifySync', () => expect(errorOf(tokens.verifySync(token))).toMatchObject(failed)],
    ['open', () => expect(errorOf(messages.open(sent.jws, sent.body))).toMatchObject(failed)],
  ]
  for (const [name, attempt] of attempts) {
    expect(audit.append(entry), name).toBe(true)
    breaks()
    attempt()
    attempt()
    mends()
    await expect.poll(() => audit.append(entry), { timeout: 20_000 }).toBe(true)
  }
  expect(list.size).toBe(0)
  expect(history.state(boss.did)).toBe('active')
  expect(codeOf(messages.open(sent.jws, sent.body)), 'the same bytes again').toBe('ok')
  expect(codeOf(messages.open(sent.jws, sent.body))).toBe('REPLAYED')
  const events = (await outcomes(audit)).filter((line) => line !== 'x accepted' && !line.includes('refused'))
  expect(events).toEqual(['message accepted'])
  valueOf(await audit.close())
})

test('with always, grants and messages for the inbox wait for the first write that fails', async () => {
  const { log: audit, path } = await log({ sync: 'always' })
  const { breaks, mends } = breaking(path)
  const bus = new MessageBus()
  const caller = new AutoGenxBindAgent({ agentOptions: { bus } })
  const agent = new AutoGenxBindAgent({ name: 'agent', agentOptions: { bus }, audit })
  valueOf(await caller.send('agent', 1))
  valueOf(await audit.flush())
  breaks()
  expect(codeOf(await agent.grant(right))).toBe('AUDIT_FAILED')
  mends()
  await expect.poll(async () => codeOf(await agent.grant(right)), { timeout: 20_000 }).toBe('ok')
  breaks()
  expect(errorOf(await caller.send('agent', 2))).toMatchObject({ code: 'AUDIT_FAILED', handled: 'no' })
  mends()
  await expect.poll(async () => codeOf(await caller.send('agent', 3)), { timeout: 20_000 }).toBe('ok')
  const letters = valueOf(await agent.receive())
  expect(letters.map(({ payload }) => payload)).toEqual([1, 3])
  bus.close()
  await audit.close()
})

test('a request that was refused so may come again as it is', async () => {
  const { log: audit, path } = await log({ sync: 'always' })
  const { breaks, mends } = breaking(path)
  const options = { authorities: ['billing.example'], dangerouslyAcceptReplayAfterRestart: true, audit }
  const verifier = new RequestVerifier(options)
  const request = new Request('https://billing.example/pay', { method: 'POST', body: '1' })
  const signed = valueOf(await signRequest(clerk, request))
  const attempt = async (): Promise<string> => codeOf(await verifier.verify(signed.clone()))
  breaks()
  expect(await attempt()).toBe('AUDIT_FAILED')
  mends()
  await expect.poll(attempt, { timeout: 20_000 }).toBe('ok')
  expect(await attempt()).toBe('REPLAYED')
  valueOf(await audit.close())
})

test('while a write takes too long no call begins, and then again', async () => {
  const rest = gate()
  let isStuck = false
  const sink: AuditSink = async () => (isStuck ? rest.promise : undefined)
  const audit = valueOf(await openAuditLog(sink, { signer, sync: 'batch', timeoutMs: 600_000 }))
  const bus = new MessageBus()
  const caller = new AutoGenxBindAgent({ agentOptions: { bus } })
  new AutoGenxBindAgent({ name: 'echo', agentOptions: { bus }, audit }).handle(({ payload }) => payload)
  valueOf(await audit.flush())
  isStuck = true
  const ask = async (): Promise<string> => codeOf(await caller.call('echo', 1))
  await expect.poll(ask, { timeout: 20_000 }).toBe('AUDIT_FAILED')
  isStuck = false
  rest.open()
  await expect.poll(ask, { timeout: 20_000 }).toBe('ok')
  bus.close()
  valueOf(await audit.close())
}, 60_000)

test('with always, what cannot wait for a callback is refused, and what can does', async () => {
  const audit = valueOf(await openAuditLog(() => undefined, { signer, sync: 'always' }))
  expect(errorOf(issueToken(boss, right, { audit }))).toMatchObject({
    code: 'AUDIT_FAILED',
    hint: expect.stringContaining('batch') as string,
  })
  expect(audit.append(entry)).toBe(true)
  const bus = new MessageBus({ audit })
  const agent = new AutoGenxBindAgent({ agentOptions: { bus } })
  valueOf(await agent.grant(right))
  bus.close()
  valueOf(await audit.close())
})

describe('a refusal is on record', () => {
  test('where a function of the program throws', async () => {
    const { log: audit } = await log()
    let breaks = false
    const now = (): number => {
      if (breaks) throw new Error('no clock')
      return Math.floor(Date.now() / 1000)
    }
    const when = (): boolean => {
      throw new Error('no idea')
    }
    const options = { authorities: ['billing.example'], dangerouslyAcceptReplayAfterRestart: true, audit }
    const asking = new RequestVerifier({ ...options, approval: { by: [boss.did], when } })
    const timed = new RequestVerifier({ ...options, now })
    const tokens = new TokenVerifier({ audience, trust: [boss.did], audit, now })
    const messages = new MessageVerifier({ audience: boss.did, audit, now })
    const request = valueOf(await signRequest(clerk, new Request('https://billing.example/pay')))
    breaks = true
    await expect(asking.verify(request.clone())).rejects.toThrow('no idea')
    await expect(timed.verify(request.clone())).rejects.toThrow('no clock')
    await expect(tokens.verify('x')).rejects.toThrow('no clock')
    expect(() => tokens.verifySync('x')).toThrow('no clock')
    expect(() => messages.open('x', new Uint8Array())).toThrow('no clock')
    expect(await outcomes(audit)).toEqual([
      'request refused INTERNAL',
      'request refused INTERNAL',
      'token refused INTERNAL',
      'token refused INTERNAL',
      'message refused INTERNAL',
    ])
    const [first] = valueOf(await audit.query())
    expect(first).toMatchObject({ from: clerk.did, method: 'GET' })
    await audit.close()
  })

  test('with the digest, the method and the token, where they are known', async () => {
    const { log: audit } = await log()
    const bus = new MessageBus()
    const [caller, stranger] = [0, 1].map(() => new AutoGenxBindAgent({ agentOptions: { bus } }))
    const agent = new AutoGenxBindAgent({ name: 'agent', agentOptions: { bus }, audit })
    agent.handle('read', () => 1, { allow: [caller!.getDID()] })
    expect(codeOf(await stranger!.call('agent', 1, { method: 'read' }))).toBe('NOT_ALLOWED')
    expect(codeOf(await caller!.call('agent', 1, { method: 'write' }))).toBe('METHOD_NOT_FOUND')
    valueOf(await audit.flush())
    const refused = valueOf(await audit.query()).filter(({ outcome }) => outcome === 'refused')
    expect(refused).toMatchObject([
      { code: 'NOT_ALLOWED', method: 'read', digest: expect.any(String) as string },
      { code: 'METHOD_NOT_FOUND', method: 'write', digest: expect.any(String) as string },
    ])
    bus.close()
    await audit.close()
  })
})

test('a head that contradicts what was signed is refused', async () => {
  const { log: audit, path } = await log()
  audit.append(entry)
  const head = valueOf(await audit.close())
  const witness = Identity.generate()
  const seen = valueOf(verifyWitness(valueOf(witnessHead(witness, head)), { witness: witness.did }))
  for (const good of [head, seen, { seq: head.seq, digest: head.digest }, { ...head, time: undefined as never }])
    valueOf(await verifyAudit(path, { did: signer.did, head: good }))
  const other = Buffer.alloc(32).toString('base64url')
  const lies = [
    { seq: head.seq - 1 },
    { digest: other },
    { log: other.slice(0, 21) + 'A' },
    { time: head.time + 1 },
    { did: boss.did },
    { jws: `${head.jws}A` },
  ]
  for (const lie of lies) {
    const told = { ...head, ...lie }
    expect(codeOf(await verifyAudit(path, { head: told })), JSON.stringify(lie)).toBe('INVALID_AUDIT')
    expect(codeOf(witnessHead(witness, told)), JSON.stringify(lie)).toBe('INVALID_AUDIT')
  }
  const { seq, digest } = head
  expect(codeOf(await verifyAudit(path, { head: { seq, digest, log: other.slice(0, 21) + 'A' } }))).toBe(
    'INVALID_AUDIT',
  )
  for (const number of [NaN, Infinity, -Infinity, -1, 1.5, 2 ** 53]) {
    for (const lie of [{ seq: number }, { time: number }, { seq: number, jws: undefined as never }]) {
      const told = { ...head, ...lie }
      const what = `${Object.keys(lie).join()} ${number}`
      expect(codeOf(await verifyAudit(path, { did: signer.did, head: told })), what).toBe('INVALID_CONFIG')
      expect(codeOf(witnessHead(witness, told)), what).toBe('INVALID_CONFIG')
    }
  }
  expect(codeOf(witnessHead(witness, seen)), 'the word of another witness').toBe('INVALID_AUDIT')
})

test('what was cut off is kept, and the beginning can be asked for', async () => {
  const { log: audit, path } = await log({ maxFileBytes: 4096 })
  for (let i = 0; i < 40; i += 1) {
    audit.append({ ...entry, note: 'x'.repeat(200) })
    valueOf(await audit.flush())
  }
  expect([audit.first, audit.lostBytes, audit.lostTo]).toEqual([0, 0, undefined])
  valueOf(await audit.close())
  renameSync(path, `${path}-archived`)
  expect(codeOf(await openAuditLog(path, { signer, first: 0 }))).toBe('INVALID_AUDIT')
  expect(codeOf(await verifyAudit(path, { first: 0 }))).toBe('INVALID_AUDIT')
  const again = valueOf(await openAuditLog(path, { signer }))
  expect(again.first).toBeGreaterThan(0)
  valueOf(await again.close())
  renameSync(`${path}-archived`, path)
  writeFileSync(`${path}.9`, 'mine')
  expect(codeOf(await openAuditLog(path, { signer }))).toBe('INVALID_AUDIT')
  expect(codeOf(await openAuditLog(path, { signer, first: -1 }))).toBe('INVALID_CONFIG')
})

test('a log that cannot be closed well says so', async () => {
  const { log: audit, path } = await log()
  expect(audit.append(entry)).toBe(true)
  breaking(path).breaks()
  await expect(audit[Symbol.asyncDispose]()).rejects.toThrow('1 record is lost')
})

test('a query that has too much to give says so', async () => {
  const { log: audit } = await log({ sync: 'none' })
  const chain = Array.from({ length: 12 }, () => 'x'.repeat(1024))
  for (let i = 0; i < 6000; i += 1) {
    if (!audit.append({ ...entry, chain })) {
      valueOf(await audit.flush())
      i -= 1
    }
  }
  valueOf(await audit.flush())
  expect(errorOf(await audit.query({ limit: 100_000 }))).toMatchObject({
    code: 'PAYLOAD_TOO_LARGE',
    hint: expect.stringContaining('after') as string,
  })
  expect(valueOf(await audit.query({ limit: 1000 }))).toHaveLength(1000)
  await audit.close()
}, 60_000)
