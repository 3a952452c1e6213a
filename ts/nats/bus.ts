import { AutoGenxBindAgent } from '../agent/agent'
import type { AuditLog } from '../agent/audit'
import { anchors, MessageBus, refOf } from '../agent/bus'
import type { Identity } from '../agent/identity'
import { wakePort } from '../agent/port'
import { clearInterval, setInterval } from '../agent/timers'
import { checkBoolean, checkNumber, checkObject, known, optional, strings } from '../check'
import { failure, isFailure, XBindError } from '../errors'
import { native } from '../native'
import type { Cluster, Json, KeyRef, NatsRef } from '../native/binding'
import { json, read } from '../native/json'
import { fail, ok, type Result } from '../result'
import { clusterIn, keyOf, REACH, type ReachOptions } from './reach'

/** How to reach the brokers, which bus is meant, and who its agents are. */
export interface ConnectOptions extends ReachOptions {
  /**
   * Who connects, where the servers want to know: it signs a statement for each connection, which has a key of its own. The bus
   * keeps a copy of its key while it is open.
   */
  identity?: Identity
  /**
   * DIDs of those who may stop agents (`serveStops`). With them, nothing is served while it is not known whom they have stopped: calls
   * end with REVOCATION_UNKNOWN.
   */
  operators?: readonly string[]
  /**
   * Bodies, and the tokens beside them, are encrypted to the process of the agent that they are for, and only such are taken. Calls to
   * agents of a bus that does not encrypt end with ENCRYPTION_REQUIRED. Default false: then they are, to those alone who ask for it.
   */
  encrypt?: boolean
  /** Where agents here put on record what they decide, as on any bus. */
  audit?: AuditLog
  /** Agents go on where nothing can be recorded: what they do then, nobody can show. Default false. */
  dangerouslyContinueUnrecorded?: boolean
}

/** How long mail is kept. */
export interface MailboxOptions {
  /**
   * For how long a message is kept, and for how long after the agent was last there messages are taken for it: 1 to 604,800 s, a week, which is
   * the default. 0 closes the mailbox.
   */
  retainSeconds?: number
}

/**
 * A bus whose agents are found and reached across machines. What is joined here is called from everywhere on the bus; an agent
 * that answers calls keeps its process alive.
 */
export interface NatsBus extends MessageBus {
  /** How the connection is; it connects again by itself. */
  readonly status: 'connected' | 'reconnecting' | 'closed'
  /**
   * Waits until it is known whether an agent that has joined here has its name: the first that claims one on this bus has it, until it
   * closes, or has been gone for half a minute. An agent whose name is another's is reached by its DID, and has the name as soon as it is free.
   * Errors: NAME_TAKEN, BROKER_UNAVAILABLE. Throws TypeError.
   *
   * @example
   * ```ts
   * const connected = await connect({ servers: 'nats://localhost:4222' })
   * if (!connected.ok) throw connected.error
   * const named = await connected.value.named(agent)
   * if (!named.ok) console.error(named.error.code, named.error.message) // NAME_TAKEN the name writer belongs to did:key:z6Mk…
   * ```
   */
  named(agent: AutoGenxBindAgent): Promise<Result<void>>
  /**
   * Keeps what others `send` to an agent here while it is away, until some process of it has a mailbox again and reads its inbox. Each
   * message is taken by one process, once, when it is asked for messages (`receive`, `messages`): what one was about to read when it died
   * is not given out again. Whoever has a mailbox keeps his name, too. Where the servers let in by statements (`serveAuth`), a bus has a mailbox for its own
   * `identity` alone.
   * Errors: AGENT_CLOSED, INVALID_CONFIG, SIGN_FAILED, BROKER_UNAVAILABLE. Throws TypeError.
   *
   * @example
   * ```ts
   * const connected = await connect({ servers: 'nats://localhost:4222' })
   * if (!connected.ok) throw connected.error
   * const opened = await connected.value.mailbox(agent, { retainSeconds: 86_400 })
   * if (!opened.ok) throw opened.error
   * for await (const { from, payload } of agent.messages()) console.log(from, payload)
   * ```
   */
  mailbox(agent: AutoGenxBindAgent, options?: MailboxOptions): Promise<Result<void>>
  /**
   * Closes the bus and every agent on it in this process; resolves when their last words have left and the servers have heard that they are
   * gone, after 15 s at most. Others take those of whom they have not for gone by themselves, within a minute. Errors: BROKER_UNAVAILABLE.
   */
  drain(): Promise<Result<void>>
}

const OPTIONS = [...REACH, 'identity', 'operators', 'encrypt', 'audit', 'dangerouslyContinueUnrecorded']
/** As long as any mail is kept, in seconds. */
const WEEK = 604_800
/** Longer than any program runs without a turn of its event loop. */
const HOLD_MS = 0x7fff_ffff

class Bus extends MessageBus implements NatsBus {
  #nats: NatsRef | undefined
  readonly #answering = new Set<object>()
  #held: NodeJS.Timeout | undefined

  async connect(cluster: Json<Cluster>, identity: KeyRef | undefined): Promise<Result<NatsBus>> {
    const node = refOf(this)
    const nats = await native.connectNats(node, cluster, identity)
    if (isFailure(nats)) {
      super.close()
      return fail(nats)
    }
    this.#nats = nats
    anchors.set(node, { hold: (agent, answers) => this.#hold(agent, answers) })
    return ok(this)
  }

  get status(): NatsBus['status'] {
    return this.#nats ? native.natsStatus(this.#nats) : 'closed'
  }

  override agents(): { readonly did: string; readonly name: string | undefined }[] {
    if (!this.#nats) return super.agents()
    return read(native.natsAgents(this.#nats)).map(({ did, name }) => ({ did, name }))
  }

  async named(agent: AutoGenxBindAgent): Promise<Result<void>> {
    if (!(agent instanceof AutoGenxBindAgent)) throw new TypeError('agent must be an AutoGenxBindAgent')
    if (!this.#nats || agent.name === undefined) return ok(undefined)
    const failed = await native.toldNats(this.#nats, json({ verb: 'named', did: agent.getDID() }))
    return isFailure(failed) ? fail(failed) : ok(undefined)
  }

  async mailbox(agent: AutoGenxBindAgent, options: MailboxOptions = {}): Promise<Result<void>> {
    if (!(agent instanceof AutoGenxBindAgent)) throw new TypeError('agent must be an AutoGenxBindAgent')
    checkObject(options, 'options')
    known(options, 'mailbox()', ['retainSeconds'])
    const { retainSeconds: retain } = options
    optional(retain, checkNumber, 'retainSeconds')
    if (retain !== undefined && !(Number.isInteger(retain) && retain >= 0 && retain <= WEEK)) {
      const hint = `give a whole number from 0 to ${WEEK}`
      return fail(failure('INVALID_CONFIG', `retainSeconds is ${retain}`, hint))
    }
    if (!this.#nats) return fail(failure('AGENT_CLOSED', 'this bus is closed'))
    const failed = await native.toldNats(this.#nats, json({ verb: 'mailbox', did: agent.getDID(), retain }))
    return isFailure(failed) ? fail(failed) : ok(undefined)
  }

  async drain(): Promise<Result<void>> {
    super.close()
    const failed = this.#nats && (await native.natsClosed(this.#nats))
    wakePort()
    return isFailure(failed) ? fail(failed) : ok(undefined)
  }

  #hold(agent: object, answers: boolean): void {
    if (answers) this.#answering.add(agent)
    else this.#answering.delete(agent)
    if (this.#answering.size > 0) {
      this.#held ??= setInterval(() => undefined, HOLD_MS)
    } else {
      clearInterval(this.#held)
      this.#held = undefined
    }
  }
}

/**
 * Connects to a cluster of nats-server, 2.11 or newer with JetStream. What it gives is a bus: agents join it as any other, and
 * call those of other processes by name and DID.
 * Errors: BROKER_UNAVAILABLE, INVALID_CONFIG, INVALID_DID. Throws TypeError.
 *
 * @example
 * ```ts
 * const connected = await connect({ servers: 'nats://localhost:4222' })
 * if (!connected.ok) throw connected.error
 * const member = new AutoGenxBindAgent({ name: 'writer', agentOptions: { bus: connected.value } })
 * ```
 */
export async function connect(options: ConnectOptions): Promise<Result<NatsBus>> {
  checkObject(options, 'options')
  known(options, 'connect()', OPTIONS)
  const { identity, operators, encrypt, audit, dangerouslyContinueUnrecorded } = options
  optional(encrypt, checkBoolean, 'encrypt')
  const named = operators === undefined ? undefined : strings(operators, 'operators')
  const cluster = { ...clusterIn(options), operators: named, encrypt }
  const key = identity === undefined ? undefined : keyOf(identity, 'identity')
  try {
    const bus = new Bus({
      ...(audit !== undefined && { audit }),
      ...(dangerouslyContinueUnrecorded !== undefined && { dangerouslyContinueUnrecorded }),
    })
    return await bus.connect(json(cluster), key)
  } catch (error) {
    if (error instanceof XBindError) return { ok: false, error }
    throw error
  }
}
