import type { Identity } from '../agent/identity'
import { checkNumber, checkObject, checkString, known as knownOptions, optional, strings } from '../check'
import { isFailure } from '../errors'
import { native } from '../native'
import { json, read } from '../native/json'
import { fail, ok, orThrow, type Result } from '../result'
import { clusterIn, keyOf, REACH, type ReachOptions } from './reach'

/** An operator, and what it has said before. */
export interface StopsOptions extends ReachOptions {
  /** The operator, whose DID is among the `operators` of hosts. A copy of its key is kept until `close`. */
  operator: Identity
  /**
   * For how long its word holds that nothing was kept back from a host: 3 to 60, default 15; it is renewed after a third of that.
   * So long after this process is gone, hosts serve nothing.
   */
  lifeSeconds?: number
  /** What `stop` and `resume` have given, as the owner has kept it: servers may have lost it. */
  known?: readonly string[]
}

/** Who or what is stopped: the DID of an agent, or the id of a token or of a link of one. */
export type Stoppable =
  | string
  | {
      /** The id of a token, or of a link of one: its claim `jti`. */
      readonly token: string
    }

/** Speaks for an operator. */
export interface StopsService {
  /**
   * Ends an agent, or a token with all that derives from it, on every host at once: its calls and those to it end with REVOKED, and
   * none begins any more. Resolves when it stands with the server, with the signed statement: keep it for `known`. `reason` is a
   * word of 1 to 32 of `a-z 0-9 -`. Errors: BROKER_UNAVAILABLE, INVALID_DID, INVALID_CONFIG.
   */
  stop(whom: Stoppable, reason?: string): Promise<Result<string>>
  /** Takes a stop of this operator's back. Errors: as for `stop`. */
  resume(whom: Stoppable, reason?: string): Promise<Result<string>>
  /** Says nothing any more. */
  close(): Promise<void>
}

const OPTIONS = [...REACH, 'operator', 'lifeSeconds', 'known']

/**
 * Speaks for an operator on a bus: says, again and again, whom it has stopped, and stops agents and tokens. It keeps its process
 * alive. Hosts that name the operator serve nothing without it, so run two of them.
 * Errors: BROKER_UNAVAILABLE, INVALID_CONFIG, SIGN_FAILED, and those of what is known. Throws TypeError.
 *
 * @example
 * ```ts
 * const operator = Identity.generate() // from a file
 * const stops = await serveStops({ servers: 'nats://localhost:4222', operator })
 * if (stops.ok) await stops.value.stop(agent.getDID(), 'leaked')
 * ```
 */
export async function serveStops(options: StopsOptions): Promise<Result<StopsService>> {
  checkObject(options, 'options')
  knownOptions(options, 'serveStops()', OPTIONS)
  const { operator, lifeSeconds, known = [] } = options
  const cluster = clusterIn(options)
  optional(lifeSeconds, checkNumber, 'lifeSeconds')
  const speaks = { lifeSeconds: lifeSeconds ?? 15, known: strings(known, 'known') }
  const service = await native.serveNats(json({ cluster, operator: speaks }), keyOf(operator, 'operator'))
  if (isFailure(service)) return fail(service)
  void native.tellService(service, json({ verb: 'next' })) // keeps the process
  const say = async (verb: 'stop' | 'resume', whom: Stoppable, reason?: string): Promise<Result<string>> => {
    const word = { verb, ...stoppableIn(whom), reason }
    optional(reason, checkString, 'reason')
    const said = await native.tellService(service, json(word))
    return isFailure(said) ? fail(said) : ok(read(said).statement ?? '')
  }
  return ok({
    stop: (whom, reason) => say('stop', whom, reason),
    resume: (whom, reason) => say('resume', whom, reason),
    async close() {
      orThrow(await native.tellService(service, json({ verb: 'close' })))
    },
  })
}

function stoppableIn(whom: Stoppable): { did: string } | { token: string } {
  if (typeof whom === 'string') return { did: whom }
  checkObject(whom, 'whom')
  knownOptions(whom, 'whom', ['token'])
  const { token } = whom
  checkString(token, 'whom.token')
  return { token }
}
