import { AutoGenxBindAgent, HandlerError, MessageBus } from '@private.me/autogen'
import { describe, expect, test } from 'vitest'
import { node } from './helpers/child.ts'
import { codeOf } from './helpers/result.ts'

/** As the log shows a DID. */
const short = (did: string): string => `${did.slice(0, 12)}…${did.slice(-4)}`

function logged() {
  const lines: string[] = []
  const write =
    (level: string) =>
    (line: unknown, ...rest: unknown[]) =>
      void lines.push([level, line, ...rest].join(' '))
  const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
  const agentOptions = { bus: new MessageBus() }
  const make = (name?: string, verbose = true): AutoGenxBindAgent =>
    new AutoGenxBindAgent({ verbose, logger, agentOptions, ...(name === undefined ? {} : { name }) })
  return { lines, make, agentOptions, logger }
}

describe('verbose', () => {
  test('writes a line per message, with names and shortened DIDs', async () => {
    const { lines, make } = logged()
    const [caller, callee] = [make('caller'), make()]
    callee.handle(() => 'answer')
    await caller.call(callee.getDID(), 'a payload of this test')
    await caller.send(callee.getDID(), 'a payload of this test')
    expect(lines).toHaveLength(5)
    const did = callee.getDID()
    for (const line of lines) {
      expect(line).toMatch(/^(info|warn) \[xbind\] [^\n]+$/)
      expect(line).not.toContain(did)
      expect(line).not.toContain('payload')
    }
    const [from, to] = [short(caller.getDID()), short(did)]
    const id = String.raw`[\w-]{22}`
    for (const pattern of [
      `info \\[xbind\\] caller → ${to} call ok in [\\d.]+ ms`,
      `info \\[xbind\\] caller → ${to} send ok in [\\d.]+ ms`,
      `info \\[xbind\\] ${to} ← ${from} call ${id}`,
      `info \\[xbind\\] ${to} ← ${from} call ${id} answered`,
      `info \\[xbind\\] ${to} ← ${from} message ${id} in the inbox`,
    ]) {
      expect(
        lines.filter((line) => new RegExp(`^${pattern}$`).test(line)),
        pattern,
      ).toHaveLength(1)
    }
  })

  test('tells failures by their code', async () => {
    const { lines, make } = logged()
    const [caller, callee] = [make('caller'), make('callee')]
    await caller.call('nobody', 1)
    callee.handle(() => {
      throw new RangeError('a message')
    })
    await caller.call('callee', 'a payload of this test')
    callee.handle(() => 5n)
    await caller.call('callee', 'a payload of this test')
    callee.handle(() => {
      throw new HandlerError('E', 'a payload of this test', { data: 'a payload of this test' })
    })
    await caller.call('callee', 'a payload of this test')
    const text = lines.join('\n')
    for (const code of ['AGENT_NOT_FOUND', 'HANDLER_FAILED', 'RangeError: a message']) expect(text).toContain(code)
    expect(text).not.toContain('payload of')
    expect(text.match(/another handler has replaced/g)).toHaveLength(2)
  })

  test('is off unless it is asked for, also with a logger', async () => {
    const { lines, make } = logged()
    const [caller, callee] = [make('caller', false), make('callee', false)]
    await caller.call('callee', 1)
    callee.handle(() => 1)
    await caller.call('callee', 1)
    await caller.call('nobody', 1)
    await caller.send('callee', 1)
    expect(lines).toEqual([])
  })

  test('writes one line and no more, whatever it is called with', async () => {
    const { lines, make } = logged()
    const caller = make('caller')
    const texts = [
      'a\n[xbind] forged: all is well',
      'b\r\u001b[2Kforged',
      'did:key:\nforged\u2028forged',
      'x'.repeat(1_000_000),
      '',
    ]
    for (const to of texts) expect(codeOf(await caller.call(to, 1))).not.toBe('ok')
    expect(lines).toHaveLength(texts.length)
    for (const line of lines) {
      // oxlint-disable-next-line no-control-regex -- these are what must not be there
      expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/)
      expect(line.length).toBeLessThan(300)
    }
  })

  test('a logger that throws loses its line, and nothing else', async () => {
    const { agentOptions } = logged()
    const fail = (): never => {
      throw new Error('disk full')
    }
    const logger = { debug: fail, info: fail, warn: fail, error: fail }
    const [caller, callee] = ['caller', 'callee'].map(
      (name) => new AutoGenxBindAgent({ name, verbose: true, logger, agentOptions }),
    )
    callee!.handle(() => 'answer')
    expect(await caller!.call('callee', 1)).toEqual({ ok: true, value: 'answer' })
    callee!.handle(() => fail())
    expect(codeOf(await caller!.call('callee', 1))).toBe('HANDLER_FAILED')
  })

  test('without a logger goes to stderr, and leaves stdout to the program', async () => {
    const { code, stdout, stderr } = await node(`
      import { AutoGenxBindAgent } from '@private.me/autogen'
      const [caller, callee] = ['caller', 'callee'].map((name) => new AutoGenxBindAgent({ name, verbose: true }))
      callee.handle(() => 'answer')
      console.log((await caller.call('callee', 'secret payload')).value)
    `)
    expect([code, stdout]).toEqual([0, 'answer\n'])
    expect(stderr.trim().split('\n')).toHaveLength(3) // it came in, was answered, and has ended
    expect(stderr).not.toContain('secret')
  })

  test('without it nothing is written at all, as long as nothing goes wrong at a handler', async () => {
    const { stdout, stderr } = await node(`
      import { AutoGenxBindAgent } from '@private.me/autogen'
      const [caller, callee] = ['caller', 'callee'].map((name) => new AutoGenxBindAgent({ name }))
      callee.handle(() => 1).handle(() => 2)
      await caller.call('callee', 1)
      await caller.call('nobody', 1)
      await callee.send('caller', 1)
    `)
    expect([stdout, stderr]).toEqual(['', ''])
  })
})
