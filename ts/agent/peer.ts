import type { CallOptions } from './config'
import { checkOptions, PEER_OPTIONS } from './options'
import type { Result } from '../result'

/** What every object is asked for by others than its user: by promises, JSON, printing and comparing. */
const NEVER: ReadonlySet<string> = new Set(['then', 'toJSON', ...Object.getOwnPropertyNames(Object.prototype)])

/**
 * A typed client of another agent: each method of `M` takes one payload, and how to call. Methods called `then`, `toJSON`, or
 * like a property of every object, are none of it: use `call` with `method` for those.
 */
export type Peer<M> = {
  readonly [K in keyof M as K extends string ? (K extends NeverMethods ? never : K) : never]: M[K] extends (
    input: infer I,
  ) => infer O
    ? undefined extends I
      ? (input?: I, options?: PeerOptions) => Promise<Result<Awaited<O>>>
      : (input: I, options?: PeerOptions) => Promise<Result<Awaited<O>>>
    : never
}

/** `then`, `toJSON`, and what every object has. */
export type NeverMethods =
  | 'then'
  | 'toJSON'
  | 'constructor'
  | 'toString'
  | 'toLocaleString'
  | 'valueOf'
  | 'hasOwnProperty'
  | 'isPrototypeOf'
  | 'propertyIsEnumerable'
  | '__proto__'
  | '__defineGetter__'
  | '__defineSetter__'
  | '__lookupGetter__'
  | '__lookupSetter__'

/** How a method is called: the method itself is the one that was named. */
export type PeerOptions = Omit<CallOptions, 'method' | 'receipt'>

/** `call` is given the method, the payload and how to call: as `options` say, unless the call itself does. */
export function peerOf<M>(
  options: PeerOptions,
  call: (method: string, input: unknown, options: PeerOptions) => Promise<Result<unknown>>,
): Peer<M> {
  checkOptions(options, 'peer()', PEER_OPTIONS)
  const common = { ...options }
  const asked = async (method: string, input: unknown, own: object): Promise<Result<unknown>> => {
    checkOptions(own, `${method}()`, PEER_OPTIONS)
    const given = Object.entries(own).filter(([, value]) => value !== undefined)
    return call(method, input, { ...common, ...(Object.fromEntries(given) as PeerOptions) })
  }
  return new Proxy(Object.freeze(Object.create(null) as object), {
    get(_, name) {
      if (typeof name !== 'string' || NEVER.has(name)) return undefined
      // JSON has no undefined: a method without a payload is asked with null.
      return (input: unknown = null, own: object = {}) => asked(name, input, own)
    },
  }) as Peer<M>
}
