import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { isAgent, nodeOf, type AutoGenxBindAgent } from '../agent/agent'
import { MessageBus, refOf } from '../agent/bus'
import { setImmediate } from '../agent/timers'
import { bounded, checkFunction, checkObject, checkString, known, optional } from '../check'
import { failure, XBindError } from '../errors'
import { native } from '../native'
import type { NodeRef, ServerRef } from '../native/binding'
import { read } from '../native/json'
import { orThrow } from '../result'
import { Gathered } from './body'
import { cut, inTurn, numberOf, passBy } from './connection'
import { Asking, checkStore, warn, type WindowStore } from './store'

/** How agents are mounted. */
export interface ServeOptions {
  /** The path at which they are, without a query; every path by default, for frameworks that have routed already. */
  path?: string
  /**
   * The most bytes of one request, with all its messages: default 64 MiB, at least 8 KiB. Callers send less at a time where that is
   * little. What one message may have is for its agent to say.
   */
  maxBodyBytes?: number
  /**
   * Shared by replicas, processes with the same keys behind one address: then each call runs once, whichever it comes to. Without
   * it each has a window of its own, and one caller has to be sent to one process. One store for each bus.
   */
  window?: WindowStore
  /**
   * Told what goes wrong here that no caller can be told: what `window` throws, or says wrongly. Where the same store is mounted
   * several times on one bus, each is told. By default a warning of the process.
   */
  onError?: (error: unknown) => void
}

/** What all frameworks take. */
export const MOUNT_OPTIONS = ['maxBodyBytes', 'window', 'onError']

const MEDIA_TYPE = 'application/vnd.xbind.messages'
/** Nobody between is to keep, change or gather what is said. */
const UNTOUCHED = { 'cache-control': 'no-store, no-transform', 'x-accel-buffering': 'no' }
/** After this time a response begins that nothing is said in yet. */
const SOON_MS = 5
/** How long whoever reads a response may take none of what is there. */
const STALLED_MS = 30_000
/** How long nothing of a body may come. */
const SILENT_MS = 30_000
/** What is gathered of a body whose length was not told before any of it is taken: as much as callers send at a time. */
const GATHERED = 256 << 10
/** A piece of so many bytes is enough of one body for one turn of the event loop: Node.js would read 2 MiB in a row. */
const ENOUGH = 16 << 10
const NOTHING = new Uint8Array()

/**
 * Mounts agents on node:http, and on whatever hands on its requests and responses: those of a list, which are on one bus, or
 * all of a bus, those of its worker threads too. They are called by the URL, or by DID and URL. Nothing in front may read the
 * body. `./express`, `./fastify` and `./hono` have one of their own. Throws TypeError, INVALID_CONFIG.
 *
 * @example
 * ```ts
 * const mounted = serveAgents([agent], { path: '/agents' }) // createServer(mounted).listen(8080)
 * ```
 */
export function serveAgents(
  agents: readonly AutoGenxBindAgent[] | MessageBus,
  options: ServeOptions = {},
): (request: IncomingMessage, response: ServerResponse) => void {
  checkObject(options, 'options')
  known(options, 'serveAgents()', ['path', ...MOUNT_OPTIONS])
  const { path, ...rest } = takeOptions(options)
  optional(path, checkString, 'path')
  if (path !== undefined && !/^\/[^?#]*$/.test(path))
    throw new TypeError("path must begin with '/', and hold no '?' and no '#'")
  const answer = mounted(agents, rest)
  return (request, response) => {
    const [asked] = (request.url ?? '').split('?')
    if (path !== undefined && asked !== path) return refuse(request, response, 404)
    try {
      answer(request, response)
    } catch (error) {
      // Thrown from here it would end the process.
      if (!response.headersSent) refuse(request, response, 500)
      warn(error)
    }
  }
}

/** A copy, each read once, those that are inherited too. */
export function takeOptions({ path, maxBodyBytes, window, onError }: ServeOptions): ServeOptions {
  return { path, maxBodyBytes, window, onError } as ServeOptions
}

/** Where the body of a request comes from: itself, or what something in front has left of it. */
export type Answer = (request: IncomingMessage, response: ServerResponse, body?: Readable) => void

/** The store of each bus, and who asks it for as long as there is the bus. */
const stores = new WeakMap<NodeRef, { store: WindowStore; asking: Asking; server: ServerRef }>()

/** What all frameworks have in common. It throws a TypeError where something has read the body, or has answered. */
export function mounted(agents: readonly AutoGenxBindAgent[] | MessageBus, options: ServeOptions): Answer {
  const { maxBodyBytes, window, onError } = options
  const longest = bounded(maxBodyBytes, 64 << 20, 'maxBodyBytes', 8 << 10, 0x7fff_ffff)
  optional(onError, checkFunction, 'onError')
  const { node, dids } = served(agents)
  const open = new Map<number, Exchange>()
  // One that is mounted again, with the store that the bus has, goes on asking it.
  const before = stores.get(node)
  const again = window !== undefined && before?.store === window ? before.asking : undefined
  const store = window === undefined || again ? undefined : checkStore(window)
  const asking = store === undefined ? undefined : new Asking(store)
  const server: ServerRef = orThrow(
    native.newServer(node, dids, asking !== undefined, (exchange) => {
      if (exchange === 0) asking?.ask(server)
      else open.get(exchange)?.write()
    }),
  )
  if (store && asking) stores.set(node, { store, asking, server })
  ;(asking ?? again)?.tell(onError ?? warn)
  return (request, response, body) => {
    if (underWay.has(request)) return // mounted twice
    if (response.headersSent) throw new TypeError('the request was answered before serveAgents() got it')
    if (request.method === 'GET') return inTurn(request, response, () => list(response, here(node, dids)))
    if (request.method !== 'POST') return refuse(request, response, 405, { allow: 'GET, POST' })
    if (request.headers['content-type'] !== MEDIA_TYPE) return refuse(request, response, 415)
    // Before anything of it is taken, so that its sender can split it.
    if (Number(request.headers['content-length'] ?? 0) > longest) return refuse(request, response, 413)
    if (body === undefined && isRead(request)) throw new TypeError(READ)
    underWay.add(request)
    const exchange = new Exchange(server, longest, request, response, body ?? request)
    open.set(exchange.number, exchange)
    exchange.begin(() => open.delete(exchange.number))
  }
}

/** Who of them may be called. */
function here(node: NodeRef, dids: readonly string[] | undefined): string[] {
  const all = read(native.nodeAgents(node)).filter(({ stopped }) => !stopped)
  return all.map(({ did }) => did).filter((did) => dids === undefined || dids.includes(did))
}

/** Requests that are being answered. */
const underWay = new WeakSet<IncomingMessage>()

/** Said where a body was read before. */
export const READ =
  'something has read the body: serveAgents() goes before body parsers, and before whatever else reads it'

/** Whether somebody has taken of the body, or is about to, or has it read as text. */
export function isRead(request: IncomingMessage): boolean {
  const { readableDidRead, readableEncoding, readableEnded } = request
  const listeners = request.listenerCount('data') + request.listenerCount('readable')
  return readableDidRead || readableEncoding !== null || readableEnded || listeners > 0
}

function served(agents: unknown): { node: NodeRef; dids: string[] | undefined } {
  if (!Array.isArray(agents)) return { node: refOf(agents as MessageBus), dids: undefined }
  const all = [...(agents as unknown[])] // where nothing is in the list, that shows
  const [first] = all
  if (all.length === 0) throw new TypeError('agents must not be empty')
  if (!all.every(isAgent) || !isAgent(first)) throw new TypeError('agents must be a list of agents, or a MessageBus')
  const node = nodeOf(first)
  const dids = [...new Set(all.map((agent) => agent.getDID()))]
  const there = new Set(read(native.nodeAgents(node)).map(({ did }) => did))
  const isElsewhere = all.some((agent) => nodeOf(agent) !== node && !there.has(agent.getDID()))
  if (isElsewhere) throw new XBindError(failure('INVALID_CONFIG', 'the agents are on several buses', 'mount each bus'))
  return { node, dids }
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: Record<string, string> = {},
): void {
  inTurn(request, response, () => response.writeHead(status, { ...headers, 'content-length': '0' }).end())
}

/** Who is here, for callers who know the URL alone. */
function list(response: ServerResponse, agents: readonly string[]): void {
  const body = JSON.stringify({ agents })
  const length = String(Buffer.byteLength(body))
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store', 'content-length': length })
  response.end(body)
}

/**
 * One request with messages, and its response, which begins in its turn and ends when all of them are done with. Where no length was
 * told, it begins once the body has ended: until then that may be too large.
 */
class Exchange {
  readonly number: number
  readonly #server: ServerRef
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #body: Readable
  #left: number
  /** Whether the body may yet be too large. */
  #isUntold: boolean
  /** What of such a body is not taken yet. */
  #gathered: Gathered | undefined
  #isTurn = false
  #isHeld = false
  /** Whether the response may be written to. */
  #isBegun = false
  #isOver = false
  #stalled: NodeJS.Timeout | undefined
  #unbegun: NodeJS.Timeout | undefined
  #silent: NodeJS.Timeout | undefined

  constructor(server: ServerRef, longest: number, request: IncomingMessage, response: ServerResponse, body: Readable) {
    this.number = native.openExchange(server, numberOf(request))
    this.#server = server
    this.#left = longest
    this.#request = request
    this.#response = response
    this.#body = body
    this.#isUntold = request.headers['content-length'] === undefined
    if (this.#isUntold) this.#gathered = new Gathered(GATHERED)
  }

  begin(gone: () => void): void {
    const body = this.#body
    this.#response.on('error', () => undefined) // its end is told by `close`
    body.on('error', () => undefined)
    body.on('data', (piece: Uint8Array) => this.#read(piece))
    body.resume() // whoever was here before may have paused it
    // Servers need not have a bound of their own: Fastify sets none.
    this.#silent = setTimeout(() => this.#late(), SILENT_MS).unref()
    body.on('end', () => {
      clearTimeout(this.#silent)
      if (this.#left < 0 || this.#isOver) return
      this.#isUntold = false
      const isWhole = this.#take() && native.endExchange(this.#server, this.number) === null
      if (isWhole) this.#begin()
      else this.#cut()
    })
    const begin = (): void => {
      this.#isTurn = true
      this.#isHeld = false
      if (body.isPaused()) body.resume()
      this.#begin()
    }
    inTurn(this.#request, this.#response, begin, () => {
      this.#closed()
      gone()
    })
    this.#hold()
  }

  #begin(): void {
    if (!this.#isTurn || this.#isUntold || this.#isBegun) return
    this.#isBegun = true
    // What is answered soon leaves with it, in one piece.
    this.#unbegun = setTimeout(() => this.#isOurs() && this.#head().flushHeaders(), SOON_MS)
    this.write()
  }

  /** Whether nobody else has answered: something in front may, when it has waited for long enough. */
  #isOurs(): boolean {
    return !this.#isOver && (this.#unbegun === undefined || !this.#response.headersSent)
  }

  #cut(): void {
    cut(this.#request, this.#response)
  }

  #late(): void {
    if (this.#stalled || this.#isHeld) this.#silent?.refresh()
    else this.#cut()
  }

  #read(piece: Uint8Array): void {
    if (this.#left < 0 || this.#isOver) return
    this.#silent?.refresh()
    this.#left -= piece.byteLength
    if (this.#left < 0) return this.#refuse()
    // What came before stands; the rest is nobody's.
    if (!this.#take(piece)) return this.#cut()
    if (this.#hold()) return
    if (!this.#stalled && piece.byteLength < ENOUGH) return
    this.#body.pause()
    if (!this.#stalled) setImmediate(() => this.#stalled || this.#body.resume())
  }

  /** Where more waits on the connection than is to, what is behind others is read in its turn. */
  #hold(): boolean {
    this.#isHeld = !this.#isTurn && native.feedExchange(this.#server, this.number, NOTHING) === false
    if (this.#isHeld) this.#body.pause()
    return this.#isHeld
  }

  /** Takes the next piece, behind what was gathered; whether messages can still come of it. */
  #take(piece?: Uint8Array): boolean {
    if (piece && this.#gathered?.add(piece)) return true
    const pieces = [this.#gathered?.bytes(), piece]
    this.#gathered = undefined
    return pieces.every((bytes) => !bytes || native.feedExchange(this.#server, this.number, bytes) !== null)
  }

  /** It is too large, and nobody knew before. */
  #refuse(): void {
    clearTimeout(this.#silent)
    clearTimeout(this.#unbegun)
    this.#gathered = undefined
    if (this.#response.headersSent) return this.#cut()
    refuse(this.#request, this.#response, 413)
    passBy(this.#request, this.#body, SILENT_MS)
  }

  /** There may be something to write. */
  write(): void {
    if (!this.#isBegun || this.#stalled || this.#left < 0 || !this.#isOurs()) return
    if (this.#response.writableEnded || this.#response.destroyed) return
    const [bytes, over] = native.takeExchange(this.#server, this.number)
    if (over) return this.#end(bytes)
    const goesOn = bytes.byteLength === 0 || this.#head().write(bytes)
    if (goesOn) return
    this.#stalled = setTimeout(() => this.#cut(), STALLED_MS).unref()
    this.#response.once('drain', () => {
      clearTimeout(this.#stalled)
      this.#stalled = undefined
      this.#body.resume()
      this.write()
    })
  }

  #end(bytes: Uint8Array): void {
    const isWhole = this.#unbegun !== undefined
    const response = this.#head(isWhole ? { 'content-length': bytes.byteLength } : {})
    response.setTimeout(STALLED_MS, () => response.destroy()) // no `drain` tells whether the last piece is read
    response.end(bytes)
  }

  /** The response, begun. */
  #head(more: OutgoingHttpHeaders = {}): ServerResponse {
    if (this.#unbegun === undefined) return this.#response
    clearTimeout(this.#unbegun)
    this.#unbegun = undefined
    return this.#response.writeHead(200, { 'content-type': MEDIA_TYPE, ...UNTOUCHED, ...more })
  }

  #closed(): void {
    this.#isOver = true
    clearTimeout(this.#stalled)
    clearTimeout(this.#silent)
    clearTimeout(this.#unbegun)
    this.#gathered = undefined
    native.closeExchange(this.#server, this.number)
  }
}
