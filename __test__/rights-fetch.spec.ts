// What a verifier fetches, and what it never does. The servers are real, on this machine; where the built-in client must
// reach one, the test tells it that this machine is public, which it refuses to believe otherwise.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FetchDocument } from '@private.me/autogen'
import { StatusListSource, type TokenVerifier } from '@private.me/autogen/tokens'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { client, isPublic, JWKS, RemoteDocument, STATUS_LIST, type World } from '../ts/fetch.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { forgedToken, forger, NOW, seeded, trusting } from './helpers/rights.ts'

const issuer = 'https://login.example'
const agent = seeded(2)
const signer = forger(50)
const jwk = (kid: string, by = signer) => ({ kty: 'OKP', crv: 'Ed25519', x: by.identity.toJWK().x, kid })
const set = (...keys: object[]): string => JSON.stringify({ keys })
const token = (kid = 'one', by = signer): string =>
  forgedToken(by, agent.did, { iss: issuer, exp: NOW + 7200 }, { kid })

describe('which addresses are public', () => {
  test.each([
    ['this host', '0.0.0.0', '127.0.0.1', '127.1.2.3', '::1', '::', '0.1.2.3'],
    ['private networks', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fc00::1', 'fd12:3456::1'],
    ['the link', '169.254.1.1', 'fe80::1', 'fe80::1%eth0', 'febf::1'],
    ['metadata of clouds', '169.254.169.254', '100.100.100.200', '168.63.129.16', 'fd00:ec2::254', '192.0.0.192'],
    ['carrier-grade NAT', '100.64.0.1', '100.127.255.255'],
    ['multicast and broadcast', '224.0.0.1', '239.255.255.255', '255.255.255.255', '240.0.0.1', 'ff02::1'],
    ['documentation and tests', '192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1', '2001:db8::1', '3fff::1'],
    ['IPv4 in IPv6', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:7f00:1', '::ffff:8.8.8.8', '::127.0.0.1'],
    ['translated and tunnelled', '64:ff9b::7f00:1', '64:ff9b:1::1', '2002:7f00:1::', '2001::1', '2001:0:7f00:1::'],
    ['outside of what is assigned', '4000::1', '5f00::1', '1::1', 'e000::1', '100::1'],
    ['no addresses', '', 'localhost', '127.1', '0x7f000001', '2130706433', '1.1.1', '1.1.1.1.1', '1.1.1.1 '],
  ])('not: %s', (_, ...addresses) => {
    for (const address of addresses) expect(isPublic(address), address).toBe(false)
  })

  test('but the rest of the world', () => {
    const addresses = ['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '172.15.0.1']
    const more = [
      '172.32.0.1',
      '192.167.0.1',
      '192.169.0.1',
      '223.255.255.255',
      '2606:4700::1111',
      '2a00:1450::1',
      '2001:4860::1',
    ]
    for (const address of [...addresses, ...more]) expect(isPublic(address), address).toBe(true)
  })
})

describe('the built-in client', () => {
  const folder = mkdtempSync(join(tmpdir(), 'xbind-https-'))
  const hits: string[] = []
  let answer: (request: IncomingMessage, response: ServerResponse) => void
  let server: Server
  let port: number
  let ca: string

  beforeAll(async () => {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const days = ['-days', '2', '-subj', '/CN=login.example', '-addext', 'subjectAltName=DNS:login.example']
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
    const made = spawnSync('openssl', ['req', '-x509', ...curve, '-nodes', '-keyout', key, '-out', cert, ...days])
    if (made.status !== 0) throw new Error(`openssl made no certificate: ${made.error?.message ?? String(made.stderr)}`)
    ca = readFileSync(cert, 'utf8')
    server = createServer({ key: readFileSync(key), cert: ca }, (request, response) => {
      hits.push(`${request.method} ${request.headers.host} ${request.url}`)
      answer(request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true })
  })
  beforeEach(() => {
    hits.length = 0
    answer = (_, response) => response.setHeader('content-type', 'application/jwk-set+json').end(set(jwk('one')))
  })

  /** A world in which names lead to this machine, and this machine is public. */
  const world = (changes: Partial<World> = {}): World => ({
    resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
    isPublic: () => true,
    ca,
    ...changes,
  })
  const url = (host = 'login.example', path = '/jwks.json') => `https://${host}:${port}${path}`
  /** What comes of fetching: the text, or why there is none. */
  async function fetched(target: string, fetch: FetchDocument, limits = JWKS): Promise<string> {
    const document = new RemoteDocument(target, limits, fetch)
    let got: string | undefined
    await document.refresh(NOW, (text) => {
      got = text
      return undefined
    })
    return got ?? document.failure ?? 'nothing'
  }

  test('gets a document from the address that was vetted, under the name that was asked for', async () => {
    const asked: string[] = []
    const resolve = (host: string) => {
      asked.push(host)
      return Promise.resolve([{ address: '127.0.0.1', family: 4 }])
    }
    expect(await fetched(url(), client(world({ resolve })))).toBe(set(jwk('one')))
    expect(asked).toEqual(['login.example'])
    expect(hits).toEqual([`GET login.example:${port} /jwks.json`])
  })

  test('a token by an issuer whose keys it gets', async () => {
    const verifier = trusting([{ issuer, jwks: url() }], { fetch: client(world()) })
    expect(codeOf(verifier.verifySync(token()))).toBe('UNTRUSTED_ISSUER')
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    expect(codeOf(verifier.verifySync(token()))).toBe('ok')
    expect(hits).toHaveLength(1)
  })

  test.each([
    '127.0.0.1',
    '[::1]',
    'localhost',
    '[::ffff:127.0.0.1]',
    '2130706433',
    '0x7f.1',
    '0',
    '10.0.0.1',
    '169.254.169.254',
  ])('as users have it, never reaches this machine or its network: %s', async (host) => {
    const verifier = trusting([{ issuer, jwks: url(host) }])
    const error = errorOf(await verifier.verify(token()))
    expect([error.code, error.retryable]).toEqual(['UNTRUSTED_ISSUER', true])
    expect(error.message).toBe(`the keys of ${issuer} were not fetched: the host is not on the public network`)
    expect(hits).toEqual([])
  })

  test('one private address among public ones is enough to refuse', async () => {
    const resolve = () =>
      Promise.resolve([
        { address: '1.1.1.1', family: 4 },
        { address: '10.0.0.1', family: 4 },
      ])
    expect(await fetched(url(), client(world({ resolve, isPublic })))).toBe('the host is not on the public network')
    expect(await fetched(url(), client(world({ resolve: () => Promise.resolve([]) })))).toContain('not on the public')
  })

  test('a name that leads elsewhere the second time is looked up once only', async () => {
    const answers = ['127.0.0.1', '127.0.0.2']
    const resolve = () => Promise.resolve([{ address: answers.shift()!, family: 4 }])
    const looked: string[] = []
    const fetch = client(world({ resolve, isPublic: (address) => (looked.push(address), true) }))
    expect(await fetched(url(), fetch)).toContain('keys')
    expect([looked, answers]).toEqual([['127.0.0.1'], ['127.0.0.2']])
  })

  test('a certificate for another name, or by nobody known, is refused', async () => {
    expect(await fetched(url('other.example'), client(world()))).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
    const { ca: _, ...stranger } = world()
    expect(await fetched(url(), client(stranger))).toBe('DEPTH_ZERO_SELF_SIGNED_CERT')
    expect(hits).toEqual([])
  })

  test('also where the environment says not to look at certificates', async () => {
    const { NODE_TLS_REJECT_UNAUTHORIZED: before } = process.env
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    const { ca: _, ...stranger } = world()
    const got = await fetched(url(), client(stranger))
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
    expect(got).toBe('DEPTH_ZERO_SELF_SIGNED_CERT')
  })

  test.each([301, 302, 303, 307, 308])('a redirect %i is not followed', async (status) => {
    answer = (_, response) => response.writeHead(status, { location: url('login.example', '/elsewhere') }).end()
    expect(await fetched(url(), client(world()))).toBe(`the server answered ${status}`)
    expect(hits).toHaveLength(1)
  })

  test.each([201, 204, 206, 304, 400, 401, 404, 429, 500, 503])('status %i is no answer', async (status) => {
    answer = (_, response) => response.writeHead(status, { 'content-type': 'application/json' }).end()
    expect(await fetched(url(), client(world()))).toBe(`the server answered ${status}`)
  })

  test.each([
    ['application/jwk-set+json', true],
    ['application/json; charset=utf-8', true],
    ['APPLICATION/JSON', true],
    ['text/plain', true],
    ['application/octet-stream', true],
    ['text/html', false],
    ['text/html; charset=utf-8', false],
    ['application/javascript', false],
    ['image/png', false],
    ['application/statuslist+jwt', false],
  ])('media type %s: %s', async (type, good) => {
    answer = (_, response) => response.setHeader('content-type', type).end(set(jwk('one')))
    const got = await fetched(url(), client(world()))
    expect(got).toBe(good ? set(jwk('one')) : 'the answer is of another media type')
  })

  test('a status list has a media type of its own', async () => {
    answer = (_, response) => response.setHeader('content-type', 'application/statuslist+jwt').end('a.b.c')
    expect(await fetched(url(), client(world()), STATUS_LIST)).toBe('a.b.c')
    answer = (_, response) => response.setHeader('content-type', 'application/json').end('a.b.c')
    expect(await fetched(url(), client(world()), STATUS_LIST)).toBe('the answer is of another media type')
  })

  test('64 KiB and not one byte more, whatever the server says of its length', async () => {
    const limit = 64 * 1024
    answer = (_, response) => response.end('x'.repeat(limit))
    expect(await fetched(url(), client(world()))).toHaveLength(limit)
    for (const chunked of [true, false]) {
      answer = (_, response) => {
        if (!chunked) response.setHeader('content-length', limit + 1)
        response.write('x'.repeat(limit))
        response.end('x')
      }
      expect(await fetched(url(), client(world()))).toBe('the answer is longer than 65536 bytes')
    }
  })

  test('an answer without end is cut off', async () => {
    let closed: () => void
    const ended = new Promise<void>((resolve) => (closed = resolve))
    answer = (_, response) => {
      response.on('close', closed)
      const more = (): void => {
        while (response.write('x'.repeat(16_384)));
        response.once('drain', more)
      }
      more()
    }
    expect(await fetched(url(), client(world()))).toBe('the answer is longer than 65536 bytes')
    await ended
  })

  test('a compressed answer is refused rather than inflated', async () => {
    answer = (_, response) => response.setHeader('content-encoding', 'gzip').end('bomb')
    expect(await fetched(url(), client(world()))).toBe('the answer is encoded')
  })

  test('a server that never answers, and one that never ends, are given up', async () => {
    const limits = { ...JWKS, timeoutMs: 1 }
    answer = () => {}
    expect(await fetched(url(), client(world()), limits)).toMatch(/^(no answer within 1 ms|ABORT_ERR)$/)
    const silent = client(world({ resolve: () => new Promise(() => {}) }))
    expect(await fetched(url(), silent, limits)).toBe('no answer within 1 ms')
  })

  test('a connection that breaks off is no answer', async () => {
    answer = (_, response) => {
      response.setHeader('content-length', 100)
      response.write('half')
      response.destroy()
    }
    expect(await fetched(url(), client(world()))).toMatch(/^(ECONNRESET|the request failed)$/)
  })

  test.each([
    'http://login.example/jwks',
    'https://user@login.example/',
    'https://:secret@login.example/',
    'ftp://x/',
    'x',
  ])('%s is not asked for, by whatever client', async (target) => {
    const asked: string[] = []
    const fetch = (address: string) => {
      asked.push(address)
      return Promise.resolve('{}')
    }
    expect(await fetched(target, fetch)).toBe('the address is not https without credentials')
    expect(asked).toEqual([])
  })
})

describe("a client of the user's own", () => {
  let hits: number
  let keys: string | Uint8Array | Promise<never>
  const fetch: FetchDocument = async () => {
    hits++
    return keys
  }
  beforeEach(() => {
    hits = 0
    keys = set(jwk('one'))
  })
  const clock = { now: NOW }
  const remote = (): TokenVerifier => {
    clock.now = NOW
    return trusting([{ issuer, jwks: `${issuer}/jwks.json` }], { fetch, now: () => clock.now })
  }

  test('is given the URL and the limits', async () => {
    const asked: unknown[] = []
    const verifier = trusting([{ issuer, jwks: `${issuer}/jwks.json` }], {
      fetch: (...args) => {
        asked.push(args)
        return Promise.resolve(new TextEncoder().encode(set(jwk('one'))))
      },
    })
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    const limits = { maxBytes: 65_536, timeoutMs: 5000, accept: 'application/jwk-set+json, application/json' }
    expect(asked).toEqual([[`${issuer}/jwks.json`, limits]])
  })

  test('one request for many tokens at once', async () => {
    const verifier = remote()
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => verifier.verify(token())))
    expect(new Set(verdicts.map(codeOf))).toEqual(new Set(['ok']))
    expect(hits).toBe(1)
  })

  test('an unknown kid asks once per 30 s, however many there are', async () => {
    const verifier = remote()
    valueOf(await verifier.verify(token()))
    expect(hits).toBe(1)
    for (let i = 0; i < 20; i++) expect(codeOf(await verifier.verify(token(`made-up-${i}`)))).toBe('UNTRUSTED_ISSUER')
    clock.now += 29
    expect(codeOf(await verifier.verify(token('made-up')))).toBe('UNTRUSTED_ISSUER')
    expect(hits).toBe(1)
    clock.now += 1
    for (let i = 0; i < 20; i++) expect(codeOf(await verifier.verify(token(`made-up-${i}`)))).toBe('UNTRUSTED_ISSUER')
    expect(hits).toBe(2)
  })

  test('a new key is found when a token by it comes', async () => {
    const verifier = remote()
    valueOf(await verifier.verify(token()))
    expect(errorOf(await verifier.verify(token('two', forger(51)))).hint).toContain('holds no such key')
    keys = set(jwk('one'), jwk('two', forger(51)))
    clock.now += 30
    expect(codeOf(await verifier.verify(token('two', forger(51))))).toBe('ok')
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    expect(hits).toBe(2)
  })

  test('a key that is taken back is noticed after ten minutes', async () => {
    const verifier = remote()
    valueOf(await verifier.verify(token()))
    keys = set(jwk('two', forger(51)))
    clock.now += 599
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    clock.now += 1
    expect(codeOf(await verifier.verify(token()))).toBe('UNTRUSTED_ISSUER')
    expect(codeOf(verifier.verifySync(token()))).toBe('UNTRUSTED_ISSUER')
    expect(hits).toBe(2)
  })

  test('while nothing comes, the old keys serve for an hour, and then no more', async () => {
    const verifier = remote()
    valueOf(await verifier.verify(token()))
    keys = Promise.reject(new Error('down'))
    keys.catch(() => {})
    clock.now += 3599
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    expect(codeOf(verifier.verifySync(token()))).toBe('ok')
    clock.now += 1
    expect(codeOf(verifier.verifySync(token()))).toBe('UNTRUSTED_ISSUER')
    const error = errorOf(await verifier.verify(token()))
    expect([error.code, error.retryable, error.message]).toEqual([
      'UNTRUSTED_ISSUER',
      true,
      `the keys of ${issuer} were not fetched: the request failed`,
    ])
    keys = set(jwk('one'))
    clock.now += 30
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
  })

  test.each([
    ['no JSON', 'x'],
    ['a private key', set({ ...jwk('one'), d: 'AAAA' })],
    ['too much', set(jwk('one')).padEnd(65_537)],
    ['nothing', undefined],
    ['an object', { keys: [] }],
    ['bytes that are no text', new Uint8Array([0x7b, 0xff, 0x7d])],
    ['a byte order mark', `\ufeff${set(jwk('one'))}`],
  ])('%s is not taken, and does not replace what is there', async (_, wrong) => {
    const verifier = remote()
    valueOf(await verifier.verify(token()))
    keys = wrong as never
    clock.now += 600
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    expect(codeOf(await verifier.verify(token('two', forger(51))))).toBe('UNTRUSTED_ISSUER')
    expect(hits).toBe(2)
  })

  test.each([
    ['rejects', () => Promise.reject(new Error('proxy http://user:hunter2@proxy:3128 refused'))],
    ['rejects with nothing', () => Promise.reject(undefined as never)],
    [
      'throws',
      () => {
        throw new Error('hunter2')
      },
    ],
  ])('one that %s is told of without its words', async (_, broken) => {
    const verifier = trusting([{ issuer, jwks: `${issuer}/jwks.json` }], { fetch: broken })
    const error = errorOf(await verifier.verify(token()))
    expect(error.message).toBe(`the keys of ${issuer} were not fetched: the request failed`)
    expect(String(error.stack)).not.toContain('hunter2')
  })

  test('is not asked for tokens by issuers that nobody trusts, nor for what is no token', async () => {
    const verifier = remote()
    const foreign = forgedToken(signer, agent.did, { iss: 'https://attacker.example' }, { kid: 'one' })
    for (const text of [foreign, forgedToken(signer, agent.did), 'x.y.z', '', token().slice(1)]) {
      expect((await verifier.verify(text)).ok).toBe(false)
    }
    expect(hits).toBe(0)
  })

  test('addresses in a token are never asked', async () => {
    const header = { kid: 'one', jku: 'https://attacker.example/jwks', x5u: 'https://attacker.example/x5u' }
    const verifier = remote()
    expect(codeOf(await verifier.verify(forgedToken(signer, agent.did, { iss: issuer }, header)))).toBe('INVALID_TOKEN')
    expect(hits).toBe(0)
  })

  test('without I/O nothing is asked, and the hint says so', () => {
    const error = errorOf(remote().verifySync(token()))
    expect([error.code, error.hint]).toEqual([
      'UNTRUSTED_ISSUER',
      'verify() asks for the keys of this issuer, verifySync() does not',
    ])
    expect(hits).toBe(0)
  })
})

test('a status list that names this machine is not fetched', async () => {
  const token = forgedToken(forger(1), agent.did, {
    status: { status_list: { idx: 0, uri: 'https://127.0.0.1/status' } },
  })
  const verifier = trusting([forger(1).did], { revocations: new StatusListSource() })
  const error = errorOf(await verifier.verify(token))
  expect([error.code, error.hint]).toEqual([
    'REVOCATION_UNKNOWN',
    'the evidence is absent (the host is not on the public network): ' +
      'give the verifier a StatusListSource that may fetch the list, or put it there',
  ])
})
