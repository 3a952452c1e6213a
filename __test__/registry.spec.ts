// Agents and the authority of their operator: a real one, in another process.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { AutoGenxBindAgent, Identity, MessageBus, type AgentConfig } from '@private.me/autogen'
import { StatusListSource, TokenVerifier } from '@private.me/autogen/tokens'
import { authority } from './helpers/authority.ts'
import { run } from './helpers/child.ts'
import { blocks } from './helpers/guides.ts'
import { errorOf, valueOf } from './helpers/result.ts'

const AUDIENCE = 'api.example.com'
const SCOPE = 'read:payments'

let own: Awaited<ReturnType<typeof authority>>
beforeAll(async () => (own = await authority(SCOPE, 'write:payments')), 60_000)
afterAll(() => own.stop())

const opened: { close(): void }[] = []
afterEach(() => opened.splice(0).forEach((each) => each.close()))

function kept<T extends { close(): void }>(each: T): T {
  opened.push(each)
  return each
}

const at = (bus: MessageBus, registry: object | string = own.url): AgentConfig => ({
  agentOptions: { bus, registry: registry as string },
})
const agent = async (who: 'alice' | 'bob', config: AgentConfig = at(kept(new MessageBus()))) =>
  kept(await own.agent(who, config))

/** A server that is no authority. */
async function stranger(answer: (path: string) => object): Promise<{ url: string; paths: string[]; server: Server }> {
  const paths: string[] = []
  const server = createServer((request, response) => {
    paths.push(request.url ?? '')
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer(request.url ?? '')))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  kept({ close: () => server.close() })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, paths, server }
}

test('a name is registered, and leads to its agent', async () => {
  const bus = kept(new MessageBus())
  const alice = (await agent('alice', at(bus))).handle(({ payload }) => ({ heard: payload }))
  expect(valueOf(await alice.register())).toEqual({ name: 'alice.dev.example', did: alice.getDID() })
  expect(valueOf(await alice.register(own.url)).name).toBe('alice.dev.example') // what it offers, anew
  const bob = await agent('bob', at(bus, { url: own.url, did: own.did }))
  expect(valueOf(await bob.call('alice.dev.example', 'x'))).toEqual({ heard: 'x' })
  const none = kept(new AutoGenxBindAgent({ name: 'nobody', agentOptions: { bus } }))
  expect(errorOf(await none.call('alice.dev.example', 'x')).code).toBe('AGENT_NOT_FOUND')
  // Whoever has a registry may be a stranger to it.
  const asking = kept(new AutoGenxBindAgent(at(bus)))
  expect(valueOf(await asking.call('alice.dev.example', 'x'))).toEqual({ heard: 'x' })
})

test('a name belongs to whoever was first', async () => {
  const [alice, bob] = [
    await agent('alice'),
    await agent('bob', { name: 'alice.dev.example', ...at(new MessageBus()) }),
  ]
  valueOf(await alice.register())
  expect(errorOf(await bob.register())).toMatchObject({ code: 'NAME_TAKEN', retryable: false })
  const nameless = kept(new AutoGenxBindAgent(at(new MessageBus())))
  expect(errorOf(await nameless.register()).code).toBe('INVALID_NAME')
  const unknown = kept(new AutoGenxBindAgent({ name: 'unknown', ...at(new MessageBus()) }))
  expect(['NOT_ALLOWED']).toContain(errorOf(await unknown.register()).code)
})

test('names that lead nowhere', async () => {
  const alice = await agent('alice')
  for (const name of ['nobody.dev.example', 'nobody', 'Nobody.dev.example', 'a.b']) {
    expect(errorOf(await alice.call(name, 1)).code).toBe('AGENT_NOT_FOUND')
  }
  const bob = await agent('bob')
  valueOf(await bob.register())
  // Known there, and not to be reached from here: his card names no address.
  expect(errorOf(await alice.call('bob.dev.example', 1))).toMatchObject({ code: 'AGENT_NOT_FOUND' })
})

test('what a card names is a word of a stranger, who reaches nothing of this machine', async () => {
  const { url, paths } = await stranger(() => ({}))
  const agentOptions = { bus: kept(new MessageBus()), registry: own.url, addresses: [`${url}/agents`] }
  const bob = await agent('bob', { agentOptions })
  valueOf(await bob.register())
  const alice = await agent('alice')
  expect(errorOf(await alice.call('bob.dev.example', 1))).toMatchObject({ code: 'INVALID_CONFIG' })
  expect(paths).toEqual([])
  // Whoever is on the bus needs no address.
  const there = kept(new AutoGenxBindAgent(at(agentOptions.bus)))
  bob.handle(() => 'here')
  expect(valueOf(await there.call('bob.dev.example', 1))).toBe('here')
})

test('an answer that the authority has not signed is none', async () => {
  const bus = kept(new MessageBus())
  const mallory = kept(new AutoGenxBindAgent({ name: 'mallory', agentOptions: { bus } })).handle(() => 'from mallory')
  let address = ''
  const lie = (path: string) =>
    path === '/v1'
      ? { did: own.did, url: address, time: 0, version: '0' }
      : {
          name: path.slice('/v1/names/'.length),
          registered_at: 0,
          agent: { did: mallory.getDID(), alias: 'x', operator: 'x', domain: 'x', status: 'active', keys: [] },
        }
  const { url, paths } = await stranger(lie)
  address = url
  const asking = await agent('alice', at(bus, { url, did: own.did }))
  expect(errorOf(await asking.call('bob.dev.example', 1))).toMatchObject({
    code: 'REGISTRY_UNAVAILABLE',
    retryable: true,
  })
  expect(paths).toEqual(['/v1/names/bob.dev.example', '/v1']) // whether it has another key by now
  // The true one, by the DID of another.
  const wrong = await agent('alice', at(bus, { url: own.url, did: mallory.getDID() }))
  expect(errorOf(await wrong.requestToken({ audience: AUDIENCE, scopes: [SCOPE] })).code).toBe('REGISTRY_UNAVAILABLE')
})

test('an authority that is reached by another address says so', async () => {
  const url = own.url.replace('localhost', '127.0.0.1').replace('[::1]', '127.0.0.1')
  const other = url === own.url ? own.url.replace('127.0.0.1', 'localhost') : url
  for (const registry of [{ url: other, did: own.did }, other]) {
    const config = { name: 'alice', ...at(kept(new MessageBus()), registry) }
    const alice = valueOf(await AutoGenxBindAgent.fromIdentity(own.key('alice'), config))
    const refused = errorOf(await kept(alice).requestToken({ audience: AUDIENCE, scopes: [SCOPE] }))
    // Nobody has signed that: with a DID it is not believed, but told.
    expect(refused.code).toBe(typeof registry === 'string' ? 'INVALID_CONFIG' : 'REGISTRY_UNAVAILABLE')
    expect(refused.message).toContain(`${other} says that it is reached by ${own.url}`)
  }
})

test('a refusal that the authority has not signed decides nothing', async () => {
  const bus = kept(new MessageBus())
  let said: readonly [number, string]
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(said[0], { 'content-type': 'application/problem+json' })
    response.end(JSON.stringify({ type: `urn:xbind:problem:${said[1]}`, code: 'REVOKED', detail: '\u001b[2J' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  kept({ close: () => server.close() })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const wish = { audience: AUDIENCE, scopes: [SCOPE] }
  for (const registry of [{ url, did: own.did }, url]) {
    const alice = await agent('alice', at(bus, registry))
    for (const each of [
      [403, 'inactive'],
      [403, 'subject-refused'],
      [404, 'not-found'],
      [410, 'name-withdrawn'],
      [503, 'inactive'],
      [503, 'busy'],
      [429, 'rate-limited'],
    ] as const) {
      said = each
      for (const refused of [
        await alice.call('bob.dev.example', 1),
        await alice.register(),
        await alice.requestToken(wish),
        await alice.requestToken({ ...wish, originalToken: 'x' }),
      ]) {
        const error = errorOf(refused)
        expect(error, said.join(' ')).toMatchObject({ code: 'REGISTRY_UNAVAILABLE', retryable: true })
        expect(error.message).not.toContain('\u001b')
      }
    }
    alice.close()
  }
})

test('who closes waits for no authority', async () => {
  const server = createServer(() => {})
  const asked = new Promise((resolve) => server.once('request', resolve))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  kept({ close: () => (server.closeAllConnections(), server.close()) })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const alice = await agent('alice', at(kept(new MessageBus()), { url, did: own.did }))
  const waits = alice.requestToken({ audience: AUDIENCE, scopes: [SCOPE] })
  await asked
  alice.close()
  expect(errorOf(await waits).code).toBe('AGENT_CLOSED')
})

test('a registry that is away: names fail closed', async () => {
  const { url, server } = await stranger(() => ({}))
  await new Promise((resolve) => server.close(resolve))
  const alice = await agent('alice', at(kept(new MessageBus()), url))
  for (const failed of [
    await alice.call('bob.dev.example', 1),
    await alice.register(),
    await alice.requestToken({ audience: AUDIENCE, scopes: [SCOPE] }),
  ]) {
    expect(errorOf(failed)).toMatchObject({ code: 'REGISTRY_UNAVAILABLE', retryable: true })
  }
})

test('options that are none', async () => {
  const bus = kept(new MessageBus())
  const config = (registry: unknown) => ({ agentOptions: { bus, registry } }) as AgentConfig
  for (const registry of ['https://host.example/path', 'ftp://x', 'http://host.example', `${own.url}#did:key:x`]) {
    expect(() => new AutoGenxBindAgent(config(registry))).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
  }
  expect(() => new AutoGenxBindAgent(config({ url: own.url, did: 'did:key:x' }))).toThrow(/did/i)
  expect(() => new AutoGenxBindAgent(config('https://user:se-cret@host.example'))).toThrow(
    expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.not.stringContaining('se-cret') as string }),
  )
  for (const registry of [
    'https://a.example\ud800',
    { url: 'https://a\udc00', did: own.did },
    { url: own.url, did: '\ud800' },
  ]) {
    expect(() => new AutoGenxBindAgent(config(registry))).toThrow(/half a surrogate pair/)
  }
  expect(bus.agents()).toEqual([])
  for (const registry of [null, 1, { url: own.url }, { url: own.url, did: own.did, x: 1 }]) {
    expect(() => new AutoGenxBindAgent(config(registry))).toThrow(TypeError)
  }
  const alice = await agent('alice', { agentOptions: { bus } })
  expect(errorOf(await alice.register()).code).toBe('INVALID_CONFIG')
  expect(errorOf(await alice.requestToken({ audience: AUDIENCE, scopes: [SCOPE] })).code).toBe('INVALID_CONFIG')
  await expect(alice.requestToken({ audience: AUDIENCE } as never)).rejects.toThrow(TypeError)
  // What is no text would be asked for as another one.
  for (const half of ['\ud800', 'a\udc00b', '\udc00\ud800']) {
    for (const wish of [{ audience: half }, { scopes: [SCOPE, half] }, { originalToken: half }]) {
      await expect(alice.requestToken({ audience: AUDIENCE, scopes: [SCOPE], ...wish })).rejects.toMatchObject({
        code: 'INVALID_CONFIG',
        message: expect.stringContaining('half a surrogate pair') as string,
      })
    }
    const wish = { agentId: half, originalToken: 'x', audience: AUDIENCE, scopes: [SCOPE] }
    await expect(bus.getAgentToken(wish)).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
    await expect(alice.register(`https://a.example/${half}`)).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
  }
  await expect(alice.requestToken({ audience: AUDIENCE, scopes: [], x: 1 } as never)).rejects.toThrow(/no option x/)
})

test('one token for all who want it', async () => {
  const alice = await agent('alice')
  const wish = { audience: AUDIENCE, scopes: [SCOPE, 'write:payments'] }
  const many = await Promise.all(Array.from({ length: 100 }, () => alice.requestToken(wish)))
  const tokens = new Set(many.map((each) => valueOf(each)))
  expect(tokens.size).toBe(1)
  const [token = ''] = tokens
  expect(valueOf(await alice.requestToken({ ...wish, scopes: [...wish.scopes].toReversed() }))).toBe(token)
  for (const other of [{ audience: 'other.example' }, { scopes: [SCOPE] }, { ttlSeconds: 60 }]) {
    expect(valueOf(await alice.requestToken({ ...wish, ...other }))).not.toBe(token)
  }
  const checked = await own.xbind('verify', '--token', token, '--aud', AUDIENCE, '--online', '--profile', 'alice')
  expect(checked).toMatchObject({ valid: true, subject: alice.getDID() })
  expect(errorOf(await alice.requestToken({ audience: AUDIENCE, scopes: ['admin:all'] }))).toMatchObject({
    code: 'SCOPE_DENIED',
    retryable: false,
  })
  alice.close()
  expect(errorOf(await alice.requestToken(wish)).code).toBe('AGENT_CLOSED')
})

test('a token that is nearly over is not handed out again', async () => {
  const alice = await agent('alice')
  const wish = { audience: AUDIENCE, scopes: [SCOPE], ttlSeconds: 1 } // from its first second on
  const [first, second] = [valueOf(await alice.requestToken(wish)), valueOf(await alice.requestToken(wish))]
  expect(second).not.toBe(first)
})

test('a key that is with an identity provider signs', async () => {
  const identity = valueOf(Identity.fromPKCS8(own.key('bob')))
  const asked: number[] = []
  const identityProvider = {
    getDID: () => identity.did,
    sign(bytes: Uint8Array) {
      asked.push(bytes.length)
      return identity.dangerouslySign(bytes)
    },
  }
  const agentOptions = { bus: kept(new MessageBus()), registry: own.url }
  const bob = kept(new AutoGenxBindAgent({ name: 'bob', identityProvider, agentOptions }))
  expect(valueOf(await bob.requestToken({ audience: AUDIENCE, scopes: [SCOPE] }))).toContain('.')
  expect(asked.length).toBeGreaterThan(1)
  const failing = { ...identityProvider, sign: () => new Uint8Array(64) }
  const other = kept(new AutoGenxBindAgent({ identityProvider: failing, agentOptions }))
  expect(errorOf(await other.requestToken({ audience: AUDIENCE, scopes: [SCOPE] })).code).toBe('SIGN_FAILED')
})

test('an agent whose key is elsewhere is taken in by an operator as its guide says', async () => {
  const guide = 'docs/guides/keys-elsewhere.md'
  const identity = Identity.generate()
  const there = `
    import { AutoGenxBindAgent, Identity } from '@private.me/autogen'
    const identity = Identity.fromPKCS8(process.env.KEY).value
    const sign = (bytes) => identity.dangerouslySign(bytes)
    const editor = new AutoGenxBindAgent({ identityProvider: { getDID: () => identity.did, sign } })`
  const asks = blocks(guide, 'ts').find((code) => code.includes('/v1/enrolments'))!
  const program = `${there}\n${asks.replace('https://authority.example', own.url)}`
  const env = { KEY: valueOf(identity.toPKCS8({ format: 'pem' })), OPERATOR_ID: own.operator.id }
  const asked = await run(process.execPath, ['--input-type=module', '-e', program], env)
  const [did = '', answer = ''] = asked.stdout.trim().split(/ (.*)/s)
  expect(asked.stderr + did).toBe(identity.did)
  const { enrolment } = JSON.parse(answer) as { enrolment: string }

  const takes = blocks(guide, 'sh').find((code) => code.includes('--enrolment'))!
  const given = [own.operator.id, identity.did, enrolment, SCOPE]
  const words = takes.trim().replaceAll(/…|did:key:…|read:payments/g, () => given.shift()!)
  expect(given).toEqual([])
  await own.xbind(...words.split(' ').slice(1))
  const identityProvider = { getDID: () => identity.did, sign: (bytes: Uint8Array) => identity.dangerouslySign(bytes) }
  const agentOptions = { bus: kept(new MessageBus()), registry: { url: own.url, did: own.did } }
  const editor = kept(new AutoGenxBindAgent({ name: 'editor', identityProvider, agentOptions }))
  expect(valueOf(await editor.requestToken({ audience: AUDIENCE, scopes: [SCOPE] }))).toContain('.')
  expect(valueOf(await editor.register()).did).toBe(identity.did)
})

test('tokens of the authority verify by its DID, and not once their agent is suspended', async () => {
  const alice = await agent('alice')
  const wish = { audience: AUDIENCE, scopes: [SCOPE] }
  const token = valueOf(await alice.requestToken(wish))
  const verifier = () =>
    new TokenVerifier({
      audience: AUDIENCE,
      trust: [own.did],
      revocations: own.revocations(),
    })
  const presented = { scopes: [SCOPE], presenter: alice.getDID() }
  expect(valueOf(await verifier().verify(token, presented))).toMatchObject({ subject: alice.getDID() })
  await own.xbind('suspend', '--agent', alice.getDID())
  expect(errorOf(await verifier().verify(token, presented)).code).toBe('REVOKED')
  expect(errorOf(await alice.requestToken({ ...wish, ttlSeconds: 60 })).code).toBe('REVOKED')
  expect(errorOf(await alice.requestToken(wish)).code).toBe('REVOKED') // nothing is kept of what it had
  await own.xbind('reactivate', '--agent', alice.getDID())
  expect(valueOf(await alice.requestToken(wish))).not.toBe(token)
})

test('what the built-in client keeps lets a revocation wait until it is asked for again, and no longer', async () => {
  const alice = await agent('alice')
  const token = valueOf(await alice.requestToken({ audience: AUDIENCE, scopes: [SCOPE], ttlSeconds: 600 }))
  // Each verifier is new, and has nothing but what they all have together.
  const verify = () => {
    const revocations = new StatusListSource({ origins: [own.url] })
    const verifier = new TokenVerifier({ audience: AUDIENCE, trust: [own.did], revocations })
    return verifier.verify(token, { scopes: [SCOPE], presenter: alice.getDID() })
  }
  valueOf(await verify())
  await own.xbind('revoke', '--token', token, '--profile', 'alice')
  // The bound of the test is the time limit: a list that is kept for good would never say it.
  for (;;) {
    const verified = await verify()
    if (!verified.ok) {
      expect(verified.error.code).toBe('REVOKED')
      break
    }
    await sleep(250)
  }
}, 60_000)

test('an authority that has a new key is followed by agents, and by verifiers that were told', async () => {
  const bus = kept(new MessageBus())
  const alice = (await agent('alice', at(bus, { url: own.url, did: own.did }))).handle(({ payload }) => payload)
  const bob = await agent('bob', at(bus, { url: own.url, did: own.did }))
  valueOf(await alice.register())
  const wish = { audience: AUDIENCE, scopes: [SCOPE] }
  const before = valueOf(await alice.requestToken(wish))
  const rotated = await own.rotate()
  expect(rotated.before).toBe(own.did)
  const after = valueOf(await alice.requestToken({ ...wish, ttlSeconds: 120 }))
  expect(valueOf(await bob.call('alice.dev.example', 'x'))).toBe('x')
  const verified = (token: string, ...trust: string[]) => {
    const verifier = new TokenVerifier({ audience: AUDIENCE, trust, revocations: own.revocations() })
    return verifier.verify(token, { scopes: [SCOPE], presenter: alice.getDID() })
  }
  expect(valueOf(await verified(before, own.did)).issuer).toBe(own.did)
  expect(errorOf(await verified(after, own.did)).code).toBe('UNTRUSTED_ISSUER')
  expect(valueOf(await verified(before, own.did, rotated.did)).issuer).toBe(own.did)
  expect(valueOf(await verified(after, own.did, rotated.did)).issuer).toBe(rotated.did)
  // Who was told no DID at all, and starts now, takes the one that it finds; who was told another believes nothing.
  const fresh = await agent('bob', at(kept(new MessageBus())))
  expect(valueOf(await fresh.requestToken(wish))).toContain('.')
  const other = await agent('bob', at(kept(new MessageBus()), { url: own.url, did: alice.getDID() }))
  expect(errorOf(await other.requestToken(wish)).code).toBe('REGISTRY_UNAVAILABLE')
})
