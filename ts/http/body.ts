import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { types } from 'node:util'
import type { Failure } from '../native/binding'
import { failure } from '../errors'
import { clearTimeout, setTimeout } from '../agent/timers'

/** How a body is read: no more than `most` bytes, and not for longer than `milliseconds`. */
interface Limits {
  readonly most: number
  readonly milliseconds: number
}

const tooLarge = (most: number): Failure =>
  failure('PAYLOAD_TOO_LARGE', `the body has more than ${most} bytes`, 'send less, or raise maxBodyBytes')
const tooSlow: Failure = failure('MESSAGE_EXPIRED', 'the signature expired before the body was there', 'send it faster')
const brokenOff: Failure = failure('ABORTED', 'the body broke off')

/** The body of a fetch Request or Response. */
export async function readBody(
  message: Request | Response,
  { most, milliseconds }: Limits,
): Promise<Uint8Array | Failure> {
  if (message.bodyUsed) throw new TypeError('the body was read already; give a clone() of the message')
  if (!message.body) return new Uint8Array()
  const reader = message.body.getReader()
  const whole = new Gathered(most)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, milliseconds, undefined)
  })
  const giveUp = (why: Failure): Failure => {
    reader.cancel().catch(() => {})
    return why
  }
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), late])
      if (next === undefined) return giveUp(tooSlow)
      if (next.done) return whole.bytes()
      if (!types.isUint8Array(next.value)) return giveUp(brokenOff)
      if (!whole.add(next.value)) return giveUp(tooLarge(most))
    }
  } catch {
    return brokenOff
  } finally {
    clearTimeout(timer)
  }
}

/**
 * The body of a request of node:http. It is put back before the stream ends, so that whoever comes after reads the very bytes
 * that were verified. What is beyond the limits stays unread, so that it can still be answered.
 */
export function readIncoming(request: IncomingMessage, { most, milliseconds }: Limits): Promise<Uint8Array | Failure> {
  if (request.readableDidRead)
    throw new TypeError(
      'the body was read already; give its bytes as options.body, and every requireAgent() of a route the same verifier',
    )
  if (request.readableEncoding) {
    throw new TypeError('the body is read as text, by setEncoding(); give its bytes as options.body')
  }
  if (request.readableEnded) return Promise.resolve(new Uint8Array())
  if (request.destroyed) return Promise.resolve(brokenOff)
  if (request.listenerCount('data') + request.listenerCount('readable') > 0) {
    throw new TypeError('something else reads the body; give its bytes as options.body')
  }
  return new Promise((resolve) => {
    const whole = new Gathered(most)
    const settle = (value: Uint8Array | Failure): void => {
      clearTimeout(timer)
      request.off('readable', onReadable).off('end', onEnd).off('error', onBroken).off('close', onBroken)
      if (!(value instanceof Uint8Array)) request.pause()
      resolve(value)
    }
    const onReadable = (): void => {
      for (let chunk: unknown = request.read(); chunk !== null; chunk = request.read()) {
        // Text, if somebody has set an encoding meanwhile.
        if (!types.isUint8Array(chunk)) return settle(brokenOff)
        if (!whole.add(chunk)) return settle(tooLarge(most))
      }
      if (!isWhole(request)) return
      const bytes = whole.bytes()
      // Whoever listens by now was given them as they came.
      if (bytes.byteLength > 0 && request.listenerCount('data') === 0) request.unshift(Buffer.from(bytes))
      settle(bytes)
    }
    const onEnd = (): void => settle(whole.bytes())
    const onBroken = (): void => settle(brokenOff)
    const timer = setTimeout(settle, milliseconds, tooSlow)
    request.on('readable', onReadable).on('end', onEnd).on('error', onBroken).on('close', onBroken)
  })
}

/** Whether all of the body has come, although its end is not told yet. HTTP/2 says so of the stream alone. */
function isWhole({ complete, stream }: IncomingMessage & { stream?: Readable }): boolean {
  return complete || stream?.readableEnded === true
}

/** Bytes in one piece: what comes byte by byte takes no more room than what comes at once. */
export class Gathered {
  #room = new Uint8Array(1024)
  #size = 0
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  /** Whether it still fits. */
  add(chunk: Uint8Array): boolean {
    const size = this.#size + chunk.byteLength
    if (size > this.#most) return false
    if (size > this.#room.byteLength) {
      const larger = new Uint8Array(Math.min(this.#most, Math.max(size, 2 * this.#room.byteLength)))
      larger.set(this.#room.subarray(0, this.#size))
      this.#room = larger
    }
    this.#room.set(chunk, this.#size)
    this.#size = size
    return true
  }

  /** A copy of the caller's own. */
  bytes(): Uint8Array {
    return this.#room.slice(0, this.#size)
  }
}
