// What a key signs for whom: no statement of this package for a stranger, and everything for the agent that it was given to.
import { pbkdf2 } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { AutoGenxBindAgent, Identity, verifySignature, XBindError } from '@private.me/autogen'
import { approveCall, delegateToken, issueToken, signRotation, StatusList } from '@private.me/autogen/tokens'
import { describe, expect } from 'vitest'
import { test } from './helpers/bus.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { utf8 } from './helpers/vectors.ts'

const input = (header: string): Uint8Array => utf8(`${Buffer.from(header).toString('base64url')}.e30`)

function codeOfSigning(sign: () => unknown): string {
  try {
    sign()
    return 'ok'
  } catch (error) {
    expect(error).toBeInstanceOf(XBindError)
    return (error as XBindError).code
  }
}

describe('Identity.sign', () => {
  const [identity, to] = [Identity.generate(), Identity.generate()]

  test('refuses every statement that there is a function for, which dangerouslySign signs', () => {
    const call = { caller: to.did, recipient: Identity.generate().did, body: utf8('1') }
    const token = valueOf(issueToken(to, { subject: identity.did, audience: 'a', scopes: ['a:b'] }))
    const rotation = JSON.parse(valueOf(signRotation(identity, to))) as {
      payload: string
      signatures: { protected: string }[]
    }
    const signed = [
      valueOf(identity.seal({ op: 'send', to: to.did, body: utf8('1') })).jws,
      valueOf(issueToken(identity, { subject: to.did, audience: 'a', scopes: ['a:b'] })),
      valueOf(delegateToken(identity, token, { subject: call.recipient })),
      valueOf(approveCall(identity, { decision: 'approve', call })),
      valueOf(new StatusList({ size: 8 }).sign(identity, { uri: 'https://a.example/list' })),
      `${rotation.signatures[0]!.protected}.${rotation.payload}.`,
    ]
    for (const jws of signed) {
      const bytes = utf8(jws.slice(0, jws.lastIndexOf('.')))
      expect(
        codeOfSigning(() => identity.sign(bytes)),
        jws,
      ).toBe('SIGN_FAILED')
      expect(valueOf(verifySignature(identity.did, bytes, identity.dangerouslySign(bytes)))).toBe(true)
    }
  })

  test('refuses what somebody might read as one', () => {
    for (const header of [
      '{"typ":"AT+JWT"}',
      ' { "alg":"none", "typ" : "application/agent-msg+jwt" }',
      '{"typ":"\\u0061gent-deleg+jwt"}',
      '{"typ":"JWT","typ":"statuslist+jwt"}',
    ]) {
      const bytes = input(header)
      for (const spelled of [bytes, utf8(` ${Buffer.from(bytes).toString()}`), utf8('xbind-batch-v1\0rest')]) {
        expect(codeOfSigning(() => identity.sign(spelled))).toBe('SIGN_FAILED')
      }
    }
  })

  test('signs everything else, and says what to do about the rest', () => {
    for (const data of ['', '.', 'some text. And more.', 'xbind', 'my-app: xbind-']) {
      expect(identity.sign(utf8(data))).toEqual(identity.dangerouslySign(utf8(data)))
    }
    expect(codeOfSigning(() => identity.sign(input('{"alg":"EdDSA","typ":"JWT"}')))).toBe('ok')
    try {
      identity.sign(input('{"typ":"at+jwt"}'))
    } catch (error) {
      expect((error as XBindError).hint).toContain('dangerouslySign')
    }
  })

  test('neither signs once the identity is destroyed', () => {
    const gone = Identity.generate()
    gone.destroy()
    for (const method of ['sign', 'dangerouslySign'] as const) {
      expect(codeOfSigning(() => gone[method](utf8('x')))).toBe('SIGN_FAILED')
      expect(() => gone[method]('x' as never)).toThrow(TypeError)
    }
  })
})

describe('an Identity as identityProvider', () => {
  test('signs for its agent, which has its DID, and stays its owner’s', async ({ agent, bus }) => {
    const identity = Identity.generate()
    const calls: string[] = []
    for (const method of ['sign', 'dangerouslySign'] as const) {
      Object.defineProperty(identity, method, { value: () => calls.push(method) })
    }
    const lent = new AutoGenxBindAgent({ name: 'lent', identityProvider: identity, agentOptions: { bus } })
    const plain = agent('plain')
    for (const one of [lent, plain]) one.handle(({ payload, from }) => ({ payload, from }))
    expect(lent.getDID()).toBe(identity.did)
    expect(valueOf(await lent.call('plain', 1))).toEqual({ payload: 1, from: identity.did })
    expect(valueOf(await plain.call('lent', 2))).toEqual({ payload: 2, from: plain.getDID() })
    for (const result of await Promise.all(Array.from({ length: 50 }, (_, n) => lent.call('plain', n)))) valueOf(result)
    expect(calls).toEqual([])
    expect(valueOf(await lent.grant({ subject: plain.getDID(), audience: 'a', scopes: ['a:b'] }))).toContain('.')
    expect(valueOf(await lent.exportIdentity())).toEqual(valueOf(identity.toPKCS8()))
    lent.close()
    expect(codeOf(identity.seal({ op: 'send', to: plain.getDID(), body: utf8('1') }))).toBe('ok')
  })

  test('destroyed before or after, ends what needs its key', async ({ agent, bus }) => {
    const identity = Identity.generate()
    const lent = new AutoGenxBindAgent({ identityProvider: identity, agentOptions: { bus } })
    agent('plain').handle(() => 1)
    expect(valueOf(await lent.call('plain', 1))).toBe(1)
    identity.destroy()
    expect(codeOf(await lent.call('plain', 1))).toBe('SIGN_FAILED')
    expect(codeOf(await lent.exportIdentity())).toBe('EXPORT_FAILED')
    expect(codeOf(await lent.grant({ subject: Identity.generate().did, audience: 'a', scopes: ['a:b'] }))).toBe(
      'SIGN_FAILED',
    )
    expect(() => new AutoGenxBindAgent({ identityProvider: identity, agentOptions: { bus } })).toThrow(
      expect.objectContaining({ code: 'INVALID_KEY' }),
    )
  })

  test('must be one: what only looks like it is a provider without getDID', ({ bus }) => {
    const identity = Identity.generate()
    for (const fake of [Object.create(identity), Object.assign({}, identity), new Proxy(identity, {})]) {
      expect(() => new AutoGenxBindAgent({ identityProvider: fake as Identity, agentOptions: { bus } })).toThrow(
        TypeError,
      )
    }
  })
})

describe('options of identities', () => {
  const identity = Identity.generate()
  const der = valueOf(identity.toPKCS8())
  const agent = new AutoGenxBindAgent()
  const entries: [string, (options: never) => unknown][] = [
    ['fromPKCS8', (options) => Identity.fromPKCS8(der, options)],
    ['fromPKCS8Async', (options) => Identity.fromPKCS8Async(der, options)],
    ['toPKCS8', (options) => identity.toPKCS8(options)],
    ['toPKCS8Async', (options) => identity.toPKCS8Async(options)],
    ['exportIdentity', (options) => agent.exportIdentity(options)],
    ['fromIdentity', (options) => AutoGenxBindAgent.fromIdentity(der, options)],
  ]

  test.each(entries)('%s: a passphrase that is there is a string', async (_, call) => {
    for (const passphrase of [undefined, null, false, true, 0, 1, Number.NaN, {}, [], ['p'], utf8('p'), Symbol('p')]) {
      await expect(async () => call({ passphrase } as never)).rejects.toThrow(TypeError)
      await expect(async () => call(Object.create({ passphrase }) as never)).rejects.toThrow(TypeError)
    }
    for (const wrong of [{ pasphrase: 'p' }, { passPhrase: 'p' }, { passphrase: 'p', other: 1 }, ['p'], 'p', null, 5]) {
      await expect(async () => call(wrong as never)).rejects.toThrow(TypeError)
    }
  })

  test('an empty passphrase is none that protects, and is not taken for none', async () => {
    expect(codeOf(identity.toPKCS8({ passphrase: '' }))).toBe('EXPORT_FAILED')
    expect(codeOf(await identity.toPKCS8Async({ passphrase: '' }))).toBe('EXPORT_FAILED')
    expect(codeOf(await agent.exportIdentity({ passphrase: '' }))).toBe('EXPORT_FAILED')
    const file = valueOf(identity.toPKCS8({ passphrase: 'p' }))
    expect(codeOf(Identity.fromPKCS8(file, { passphrase: '' }))).toBe('WRONG_PASSPHRASE')
    expect(codeOf(await Identity.fromPKCS8Async(file, { passphrase: '' }))).toBe('WRONG_PASSPHRASE')
    expect(codeOf(await AutoGenxBindAgent.fromIdentity(file, { passphrase: '' }))).toBe('WRONG_PASSPHRASE')
  })
})

describe('passphrases off the event loop', () => {
  /** Does it while all threads of libuv are busy: one of them has to end its work first, and the loop has to hear of it. */
  async function offTheLoop<T>(start: () => Promise<T>): Promise<T> {
    let done = 0
    const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4)
    const busy = Array.from({ length: threads }, async () => {
      await promisify(pbkdf2)('a', 'b', 100_000, 32, 'sha256')
      done++
    })
    const value = await start()
    expect(done).toBeGreaterThan(0)
    await Promise.all(busy)
    return value
  }
  const identity = Identity.generate()
  const passphrase = 'p'

  test('what is asynchronous lets the loop turn, and does the same', async () => {
    const file = valueOf(await offTheLoop(() => identity.toPKCS8Async({ passphrase })))
    const pem = valueOf(await identity.toPKCS8Async({ passphrase, format: 'pem' }))
    for (const exported of [file, pem]) {
      const back = await offTheLoop(() => Identity.fromPKCS8Async(exported, { passphrase }))
      expect(valueOf(back).did).toBe(identity.did)
      const agent = await offTheLoop(() => AutoGenxBindAgent.fromIdentity(exported, { passphrase }))
      const again = await offTheLoop(() => valueOf(agent).exportIdentity({ passphrase }))
      expect(valueOf(Identity.fromPKCS8(valueOf(again), { passphrase })).did).toBe(identity.did)
      valueOf(agent).close()
    }
    const exportPKCS8 = (): Uint8Array => valueOf(identity.toPKCS8())
    const provider = { getDID: () => identity.did, sign: () => new Uint8Array(64), exportPKCS8 }
    using remote = new AutoGenxBindAgent({ identityProvider: provider })
    valueOf(await offTheLoop(() => remote.exportIdentity({ passphrase })))
    expect(valueOf(await identity.toPKCS8Async())).toEqual(valueOf(identity.toPKCS8()))
    expect(valueOf(await identity.toPKCS8Async({ format: 'pem' }))).toEqual(
      valueOf(identity.toPKCS8({ format: 'pem' })),
    )
    expect(codeOf(await Identity.fromPKCS8Async(pem, { passphrase: 'q' }))).toBe('WRONG_PASSPHRASE')
    expect(codeOf(await Identity.fromPKCS8Async(pem))).toBe('IMPORT_FAILED')
    expect(codeOf(await Identity.fromPKCS8Async('no key', { passphrase }))).toBe('IMPORT_FAILED')
  })

  test('destroyed or closed meanwhile: nothing is exported', async () => {
    const gone = Identity.generate()
    const exported = gone.toPKCS8Async({ passphrase })
    gone.destroy()
    expect(codeOf(await exported)).toBe('EXPORT_FAILED')
    const agent = new AutoGenxBindAgent()
    const left = agent.exportIdentity({ passphrase })
    agent.close()
    expect(errorOf(await left).code).toBe('AGENT_CLOSED')
  })

  test('what is changed meanwhile changes nothing', async () => {
    const file = valueOf(identity.toPKCS8({ passphrase }))
    const config = { passphrase, name: 'first', agentOptions: { concurrency: 1 } }
    const agent = AutoGenxBindAgent.fromIdentity(file, config)
    file.fill(0)
    Object.assign(config, { name: '-' })
    Object.assign(config.agentOptions, { concurrency: -1 })
    using made = valueOf(await agent)
    expect([made.getDID(), made.name]).toEqual([identity.did, 'first'])
  })
})

test('no entry of the addon takes bytes but as copies, and a panic in it ends one call', () => {
  const root = join(import.meta.dirname, '..', 'src')
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.rs'))
  /** What is written to, and the memory of status lists in the making, which no user sees. */
  const ours = /\b(?:mut signature|mut list|list): Uint8ArraySlice<'_>/g
  /** The macro's own attribute, which all that is written in it get. */
  const made = /macro_rules! entries \{[^]*?\n\}\n/
  expect(readFileSync(join(root, 'lib.rs'), 'utf8').match(made)?.[0]).toContain('#[napi_derive::napi(catch_unwind')
  const said = /#\[napi\(ts_arg_type = "[^"]*"\)\] /g
  const names: string[] = []
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8').replaceAll(ours, '').replaceAll(said, '').replace(made, '')
    const plain = text.matchAll(/#\[napi((?:(?!\]\n)[^])*)\]\n(?:\s*#\[.*\]\n)*\s*pub fn ([^{;]*)\{/g)
    const tables = Array.from(text.matchAll(/^( *)entries! \{\n[^]*?\n\1\}\n/gm), ([table]) => table)
    const listed = tables.flatMap((table) => [...table.matchAll(/^ +fn ([^{=]*)[{=]/gm)])
    for (const [how, entry] of [
      ...Array.from(plain, ([, how, entry]) => [how, entry]),
      ...listed.map(([, entry]) => ['catch_unwind', entry]),
    ]) {
      const taken = entry!.slice(0, entry!.includes('->') ? entry!.lastIndexOf('->') : undefined)
      expect(taken, file).not.toMatch(/&(?:mut )?\[u8\]|Uint8Array|Buffer|TypedArray|ArrayBuffer/)
      expect(how, `${file}: ${entry}`).toContain('catch_unwind')
      names.push(/^\w+/.exec(entry!)![0])
    }
  }
  // None was overlooked.
  const camel = names.map((name) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()))
  const binding = readFileSync(join(root, '../ts/native/binding.ts'), 'utf8').split('export interface Binding {')[1]!
  const exported = Array.from(binding.matchAll(/^ {2}(\w+)\(/gm), ([, name]) => name)
  expect(exported.length).toBeGreaterThan(70)
  const hooks = ['panicNext', 'unconvertibleNext']
  expect(new Set(camel)).toEqual(new Set([...exported, ...hooks]))
  expect(camel.length).toBe(exported.length + hooks.length)
})
