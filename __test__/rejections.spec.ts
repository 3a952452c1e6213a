// Functions that return promises reject, whatever they are given: they never throw. The list is that of the declarations.
import { readdirSync, readFileSync } from 'node:fs'
import * as main from '@private.me/autogen'
import * as fastify from '@private.me/autogen/fastify'
import * as gateway from '@private.me/autogen/gateway'
import * as http from '@private.me/autogen/http'
import * as messages from '@private.me/autogen/messages'
import * as nats from '@private.me/autogen/nats'
import * as record from '@private.me/autogen/record'
import * as tokens from '@private.me/autogen/tokens'
import ts from 'typescript'
import { afterAll, describe, expect, test } from 'vitest'
import { valueOf } from './helpers/result.ts'

/** `Class.method`, `Class#method` of an instance, or `function`: all that are declared to return a promise and nothing else. */
function promised(): string[] {
  const entries = readdirSync(new URL('..', import.meta.url)).filter((name) => name.endsWith('.d.ts'))
  return entries.flatMap((entry) => {
    const text = readFileSync(new URL(`../${entry}`, import.meta.url), 'utf8')
    const source = ts.createSourceFile('entry.d.ts', text, ts.ScriptTarget.Latest, true)
    return source.statements.flatMap((statement) => {
      if (ts.isFunctionDeclaration(statement)) return returnsPromise(statement) ? [statement.name!.text] : []
      if (!ts.isClassDeclaration(statement)) return []
      const methods = statement.members.filter((member) => ts.isMethodDeclaration(member)).filter(returnsPromise)
      return methods.map((method) => {
        const isStatic = method.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword)
        return `${statement.name!.text}${isStatic ? '.' : '#'}${method.name.getText().replace(/^\[|\]$/g, '')}`
      })
    })
  })
}

function returnsPromise({ type }: ts.SignatureDeclaration): boolean {
  return type !== undefined && ts.isTypeReferenceNode(type) && type.typeName.getText() === 'Promise'
}

const agent = new main.AutoGenxBindAgent()
afterAll(() => agent.close())
const identity = main.Identity.generate()
const all: Record<string, unknown> = {
  ...main,
  ...messages,
  ...tokens,
  ...http,
  ...record,
  ...nats,
  ...fastify,
  ...gateway,
}
const instances: Record<string, object> = {
  AutoGenxBindAgent: agent,
  Identity: identity,
  MessageBus: new main.MessageBus(),
  RequestVerifier: new http.RequestVerifier({ authorities: ['api.example'] }),
  TokenVerifier: new tokens.TokenVerifier({ audience: identity.did, trust: [identity.did] }),
}
/** Those that take nothing have nothing to refuse. */
const takesNothing = ['AutoGenxBindAgent#Symbol.asyncDispose']

const names = [...new Set(promised())]

test('the list is not empty', () => {
  expect(names).toEqual(
    expect.arrayContaining([
      'AutoGenxBindAgent#call',
      'AutoGenxBindAgent.fromIdentity',
      'TokenVerifier#verify',
      'RequestVerifier#verify',
      'verifyResponse',
    ]),
  )
  expect(names.length).toBeGreaterThanOrEqual(17)
})

describe('rejects and never throws', () => {
  const getter = Object.defineProperty({}, 'signal', { enumerable: true, get: () => expect.unreachable() })
  const hostile = new Proxy(
    {},
    {
      get: () => expect.unreachable(),
      ownKeys: () => expect.unreachable(),
      getPrototypeOf: () => expect.unreachable(),
    },
  )
  const wrong = [null, false, 0, Number.NaN, 5n, Symbol('x'), () => 1, [], { misspelt: 1 }, getter, hostile]

  test.each(names.filter((name) => !takesNothing.includes(name)))('%s', async (name) => {
    const [, owner, kind, method] = /^(\w+)(?:([.#])(.+))?$/.exec(name)!
    const target = kind === '#' ? instances[owner!] : all[owner!]
    expect(target, `an instance of ${owner} is missing in this spec`).toBeDefined()
    const call = (...args: unknown[]): unknown =>
      method === undefined
        ? (target as (...args: unknown[]) => unknown)(...args)
        : (target as Record<string, (...args: unknown[]) => unknown>)[method]!(...args)
    let rejected = 0
    const tries = wrong.flatMap((value) => [
      [value],
      [value, value],
      ['x', value],
      ['x', 1, value],
      ['x', value, value],
    ])
    for (const args of tries) {
      const promise = call(...args)
      expect(promise).toBeInstanceOf(Promise)
      await (promise as Promise<unknown>).catch(() => (rejected += 1))
    }
    expect(rejected).toBeGreaterThan(0)
  })

  test.each(names.filter((name) => name.includes('#')))('%s, torn off its object', async (name) => {
    const [owner, method] = name.split('#') as [string, string]
    const key = method === 'Symbol.asyncDispose' ? Symbol.asyncDispose : method
    const prototype = Object.getPrototypeOf(instances[owner]) as Record<PropertyKey, (...args: unknown[]) => unknown>
    const call = prototype[key]!.call({}, { drainMs: 1 })
    await expect(call).rejects.toThrow(TypeError)
  })
})

test('failures are Results all the same', async () => {
  expect((await agent.call('nobody', 1)).ok).toBe(false)
  expect((await agent.call('nobody', 5n)).ok).toBe(false)
  expect(valueOf(await agent.receive())).toEqual([])
})
