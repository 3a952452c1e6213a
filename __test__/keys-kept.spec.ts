// Agents whose key is in a security module, or at a server that signs as Vault's transit engine does.
import { execFileSync, spawnSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { AutoGenxBindAgent, Identity, MessageBus, pkcs11, vault, type xBindIdentityProvider } from '@private.me/autogen'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

const folder = mkdtempSync(join(tmpdir(), 'xbind-kept-'))
afterAll(() => rmSync(folder, { recursive: true }))
const at = (name: string): string => join(folder, name)

const identities = [Identity.generate(), Identity.generate()] as const

/** An agent with that provider calls another one, and is called. */
async function callsAndIsCalled(identityProvider: xBindIdentityProvider): Promise<string> {
  const bus = new MessageBus()
  const kept = new AutoGenxBindAgent({ name: 'kept', identityProvider, agentOptions: { bus } })
  const plain = new AutoGenxBindAgent({ name: 'plain', agentOptions: { bus } })
  kept.handle(({ payload }) => [payload, 'kept'])
  plain.handle(({ from }) => from)
  expect(valueOf(await plain.call('kept', 1))).toEqual([1, 'kept'])
  const many = await Promise.all(Array.from({ length: 50 }, (_, n) => kept.call('plain', n)))
  for (const answer of many) expect(valueOf(answer)).toBe(kept.getDID())
  bus.close()
  return kept.getDID()
}

describe('a server that signs', () => {
  const TOKEN = 'hvs.token-of-the-agent'
  const keys: KeyObject[] = identities.map((identity) =>
    createPrivateKey({ key: Buffer.from(valueOf(identity.toPKCS8())), format: 'der', type: 'pkcs8' }),
  )
  let other: ((response: ServerResponse) => void) | undefined
  let accepted = TOKEN
  let url = ''
  const server = createServer((request, response) => void answer(request, response))

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = ''
    for await (const piece of request) body += String(piece)
    const say = (status: number, value: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    }
    if (request.headers['x-vault-token'] !== accepted) return say(403, { errors: ['permission denied'] })
    if (request.method === 'GET' && request.url === '/v1/transit/keys/writer') {
      const told = keys.map((key, n) => {
        const x = createPublicKey(key).export({ format: 'jwk' }).x as string
        return [n + 1, { public_key: Buffer.from(x, 'base64url').toString('base64') }]
      })
      return say(200, {
        data: { type: 'ed25519', derived: false, latest_version: keys.length, keys: Object.fromEntries(told) },
      })
    }
    if (request.method !== 'POST' || request.url !== '/v1/transit/sign/writer') return say(404, { errors: [] })
    if (other) return other(response)
    const { input, key_version: version } = JSON.parse(body) as { input: string; key_version: number }
    const signature = sign(null, Buffer.from(input, 'base64'), keys[version - 1] as KeyObject).toString('base64')
    say(200, { data: { key_version: version, signature: `vault:v${version}:${signature}` } })
  }

  const tokenFile = at('token')
  const place = () => ({ url, key: 'writer', tokenFile })
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  beforeEach(() => {
    writeFileSync(tokenFile, TOKEN)
    ;[other, accepted] = [undefined, TOKEN]
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  test('has the key of an agent that calls and is called, by its version', async () => {
    expect(await callsAndIsCalled(valueOf(await vault(place())))).toBe(identities[1].did)
    const first = { ...place(), did: identities[0].did }
    expect(await callsAndIsCalled(valueOf(await vault(first)))).toBe(identities[0].did)
  })

  test('gives its signature only for a token that counts, which may be replaced', async () => {
    const provider = valueOf(await vault(place()))
    accepted = 'hvs.another'
    await expect(async () => provider.sign(new Uint8Array(3))).rejects.toMatchObject({ code: 'SIGN_FAILED' })
    writeFileSync(tokenFile, 'hvs.another\n')
    expect(await provider.sign(new Uint8Array(3))).toHaveLength(64)
  })

  test('that lies, hangs or breaks ends the calls of its agent alone', async () => {
    const provider = valueOf(await vault({ ...place(), timeoutMs: 300 }))
    const bus = new MessageBus()
    const kept = new AutoGenxBindAgent({ identityProvider: provider, agentOptions: { bus } })
    const plain = new AutoGenxBindAgent({ name: 'plain', agentOptions: { bus } })
    plain.handle(() => 'here')
    const stranger = sign(null, Buffer.from('other'), keys[0] as KeyObject).toString('base64')
    for (const mood of [
      (response: ServerResponse) => response.end(JSON.stringify({ data: { signature: `vault:v2:${stranger}` } })),
      (response: ServerResponse) => response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
      (response: ServerResponse) => response.end('x'.repeat(1 << 20)),
      (response: ServerResponse) => response.destroy(),
      () => undefined,
    ]) {
      other = mood
      const error = errorOf(await kept.call('plain', 1))
      expect(error).toMatchObject({ code: 'SIGN_FAILED', handled: 'no' })
      expect(inspect(error, { depth: 9 })).not.toContain(TOKEN)
      other = undefined
      await expect.poll(async () => (await kept.call('plain', 1)).ok, { timeout: 20_000 }).toBe(true)
    }
    bus.close()
  })

  test('is refused where what is said of it is wrong', async () => {
    for (const [wrong, code] of [
      [{ url: 'http://10.0.0.1' }, 'SIGN_FAILED'],
      [{ url: `${url}/path` }, 'INVALID_CONFIG'],
      [{ key: '../sys' }, 'INVALID_CONFIG'],
      [{ key: 'none' }, 'SIGN_FAILED'],
      [{ tokenFile: at('none') }, 'SIGN_FAILED'],
      [{ did: Identity.generate().did }, 'SIGN_FAILED'],
    ] as const) {
      expect([wrong, codeOf(await vault({ ...place(), ...wrong }))]).toEqual([wrong, code])
    }
    // What is inherited counts, and what is read is what was checked.
    const inherits = Object.assign(Object.create({ did: Identity.generate().did }) as object, place())
    expect(codeOf(await vault(inherits as never))).toBe('SIGN_FAILED')
    const answers = ['writer', '../sys']
    const changes = Object.defineProperty(place(), 'key', { get: () => answers.shift(), enumerable: true })
    expect(await callsAndIsCalled(valueOf(await vault(changes)))).toBe(identities[1].did)
    await expect(vault({ ...place(), token: TOKEN } as never)).rejects.toThrow('token')
    await expect(vault({ ...place(), timeoutMs: 0 })).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
    await expect(vault({ ...place(), key: 1 as never })).rejects.toThrow(TypeError)
  })
})

const module = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
].find((path) => existsSync(path))
const isHere = module !== undefined && spawnSync('softhsm2-util', ['--version']).status === 0
if (!isHere)
  process.stderr.write('keys in a security module are not tried: SoftHSM is not here (apt-get install softhsm2)\n')

describe.runIf(isHere)('a security module', () => {
  const PIN = 'pin-7735'
  const util = (...args: string[]): void => void execFileSync('softhsm2-util', args, { stdio: 'pipe' })
  beforeAll(() => {
    mkdirSync(at('tokens'))
    writeFileSync(at('conf'), `directories.tokendir = ${at('tokens')}\nobjectstore.backend = file\n`)
    process.env.SOFTHSM2_CONF = at('conf') // this process has no other agents in modules
    util('--init-token', '--free', '--label', 'agents', '--pin', PIN, '--so-pin', 'so-pin-1')
    writeFileSync(at('key.pem'), valueOf(identities[0].toPKCS8({ format: 'pem' })))
    util('--import', at('key.pem'), '--token', 'agents', '--label', 'writer', '--id', '01', '--pin', PIN)
    writeFileSync(at('pin'), PIN)
  })
  const place = () => ({ module: module as string, token: 'agents', key: 'writer', pinFile: at('pin') })

  // A token that one has logged in to is open for the whole process: so this comes first.
  test('wants its PIN, and tells nobody which one it was given', async () => {
    writeFileSync(at('wrong'), 'pin-9999')
    const refused = await pkcs11({ ...place(), pinFile: at('wrong') })
    expect(errorOf(refused)).toMatchObject({ code: 'SIGN_FAILED', message: 'the token has refused its PIN' })
    expect(inspect(refused, { depth: 9 })).not.toMatch(/pin-\d/u)
  })

  test('has the key of an agent that calls and is called', async () => {
    expect(await callsAndIsCalled(valueOf(await pkcs11(place())))).toBe(identities[0].did)
    expect(await callsAndIsCalled(valueOf(await pkcs11({ ...place(), id: '01', did: identities[0].did })))).toBe(
      identities[0].did,
    )
  })

  test('whose token was gone is asked again', async () => {
    const provider = valueOf(await pkcs11(place()))
    renameSync(at('tokens'), at('away'))
    mkdirSync(at('tokens'))
    expect(codeOf(await pkcs11(place()))).toBe('SIGN_FAILED')
    await expect(async () => provider.sign(new Uint8Array(3))).rejects.toMatchObject({ code: 'SIGN_FAILED' })
    rmSync(at('tokens'), { recursive: true })
    renameSync(at('away'), at('tokens'))
    const signs = async (): Promise<boolean> =>
      Promise.resolve(provider.sign(new Uint8Array(3))).then(
        () => true,
        () => false,
      )
    await expect.poll(signs, { timeout: 20_000 }).toBe(true)
  })

  test('is refused where what is said of it is wrong, and tells no PIN', async () => {
    for (const [wrong, code] of [
      [{ pinFile: at('none') }, 'SIGN_FAILED'],
      [{ module: at('pin') }, 'SIGN_FAILED'],
      [{ key: 'none' }, 'SIGN_FAILED'],
      [{ token: 'none' }, 'SIGN_FAILED'],
      [{ slot: 1 }, 'INVALID_CONFIG'],
      [{ id: 'xy' }, 'INVALID_CONFIG'],
      [{ did: identities[1].did }, 'SIGN_FAILED'],
    ] as const) {
      const refused = await pkcs11({ ...place(), ...wrong })
      expect([wrong, codeOf(refused)]).toEqual([wrong, code])
      expect(inspect(refused, { depth: 9 })).not.toMatch(/pin-\d/u)
    }
    await expect(pkcs11({ ...place(), pin: PIN } as never)).rejects.toThrow('pin')
  })
})
