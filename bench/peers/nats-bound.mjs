// What a call would cost that adds to one of nats.js nothing but two signatures and two verifications of this package's core.
import { timeSync } from '../lib/time.mjs'
import { identity } from './ours.mjs'

export { nats } from './nats.mjs'

const MESSAGE = Buffer.alloc(300, 'm')

/** In microseconds. */
export function added() {
  const mine = identity()
  const signature = mine.sign(MESSAGE)
  const sign = timeSync(() => mine.sign(MESSAGE), 50)
  const verify = timeSync(() => mine.verify(MESSAGE, signature), 50)
  return 2 * (sign + verify)
}
