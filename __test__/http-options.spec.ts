// What the middlewares take, and that nothing else opens them.
import { requireAgent as expressAgent } from '@private.me/autogen/express'
import { requireAgent as fastifyAgent } from '@private.me/autogen/fastify'
import { requireAgent as honoAgent } from '@private.me/autogen/hono'
import { RequestVerifier, type RequestVerifierOptions } from '@private.me/autogen/http'
import express from 'express'
import fastify from 'fastify'
import { expect, test } from 'vitest'
import { here, post, server } from './helpers/middleware.ts'

const makers: [string, (verifier: unknown, options?: unknown) => unknown][] = [
  ['express', (verifier, options) => expressAgent(verifier as RequestVerifier, options as object)],
  ['hono', (verifier, options) => honoAgent(verifier as RequestVerifier, options as object)],
  [
    'fastify',
    (verifier, options) => {
      const given = options === undefined ? {} : options
      const isObject = typeof given === 'object' && given !== null
      return fastifyAgent(fastify(), (isObject ? { verifier, ...given } : given) as never)
    },
  ],
]
const good: RequestVerifierOptions = { authorities: ['api.example'] }
const failed = async (make: () => unknown): Promise<string> => {
  try {
    await make()
    return 'none'
  } catch (error) {
    return (error as Error).name
  }
}

test.each(makers)('%s takes what it knows, and nothing else', async (_, make) => {
  expect(await failed(() => make(good))).toBe('none')
  expect(await failed(() => make(new RequestVerifier(good), { sign: server, scopes: [] }))).toBe('none')
  for (const verifier of [undefined, null, false, 0, '', Number.NaN, [], {}, { authorities: [] }, { authority: 'a' }]) {
    expect([verifier, await failed(() => make(verifier))]).not.toEqual([verifier, 'none'])
  }
  for (const options of [null, false, 0, '', Number.NaN, { scope: ['a'] }, { sing: server }]) {
    expect([options, await failed(() => make(good, options))]).toEqual([options, 'TypeError'])
  }
  for (const name of ['scopes', 'approval', 'sign']) {
    for (const value of [null, false, 0, '', Number.NaN, {}, 'a']) {
      const given = { [name]: value }
      expect([name, value, await failed(() => make(good, given))]).not.toEqual([name, value, 'none'])
    }
  }
})

test('scopes without a token to grant them refuse, and open nothing', async () => {
  const at = await here((verifier) =>
    express().use(expressAgent(verifier, { scopes: ['admin'] }), (_, response) => void response.send('in')),
  )
  expect((await post(at, '/')).status).toBe(403)
})
