import { types } from 'node:util'
import type { Failure } from './binding'
import { failure } from './errors'

/** What crosses the border: JSON text, or bytes. Undefined becomes null. A failure for what JSON cannot hold. */
export function encode(payload: unknown): string | Uint8Array | Failure {
  if (payload === undefined) return 'null'
  if (types.isUint8Array(payload)) return payload
  try {
    const text = JSON.stringify(payload) as string | undefined
    if (text !== undefined) return text
  } catch {
    // a cycle, a BigInt, a toJSON that throws, nesting without end
  }
  return failure('INVALID_PAYLOAD', 'JSON cannot hold this payload', 'send plain data: no functions, cycles or BigInts')
}

/** What arrived. Throws SyntaxError for a body that only claims to be JSON. */
export function decode(body: string | Uint8Array): unknown {
  if (typeof body === 'string') return JSON.parse(body)
  // The view belongs to this realm, whichever realm the native side made its buffer in.
  return new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
}
