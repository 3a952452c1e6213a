// What the libraries for signatures leave to their users: a digest of the body, and nonces that come once.
import { createHash, randomBytes } from 'node:crypto'

export const COVERED = ['@method', '@authority', '@path', '@query', 'content-type', 'content-digest']

export const digestOf = (body) => `sha-256=:${createHash('sha256').update(body).digest('base64')}:`

export const headersOf = (body) => ({ 'content-type': 'application/json', 'content-digest': digestOf(body) })

export const freshNonce = (bytes) => randomBytes(bytes).toString('base64')

/** Whether body and nonce of a request are what was signed, for the first time. */
export function once() {
  const seen = new Set()
  return ({ headers, body }, nonce) => {
    if (headers['content-digest'] !== digestOf(body) || nonce === undefined || seen.has(nonce)) return false
    seen.add(nonce)
    return true
  }
}
