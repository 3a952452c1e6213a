// Whose tokens count while an authority changes its key: a real one, in another process.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { AutoGenxBindAgent, Identity, MessageBus, type TrustedAuthority } from '@private.me/autogen'
import { RequestVerifier, signRequest } from '@private.me/autogen/http'
import { issueToken, TokenVerifier, type TokenVerifierOptions } from '@private.me/autogen/tokens'
import { authority } from './helpers/authority.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

const AUDIENCE = 'api.example.com'
const SCOPE = 'read:payments'
/** Seconds that lie between two questions. */
const COOLDOWN = 5

type Authority = Awaited<ReturnType<typeof authority>>
const opened: { close(): void }[] = []
afterEach(() => opened.splice(0).forEach((each) => each.close()))

const seconds = () => Math.floor(Date.now() / 1000)

/** Who signs there now. */
async function current(own: Authority): Promise<string> {
  return ((await (await fetch(`${own.url}/v1`)).json()) as { did: string }).did
}

/** A step that its keys take; a server that runs takes it within a second. */
async function step(own: Authority, name: string, ...args: string[]): Promise<string> {
  await own.step(name, ...args)
  return await current(own)
}

/** How often it was asked who it is, besides here. */
async function questions(own: Authority): Promise<number> {
  const text = await (await fetch(`${own.url}/metrics`)).text()
  const lines = [...text.matchAll(/^xbind_requests_total\{route="\/v1",.*\} (\d+)$/gm)]
  return lines.reduce((sum, [, count]) => sum + Number(count), 0)
}

/** Tokens of an agent, each a new one. */
async function tokensOf(own: Authority, audience: string, bus = new MessageBus()) {
  const alice = await own.agent('alice', { agentOptions: { bus, registry: { url: own.url, did: own.did } } })
  opened.push(alice)
  let ttlSeconds = 3600
  const token = async () => valueOf(await alice.requestToken({ audience, scopes: [SCOPE], ttlSeconds: ttlSeconds-- }))
  return { alice, token }
}

/** A token by a key of the test's own. */
function signed(by: Identity, audience = AUDIENCE, now = seconds()): string {
  return valueOf(issueToken(by, { subject: Identity.generate().did, audience, scopes: [SCOPE], now }))
}

/** The first key of an authority. */
const keyOf = (own: Authority) =>
  valueOf(Identity.fromPKCS8(readFileSync(join(own.dir, 'authority/authority.key'), 'utf8')))

const issuerOf = (token: string) =>
  (JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { iss: string }).iss

describe('steps of the key', () => {
  let own: Authority
  beforeAll(async () => (own = await authority(SCOPE)), 60_000)
  afterAll(() => own.stop())

  test('a key that was left behind counts until the last of its tokens is over', async () => {
    const left = keyOf(own)
    expect(left.did).toBe(own.did)
    await step(own, 'rotate-key')
    let now = seconds()
    const trust = [{ did: own.did, url: own.url }]
    const verifier = new TokenVerifier({ audience: AUDIENCE, trust, now: () => now })
    expect(codeOf(await verifier.verify(signed(left, AUDIENCE, now)))).toBe('ok')
    now += 2 * 86_400
    expect(errorOf(await verifier.verify(signed(left, AUDIENCE, now)))).toMatchObject({
      code: 'UNTRUSTED_ISSUER',
      message: `the token's issuer ${left.did} is not trusted`,
      hint: `${own.url} has no such DID, and is asked again after 5 s at the earliest`,
    })
  })

  test('no good token is refused on the way, and none of a tainted key is taken afterwards', async () => {
    const bus = new MessageBus()
    const guarded = new AutoGenxBindAgent({ agentOptions: { bus } })
    opened.push(guarded)
    const { alice, token } = await tokensOf(own, guarded.getDID(), bus)
    const revocations = own.revocations()
    const trust = [{ did: own.did, url: own.url }]
    guarded.handle(({ chain }) => chain[0], { trust, scopes: [SCOPE], revocations })
    const call = async (token: string) => {
      const answer = await alice.call(guarded.getDID(), 0, { token })
      return answer.ok ? answer.value : answer.error.code
    }
    const first = await current(own)
    const before = await token()
    expect(await step(own, 'prepare-key')).toBe(first)
    expect(await call(before)).toBe(first)

    const second = await step(own, 'activate-key', '--at-once')
    const between = await token()
    expect([issuerOf(between), second === first]).toEqual([second, false])
    const asked = await questions(own)
    // It was told of the key before that signed anything, so nobody has to look.
    expect(await Promise.all([between, before, between].map(call))).toEqual([second, first, second])
    expect(await questions(own)).toBe(asked)

    await sleep(COOLDOWN * 1000)
    const third = await step(own, 'taint-key', second)
    const after = await token()
    expect(issuerOf(after)).toBe(third)
    expect(await call(after)).toBe(third)
    expect([await call(between), await call(before), await call(after)]).toEqual(['UNTRUSTED_ISSUER', first, third])

    await sleep(COOLDOWN * 1000)
    expect(await step(own, 'revoke-key', first)).toBe(third)
    expect(await call(signed(Identity.generate(), guarded.getDID()))).toBe('UNTRUSTED_ISSUER') // it asks anew
    expect([await call(before), await call(after)]).toEqual(['UNTRUSTED_ISSUER', third])
  }, 60_000)

  test('servers that verify requests follow as well', async () => {
    const audience = 'https://api.example'
    const { alice, token } = await tokensOf(own, audience)
    const trust = [{ did: own.did, url: own.url }]
    const nonces = { claim: () => true } // it has begun only now
    const revocations = own.revocations()
    const verifier = new RequestVerifier({ authorities: ['api.example'], trust, nonces, revocations })
    const mine = await token()
    expect(issuerOf(mine)).not.toBe(own.did)
    const request = valueOf(await signRequest(alice, new Request('https://api.example/'), { token: mine }))
    expect(valueOf(await verifier.verify(request)).scopes).toEqual([SCOPE])
  })
})

describe('questions', () => {
  let own: Authority
  beforeAll(async () => (own = await authority(SCOPE)), 60_000)
  afterAll(() => own.stop())

  function verifying(at: number, more: Partial<TokenVerifierOptions> = {}) {
    const clock = { now: at }
    const trust = [{ did: own.did, url: own.url }]
    return { clock, verifier: new TokenVerifier({ audience: AUDIENCE, trust, now: () => clock.now, ...more }) }
  }

  test('strangers cause no more than one in 5 s', async () => {
    const { clock, verifier } = verifying(seconds())
    const strange = async () => codeOf(await verifier.verify(signed(Identity.generate())))
    const before = await questions(own)
    const crowd = await Promise.all(Array.from({ length: 64 }, strange))
    expect(new Set(crowd)).toEqual(new Set(['UNTRUSTED_ISSUER']))
    for (let i = 0; i < 16; i++) await strange()
    clock.now += COOLDOWN - 1
    await strange()
    expect(await questions(own)).toBe(before + 1)
    clock.now += 1
    for (let i = 0; i < 16; i++) await strange()
    expect(await questions(own)).toBe(before + 2)
    // Nor do texts that are none of a DID.
    clock.now += COOLDOWN
    for (const text of ['', 'x.y.z', 'a'.repeat(1000)]) await verifier.verify(text)
    expect(await questions(own)).toBe(before + 2)
  })

  test('an answer is renewed before it is over, and whoever does not wait has what is at hand', async () => {
    const [mine, at] = [signed(keyOf(own)), seconds()]
    const { clock, verifier } = verifying(at)
    const unasked = errorOf(verifier.verifySync(mine))
    expect(unasked).toMatchObject({ code: 'UNTRUSTED_ISSUER', retryable: false })
    expect(unasked.hint).toBe(`verify() asks ${own.url} which DIDs it has, verifySync() does not wait for it`)
    const before = await questions(own)
    expect(codeOf(await verifier.verify(mine))).toBe('ok')
    clock.now = at + 119
    expect([codeOf(verifier.verifySync(mine)), codeOf(await verifier.verify(mine))]).toEqual(['ok', 'ok'])
    expect(await questions(own)).toBe(before + 1)
    clock.now = at + 120
    expect(codeOf(verifier.verifySync(mine))).toBe('ok')
    await expect.poll(() => questions(own)).toBe(before + 2)
    // That one came at the time of 120 s, so at 419 s it counts, and nobody has waited.
    clock.now = at + 419
    await expect.poll(() => codeOf(verifier.verifySync(mine))).toBe('ok')
  })

  test('while the authority is away what it has said counts for 300 s, and then nothing', async () => {
    const [mine, at] = [signed(keyOf(own)), seconds()]
    const { clock, verifier } = verifying(at)
    const late = verifying(at).verifier
    expect(codeOf(await verifier.verify(mine))).toBe('ok')
    await own.away(async () => {
      clock.now = at + 299
      expect([codeOf(verifier.verifySync(mine)), codeOf(await verifier.verify(mine))]).toEqual(['ok', 'ok'])
      clock.now = at + 310
      for (const refused of [errorOf(await verifier.verify(mine)), errorOf(await late.verify(mine))]) {
        expect(refused).toMatchObject({ code: 'UNTRUSTED_ISSUER', retryable: true })
        expect(refused.message).toContain(`${own.url} did not say whether it has that DID: `)
      }
      expect(errorOf(verifier.verifySync(mine))).toMatchObject({ code: 'UNTRUSTED_ISSUER', retryable: true })
    })
    clock.now += COOLDOWN
    expect(codeOf(await verifier.verify(mine))).toBe('ok')
  }, 60_000)

  test('who is not the authority is not believed', async () => {
    const mallory = Identity.generate()
    const lie = (url: string) => JSON.stringify({ did: mallory.did, url, time: seconds(), version: '1', rotations: [] })
    let said = lie
    const server = createServer((_, response) => {
      response.setHeader('content-type', 'application/json').end(said(url))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    opened.push(server)
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const refused = async (did: string) => {
      const { verifier } = verifying(seconds(), { trust: [{ did, url }] })
      return errorOf(await verifier.verify(signed(mallory))).message
    }
    expect(await refused(own.did)).toContain(`the authority was ${own.did}, and is ${mallory.did} now`)
    expect(await refused(mallory.did)).toContain("the answer is not the authority's")
    const other = own.url.replace('127.0.0.1', 'localhost')
    const elsewhere = verifying(seconds(), { trust: [{ did: own.did, url: other }] }).verifier
    const why = errorOf(await elsewhere.verify(signed(keyOf(own)))).message
    expect(why).toContain(`${other} says that it is reached by ${own.url}`)
    const truth = await (await fetch(`${own.url}/v1`)).text() // signed for nobody
    said = () => truth
    expect(await refused(own.did)).toContain("the answer is not the authority's")
  })
})

describe('options', () => {
  const did = Identity.generate().did
  const url = 'https://authority.example'
  const verifier = (...trust: unknown[]) => new TokenVerifier({ audience: AUDIENCE, trust: trust as string[] })
  const guard = (...trust: unknown[]) => {
    const agent = new AutoGenxBindAgent({ agentOptions: { bus: new MessageBus() } })
    opened.push(agent)
    agent.handle('m', () => 1, { trust: trust as string[] })
  }

  test.each([{ make: verifier }, { make: guard }])('what is no authority is refused: $make', ({ make }) => {
    const wrong: unknown[] = [null, false, 0, [], undefined, { did }, { url }, { did, url: null }, { did: false, url }]
    wrong.push({ did, ulr: url }, { did, url, x: 1 }, { did, url, issuer: did }, { did, url: undefined }, {})
    for (const each of wrong) expect(() => make(each), JSON.stringify(each)).toThrow(TypeError)
    for (const at of ['', 'ftp://x', 'http://authority.example', `${url}/v1`, `${url}?x`, `${url}#${did}`, 'x']) {
      expect(() => make({ did, url: at }), at).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
    }
    expect(() => make({ did, url: 'https://me:secret@authority.example' })).toThrow(/^(?!.*secret).*cannot be used/)
    for (const none of ['', 'x', `${did}x`]) {
      expect(() => make(did, { did: none, url })).toThrow(/trust\[1\]/)
    }
    const config = expect.objectContaining({ code: 'INVALID_CONFIG' })
    expect(() => make({ did, url }, { did: Identity.generate().did, url: `${url}/` })).toThrow(config)
    expect(() => make({ did, url }, did)).toThrow(config)
    expect(() => make(did, { did, url })).toThrow(config)
    make({ did, url }, { did, url: 'http://localhost:1' }, Identity.generate().did) // two that know each other
  })

  test('each member is read once, and nothing changes it afterwards', async () => {
    const own = await authority(SCOPE)
    try {
      const read: string[] = []
      const entry = {
        get did() {
          read.push('did')
          return own.did
        },
        get url() {
          read.push('url')
          return own.url
        },
      }
      verifier(entry)
      expect(read).toEqual(['did', 'url'])
      const changing: TrustedAuthority = { did: own.did, url: own.url }
      const trust = [changing]
      const following = new TokenVerifier({ audience: AUDIENCE, trust })
      Object.assign(changing, { did, url })
      trust.length = 0
      expect(codeOf(await following.verify(signed(keyOf(own))))).toBe('ok')
      expect(codeOf(following.verifySync(signed(keyOf(own))))).toBe('ok')
    } finally {
      await own.stop()
    }
  }, 60_000)
})
