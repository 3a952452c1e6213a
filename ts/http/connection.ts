import type { IncomingMessage, ServerResponse } from 'node:http'
import type { EventEmitter } from 'node:events'
import type { ServerHttp2Stream } from 'node:http2'
import type { Readable } from 'node:stream'

/** The most requests of one connection that are not answered yet. */
const MOST = 128

/** What is told when a connection ends: of the responses that wait behind another one Node.js tells nobody. */
const waiting = new WeakMap<EventEmitter, Set<() => void>>()

function waitingOn(request: IncomingMessage): Set<() => void> {
  const connection = connectionOf(request)
  const known = waiting.get(connection)
  if (known) return known
  const all = new Set<() => void>()
  waiting.set(connection, all)
  connection.once('close', () => [...all].forEach((closed) => closed()))
  return all
}

const numbers = new WeakMap<EventEmitter, number>()
let last = 0

/** A number of the connection's own. */
export function numberOf(request: IncomingMessage): number {
  const connection = connectionOf(request)
  const number = numbers.get(connection) ?? (last = (last + 1) >>> 0)
  numbers.set(connection, number)
  return number
}

/** With HTTP/2 `socket` stands for one of its streams. */
function connectionOf(request: IncomingMessage): EventEmitter {
  return (request as { stream?: Partial<ServerHttp2Stream> }).stream?.session ?? request.socket
}

/**
 * Answers once all requests before it on the connection are: what is written before makes Node.js stop reading, and then it does
 * not see that the connection is lost. `closed` runs once, when the response is done or the connection has ended, before it too.
 */
export function inTurn(
  request: IncomingMessage,
  response: ServerResponse,
  answer: () => void,
  closed: () => void = () => undefined,
): void {
  const others = waitingOn(request)
  const { socket } = request
  if (others.size >= MOST) socket.destroy()
  if (socket.destroyed) return closed()
  const over = (): void => {
    if (others.delete(over)) closed()
  }
  others.add(over)
  response.on('close', over)
  if (response.socket !== null) return answer()
  response.once('socket', () => process.nextTick(() => others.has(over) && !response.headersSent && answer()))
}

/** Ends the connection, also where the response still waits for it. */
export function cut({ socket }: IncomingMessage, response: ServerResponse): void {
  if (response.socket === null) socket.destroy()
  else response.destroy()
}

/** What is left of a body that nobody reads goes by for so long, so that its sender comes to read the answer. */
export function passBy({ socket }: IncomingMessage, body: Readable, milliseconds: number): void {
  const late = setTimeout(() => socket.destroy(), milliseconds).unref()
  const over = (): void => clearTimeout(late)
  body.on('end', over).on('close', over).resume()
}
