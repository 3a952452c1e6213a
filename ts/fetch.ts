// Documents from addresses that others chose: https only, public hosts only, bounded in time and size. The network modules
// are loaded when something is fetched, since most processes never do.
import type { LookupAddress } from 'node:dns'
import type { IncomingMessage } from 'node:http'
import { TextDecoder, types } from 'node:util'
import { clearTimeout, setTimeout } from './timers'

/** The bounds of one request. */
export interface FetchLimits {
  /** The longest answer that is taken. */
  readonly maxBytes: number
  /** From the question to the last byte of the answer. */
  readonly timeoutMs: number
  /** Media types to ask for. */
  readonly accept: string
}

/**
 * A client of your own, as behind a proxy: gets a document, and rejects for anything but a complete answer with status 200.
 * It has to keep the rules that the built-in one keeps: no redirects, no addresses of your own network. The URL is https,
 * without credentials; size and time are checked again behind it.
 */
export type FetchDocument = (url: string, limits: FetchLimits) => Promise<Uint8Array | string>

/** What the built-in client takes from the machine it runs on; tests bring another. */
export interface World {
  resolve(host: string): Promise<LookupAddress[]>
  isPublic(address: string): boolean
  /** Certificates to trust instead of Node's. */
  ca?: string
}

export const JWKS: FetchLimits = {
  maxBytes: 64 * 1024,
  timeoutMs: 5000,
  accept: 'application/jwk-set+json, application/json',
}
export const STATUS_LIST: FetchLimits = {
  maxBytes: 2 << 20,
  timeoutMs: 5000,
  accept: 'application/statuslist+jwt',
}

const COOLDOWN_SECONDS = 30

/** Why a document was not fetched, in a few words that hold nothing secret. */
class FetchError extends Error {}

/** One document: fetched once at a time, and not again within the cooldown. */
export class RemoteDocument {
  readonly #get: () => Promise<string>
  #askedAt: number | undefined
  #running: Promise<void> | undefined
  /** When the copy at hand was asked for. */
  fetchedAt: number | undefined
  /** Why the last attempt failed. */
  failure: string | undefined

  constructor(url: string, limits: FetchLimits, fetch: FetchDocument) {
    this.#get = () => obtain(fetch, url, limits)
  }

  /** `take` keeps the document, or says why it cannot be used. */
  refresh(now: number, take: (text: string) => string | undefined): Promise<void> {
    if (this.#running) return this.#running
    const since = this.#askedAt === undefined ? Infinity : now - this.#askedAt
    if (since >= 0 && since < COOLDOWN_SECONDS) return Promise.resolve()
    this.#askedAt = now
    this.#running = this.#refresh(now, take)
    return this.#running
  }

  isOlder(seconds: number, now: number): boolean {
    return this.fetchedAt !== undefined && now - this.fetchedAt >= seconds
  }

  async #refresh(now: number, take: (text: string) => string | undefined): Promise<void> {
    try {
      this.failure = take(await this.#get())
      if (this.failure === undefined) this.fetchedAt = now
    } catch (error) {
      this.failure = reasonOf(error)
    } finally {
      this.#running = undefined
    }
  }
}

/** Whether a text is an address that may be fetched: https, without credentials. */
export function isFetchable(url: string): boolean {
  return url.length <= 2048 && URL.canParse(url) && vetted(new URL(url)) === undefined
}

function vetted({ protocol, username, password }: URL): string | undefined {
  if (protocol !== 'https:') return 'the address is not https'
  return username + password === '' ? undefined : 'the address holds credentials'
}

/** A document by any client, within its limits whatever that client does. */
async function obtain(fetch: FetchDocument, url: string, limits: FetchLimits): Promise<string> {
  if (!isFetchable(url)) throw new FetchError('the address is not https without credentials')
  const answer: unknown = await within(limits.timeoutMs, () => fetch(url, limits))
  const bytes = typeof answer === 'string' ? Buffer.from(answer) : answer
  if (!types.isUint8Array(bytes)) throw new FetchError('the client gave no bytes')
  if (bytes.byteLength > limits.maxBytes) throw new FetchError(`the answer is longer than ${limits.maxBytes} bytes`)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new FetchError('the answer is not UTF-8')
  }
}

async function within<T>(ms: number, start: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new FetchError(`no answer within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([start(), late])
  } finally {
    clearTimeout(timer)
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof FetchError) return error.message
  // A message may name proxies and their passwords; a code does not.
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code) ? code : 'the request failed'
}

/** The built-in client: looks the host up once, and connects to what it has vetted. */
export function client(world: World): FetchDocument {
  return async (url, limits) => {
    const target = new URL(url)
    const why = vetted(target)
    if (why !== undefined) throw new FetchError(why)
    const addresses = await vettedAddresses(world, target.hostname.replace(/^\[|\]$/g, ''))
    return read(await request(target, addresses, limits, world.ca), limits)
  }
}

async function vettedAddresses(world: World, host: string): Promise<LookupAddress[]> {
  const { isIP } = require('node:net') as typeof import('node:net')
  const family = isIP(host)
  const addresses = family === 0 ? await world.resolve(host) : [{ address: host, family }]
  // One that is not public is enough to refuse: whoever answers so is not to be trusted with the others either.
  if (addresses.length === 0 || !addresses.every(({ address }) => world.isPublic(address))) {
    throw new FetchError('the host is not on the public network')
  }
  return addresses
}

function request(
  target: URL,
  addresses: LookupAddress[],
  { timeoutMs, accept }: FetchLimits,
  ca: string | undefined,
): Promise<IncomingMessage> {
  const https = require('node:https') as typeof import('node:https')
  const [first] = addresses
  return new Promise((resolve, reject) => {
    const asked = https.request(target, {
      agent: false,
      headers: { accept, 'user-agent': 'private.me-autogen' },
      rejectUnauthorized: true,
      signal: AbortSignal.timeout(timeoutMs),
      ...(ca !== undefined && { ca }),
      lookup: (_host, options, done) => {
        if (options.all === true) done(null, addresses)
        else done(null, first?.address ?? '', first?.family)
      },
    })
    asked.on('response', resolve).on('error', reject).end()
  })
}

async function read(answer: IncomingMessage, { maxBytes, accept }: FetchLimits): Promise<Uint8Array> {
  try {
    const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = answer.headers
    if (answer.statusCode !== 200) throw new FetchError(`the server answered ${answer.statusCode}`)
    if (encoding !== 'identity') throw new FetchError('the answer is encoded')
    if (!isExpected(type, accept)) throw new FetchError('the answer is of another media type')
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > maxBytes) throw new FetchError(`the answer is longer than ${maxBytes} bytes`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } finally {
    answer.destroy()
  }
}

/** Loosely: servers of static files know few media types, but a page of HTML is an error or a trap. */
function isExpected(type: string, accept: string): boolean {
  const essence = (type.split(';')[0] ?? '').trim().toLowerCase()
  const kind = /[+/](?:json|jwt)\b/.exec(accept)?.[0].slice(1) ?? ''
  return ['', 'text/plain', 'application/octet-stream'].includes(essence) || essence.endsWith(kind)
}

/** IANA's special-purpose registries (RFC 6890), multicast, and the addresses at which clouds answer their machines. */
const RESERVED_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]
/** The only part of IPv6 that is public, and what is reserved in it: also what carries IPv4 inside (Teredo, 6to4). */
const GLOBAL_V6 = ['2000::/3']
const RESERVED_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

type Blocks = Record<'v4' | 'v6' | 'global', import('node:net').BlockList>
let blocks: Blocks | undefined

function makeBlocks(): Blocks {
  const { BlockList } = require('node:net') as typeof import('node:net')
  const listed = (subnets: string[], family: 'ipv4' | 'ipv6') => {
    const list = new BlockList()
    for (const subnet of subnets) {
      const [address = '', bits] = subnet.split('/')
      list.addSubnet(address, Number(bits), family)
    }
    return list
  }
  return { v4: listed(RESERVED_V4, 'ipv4'), v6: listed(RESERVED_V6, 'ipv6'), global: listed(GLOBAL_V6, 'ipv6') }
}

/** Whether an address is one of the public network's. */
export function isPublic(address: string): boolean {
  const { isIP } = require('node:net') as typeof import('node:net')
  const { v4, v6, global } = (blocks ??= makeBlocks())
  switch (isIP(address)) {
    case 4:
      return !v4.check(address, 'ipv4')
    case 6:
      return global.check(address, 'ipv6') && !v6.check(address, 'ipv6')
    default:
      return false
  }
}

function resolve(host: string): Promise<LookupAddress[]> {
  const { lookup } = require('node:dns/promises') as typeof import('node:dns/promises')
  return lookup(host, { all: true, verbatim: true })
}

/** The built-in client on this machine. */
export const fetchPublic: FetchDocument = client({ resolve, isPublic })
