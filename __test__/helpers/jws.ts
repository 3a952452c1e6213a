// The wire format over again, on Node's crypto alone: it makes messages that the package would never seal.
import { createHash, createPrivateKey, randomBytes, sign, type KeyObject } from 'node:crypto'
import { Identity } from '@private.me/autogen'
import { valueOf } from './result'

export type Members = Record<string, unknown>

export const b64u = (data: string | Uint8Array): string => Buffer.from(data).toString('base64url')
export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('base64url')

/** Header and claims of a compact JWS. */
export function parts(jws: string): { header: Members; claims: Members; signature: Buffer } {
  const [header = '', claims = '', signature = ''] = jws.split('.')
  const json = (text: string): Members => JSON.parse(Buffer.from(text, 'base64url').toString()) as Members
  return { header: json(header), claims: json(claims), signature: Buffer.from(signature, 'base64url') }
}

/** Someone who signs whatever is put before him. */
export class Forger {
  readonly identity: Identity
  readonly did: string
  readonly key: KeyObject

  constructor(seed: Uint8Array = randomBytes(32)) {
    this.identity = valueOf(Identity.fromSeed(new Uint8Array(seed)))
    this.did = this.identity.did
    const der = valueOf(this.identity.toPKCS8())
    this.key = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })
  }

  header(changes: Members = {}): Members {
    return { alg: 'EdDSA', kid: `${this.did}#${this.did.slice(8)}`, typ: 'agent-msg+jwt', ...changes }
  }

  claims(to: string, body: Uint8Array, now: number, changes: Members = {}): Members {
    return {
      v: 1,
      op: 'call',
      iss: this.did,
      aud: to,
      jti: randomBytes(16).toString('base64url'),
      iat: now,
      exp: now + 30,
      pt: 'application/json',
      pl: body.length,
      pd: `sha-256:${sha256(body)}`,
      ...changes,
    }
  }

  sign(header: Members | string, claims: Members | string): string {
    const text = (value: Members | string): string => (typeof value === 'string' ? value : JSON.stringify(value))
    const input = `${b64u(text(header))}.${b64u(text(claims))}`
    return `${input}.${sign(null, Buffer.from(input), this.key).toString('base64url')}`
  }
}
