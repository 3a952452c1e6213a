import type { AuditLog } from '../agent/audit'
import { anchors, MessageBus, refOf } from '../agent/bus'
import { keyIn, type Identity } from '../agent/identity'
import { wakePort } from '../agent/port'
import { clearInterval, setInterval } from '../agent/timers'
import { checkObject, checkString, known, optional, strings } from '../check'
import { isFailure, XBindError } from '../errors'
import { native } from '../native'
import type { Cluster, Json, KeyRef, NatsRef } from '../native/binding'
import { json, read } from '../native/json'
import { fail, ok, orThrow, type Result } from '../result'

/** How to reach the brokers, and which bus is meant. */
export interface ConnectOptions {
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
  /**
   * Who connects, where the servers want to know: it signs a statement for each connection, which has a key of its own. The bus
   * keeps a copy of its key while it is open.
   */
  identity?: Identity
  /** Where agents here put on record what they decide, as on any bus. */
  audit?: AuditLog
  /** Agents go on where nothing can be recorded: what they do then, nobody can show. Default false. */
  dangerouslyContinueUnrecorded?: boolean
}

/**
 * A bus whose agents are found and reached across machines. What is joined here is called from everywhere on the bus; an agent
 * that answers calls keeps its process alive.
 */
export interface NatsBus extends MessageBus {
  /** How the connection is; it connects again by itself. */
  readonly status: 'connected' | 'reconnecting' | 'closed'
  /** Closes the bus and every agent on it in this process; resolves when their last words have left. */
  drain(): Promise<void>
}

const OPTIONS = ['servers', 'namespace', 'tls', 'identity', 'audit', 'dangerouslyContinueUnrecorded']
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

  async drain(): Promise<void> {
    super.close()
    if (this.#nats) orThrow(await native.natsClosed(this.#nats))
    wakePort()
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
 * Errors: BROKER_UNAVAILABLE, INVALID_CONFIG. Throws TypeError.
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
  const { servers, namespace = 'main', tls, identity, audit, dangerouslyContinueUnrecorded } = options
  const addresses = typeof servers === 'string' ? [servers] : strings(servers, 'servers', ', or a string')
  checkString(namespace, 'namespace')
  const key = identity === undefined ? undefined : keyIn(identity)
  if (identity !== undefined && key === undefined) throw new TypeError('identity must be an Identity')
  const certificates = tls === undefined ? {} : certificatesIn(tls)
  try {
    const bus = new Bus({
      ...(audit !== undefined && { audit }),
      ...(dangerouslyContinueUnrecorded !== undefined && { dangerouslyContinueUnrecorded }),
    })
    return await bus.connect(json({ servers: addresses, namespace, tls: tls !== undefined, ...certificates }), key)
  } catch (error) {
    if (error instanceof XBindError) return { ok: false, error }
    throw error
  }
}

function certificatesIn(tls: NonNullable<ConnectOptions['tls']>): { ca?: string; cert?: string; key?: string } {
  checkObject(tls, 'tls')
  known(tls, 'tls', ['ca', 'cert', 'key'])
  const { ca, cert, key } = tls
  optional(ca, checkString, 'tls.ca')
  optional(cert, checkString, 'tls.cert')
  optional(key, checkString, 'tls.key')
  return { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) }
}
