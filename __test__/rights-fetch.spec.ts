// What a verifier fetches, and what it never does. The servers are real, on this machine, with certificates by an authority
// of the test's own; names lead there by a table that the test gives, for which the same rules hold.
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createPlainServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FetchDocument, type FetchLimits } from '@private.me/autogen'
import { StatusListSource } from '@private.me/autogen/tokens'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { client, JWKS, obtain, reasonOf, STATUS_LIST } from '../ts/tokens/fetch.ts'
import { native } from '../ts/native.ts'
import { json } from '../ts/native/json.ts'
import { certificate } from './helpers/certificate.ts'
import { run } from './helpers/child.ts'
import { agent, issuer, jwk, set, token } from './helpers/jwks.ts'
import { codeOf, errorOf } from './helpers/result.ts'
import { forgedToken, forger, trusting } from './helpers/rights.ts'
import { vectors } from './helpers/vectors.ts'

describe('vectors/fetch.json', () => {
  const { addresses, urls } = vectors<{
    addresses: { address: string; class: 'public' | 'private' | 'loopback' | 'never'; why: string }[]
    urls: { url: string; owner: string | null; stranger: string | null; why: string }[]
  }>('fetch.json')

  test.each(urls)('$url: $why', ({ url, owner, stranger }) => {
    expect([native.refuseUrl(url, 'owner'), native.refuseUrl(url, 'stranger')]).toEqual([owner, stranger])
  })

  test.each(addresses)('$address: $why', ({ address, class: kind }) => {
    const url = new URL(address.includes(':') ? `https://[${address}]/` : `https://${address}/`).href
    const forOwner = kind === 'never' ? 'the host has an address that is never asked' : null
    const forStranger = kind === 'public' ? null : 'the host is not on the public network'
    expect([native.refuseUrl(url, 'owner'), native.refuseUrl(url, 'stranger')]).toEqual([forOwner, forStranger])
  })

  test('what is taken has the origin that WHATWG URLs have', () => {
    for (const { url, owner } of urls) {
      if (owner !== null) continue
      const host = /^https?:\/\/([^/?]*)/i
        .exec(url)?.[1]
        ?.toLowerCase()
        .replace(url.startsWith('http:') ? /:80$/ : /:443$/, '')
      expect(new URL(url).host, url).toBe(host)
    }
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
    ca = certificate(folder, 'authority').cert
    server = createServer(certificate(folder, 'login.example'), (request, response) => {
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

  /** A client for which names lead to this machine, and which believes the authority. */
  const here = (hosts: Record<string, string[]> = {}, roots = [ca], intervalMs = 0): FetchDocument =>
    client(
      native.newFetcher(
        json({
          hosts: { 'login.example': ['127.0.0.1'], 'other.example': ['127.0.0.1'], ...hosts },
          roots,
          intervalMs,
        }),
      ),
    )
  const listed: FetchLimits = { ...STATUS_LIST, named: 'listed' }
  const url = (host = 'login.example', path = '/jwks.json') => `https://${host}:${port}${path}`
  /** What comes of fetching: the text, or why there is none. */
  async function fetched(target: string, fetch: FetchDocument, limits: FetchLimits = JWKS): Promise<string> {
    return obtain(fetch, target, limits).catch(reasonOf)
  }

  test('gets a document under the name that was asked for', async () => {
    expect(await fetched(url(), here())).toBe(set(jwk('one')))
    expect(hits).toEqual([`GET login.example:${port} /jwks.json`])
  })

  test('a token by an issuer whose keys it gets', async () => {
    const verifier = trusting([{ issuer, jwks: url() }], { fetch: here() })
    expect(codeOf(verifier.verifySync(token()))).toBe('UNTRUSTED_ISSUER')
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    expect(codeOf(verifier.verifySync(token()))).toBe('ok')
    expect(hits).toHaveLength(1)
  })

  test('on this machine, what the user has named may be plain http', async () => {
    const plain = createPlainServer((_, response) => response.end(set(jwk('one'))))
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
    const at = (plain.address() as AddressInfo).port
    const verifier = trusting([{ issuer, jwks: `http://localhost:${at}/jwks.json` }])
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    expect(await fetched(`http://login.example:${at}/`, here())).toBe('the address is not https')
    expect(await fetched(`http://localhost:${at}/`, here(), STATUS_LIST)).toBe('the address is not https')
    plain.close()
  })

  test.each([
    ['https://127.0.0.1/', 'the host is not on the public network'],
    ['https://[::1]/', 'the host is not on the public network'],
    ['https://localhost/', 'the host is not on the public network'],
    ['https://[::ffff:7f00:1]/', 'the host is not on the public network'],
    ['https://10.0.0.1/', 'the host is not on the public network'],
    ['https://169.254.169.254/', 'the host is not on the public network'],
    ['https://2130706433/', 'the address is not a URL in its plain spelling'],
    ['https://0x7f.1/', 'the address is not a URL in its plain spelling'],
    ['https://login.example:8443/', 'the address names a port other than 443'],
    ['http://127.0.0.1/', 'the address is not https'],
    ['https://login.example/', 'the host is not on the public network'],
    ['https://both.example/', 'the host is not on the public network'],
    ['https://nowhere.example/', 'the host has no address'],
  ])('never reaches this machine or its network on the word of a stranger: %s', async (target, why) => {
    const fetch = here({ 'both.example': ['1.1.1.1', '10.0.0.1'] })
    expect(await fetched(target, fetch, STATUS_LIST)).toBe(why)
    const status = { status_list: { idx: 0, uri: target } }
    const presented = forgedToken(forger(1), agent.did, { status })
    const verifier = trusting([forger(1).did], { revocations: new StatusListSource({ fetch }) })
    const error = errorOf(await verifier.verify(presented))
    // What the sources here throw is foreign to the package that was built, which tells nothing of it.
    const told = target.endsWith('.example/') ? 'the request failed' : why
    expect(error.hint).toContain(`is absent (${told})`)
    expect([error.code, hits]).toEqual(['REVOCATION_UNKNOWN', []])
  })

  test('what the user has named may lead into his network, but never to what is no server', async () => {
    const fetch = here({ 'cloud.example': ['169.254.169.254'], 'two.example': ['127.0.0.1', '169.254.169.254'] })
    for (const host of ['cloud.example', 'two.example', '169.254.169.254', '0.0.0.0', '[fd00:ec2::254]']) {
      expect(await fetched(url(host), fetch)).toBe('the host has an address that is never asked')
    }
    expect(hits).toEqual([])
  })

  test('an origin that the user has named is his own, whoever names the path', async () => {
    answer = (_, response) => response.setHeader('content-type', 'application/statuslist+jwt').end('a.b.c')
    expect(await fetched(url(), here(), listed)).toBe('a.b.c')
    expect(await fetched(url(), here(), STATUS_LIST)).toBe('the address names a port other than 443')
    const uri = url('login.example', '/status')
    const presented = forgedToken(forger(1), agent.did, { status: { status_list: { idx: 0, uri } } })
    hits.length = 0
    const verify = async (origins?: string[]) => {
      const revocations = new StatusListSource({ fetch: here(), ...(origins && { origins }) })
      return codeOf(await trusting([forger(1).did], { revocations }).verify(presented))
    }
    expect(await verify()).toBe('REVOCATION_UNKNOWN')
    expect(await verify(['https://other.example'])).toBe('REVOCATION_UNKNOWN')
    expect(hits).toEqual([])
    expect(await verify([`https://login.example:${port}`])).toBe('REVOCATION_UNKNOWN')
    expect(hits).toEqual([`GET login.example:${port} /status`])
  })

  test('a certificate for another name, or by nobody known, is refused', async () => {
    expect(await fetched(url('other.example'), here())).toBe('the certificate is for another host')
    expect(await fetched(url(), here({}, []))).toBe('the certificate is by no authority that is trusted')
    expect(hits).toEqual([])
  })

  test('also where the environment says not to look at certificates', async () => {
    const { NODE_TLS_REJECT_UNAUTHORIZED: before } = process.env
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    const got = await fetched(url(), here({}, []))
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
    expect(got).toBe('the certificate is by no authority that is trusted')
  })

  test('roots in NODE_EXTRA_CA_CERTS are believed, and a file without any is told', async () => {
    const program = `
      const native = require('./npm/' + process.argv[1])
      const fetcher = native.newFetcher(JSON.stringify({ hosts: { 'login.example': ['127.0.0.1'] }, roots: [], intervalMs: 0 }))
      const limits = JSON.stringify(${JSON.stringify(JWKS)})
      native.fetch('${url()}', limits, fetcher).then((got) => console.log(typeof got === 'string' ? got : Buffer.from(got).toString()))`
    const addon = process.report.getReport() as { sharedObjects: string[] }
    const file = addon.sharedObjects
      .find((name) => /xbind\.[^/\\]*\.node$/.test(name))
      ?.split(/[/\\]npm[/\\]/)
      .at(-1)
    const get = async (env: NodeJS.ProcessEnv) =>
      (await run(process.execPath, ['-e', program, file ?? ''], env)).stdout.trim()
    expect(await get({ NODE_EXTRA_CA_CERTS: join(folder, 'authority.pem') })).toBe(set(jwk('one')))
    expect(await get({ NODE_EXTRA_CA_CERTS: '' })).toBe('the certificate is by no authority that is trusted')
    expect(await get({ NODE_EXTRA_CA_CERTS: join(folder, 'authority.key') })).toBe(
      'the certificates to trust cannot be read',
    )
  })

  test('many who ask at a time are one to the server, and so are those who ask soon after', async () => {
    const fetch = here({}, [ca], 60_000)
    const all = await Promise.all(Array.from({ length: 50 }, () => fetched(url(), fetch)))
    expect(new Set([...all, await fetched(url(), fetch)])).toEqual(new Set([set(jwk('one'))]))
    expect(hits).toHaveLength(1)
    expect(await fetched(url('login.example', '/other'), fetch)).toBe(set(jwk('one')))
    expect(hits).toHaveLength(2)
  })

  test.each([301, 302, 303, 307, 308])('a redirect %i is not followed', async (status) => {
    answer = (_, response) => response.writeHead(status, { location: url('login.example', '/elsewhere') }).end()
    expect(await fetched(url(), here())).toBe(`the server answered ${status}`)
    expect(hits).toHaveLength(1)
  })

  test.each([201, 204, 206, 304, 400, 401, 404, 429, 500, 503])('status %i is no answer', async (status) => {
    answer = (_, response) => response.writeHead(status, { 'content-type': 'application/json' }).end()
    expect(await fetched(url(), here())).toBe(`the server answered ${status}`)
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
    const got = await fetched(url(), here())
    expect(got).toBe(good ? set(jwk('one')) : 'the answer is of another media type')
  })

  test('a status list has a media type of its own', async () => {
    answer = (_, response) => response.setHeader('content-type', 'application/statuslist+jwt').end('a.b.c')
    expect(await fetched(url(), here(), listed)).toBe('a.b.c')
    answer = (_, response) => response.setHeader('content-type', 'application/json').end('a.b.c')
    expect(await fetched(url(), here(), listed)).toBe('the answer is of another media type')
  })

  test('64 KiB and not one byte more, whatever the server says of its length', async () => {
    const limit = 64 * 1024
    answer = (_, response) => response.end('x'.repeat(limit))
    expect(await fetched(url(), here())).toHaveLength(limit)
    for (const chunked of [true, false]) {
      answer = (_, response) => {
        if (!chunked) response.setHeader('content-length', limit + 1)
        response.write('x'.repeat(limit))
        response.end('x')
      }
      expect(await fetched(url(), here())).toBe('the answer is longer than 65536 bytes')
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
    expect(await fetched(url(), here())).toBe('the answer is longer than 65536 bytes')
    await ended
  })

  test('a compressed answer is refused rather than inflated', async () => {
    answer = (_, response) => response.setHeader('content-encoding', 'gzip').end('bomb')
    expect(await fetched(url(), here())).toBe('the answer is encoded')
  })

  test('a server that never answers, and one that never ends, are given up', async () => {
    const limits = { ...JWKS, timeoutMs: 1 }
    answer = () => {}
    expect(await fetched(url(), here(), limits)).toBe('no answer within 1 ms')
    const silent: FetchDocument = () => new Promise(() => {})
    expect(await fetched(url(), silent, limits)).toBe('no answer within 1 ms')
    expect(await here()(url(), { ...limits, timeoutMs: 300 }).catch((error: Error) => error.message)).toBe(
      'no answer within 300 ms',
    )
  })

  test('a connection that breaks off is no answer', async () => {
    answer = (_, response) => {
      response.setHeader('content-length', 100)
      response.write('half')
      response.destroy()
    }
    expect(await fetched(url(), here())).toBe('the connection broke off')
  })

  test.each([
    ['http://login.example/jwks', 'the address is not https'],
    ['https://user@login.example/', 'the address holds credentials'],
    ['https://:secret@login.example/', 'the address holds credentials'],
    ['ftp://x/', 'the address is not https'],
    ['x', 'the address is not a URL in its plain spelling'],
  ])('%s is not asked for, by whatever client', async (target, why) => {
    const asked: string[] = []
    const fetch = (address: string) => {
      asked.push(address)
      return Promise.resolve('{}')
    }
    expect(await fetched(target, fetch)).toBe(why)
    expect(asked).toEqual([])
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
