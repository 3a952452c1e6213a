import type { IncomingMessage } from 'node:http'
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
  const chunks: Uint8Array[] = []
  let size = 0
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
      if (next.done) return joined(chunks)
      size += next.value.byteLength
      if (size > most) return giveUp(tooLarge(most))
      chunks.push(next.value)
    }
  } catch {
    return brokenOff
  } finally {
    clearTimeout(timer)
  }
}

/** The body of a request of node:http. What is beyond the limits stays unread, so that it can still be answered. */
export function readIncoming(request: IncomingMessage, { most, milliseconds }: Limits): Promise<Uint8Array | Failure> {
  if (request.readableDidRead) throw new TypeError('the body was read already; give its bytes as options.body')
  if (request.destroyed) return Promise.resolve(brokenOff)
  return new Promise((resolve) => {
    const chunks: Uint8Array[] = []
    let size = 0
    const settle = (value: Uint8Array | Failure): void => {
      clearTimeout(timer)
      request.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken)
      if (!(value instanceof Uint8Array)) request.pause()
      resolve(value)
    }
    const onData = (chunk: Uint8Array): void => {
      size += chunk.byteLength
      if (size > most) settle(tooLarge(most))
      else chunks.push(chunk)
    }
    const onEnd = (): void => settle(joined(chunks))
    const onBroken = (): void => settle(brokenOff)
    const timer = setTimeout(settle, milliseconds, tooSlow)
    request.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken)
  })
}

/** A copy of the caller's own. */
function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}
