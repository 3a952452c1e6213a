// What can be watched: channels, and a trace across caller, bus and handler.
import { context, propagation, SpanKind, SpanStatusCode, trace, type Span, type SpanContext } from '@opentelemetry/api'
import { NodeSDK } from '@opentelemetry/sdk-node'
import { issueToken } from '@private.me/autogen/tokens'
import { HandlerError, Identity, type CallSeen, type HandleSeen, type Handler } from '@private.me/autogen'
import { AsyncLocalStorage } from 'node:async_hooks'
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { afterEach, describe, expect } from 'vitest'
import { node } from './helpers/child.ts'
import { test, turn } from './helpers/bus.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

const NAME = '@private.me/autogen'
const EVENTS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error']
const CHANNELS = [
  ...['call', 'handle'].flatMap((name) => EVENTS.map((event) => `tracing:${NAME}:${name}:${event}`)),
  ...['refuse', 'join', 'leave'].map((name) => `${NAME}:${name}`),
]

const subscribed: [string, (message: unknown) => void][] = []
afterEach(() => {
  for (const [name, listener] of subscribed.splice(0)) unsubscribe(name, listener)
})

function on(name: string, listener: (message: never) => void): void {
  subscribe(name, listener as (message: unknown) => void)
  subscribed.push([name, listener as (message: unknown) => void])
}

/** Everything that is published from now on, by the last parts of its channel. */
function watched(): [string, Record<string, unknown>][] {
  const seen: [string, Record<string, unknown>][] = []
  for (const name of CHANNELS) {
    on(name, (message: object) => seen.push([name.replace('tracing:', '').slice(NAME.length + 1), { ...message }]))
  }
  return seen
}

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

describe('channels', () => {
  test('tell of calls, handlers, and agents that come and go', async ({ agent }) => {
    const seen = watched()
    const [caller, callee] = [agent('caller'), agent('callee')]
    callee.handle('double', ({ payload }) => (payload as number) * 2)
    expect(valueOf(await caller.call('callee', 21, { method: 'double', traceparent: PARENT }))).toBe(42)
    callee.close()
    const call = { agent: caller.getDID(), to: 'callee', kind: 'call', method: 'double', traceparent: PARENT }
    const handle = { agent: callee.getDID(), from: caller.getDID(), method: 'double', traceparent: PARENT }
    expect(seen).toMatchObject([
      ['join', { agent: caller.getDID(), name: 'caller' }],
      ['join', { agent: callee.getDID(), name: 'callee' }],
      ['call:start', call],
      ['call:end', call],
      ['handle:start', handle],
      ['handle:end', { ...handle, result: true }],
      ['call:asyncStart', { ...call, result: true }],
      ['call:asyncEnd', { ...call, result: true }],
      ['leave', { agent: callee.getDID(), name: 'callee' }],
    ])
  })

  test('tell of failures, with a code and nothing of what was said', async ({ agent }) => {
    const seen = watched()
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(async () => {
      throw new HandlerError('NO_STOCK', 'swordfish', { data: { secret: 'swordfish' } })
    })
    const error = errorOf(await caller.call('callee', 'swordfish'))
    expect(error.remote?.data).toEqual({ secret: 'swordfish' })
    const [, failed] = seen.find(([name]) => name === 'call:error')!
    expect(failed.error).toMatchObject({ code: 'HANDLER_FAILED', remote: undefined })
    expect(failed).not.toHaveProperty('result')
    expect(seen.map(([name]) => name)).toEqual(
      expect.arrayContaining(['handle:error', 'handle:asyncEnd', 'call:asyncEnd']),
    )
    expect(
      inspect(
        seen.filter(([name]) => !name.startsWith('handle')),
        { depth: 9 },
      ),
    ).not.toContain('swordfish')
    const [, thrown] = seen.find(([name]) => name === 'handle:error')!
    expect(thrown.error).toBeInstanceOf(HandlerError) // the owner’s own error, as it was thrown
  })

  test('tell of refusals, wherever they were decided', async ({ agent }) => {
    const seen = watched()
    const [caller, callee, issuer] = [agent('caller'), agent('callee'), Identity.generate()]
    const codes: string[] = []
    const ask = async (options: object = {}) => codes.push(codeOf(await caller.call('callee', 1, options)))
    await ask({ method: 'none' })
    await ask({ method: 'xbind.none' })
    callee.handle(() => 1, { allow: [] })
    await ask()
    callee.handle(() => 1, { allow: () => false })
    await ask()
    callee.handle(() => 1, { trust: [issuer.did], scopes: ['a'] })
    await ask({
      token: valueOf(issueToken(issuer, { subject: caller.getDID(), audience: callee.getDID(), scopes: [] })),
    })
    expect(codes).toEqual(['METHOD_NOT_FOUND', 'METHOD_NOT_FOUND', 'NOT_ALLOWED', 'NOT_ALLOWED', 'SCOPE_DENIED'])
    const refused = seen.filter(([name]) => name === 'refuse').map(([, message]) => message)
    const id = expect.stringMatching(/^[\w-]{22}$/) as string
    expect(refused).toEqual(codes.map((code) => ({ agent: callee.getDID(), from: caller.getDID(), id, code })))
  })

  test('hold no payload, token or key', async ({ agent }) => {
    const seen = watched()
    const [caller, callee, issuer] = [agent('caller'), agent('callee'), Identity.generate()]
    const token = valueOf(issueToken(issuer, { subject: caller.getDID(), audience: callee.getDID(), scopes: ['a'] }))
    callee.handle(() => ({ answer: 'swordfish' }), { trust: [issuer.did] })
    expect(codeOf(await caller.call('callee', { question: 'swordfish' }, { token }))).toBe('ok')
    expect(codeOf(await caller.send('callee', { question: 'swordfish' }))).toBe('ok')
    const text = inspect(seen, { depth: 9, showHidden: true })
    expect(seen.length).toBeGreaterThan(10)
    for (const secret of ['swordfish', 'question', token, token.split('.')[1]!]) expect(text).not.toContain(secret)
  })

  test('call the thenable of a handler once', async ({ agent }) => {
    watched()
    const [caller, callee] = [agent(), agent('callee')]
    let asked = 0
    const thenable = (): unknown => ({
      // oxlint-disable-next-line unicorn/no-thenable -- as query builders are
      then(resolve: (value: number) => void) {
        resolve(++asked)
      },
    })
    callee.handle(thenable)
    expect(valueOf(await caller.call('callee', 1))).toBe(1)
    expect(asked).toBe(1)
  })

  test('bring what a subscriber has bound to the handler', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    const store = new AsyncLocalStorage<string | undefined>()
    const start = channel(`tracing:${NAME}:handle:start`)
    start.bindStore(store, (message) => (message as HandleSeen).traceparent)
    callee.handle(async () => {
      await turn()
      return store.getStore() ?? null
    })
    try {
      expect(valueOf(await caller.call('callee', 1, { traceparent: PARENT }))).toBe(PARENT)
      expect(valueOf(await caller.call('callee', 1))).toBeNull()
    } finally {
      start.unbindStore(store)
    }
  })

  test('a subscriber that throws, or sets nonsense, harms no call', async () => {
    const program = `
      import { AutoGenxBindAgent } from '@private.me/autogen'
      import { subscribe } from 'node:diagnostics_channel'
      let uncaught = 0
      process.on('uncaughtException', () => uncaught++)
      for (const name of ${JSON.stringify(CHANNELS)}) subscribe(name, (message) => {
        if ('traceparent' in message && Object.isExtensible(message) && name.includes('call:start')) message.traceparent = { toString() { throw 1 } }
        throw new Error('subscriber')
      })
      const caller = new AutoGenxBindAgent()
      const callee = new AutoGenxBindAgent({ name: 'callee' }).handle(({ payload, traceparent }) => [payload, traceparent ?? 'none'])
      const answers = []
      for (const n of [1, 2]) answers.push(await caller.call('callee', n))
      answers.push(await caller.call('callee', 3, { method: 'xbind.none' }))
      callee.close()
      caller.close()
      await new Promise(setImmediate)
      console.log(JSON.stringify([answers.map(({ ok, value, error }) => ok ? value : error.code), uncaught > 0]))
    `
    const { stdout, code } = await node(program)
    expect([JSON.parse(stdout), code]).toEqual([[[[1, 'none'], [2, 'none'], 'METHOD_NOT_FOUND'], true], 0])
  })
})

describe('traceparent', () => {
  test('travels with a call, and reaches its handler', async ({ agent }) => {
    const [caller, callee] = [agent(), agent('callee')]
    callee.handle(({ traceparent }) => traceparent ?? 'none')
    expect(valueOf(await caller.call('callee', 1, { traceparent: PARENT }))).toBe(PARENT)
    expect(valueOf(await caller.call('callee', 1))).toBe('none')
    for (const none of [
      '',
      'x',
      PARENT.toUpperCase(),
      `${PARENT}-more`,
      `ff${PARENT.slice(2)}`,
      PARENT.replace(/[1-9a-f]/g, '0'),
    ]) {
      expect(codeOf(await caller.call('callee', 1, { traceparent: none }))).toBe('INVALID_CONFIG')
    }
    await expect(caller.call('callee', 1, { traceparent: 1 as never })).rejects.toThrow(TypeError)
  })
})

describe('OpenTelemetry', () => {
  /** As in docs/guides/tracing.md. */
  function observeCalls(tracer = trace.getTracer('agents')): void {
    const spans = new WeakMap<object, Span>()
    on(`tracing:${NAME}:call:start`, (call: CallSeen) => {
      const span = tracer.startSpan(`${call.kind} ${call.method ?? call.to}`, { kind: SpanKind.CLIENT })
      const carrier: { traceparent?: string } = {}
      propagation.inject(trace.setSpan(context.active(), span), carrier)
      call.traceparent = carrier.traceparent
      spans.set(call, span)
    })
    on(`tracing:${NAME}:call:error`, (call: CallSeen) => spans.get(call)?.setStatus({ code: SpanStatusCode.ERROR }))
    on(`tracing:${NAME}:call:asyncEnd`, (call: CallSeen) => spans.get(call)?.end())
  }

  function traced<P, R>(name: string, handler: Handler<P, R>): Handler<P, R> {
    return (call) => {
      const parent = propagation.extract(context.active(), { traceparent: call.traceparent })
      return trace.getTracer('agents').startActiveSpan(name, { kind: SpanKind.SERVER }, parent, async (span) => {
        try {
          return await handler(call)
        } finally {
          span.end()
        }
      })
    }
  }

  test('one trace spans the caller, the bus and the handlers', async ({ agent }) => {
    const spans: { name: string; parentSpanContext?: SpanContext; spanContext(): SpanContext }[] = []
    const nothing = (): Promise<void> => Promise.resolve()
    const processor = { onStart() {}, onEnd: (span: (typeof spans)[0]) => void spans.push(span) }
    const sdk = new NodeSDK({
      spanProcessors: [{ ...processor, forceFlush: nothing, shutdown: nothing }],
      autoDetectResources: false,
      instrumentations: [],
      metricReaders: [],
      logRecordProcessors: [],
    })
    sdk.start()
    try {
      observeCalls()
      const [caller, middle, last] = [agent('caller'), agent('middle'), agent('last')]
      last.handle(
        'third',
        traced('handle third', ({ payload }) => payload),
      )
      middle.handle(
        'second',
        traced('handle second', async ({ payload }) =>
          valueOf(await middle.call('last', payload, { method: 'third' })),
        ),
      )
      const root = trace.getTracer('test').startSpan('first')
      const answer = await context.with(trace.setSpan(context.active(), root), () =>
        caller.call('middle', 7, { method: 'second' }),
      )
      root.end()
      expect(valueOf(answer)).toBe(7)
      const byId = new Map(spans.map((span) => [span.spanContext().spanId, span.name]))
      const edges = spans.map(({ name, parentSpanContext }) => [name, byId.get(parentSpanContext?.spanId ?? '')])
      expect(new Map(edges as [string, string | undefined][])).toEqual(
        new Map([
          ['first', undefined],
          ['call second', 'first'],
          ['handle second', 'call second'],
          ['call third', 'handle second'],
          ['handle third', 'call third'],
        ]),
      )
      expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1)
    } finally {
      await sdk.shutdown()
      for (const api of [trace, context, propagation]) api.disable()
    }
  })
})
