import type { NodeRef } from '../native/binding'
import { auditIn, type AuditLog } from './audit'
import { bounded, checkObject, checkString, known } from '../check'
import { XBindError } from '../errors'
import { native } from '../native'
import { reachIn, type HttpReach } from './reach'
import { read } from '../native/json'
import { agentHere, wakePort } from './port'
import { agentToken, type AgentTokenWish, type Present } from './registry'
import { fail, ok, orThrow, type Result } from '../result'

/** Holds the process while agents of a bus that is reached from elsewhere answer calls. */
export interface Anchor {
  /** Whether that agent answers calls. */
  hold(agent: object, answers: boolean): void
}

/** Of buses that are reached from elsewhere. */
export const anchors = new WeakMap<NodeRef, Anchor>()

/** Buses by name: one handle of each, as long as somebody here holds it, so that it is known again. */
const named = new Map<string, WeakRef<NodeRef>>()
const dropped = new FinalizationRegistry<string>((name) => {
  if (named.get(name)?.deref() === undefined) named.delete(name)
})

/** The native bus behind one, for agents that join it; set by the class, which alone sees it. */
export let refOf: (bus: MessageBus) => NodeRef

/**
 * An in-process bus. The default one belongs to the module instance, so test files do not see each other. Of several agents of
 * one DID, the newest is called by the DID; a name leads to the agent that has it.
 *
 * @example
 * ```ts
 * const bus = new MessageBus()
 * const [asker, teller] = ['asker', 'teller'].map((name) => new AutoGenxBindAgent({ name, agentOptions: { bus } }))
 * ```
 */
export class MessageBus {
  #node: NodeRef

  /** A bus of its own. Throws INVALID_CONFIG. */
  constructor(
    options: {
      /** The longest life of a message here, 1 to 300, default 30: an agent's `messageTtlSeconds` may not be longer. */
      maxLifetimeSeconds?: number
      /** Where agents here put on record what they decide, unless they have a log of their own: see `openAuditLog`. */
      audit?: AuditLog
      /** Agents go on where nothing can be recorded: what they do then, nobody can show. Default false. */
      dangerouslyContinueUnrecorded?: boolean
      /** How agents here reach URLs. */
      http?: HttpReach
    } = {},
  ) {
    checkObject(options, 'options')
    known(options, 'MessageBus', ['maxLifetimeSeconds', 'audit', 'dangerouslyContinueUnrecorded', 'http'])
    const { maxLifetimeSeconds, audit, dangerouslyContinueUnrecorded, http } = options
    const longest = bounded(maxLifetimeSeconds, 30, 'maxLifetimeSeconds', 1, 300)
    const { log, unrecorded } = auditIn(audit, dangerouslyContinueUnrecorded)
    const reach = http === undefined ? undefined : reachIn(http)
    this.#node = native.newNode(longest, log, unrecorded)
    const failed = reach && native.reachAddresses(this.#node, reach)
    if (failed) throw new XBindError(failed)
  }

  /**
   * The bus of that name in this process, shared by its worker threads. Throws INVALID_NAME.
   *
   * @example
   * ```ts
   * const crew = MessageBus.shared('crew') // in every thread that is to take part
   * const worker = new AutoGenxBindAgent({ name: 'worker', agentOptions: { bus: crew } })
   * ```
   */
  static shared(name: string): MessageBus {
    checkString(name, 'name')
    const bus = new MessageBus()
    const known = named.get(name)?.deref()
    bus.#node = known ?? orThrow(native.sharedNode(name))
    if (known === undefined) {
      named.set(name, new WeakRef(bus.#node))
      dropped.register(bus.#node, name)
    }
    return bus
  }

  /** Who is here, in the order in which they came. */
  agents(): {
    /** Who it is. */
    readonly did: string
    /** Its label, if it has one. */
    readonly name: string | undefined
  }[] {
    return read(native.nodeAgents(this.#node)).map(({ did, name }) => ({ did, name }))
  }

  /**
   * A token for an agent here, to act for a user who has signed in: the agent's own `requestToken` with an `originalToken`.
   * Errors: those of `requestToken`; AGENT_NOT_FOUND (it has to be on this bus, and of this thread), AMBIGUOUS_NAME.
   *
   * @example
   * ```ts
   * const bus = new MessageBus()
   * const wish = { originalToken: token, audience: 'llm.example.com', scopes: ['llm:read'] }
   * const narrower = await bus.getAgentToken({ agentId: 'researcher', ...wish })
   * ```
   */
  async getAgentToken(request: AgentTokenWish): Promise<Result<string>> {
    return await agentToken((agentId) => agentHere<Present>(this.#node, agentId), request)
  }

  /**
   * Stops an identity here, at once and for good: its queued and running calls, and those to it, end with REVOKED, handlers
   * that work on them see their signal abort, and it can neither call nor be called any more. What it has
   * approved, and tokens that it has issued or delegated, count no more. Errors: INVALID_DID.
   */
  stop(did: string): Result<void> {
    checkString(did, 'did')
    const failed = native.stopOnNode(this.#node, did)
    wakePort()
    return failed ? fail(failed) : ok(undefined)
  }

  /** Closes the bus and every agent on it, also those of other threads. */
  close(): void {
    native.closeNode(this.#node)
    wakePort()
  }

  static {
    refOf = (bus) => {
      if (!(typeof bus === 'object' && bus !== null && #node in bus)) throw new TypeError('bus must be a MessageBus')
      return bus.#node
    }
  }
}

let shared: MessageBus | undefined

/** The bus of this module instance. */
export function defaultBus(): MessageBus {
  return (shared ??= new MessageBus())
}
