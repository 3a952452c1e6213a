import { keyIn } from '../agent/identity'
import { checkObject, checkString, known, optional, strings } from '../check'
import type { Cluster, KeyRef } from '../native/binding'

/** How to reach the brokers, and which bus is meant. */
export interface ReachOptions {
  /** Addresses of nats-server: `nats://host:4222`, or `tls://host:4222`. With one of a cluster the others are found. */
  servers: string | readonly string[]
  /** Which bus it is among those on these brokers: 1 to 32 of `A-Z a-z 0-9 _ -`, default `main`. Others do not see it. */
  namespace?: string
  /** TLS, whatever the addresses say. */
  tls?: {
    /** Whose certificates are believed besides the usual ones: PEM. */
    ca?: string
    /** What this side shows: PEM, with `key`. */
    cert?: string
    /** The key to `cert`: PEM. */
    key?: string
  }
}

/** Their names. */
export const REACH = ['servers', 'namespace', 'tls']

/** Reads them. */
export function clusterIn({ servers, namespace = 'main', tls }: ReachOptions): Cluster {
  const addresses = typeof servers === 'string' ? [servers] : strings(servers, 'servers', ', or a string')
  checkString(namespace, 'namespace')
  const certificates = tls === undefined ? {} : certificatesIn(tls)
  return { servers: addresses, namespace, tls: tls !== undefined, ...certificates }
}

/** The key of an identity. */
export function keyOf(identity: unknown, what: string): KeyRef {
  const key = keyIn(identity)
  if (key === undefined) throw new TypeError(`${what} must be an Identity`)
  return key
}

function certificatesIn(tls: NonNullable<ReachOptions['tls']>): { ca?: string; cert?: string; key?: string } {
  checkObject(tls, 'tls')
  known(tls, 'tls', ['ca', 'cert', 'key'])
  const { ca, cert, key } = tls
  optional(ca, checkString, 'tls.ca')
  optional(cert, checkString, 'tls.cert')
  optional(key, checkString, 'tls.key')
  return { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) }
}
