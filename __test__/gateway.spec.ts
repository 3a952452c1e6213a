// A gateway before models in this process: a real server behind it, agents with identities and tokens before it.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Identity } from '@private.me/autogen'
import { startGateway, type Gateway, type GatewayConfig } from '@private.me/autogen/gateway'
import { createFetch } from '@private.me/autogen/http'
import { verifyAudit } from '@private.me/autogen/record'
import { issueToken } from '@private.me/autogen/tokens'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { node } from './helpers/child.ts'
import { listen, type Listening } from './helpers/http.ts'
import { errorOf, valueOf } from './helpers/result.ts'

const folder = mkdtempSync(join(tmpdir(), 'xbind-gateway-'))
const [issuer, agent] = [Identity.generate(), Identity.generate()]
const answer = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 },
}
let upstream: Listening
let asked: { key: string | undefined; token: unknown; body: string }[] = []

beforeAll(async () => {
  writeFileSync(join(folder, 'key'), 'sk-of-the-operator\n', { mode: 0o600 })
  upstream = await listen(async (request, response) => {
    let body = ''
    for await (const piece of request.setEncoding('utf8')) body += String(piece)
    const { authorization: key, 'xbind-token': token } = request.headers
    asked.push({ key, token, body })
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
})
afterAll(() => {
  upstream.close()
  rmSync(folder, { recursive: true })
})

const config = (data: string, more: Partial<GatewayConfig> = {}): GatewayConfig => ({
  data: join(folder, data),
  trust: [issuer.did],
  upstreams: { here: { url: upstream.url, key: { file: join(folder, 'key') } } },
  models: {
    'gpt-x': { upstreams: ['here'], context: 8192, max_output: 100, price: { input: '2.50', output: '10.00' } },
  },
  budgets: [{ name: 'daily', per: 'agent', period: 'day', money: '1.00' }],
  ...more,
})

const tokenFor = (gateway: Gateway, ...scopes: string[]): string =>
  valueOf(issueToken(issuer, { subject: agent.did, audience: gateway.audience, scopes }))

const body = JSON.stringify({ model: 'gpt-x', messages: [{ role: 'user', content: 'hi' }], max_tokens: 50 })

const chat = (gateway: Gateway, token: string): Promise<Response> =>
  createFetch(agent, { token })(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })

test('a signed completion goes through and is on record; without rights nothing is asked', async () => {
  asked = []
  const data = join(folder, 'signed')
  const gateway = valueOf(await startGateway(config('signed', { metrics: '127.0.0.1:0' })))
  expect(gateway.url).toBe(`http://${gateway.listen}`)
  expect(gateway.audience).toBe(gateway.url)
  const response = await chat(gateway, tokenFor(gateway, 'llm:read', 'model:gpt-x'))
  expect([response.status, await response.json()]).toEqual([200, answer])
  expect(asked).toEqual([{ key: 'Bearer sk-of-the-operator', token: undefined, body }])

  const refused = await chat(gateway, tokenFor(gateway, 'llm:read', 'model:other'))
  expect([refused.status, refused.headers.get('content-type')]).toEqual([403, 'application/problem+json'])
  expect(await refused.json()).toMatchObject({
    type: 'urn:xbind:problem:scope-denied',
    error: { type: 'permission_error', code: 'SCOPE_DENIED' },
  })
  const unsigned = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', body })
  expect(unsigned.status).toBe(401)
  expect(asked.length).toBe(1)
  expect(await (await fetch(gateway.metrics!)).text()).toContain('xbind_gateway_')

  await gateway.stop()
  await gateway.stop()
  await expect(fetch(gateway.url)).rejects.toThrow(TypeError)
  const log = join(data, 'audit.jsonl')
  expect(valueOf(await verifyAudit(log, { did: gateway.did }))).toBeDefined()
  const lines = readFileSync(log, 'utf8').trim().split('\n')
  const records = lines.map((line) => JSON.parse(line) as Record<string, string>)
  const one = records.find(({ messageId }) => messageId === response.headers.get('xbind-record'))!
  expect(one).toMatchObject({ event: 'llm.request', outcome: 'answered', from: agent.did, method: 'chat.completions' })
  const cost = { model: 'gpt-x', upstream: 'here', status: 200, input: 12, output: 3, charged: 15, cost: '0.00006' }
  expect(JSON.parse(one.note!)).toMatchObject({ ...cost, proof: 'signature' })
  const other = records.find(({ messageId }) => messageId === refused.headers.get('xbind-record'))!
  expect(other).toMatchObject({ event: 'llm.request', code: 'SCOPE_DENIED', from: agent.did })
  expect(lines.join('')).not.toContain('sk-of-the-operator')
})

test('the path of a file says the same, with paths that begin in its folder', async () => {
  const file = join(folder, 'gateway.json')
  const said = { ...config('of-a-file'), data: 'of-a-file', listen: '127.0.0.1:0' }
  writeFileSync(file, JSON.stringify(said))
  await using gateway = valueOf(await startGateway(file))
  expect(existsSync(join(folder, 'of-a-file/audit.jsonl'))).toBe(true)
  expect((await chat(gateway, tokenFor(gateway, 'llm:read', 'model:gpt-x'))).status).toBe(200)
})

test('one gateway has a directory; whoever comes later is told, and gets in when it has stopped', async () => {
  const first = valueOf(await startGateway(config('twice')))
  const error = errorOf(await startGateway(config('twice')))
  expect([error.code, error.message]).toEqual([
    'INVALID_CONFIG',
    expect.stringMatching(/twice.audit\.jsonl: .*somebody else/),
  ])
  const taken = errorOf(await startGateway(config('another', { listen: first.listen })))
  expect([taken.code, taken.message]).toEqual(['INVALID_CONFIG', expect.stringContaining(first.listen)])
  const { did } = first
  await first.stop()
  const again = valueOf(await startGateway(config('twice')))
  expect(again.did).toBe(did)
  await again.stop()
})

describe('what is wrong is said, with its place', () => {
  const wrong: [string, Record<string, unknown>, string][] = [
    ['a member that is not known', { bugdets: [] }, 'bugdets: unknown field'],
    [
      'another type',
      { rate: { burst: 'many', per_second: 1 } },
      'rate: burst: invalid type: string "many", expected u32',
    ],
    ['a fraction', { limits: { answer_seconds: 1.5 } }, 'limits: answer_seconds: invalid type'],
    ['half of a pair', { tls: { key: 'a' } }, 'tls: missing field `certificates`'],
    ['null', { url: null }, 'url: invalid type: null'],
    ['NaN', { limits: { requests: Number.NaN } }, 'limits: requests: invalid type: null'],
    ['a function', { url: () => 'x' }, 'url is a function'],
    ['a bigint', { limits: { requests: 5n } }, 'requests is a bigint'],
    [
      'an amount that is a number',
      { budgets: [{ name: 'a', per: 'all', period: 'day', money: 5 }] },
      'budgets: money: invalid type',
    ],
    [
      'no amount',
      { budgets: [{ name: 'a', per: 'all', period: 'day', money: '5,0' }] },
      'budget a: "5,0" is no amount',
    ],
    ['an address', { listen: 'localhost' }, 'listen: invalid socket address'],
    ['a place beyond this machine', { listen: '0.0.0.0:0' }, '0.0.0.0:0 is beyond this machine'],
    ['nobody to trust', { trust: [] }, 'trust names nobody'],
    ['no DID', { trust: ['did:key:x'] }, 'trust: '],
    ['no URL', { url: 'llm.example' }, '"llm.example" is no URL'],
    [
      'a server of plain HTTP elsewhere',
      { upstreams: { here: { url: 'http://api.example' } } },
      'upstream here: http://api.example: ',
    ],
    [
      'a key that is not there',
      { upstreams: { here: { url: 'https://api.example', key: { env: 'XBIND_NONE' } } } },
      'XBIND_NONE',
    ],
    [
      'a key inline',
      { upstreams: { here: { url: 'https://api.example', key: 'sk-1' } } },
      'upstream here: key is { "file": path }',
    ],
    [
      'a key for a variable',
      { upstreams: { here: { url: 'https://api.example', key: { env: 'sk-1' } } } },
      'no variable of that name',
    ],
    [
      'no price where money is limited',
      { models: { m: { upstreams: ['here'], context: 9, max_output: 9 } } },
      'model m: money',
    ],
    ['a bound that is undefined', { budgets: undefined }, 'budgets is undefined'],
    [
      'another, within',
      { budgets: [{ name: 'a', per: 'all', period: 'day', tokens: 9, money: undefined }] },
      'money is',
    ],
    ['a map', { limits: new Map([['requests', 5]]) }, 'limits is no plain object'],
    ['no model', { models: {} }, 'models names none'],
    ['half of a character', { currency: '\ud800' }, 'currency'],
  ]
  test.each(wrong)('%s', async (_, more, message) => {
    const error = errorOf(await startGateway({ ...config('wrong'), ...more }))
    expect([error.code, error.message, error.retryable]).toEqual([
      'INVALID_CONFIG',
      expect.stringContaining(message),
      false,
    ])
    expect(error.message).not.toMatch(/stdin|line \d|sk-1/)
    expect(existsSync(join(folder, 'wrong'))).toBe(false)
  })

  test('whatever else stands there', async () => {
    const loop: Record<string, unknown> = {}
    loop.self = loop
    const thrown = { get data() { throw new Error('no') } } // prettier-ignore
    const strange = [loop, thrown, [], {}, { toJSON: () => undefined }, new Map()] as unknown as GatewayConfig[]
    for (const each of strange) expect(errorOf(await startGateway(each)).code).toBe('INVALID_CONFIG')
    for (const path of ['', '-', '--json', folder, join(folder, 'nowhere.json'), 'a\0b'])
      expect(errorOf(await startGateway(path)).code, path).toBe('INVALID_CONFIG')
    for (const each of [undefined, null, 1, () => 1])
      await expect(startGateway(each as unknown as string)).rejects.toThrow(TypeError)
  })

  test('options', async () => {
    const options = [
      { passphrase: 'x' },
      { passphraseFile: undefined },
      { encrypt: undefined },
      { encrypt: 1 },
      { logFile: 1 },
      null,
    ]
    for (const each of options) await expect(startGateway(config('wrong'), each as object)).rejects.toThrow(TypeError)
    expect(errorOf(await startGateway(config('wrong'), { passphraseFile: join(folder, 'none') })).code).toBe(
      'INVALID_CONFIG',
    )
    expect(errorOf(await startGateway(config('wrong'), { logFile: join(folder, 'no/log') })).code).toBe(
      'INVALID_CONFIG',
    )
  })
})

test('its key has a passphrase, for which nobody is asked', async () => {
  writeFileSync(join(folder, 'words'), 'some words\n')
  writeFileSync(join(folder, 'others'), 'other words\n')
  const passphraseFile = join(folder, 'words')
  const logFile = join(folder, 'log')
  const gateway = valueOf(await startGateway(config('kept'), { passphraseFile, encrypt: true, logFile }))
  await fetch(`${gateway.url}/v1/models`)
  await gateway.stop()
  expect(readFileSync(join(folder, 'kept/gateway.key'), 'utf8')).toMatch(/^-----BEGIN ENCRYPTED/)
  expect(JSON.parse(readFileSync(logFile, 'utf8'))).toMatchObject({ route: '/v1/models', status: 401 })
  if (process.platform !== 'win32') expect(statSync(logFile).mode & 0o777).toBe(0o600)
  const without = errorOf(await startGateway(config('kept')))
  expect([without.code, without.hint]).toEqual(['INVALID_CONFIG', expect.stringContaining('give passphraseFile')])
  const other = errorOf(await startGateway(config('kept'), { passphraseFile: join(folder, 'others') }))
  expect([other.code, other.message]).toEqual(['WRONG_PASSPHRASE', expect.not.stringContaining('WRONG')])
})

test('a gateway that runs keeps its process, and one that was stopped does not', async () => {
  const program = (data: string, then: string): string => `
    import { startGateway } from '@private.me/autogen/gateway'
    const { value } = await startGateway(${JSON.stringify(config(data))})
    ${then}`
  const stopped = await node(program('process-1', "await value.stop(); console.log('stopped')"))
  expect([stopped.code, stopped.stdout, stopped.stderr]).toEqual([0, 'stopped\n', ''])
  const running = `setTimeout(async () => {
    console.log((await fetch(value.url)).status)
    await value.stop()
  }, 200).unref()`
  const kept = await node(program('process-2', running))
  expect([kept.code, kept.stdout, kept.stderr]).toEqual([0, '404\n', ''])
})

test('a gateway ends with its worker thread', async () => {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { startGateway } = require(${JSON.stringify(join(import.meta.dirname, '../dist/gateway.cjs'))})
    startGateway(workerData).then(({ value }) => parentPort.postMessage(value.url))`
  const worker = new Worker(program, { eval: true, workerData: config('worker') })
  const url = await new Promise<string>((resolve) => worker.once('message', resolve))
  expect((await fetch(url)).status).toBe(404)
  await worker.terminate()
  let again = await startGateway(config('worker'))
  while (!again.ok) again = await startGateway(config('worker'))
  await again.value.stop()
})

test('addresses that others have are not taken from them', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as { port: number }
  const error = errorOf(await startGateway(config('busy', { metrics: `127.0.0.1:${port}` })))
  expect([error.code, error.message]).toEqual(['INVALID_CONFIG', expect.stringContaining(`127.0.0.1:${port}`)])
  other.close()
  await valueOf(await startGateway(config('busy', { metrics: `127.0.0.1:${port}` }))).stop()
})
