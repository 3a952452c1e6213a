import type { Identity } from '../agent/identity'
import { checkFunction, checkNumber, checkObject, checkString, known, optional, strings } from '../check'
import { isFailure } from '../errors'
import { native } from '../native'
import type { ServiceRef } from '../native/binding'
import { json, read } from '../native/json'
import { fail, ok, orThrow, type Result } from '../result'
import { clusterIn, keyOf, REACH, type ReachOptions } from './reach'

/** Who is let in to a bus, and for how long. */
export interface AuthOptions extends ReachOptions {
  /**
   * The key of the account, kept for this alone and no agent's: it signs what each connection may do. `authKeys` spells it for
   * the configuration of the servers. A copy of it is kept until `close`.
   */
  issuer: Identity
  /** The account that connections are put into, by its name in the configuration; default `AGENTS`. */
  account?: string
  /**
   * Who may come in: DIDs, or a predicate, which has 5 s. A DID that gets so far has shown that it is there. One that throws is
   * a no. By default everybody may, each with the rights of its own DID.
   */
  allow?: readonly string[] | ((did: string) => boolean | Promise<boolean>)
  /** DIDs of those who may stop agents (`serveStops`). They come in in any case, and nobody whom they have stopped does. */
  operators?: readonly string[]
  /** How long a connection may stay before it shows a new statement, which it does by itself: 1 to 300, default 300. */
  staySeconds?: number
}

/** Lets connections in. */
export interface AuthService {
  /** Lets nobody in any more. Who is in stays until his time is over. */
  close(): Promise<void>
}

const OPTIONS = [...REACH, 'issuer', 'account', 'allow', 'operators', 'staySeconds']

/**
 * The auth callout of nats-server: lets a connection in that shows a statement of a DID about its key, signed by the DID, in time
 * and never used before, with rights to that agent's own subjects, for minutes. It makes what the bus keeps with its servers, and
 * keeps its process alive. Several processes may do so for one account.
 * Errors: BROKER_UNAVAILABLE, INVALID_CONFIG, INVALID_DID, SIGN_FAILED. Throws TypeError.
 *
 * @example
 * ```ts
 * const members = new Set<string>([agent.getDID()])
 * const issuer = Identity.generate() // from a file that this service alone can read
 * const service = await serveAuth({ servers: 'nats://localhost:4222', issuer, allow: (did) => members.has(did) })
 * if (!service.ok) throw service.error
 * ```
 */
export async function serveAuth(options: AuthOptions): Promise<Result<AuthService>> {
  checkObject(options, 'options')
  known(options, 'serveAuth()', OPTIONS)
  const { issuer, account = 'AGENTS', allow, operators = [], staySeconds } = options
  const cluster = clusterIn(options)
  checkString(account, 'account')
  optional(staySeconds, checkNumber, 'staySeconds')
  const key = keyOf(issuer, 'issuer')
  const isAllowed = allow === undefined ? undefined : allowIn(allow)
  const asks = isAllowed !== undefined
  const door = { account, staySeconds: staySeconds ?? 300, operators: strings(operators, 'operators'), asks }
  const service = await native.serveNats(json({ cluster, door }), key)
  if (isFailure(service)) return fail(service)
  if (isAllowed) void decideAll(service, isAllowed)
  else void native.tellService(service, json({ verb: 'next' })) // keeps the process
  return ok({
    async close() {
      orThrow(await native.tellService(service, json({ verb: 'close' })))
    },
  })
}

/**
 * How the keys of an auth callout are spelled in the configuration of nats-server: `issuer` of `auth_callout`, the nkey of the
 * user that it connects as, and `xkey`, which follow from it. Errors: SIGN_FAILED.
 *
 * @example
 * ```ts
 * const keys = authKeys(Identity.generate())
 * if (keys.ok) console.log(`auth_callout { issuer: ${keys.value.issuer}, auth_users: [${keys.value.callout}] }`)
 * ```
 */
export function authKeys(issuer: Identity): Result<{
  /** `A…`: `issuer` of `auth_callout`. */
  readonly issuer: string
  /** `U…`: the nkey of a user, and one of `auth_users`. */
  readonly callout: string
  /** `X…`: `xkey` of `auth_callout`, where nobody on the way is to read what servers ask and are told. */
  readonly xkey: string
}> {
  const keys = native.calloutKeys(keyOf(issuer, 'issuer'))
  return isFailure(keys) ? fail(keys) : ok(read(keys))
}

type Allow = (did: string) => unknown

function allowIn(allow: NonNullable<AuthOptions['allow']>): Allow {
  if (typeof allow === 'function') return allow
  if (!Array.isArray(allow)) checkFunction(allow, 'allow')
  const dids = new Set(strings(allow, 'allow', ', or a function'))
  return (did) => dids.has(did)
}

async function decideAll(service: ServiceRef, allow: Allow): Promise<void> {
  for (;;) {
    const { number, did } = read(orThrow(await native.tellService(service, json({ verb: 'next' }))))
    if (number === undefined || did === undefined) return
    void decide(service, number, did, allow)
  }
}

async function decide(service: ServiceRef, number: number, did: string, allow: Allow): Promise<void> {
  let allowed = false
  try {
    allowed = (await allow(did)) === true
  } catch {
    // It has not said yes.
  }
  await native.tellService(service, json({ verb: 'decide', number, allowed }))
}
