import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'

/** The most requests of one connection that are not answered yet. */
const MOST = 128

/** What is told when a connection ends: of the responses that wait behind another one Node.js tells nobody. */
const waiting = new WeakMap<Socket, Set<() => void>>()

function waitingOn(socket: Socket): Set<() => void> {
  const known = waiting.get(socket)
  if (known) return known
  const all = new Set<() => void>()
  waiting.set(socket, all)
  socket.once('close', () => [...all].forEach((closed) => closed()))
  return all
}

/**
 * Answers once all requests before it on the connection are: what is written before makes Node.js stop reading, and then it does
 * not see that the connection is lost. `closed` runs once, when the response is done or the connection has ended, before it too.
 */
export function inTurn(
  { socket }: IncomingMessage,
  response: ServerResponse,
  answer: () => void,
  closed: () => void = () => undefined,
): void {
  const others = waitingOn(socket)
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
