// Answers in parts of an agent with a log: no part leaves behind one that takes nothing.
import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
import { expect, test } from 'vitest'
import { gate } from './helpers/bus.ts'
import { logs, outcomes } from './helpers/record.ts'
import { valueOf } from './helpers/result.ts'

const log = logs()

async function streaming(
  unrecorded: boolean,
): Promise<{ parts: unknown[]; code: string; handled: unknown; ended: boolean }> {
  const { log: audit } = await log()
  const bus = new MessageBus()
  const reader = new AutoGenxBindAgent({ agentOptions: { bus } })
  const config = { agentOptions: { bus }, audit, ...(unrecorded && { dangerouslyContinueUnrecorded: true }) }
  const writer = new AutoGenxBindAgent(config)
  const going = gate()
  let ended = false
  writer.handle(async function* () {
    try {
      yield 'before'
      await going.promise
      yield 'behind'
      yield 'and more'
      return 'done'
    } finally {
      ended = true
    }
  })
  const stream = reader.stream(writer.getDID(), null)
  const parts: unknown[] = [(await stream.next()).value]
  await audit.close()
  going.open()
  const error = await (async () => {
    for await (const part of stream) parts.push(part)
  })().catch((error: unknown) => error as { code: string; handled: unknown })
  const result = await stream.result
  const code = result.ok ? 'ok' : result.error.code
  bus.close()
  return { parts, code, handled: error?.handled, ended }
}

test('the log is closed in the middle: the answer ends, and its generator', async () => {
  expect(await streaming(false)).toEqual({ parts: ['before'], code: 'AUDIT_FAILED', handled: 'yes', ended: true })
})

test('where that is asked for by its name, it goes on', async () => {
  const parts = ['before', 'behind', 'and more']
  expect(await streaming(true)).toEqual({ parts, code: 'ok', handled: undefined, ended: true })
})

test('parts are one answer on record', async () => {
  const { log: audit } = await log({ sync: 'always' })
  const bus = new MessageBus()
  const reader = new AutoGenxBindAgent({ agentOptions: { bus } })
  const writer = new AutoGenxBindAgent({ agentOptions: { bus }, audit })
  writer.handle(async function* () {
    yield 1
    yield 2
  })
  const got: unknown[] = []
  for await (const part of reader.stream(writer.getDID(), null)) got.push(part)
  expect(got).toEqual([1, 2])
  valueOf(await audit.flush())
  expect(await outcomes(audit)).toEqual(['agent.joined accepted', 'call accepted', 'call answered'])
  bus.close()
  await audit.close()
})
