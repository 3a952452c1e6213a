import type { AgentCard, AutoGenxBindAgent, IncomingCall, Result, StandardSchema } from '@private.me/autogen'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expectTypeOf, test } from 'vitest'
import { z } from 'zod'

declare const agent: AutoGenxBindAgent

describe('a handler’s types follow from the schemas of its method', () => {
  const given = z.object({ topic: z.string(), words: z.number().default(100) })
  const made = z.object({ summary: z.string(), lang: z.string().default('en') })

  test('zod', () => {
    agent.handle(
      'summarise',
      ({ payload }) => {
        expectTypeOf(payload).toEqualTypeOf<{ topic: string; words: number }>()
      },
      { input: given },
    )
    agent.handle('summarise', ({ payload }) => ({ summary: payload.topic }), { input: given, output: made })
    agent.handle('summarise', async ({ payload }) => ({ summary: payload.topic, lang: 'de' }), {
      input: given,
      output: made,
    })
    agent.handle(
      'transform',
      ({ payload }) => {
        expectTypeOf(payload).toEqualTypeOf<number>()
      },
      { input: z.string().transform((text) => text.length) },
    )
  })

  test('valibot', () => {
    agent.handle(
      'summarise',
      ({ payload }) => {
        expectTypeOf(payload).toEqualTypeOf<{ topic: string; words: number }>()
      },
      { input: v.object({ topic: v.string(), words: v.optional(v.number(), 100) }) },
    )
  })

  test('arktype', () => {
    agent.handle(
      'summarise',
      ({ payload }) => {
        expectTypeOf(payload).toEqualTypeOf<{ topic: string; words?: number }>()
      },
      { input: type({ topic: 'string', 'words?': 'number' }) },
    )
  })

  test('what does not fit does not compile', () => {
    // @ts-expect-error: the schema says topic
    agent.handle('a', ({ payload }) => payload.subject, { input: given })
    // @ts-expect-error: words is a number
    agent.handle('a', ({ payload }) => payload.words.length, { input: given })
    // @ts-expect-error: the answer has no summary
    agent.handle('a', () => ({ text: 'x' }), { output: made })
    // @ts-expect-error: a summary is text
    agent.handle('a', async () => ({ summary: 1 }), { output: made })
    // @ts-expect-error: another payload than the schema's
    agent.handle('a', ({ payload }: IncomingCall<{ topic: number }>) => payload.topic, { input: given })
    // @ts-expect-error: no schema
    agent.handle('a', () => 1, { input: { type: 'object' } })
    // @ts-expect-error: no such option
    agent.handle('a', () => 1, { inputs: given })
    // @ts-expect-error: schemas are for methods
    agent.handle(() => 1, { input: given })
    // @ts-expect-error: a method needs a handler, or null
    agent.handle('a')
    expectTypeOf(agent.handle('a', () => ({ summary: 'x' }), { output: made })).toEqualTypeOf(agent)
  })

  test('without schemas, they are as they are without a method', () => {
    agent.handle('a', ({ payload, method }) => {
      expectTypeOf(payload).toEqualTypeOf<unknown>()
      expectTypeOf(method).toEqualTypeOf<string | undefined>()
    })
    agent.handle<{ topic: string }, string>('a', ({ payload }) => payload.topic)
    agent.handle<{ topic: string }>(({ payload }) => payload.topic, { allow: [] })
    agent.handle('a', null)
    agent.handle(null)
  })

  test('a schema of any library is one', () => {
    expectTypeOf(given).toExtend<StandardSchema<unknown, { topic: string }>>()
    expectTypeOf(given).not.toExtend<StandardSchema<unknown, { topic: number }>>()
  })
})

describe('a typed client', () => {
  interface Writer {
    summarise(input: { topic: string }): Promise<{ summary: string }>
    list(): string[]
    find(input?: string): string
    version: string
    then(input: string): void
  }
  const writer = agent.peer<Writer>('writer')

  test('takes what the methods take, and answers with a Result', () => {
    expectTypeOf(writer.summarise).parameter(0).toEqualTypeOf<{ topic: string }>()
    expectTypeOf(writer.summarise({ topic: 'x' })).toEqualTypeOf<Promise<Result<{ summary: string }>>>()
    expectTypeOf(writer.list()).toEqualTypeOf<Promise<Result<string[]>>>()
    expectTypeOf(writer.find()).toEqualTypeOf<Promise<Result<string>>>()
    void writer.summarise({ topic: 'x' }, { timeoutMs: 5, signal: AbortSignal.abort() })
  })

  test('a wrong call does not compile', () => {
    // @ts-expect-error: topic is text
    void writer.summarise({ topic: 1 })
    // @ts-expect-error: topic is needed
    void writer.summarise({})
    // @ts-expect-error: a payload is needed
    void writer.summarise()
    // @ts-expect-error: no such method
    void writer.summarize({ topic: 'x' })
    // @ts-expect-error: the method is named already
    void writer.summarise({ topic: 'x' }, { method: 'other' })
    // @ts-expect-error: no method
    void writer.version()
    // @ts-expect-error: it is no promise
    void writer.then('x')
    expectTypeOf<keyof typeof writer>().toEqualTypeOf<'summarise' | 'list' | 'find' | 'version'>()
  })

  test('is not awaited', async () => {
    expectTypeOf(await Promise.resolve(writer)).toEqualTypeOf<typeof writer>()
  })
})

test('a card', () => {
  expectTypeOf(agent.describe()).toEqualTypeOf<Promise<Result<AgentCard>>>()
  const card = {} as AgentCard
  expectTypeOf(card.methods[0]!.input).toEqualTypeOf<object | undefined>()
  // @ts-expect-error: what was signed does not change
  card.methods[0]!.name = 'other'
})
