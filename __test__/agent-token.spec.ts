// Agents that act for users: a real authority, in another process, and an issuer of users' tokens on this machine.
import { inspect } from 'node:util'
import { Worker } from 'node:worker_threads'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { AutoGenxBindAgent, isReceipt, MessageBus, type AgentTokenWish } from '@private.me/autogen'
import { RequestVerifier, signRequest } from '@private.me/autogen/http'
import { TokenVerifier } from '@private.me/autogen/tokens'
import { run } from './helpers/child.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { workflow } from './helpers/workflow.ts'

const AUDIENCE = 'api.example.com'

let own: Awaited<ReturnType<typeof workflow>>
beforeAll(async () => (own = await workflow()), 120_000)
afterAll(() => own.stop())

const opened: { close(): void }[] = []
afterEach(() => opened.splice(0).forEach((each) => each.close()))

/** Agents of the operator, on a bus of their own. */
async function crew(...names: string[]) {
  const bus = new MessageBus()
  opened.push(bus)
  const { url, did } = own.authority
  const agentOptions = { bus, registry: { url, did } }
  const agents = await Promise.all(names.map((name) => own.authority.agent(name, { agentOptions })))
  return { bus, agents }
}

/** What the authority has issued. */
async function issued(): Promise<number> {
  const text = await (await fetch(`${own.authority.url}/metrics`)).text()
  return Number(/^xbind_tokens_issued_total (\d+)$/m.exec(text)![1])
}

function verified(token: string, agent: AutoGenxBindAgent) {
  const verifier = new TokenVerifier({
    audience: AUDIENCE,
    trust: [own.authority.did],
    revocations: own.authority.revocations(),
  })
  return verifier.verify(token, { presenter: agent.getDID() })
}

test('four agents of one workflow have each a token of its own, with less than the user has', async () => {
  const { bus, agents } = await crew('planner', 'researcher', 'analyst', 'writer')
  const originalToken = own.users.token('alice')
  const wanted = ['notes:write', 'plan:read', 'notes:read', 'analysis:read']
  const tokens = await Promise.all(
    agents.map(({ name }, i) =>
      bus.getAgentToken({ originalToken, agentId: name!, audience: AUDIENCE, scopes: [wanted[i]!] }),
    ),
  )
  const onBehalfOf = { issuer: own.users.url, subject: 'alice' }
  for (const [i, token] of tokens.entries()) {
    const claims = valueOf(await verified(valueOf(token), agents[i]!))
    expect(claims).toMatchObject({ subject: agents[i]!.getDID(), scopes: [wanted[i]], onBehalfOf })
    expect(claims.expiresAt - claims.issuedAt).toBeLessThanOrEqual(600)
    const other = agents[(i + 1) % agents.length]!
    expect(errorOf(await verified(valueOf(token), other)).code).toBe('INVALID_TOKEN')
  }
  // By its DID, and by the agent itself, it is the same.
  const [planner] = agents
  const wish = { originalToken, audience: AUDIENCE, scopes: ['notes:write'] }
  expect(valueOf(await bus.getAgentToken({ agentId: planner!.getDID(), ...wish }))).toBe(valueOf(tokens[0]!))
  expect(valueOf(await planner!.requestToken(wish))).toBe(valueOf(tokens[0]!))
})

test('handlers and servers see on whose behalf they are asked', async () => {
  const { bus, agents } = await crew('analyst', 'researcher', 'planner')
  const [analyst, researcher, planner] = agents as [AutoGenxBindAgent, AutoGenxBindAgent, AutoGenxBindAgent]
  const trust = [own.authority.did]
  researcher.handle(({ from, scopes, chain, onBehalfOf }) => ({ from, scopes, chain, onBehalfOf }), {
    trust,
    scopes: ['notes:read'],
    revocations: own.authority.revocations(),
  })
  const [audience, onBehalfOf] = [researcher.getDID(), { issuer: own.users.url, subject: 'alice' }]
  const wish = { originalToken: own.users.token('alice'), audience, scopes: ['notes:read'] }
  const token = valueOf(await bus.getAgentToken({ agentId: 'analyst', ...wish }))
  const chain = [own.authority.did, analyst.getDID()]
  const from = analyst.getDID()
  expect(valueOf(await analyst.call('researcher', 0, { token }))).toEqual({
    from,
    scopes: ['notes:read'],
    chain,
    onBehalfOf,
  })
  // What is handed on is still for the same user; and what an agent may do itself, for nobody.
  const part = valueOf(await analyst.delegate(token, { subject: planner.getDID(), scopes: ['notes:read'] }))
  expect(valueOf(await planner.call('researcher', 0, { token: part }))).toEqual({
    from: planner.getDID(),
    scopes: ['notes:read'],
    chain: [...chain, planner.getDID()],
    onBehalfOf,
  })
  const itself = valueOf(await analyst.requestToken({ audience, scopes: ['notes:read'] }))
  expect(valueOf(await analyst.call('researcher', 0, { token: itself }))).toEqual({
    from,
    scopes: ['notes:read'],
    chain,
  })

  const verifier = new RequestVerifier({
    authorities: ['api.example'],
    audience: researcher.getDID(),
    trust,
    revocations: own.authority.revocations(),
    nonces: { claim: () => true }, // it has begun only now
  })
  const request = new Request('https://api.example/notes')
  const signed = valueOf(await signRequest(analyst, request, { token }))
  expect(valueOf(await verifier.verify(signed))).toMatchObject({ from, onBehalfOf })
})

test('many who want the same token make one request, and each user has another', async () => {
  const { bus } = await crew('analyst')
  const wish = { agentId: 'analyst', audience: AUDIENCE, scopes: ['notes:read'] }
  const [alice, bob] = [own.users.token('alice'), own.users.token('bob')]
  const before = await issued()
  const asked = Array.from({ length: 64 }, () => bus.getAgentToken({ originalToken: alice, ...wish }))
  const tokens = new Set((await Promise.all(asked)).map((token) => valueOf(token)))
  expect(tokens.size).toBe(1)
  expect(await issued()).toBe(before + 1)
  const of = async (originalToken: string, more: object = {}) =>
    valueOf(await bus.getAgentToken({ originalToken, ...wish, ...more }))
  expect(tokens.has(await of(alice))).toBe(true)
  expect(await issued()).toBe(before + 1)
  for (const other of [await of(bob), await of(alice, { ttlSeconds: 60 }), await of(alice, { audience: 'b' })]) {
    expect(tokens.has(other)).toBe(false)
  }
  expect(await issued()).toBe(before + 4)
  expect(tokens.has(await of(own.users.token('alice')))).toBe(false) // of another session, for all that is known
})

test('a token that is nearly over is asked for again', async () => {
  const { bus } = await crew('analyst')
  const originalToken = own.users.token('alice')
  const wish = { agentId: 'analyst', originalToken, audience: AUDIENCE, scopes: ['notes:read'], ttlSeconds: 1 }
  const [first, second] = [valueOf(await bus.getAgentToken(wish)), valueOf(await bus.getAgentToken(wish))]
  expect(second).not.toBe(first)
})

test('nobody gets more than the user, the operator and the agent have', async () => {
  const { bus, agents } = await crew('analyst', 'writer')
  const scopes = ['notes:read']
  const ask = (originalToken: string, more: Partial<AgentTokenWish> = {}) =>
    bus.getAgentToken({ agentId: 'analyst', originalToken, audience: AUDIENCE, scopes, ...more })
  const alice = own.users.token('alice')
  const before = valueOf(await ask(alice))
  expect(errorOf(await ask(alice, { scopes: ['notes:write'] })).code).toBe('SCOPE_DENIED') // the agent has it not
  expect(errorOf(await ask(alice, { agentId: 'writer' })).code).toBe('SCOPE_DENIED')
  const none = own.users.token('alice', { scope: 'other' })
  expect(errorOf(await ask(none))).toMatchObject({ code: 'SCOPE_DENIED', retryable: false })
  // What one user is refused takes nothing from another.
  const others = await issued()
  expect(valueOf(await agents[0]!.requestToken({ audience: 'x', scopes }))).toContain('.')
  const bob = own.users.token('bob')
  const ofBob = valueOf(await ask(bob))
  expect(errorOf(await ask(none)).code).toBe('SCOPE_DENIED')
  expect(valueOf(await ask(bob))).toBe(ofBob)
  expect(await issued()).toBe(others + 2)
  expect(before).not.toBe(ofBob)
})

test("a user's token that does not hold gives nothing, and stands in no error", async () => {
  const { bus, agents } = await crew('analyst')
  const scopes = ['notes:read']
  const ask = (originalToken: string) =>
    bus.getAgentToken({ agentId: 'analyst', originalToken, audience: AUDIENCE, scopes })
  const over = own.users.token('alice', { seconds: -1 })
  const forged = `${own.users.token('alice').slice(0, -20)}${'A'.repeat(20)}`
  const claims = JSON.parse(Buffer.from(over.split('.')[1]!, 'base64url').toString()) as object
  const [head, , signature] = over.split('.')
  const strange = Buffer.from(JSON.stringify({ ...claims, iss: 'https://other.example' })).toString('base64url')
  for (const [token, code] of [
    [over, 'TOKEN_EXPIRED'],
    [forged, 'INVALID_TOKEN'],
    [`${head}.${strange}.${signature}`, 'UNTRUSTED_ISSUER'],
    ['not-a-token-at-all', 'INVALID_TOKEN'],
    ['x'.repeat(20_000), 'INVALID_TOKEN'],
  ] as const) {
    const error = errorOf(await ask(token))
    expect(error).toMatchObject({ code, retryable: false })
    const shown = [inspect(error, { depth: 9 }), error.stack, JSON.stringify(error), error.hint].join('\n')
    for (const part of token.split('.')) expect(shown).not.toContain(part.slice(0, 30))
  }
  const alice = own.users.token('alice')
  valueOf(await ask(alice))
  expect(inspect([bus, agents], { depth: 9, showHidden: true })).not.toContain(alice.slice(-40))
})

test('with the session of the user ends what agents were given for him, and nothing else', async () => {
  const { bus, agents } = await crew('analyst', 'writer')
  const wish = { agentId: 'analyst', audience: AUDIENCE, scopes: ['notes:read'] }
  const [carol, dave] = [own.users.token('carol'), own.users.token('dave')]
  const ask = (originalToken: string, more: object = {}) => bus.getAgentToken({ originalToken, ...wish, ...more })
  const token = valueOf(await ask(carol))
  const writers = valueOf(await ask(carol, { agentId: 'writer', scopes: ['analysis:read'] }))
  const [daves, itself] = [valueOf(await ask(dave)), valueOf(await agents[0]!.requestToken({ ...mine }))]
  await own.users.signOut('carol', own.authority.url)
  for (const [each, stands] of [
    [token, 'revoked'],
    [writers, 'revoked'],
    [daves, 'active'],
    [itself, 'active'],
  ] as const) {
    expect(await own.authority.status(each)).toBe(stands)
  }
  expect(errorOf(await verified(token, agents[0]!)).code).toBe('REVOKED')
  // As soon as the authority has said so once, nothing is handed out that was kept.
  expect(errorOf(await ask(carol, { ttlSeconds: 60 }))).toMatchObject({ code: 'REVOKED', retryable: false })
  expect(errorOf(await ask(carol)).code).toBe('REVOKED')
  expect(valueOf(await ask(dave))).toBe(daves)
  expect(valueOf(await agents[0]!.requestToken({ ...mine }))).toBe(itself)
})
const mine = { audience: AUDIENCE, scopes: ['notes:read'] }

test('a token that was taken back is handed out until somebody has refused it, and then another one', async () => {
  const { bus, agents } = await crew('analyst', 'researcher')
  const [analyst, researcher] = agents as [AutoGenxBindAgent, AutoGenxBindAgent]
  const policy = { trust: [own.authority.did], scopes: ['notes:read'] }
  researcher.handle(() => 'read', { ...policy, revocations: own.authority.revocations() })
  const audience = researcher.getDID()
  const wish = { agentId: 'analyst', originalToken: own.users.token('alice'), audience, scopes: ['notes:read'] }
  const ask = async () => valueOf(await bus.getAgentToken(wish))
  const token = await ask()
  await own.authority.xbind('revoke', '--token', token)
  expect(await ask()).toBe(token)
  // It is asked for again once in ten seconds at most; the bound of the test is its time limit.
  const codes = new Set<string>()
  let next = token
  while (next === token) {
    const answer = await analyst.call(audience, 0, { token })
    codes.add(answer.ok ? 'ok' : answer.error.code)
    next = await ask()
  }
  expect([...codes]).toEqual(['REVOKED'])
  expect(valueOf(await analyst.call(audience, 0, { token: next }))).toBe('read')
  // Others say nothing of it that counts.
  for (const answer of [
    await analyst.call(audience, 0),
    await analyst.call(audience, 0, { token: next.slice(0, -1) }),
    await researcher.call(analyst.getDID(), 0, { token: next }),
  ]) {
    expect(answer.ok && isReceipt(answer.value) ? 'delivered' : codeOf(answer)).toMatch(
      /^(delivered|SCOPE_DENIED|INVALID_TOKEN)$/,
    )
  }
  expect(await ask()).toBe(next)
}, 60_000)

test('an agent that is suspended, stopped or closed gets no token for anybody', async () => {
  const { bus, agents } = await crew('analyst', 'writer')
  const originalToken = own.users.token('alice')
  const wish = { agentId: 'analyst', originalToken, ...mine }
  const before = valueOf(await bus.getAgentToken(wish))
  const [analyst, writer] = agents as [AutoGenxBindAgent, AutoGenxBindAgent]
  await own.authority.xbind('suspend', '--agent', analyst.getDID())
  expect(errorOf(await bus.getAgentToken({ ...wish, ttlSeconds: 60 })).code).toBe('REVOKED')
  await own.authority.xbind('reactivate', '--agent', analyst.getDID())
  expect(valueOf(await bus.getAgentToken(wish))).not.toBe(before)
  valueOf(bus.stop(analyst.getDID()))
  expect(errorOf(await bus.getAgentToken(wish)).code).toBe('REVOKED')
  writer.close()
  expect(errorOf(await bus.getAgentToken({ ...wish, agentId: 'writer' })).code).toBe('AGENT_NOT_FOUND')
})

test('a token is asked for by an agent that is here, and by no other', async () => {
  const { bus, agents } = await crew('analyst')
  const originalToken = own.users.token('alice')
  const ask = (agentId: string, on = bus) => on.getAgentToken({ agentId, originalToken, ...mine })
  for (const nobody of ['writer', 'analyst ', '', 'Analyst', own.authority.did, `x\n${'y'.repeat(100)}`]) {
    const error = errorOf(await ask(nobody))
    expect(error).toMatchObject({ code: 'AGENT_NOT_FOUND' })
    expect(error.message).not.toContain('\n')
  }
  const { bus: other } = await crew('writer')
  expect(errorOf(await ask('analyst', other)).code).toBe('AGENT_NOT_FOUND')
  const free = new AutoGenxBindAgent({ name: 'free', agentOptions: { bus } })
  expect(errorOf(await ask('free')).code).toBe('INVALID_CONFIG') // it has no authority
  const twin = new AutoGenxBindAgent({ name: 'analyst', agentOptions: { bus } })
  expect(errorOf(await ask('analyst')).code).toBe('AMBIGUOUS_NAME')
  expect(valueOf(await ask(agents[0]!.getDID()))).toContain('.')
  for (const each of [free, twin]) each.close()
  // Those of other threads answer for themselves.
  const shared = MessageBus.shared('agent-token-spec')
  opened.push(shared)
  const entry = JSON.stringify(new URL('../dist/index.mjs', import.meta.url).href)
  const code = `import(${entry}).then(({ AutoGenxBindAgent, MessageBus }) => {
    new AutoGenxBindAgent({ name: 'far', agentOptions: { bus: MessageBus.shared('agent-token-spec') } }).handle(() => 1)
    require('node:worker_threads').parentPort.postMessage('here')
    setInterval(() => {}, 1000)
  })`
  const worker = new Worker(code, { eval: true })
  await new Promise((resolve) => worker.once('message', resolve))
  expect(shared.agents().map(({ name }) => name)).toEqual(['far'])
  expect(errorOf(await ask('far', shared)).code).toBe('AGENT_NOT_FOUND')
  await worker.terminate()
})

test('what is no wish is a mistake of whoever made it', async () => {
  const { bus, agents } = await crew('analyst')
  const wish = { agentId: 'analyst', originalToken: own.users.token('alice'), ...mine }
  const wrong: object[] = [
    { originalToken: null },
    { originalToken: '' },
    { originalToken: undefined },
    { originalToken: 7 },
    { agentId: null },
    { agentId: undefined },
    { agentId: 7 },
    { audience: null },
    { audience: undefined },
    { scopes: 'notes:read' },
    { scopes: [null] },
    { ttlSeconds: null },
    { ttlSeconds: '60' },
    { ttl: 60 },
    { subjectToken: 'x' },
  ]
  const before = await issued()
  for (const change of wrong) await expect(bus.getAgentToken({ ...wish, ...change })).rejects.toThrow(TypeError)
  for (const none of [undefined, null, 'x', []])
    await expect(bus.getAgentToken(none as never)).rejects.toThrow(TypeError)
  // A token that is missing by mistake must not give the agent's own rights.
  for (const originalToken of [undefined, null, ''] as never[]) {
    await expect(agents[0]!.requestToken({ ...mine, originalToken })).rejects.toThrow(TypeError)
  }
  await expect(agents[0]!.requestToken({ ...mine, agentId: 'analyst' } as never)).rejects.toThrow(TypeError)
  await expect(bus.getAgentToken({ ...wish, ttlSeconds: 0 })).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
  expect(await issued()).toBe(before)
})

test('the trail names the user, each agent and what it was given', async () => {
  const { bus, agents } = await crew('researcher')
  const originalToken = own.users.token('erin')
  valueOf(await bus.getAgentToken({ agentId: 'researcher', originalToken, audience: AUDIENCE, scopes: ['plan:read'] }))
  await own.users.signOut('erin', own.authority.url)
  expect(errorOf(await agents[0]!.requestToken({ originalToken, audience: 'x', scopes: ['plan:read'] })).code).toBe(
    'REVOKED',
  )
  const cli = ['dist/cli.cjs', 'audit', 'tail', '--dir', own.authority.dir, '--json', '--limit', '5']
  const { stdout } = await run(process.execPath, cli)
  const records = stdout.trim().split('\n')
  const noted = records.map(
    (line) => JSON.parse(line) as { event: string; outcome: string; note?: string; code?: string },
  )
  const of = `for ${own.users.url} erin`
  expect(noted).toContainEqual(
    expect.objectContaining({ event: 'token.issued', outcome: 'accepted', note: `${of}: ${AUDIENCE} plan:read` }),
  )
  expect(noted).toContainEqual(expect.objectContaining({ event: 'session.ended', note: `1 ${of}` }))
  expect(noted).toContainEqual(expect.objectContaining({ event: 'token.issued', outcome: 'refused', code: 'REVOKED' }))
  expect(stdout).not.toContain(originalToken.slice(-40))
})

test('an operator who takes no users of an issuer any more ends what was given for them', async () => {
  const { bus } = await crew('analyst')
  const wish = { agentId: 'analyst', originalToken: own.users.token('frank'), ...mine }
  const token = valueOf(await bus.getAgentToken(wish))
  await own.takes([])
  expect(await own.authority.status(token)).toBe('revoked')
  expect(errorOf(await bus.getAgentToken({ ...wish, ttlSeconds: 60 })).code).toBe('UNTRUSTED_ISSUER')
  expect(errorOf(await bus.getAgentToken(wish)).code).toBe('UNTRUSTED_ISSUER')
})
