import { approveWith, type CallDecision } from '../tokens/approval'
import { gaveUp } from './abort'
import type { AutoGenxBindAgent } from './agent'
import { statementRecord } from './audit'
import { anchors, defaultBus, refOf } from './bus'
import { CardKeeper, checkAddresses, type AgentCard } from './card'
import { joinChannel, leaveChannel } from './channels'
import { bounded } from '../check'
import { nativeOptions, type Handler, type Message, type ReadConfig, type xBindIdentityProvider } from './config'
import { Draining } from './draining'
import { failure, isFailure, XBindError } from '../errors'
import { Guard, type HandleOptions } from './guard'
import { hinted } from '../hints'
import { keyIn, signWith } from './identity'
import { Journal, type Wishes } from './journal'
import { writeKeyAsync } from './key-file'
import { lettersIn } from './letters'
import { short } from './log'
import { Offers, type MethodOptions } from './methods'
import { native } from '../native'
import { json } from '../native/json'
import type { Failure, KeyRef, NodeRef } from '../native/binding'
import { MAX_TIMEOUT, receiveOptionsIn, type ReceiveOptions } from './options'
import { openPort, type Members, type Port } from './port'
import { checkProvider, didOf, exportFrom, RemoteKey, Signing } from './provider'
import { Receivers } from './receivers'
import { Registries, registryIn } from './registry'
import { fail, orThrow, result, type Result } from '../result'

export const closedFailure = failure(
  'AGENT_CLOSED',
  'this agent is closed',
  'make a new one, or import its identity again',
)

/** What the port may ask of its members; set by the class, which alone sees into them. */
let members: Members<Member>

interface Extras extends Wishes {
  readonly provider: xBindIdentityProvider | undefined
  /** The key of an Identity that signs for the agent. */
  readonly owned: KeyRef | undefined
  /** Where the key is not the agent's own. */
  readonly signing: Signing | undefined
  /** What its card names. */
  readonly addresses: readonly string[] | undefined
}

/** An agent as its port knows it: its life on the bus, its key, what it answers and what it has been sent. */
export class Member {
  readonly did: string
  readonly port: Port<Member>
  readonly number: number
  /** Its bus. */
  readonly node: NodeRef
  readonly timeoutMs: number
  /** Bytes of a payload. */
  readonly longest: number
  /** None for most agents; kept together so that an idle agent stays small. */
  readonly extras: Extras | undefined
  /** What its owner has in his hand, and may have overridden. */
  readonly #agent: Pick<AutoGenxBindAgent, 'name' | 'close'>
  #offers: Offers | undefined
  #card: CardKeeper | undefined
  #receivers: Receivers<Message> | undefined
  #draining: Draining | undefined
  #registries: Registries | undefined
  #closed = false

  /** Joins the bus. */
  constructor(agent: Pick<AutoGenxBindAgent, 'name' | 'close'>, config: ReadConfig) {
    const { name, agentOptions, verbose, logger, identityProvider, handler, onHandlerError, recording, key } = config
    const { bus: home, timeoutMs, addresses: told, registry: at } = agentOptions
    const addresses = checkAddresses(told)
    const registry = at === undefined ? undefined : registryIn(at, 'registry')
    const owned = keyIn(identityProvider)
    const provider = owned ? undefined : (identityProvider as xBindIdentityProvider | undefined)
    if (provider !== undefined) checkProvider(provider)
    const bus = refOf(home === undefined ? defaultBus() : home)
    const options = nativeOptions(name, agentOptions, handler !== undefined, verbose)
    this.timeoutMs = bounded(timeoutMs, 30_000, 'timeoutMs', 1, MAX_TIMEOUT)
    this.longest = options.maxPayloadBytes
    const did = owned ? orThrow(native.keyDid(owned)) : provider && didOf(provider)

    this.port = openPort(members)
    this.node = bus
    const [own, { log, unrecorded }] = [did === undefined ? key : undefined, recording]
    this.number = orThrow(native.join(this.port.number, bus, json(options), own, did, log, unrecorded))
    this.port.add(this.number, this)
    this.did = orThrow(native.agentDid(this.port.number, this.number))
    this.#agent = agent
    if (handler) this.#offers = this.#nothing().with(handler, undefined)
    if (handler) anchors.get(bus)?.hold(this, true)
    const isUsual = !provider && !owned && !logger && !verbose && !onHandlerError && !addresses
    const signing = provider || owned ? new Signing() : undefined
    this.extras = isUsual ? undefined : { provider, owned, signing, logger, verbose, onHandlerError, addresses }
    if (registry !== undefined) this.#join(registry)
    if (joinChannel.hasSubscribers) joinChannel.publish({ agent: this.did, name })
  }

  /** Its authority counts from the start; without it there is no agent. */
  #join(registry: string): void {
    this.#registries = new Registries(this, registry)
    const failed = this.#registries.open()
    if (!failed) return
    this.close()
    throw new XBindError(failed)
  }

  get registries(): Registries {
    return (this.#registries ??= new Registries(this, undefined))
  }

  get name(): string | undefined {
    return this.#agent.name
  }

  get isClosed(): boolean {
    return this.#closed
  }

  get key(): KeyRef | Failure {
    if (this.#closed) return closedFailure
    const key = this.extras?.owned ?? native.agentKey(this.port.number, this.number)
    return isFailure(key) ? hinted(key) : key
  }

  async receive(options: ReceiveOptions): Promise<Result<Message[]>> {
    const wanted = receiveOptionsIn(options)
    if (isFailure(wanted)) return fail(wanted)
    const { max, waitMs, signal } = wanted
    if (signal?.aborted) return fail(gaveUp(signal))
    return result(await this.inbox.receive(max, waitMs, signal))
  }

  async decide(request: CallDecision): Promise<Result<string>> {
    const { key } = this
    return isFailure(key) ? fail(key) : this.recorded('approval.signed', approveWith(key, request))
  }

  /** What it has signed is on record, or nobody gets it. */
  async recorded(event: string, signed: Result<string>): Promise<Result<string>> {
    if (!signed.ok) return signed
    const done = await native.putOnRecord(this.port.number, this.number, json(statementRecord(event, signed.value)))
    return isFailure(done) ? fail(done) : signed
  }

  /** A key that is with an identity provider. */
  get remote(): RemoteKey | undefined {
    const provider = this.#closed ? undefined : this.extras?.provider
    return (
      provider && new RemoteKey(this.did, provider, this.timeoutMs, () => (this.#closed ? closedFailure : undefined))
    )
  }

  get journal(): Journal {
    return new Journal(this.#agent.name ?? short(this.did), this.extras)
  }

  get inbox(): Receivers<Message> {
    return (this.#receivers ??= new Receivers((max, listen) => this.#take(max, listen)))
  }

  #take(max: number, listen: boolean): Message[] | Failure {
    const flat = native.receive(this.port.number, this.number, max, listen)
    if (isFailure(flat)) return closedFailure
    const { letters, unreadable } = lettersIn(flat)
    const journal = unreadable.length > 0 && this.extras?.verbose ? this.journal : undefined
    for (const { id, from } of unreadable) journal?.warn(`message ${id} from ${short(from)} only claims to be JSON`)
    return letters
  }

  get #offered(): Offers {
    return (this.#offers ??= this.#nothing())
  }

  #nothing(): Offers {
    const did = this.did
    return Offers.none({
      did,
      make: (handler, options) => new Guard(did, handler, options, (...note) => this.journal.warn(...note)),
      describe: async () => ({ card: orThrown(await this.describe()).jws }),
    })
  }

  /** A handler with a name before it, or without one. */
  handle(first: unknown, second: unknown, third: unknown): void {
    const before = this.#offers ?? this.#nothing()
    const next =
      typeof first === 'string'
        ? before.withMethod(first, second as Handler | null, third as MethodOptions | undefined)
        : before.with(first as Handler | null, second as HandleOptions | undefined)
    const { policies, judges } = next.policies
    const number = native.guard(this.port.number, this.number, json(policies), judges)
    if (isFailure(number))
      throw new XBindError(number.code === 'AGENT_CLOSED' ? { ...closedFailure, ...number } : number)
    next.number = number
    if (next.replaces(before) && this.journal.isRead) {
      this.journal.warn('another handler has replaced the one that was set, and its policy with it')
    }
    this.#offers = next
    anchors.get(this.node)?.hold(this, next.answers)
    this.port.schedule()
  }

  /** The card of what it offers. */
  describe(): Promise<Result<AgentCard>> | Result<AgentCard> {
    if (this.#closed) return fail(closedFailure)
    const { provider, owned, addresses = [] } = this.extras ?? {}
    this.#card ??= new CardKeeper(this.did, this.#agent.name, addresses, (bytes) =>
      provider ? provider.sign(bytes) : signWith(owned ?? orThrow(this.key), bytes, true),
    )
    return this.#card.of(this.#offered)
  }

  /** The private key as PKCS#8. */
  async exportKey(passphrase: string | undefined): Promise<Result<Uint8Array>> {
    if (this.#closed) return fail(closedFailure)
    const provider = this.extras?.provider
    if (provider) return await exportFrom(provider, this.did, passphrase)
    const key = this.key
    if (isFailure(key)) return fail(key)
    const exported = (await writeKeyAsync(key, false, passphrase)) as Result<Uint8Array>
    return this.#closed && !exported.ok ? fail(closedFailure) : exported
  }

  close(): void {
    if (this.#closed) return
    this.#leave()
    this.port.close(this.number)
  }

  /** Closes when its handlers have ended, or when that time is over. */
  async drain(ms: number): Promise<void> {
    if (this.#closed) return
    const isFirst = this.#draining === undefined
    const draining = (this.#draining ??= new Draining(() => this.#agent.close()))
    draining.within(ms)
    if (isFirst) this.port.retire(this.number)
    await draining.over
  }

  #leave(): void {
    if (!this.#closed && leaveChannel.hasSubscribers) leaveChannel.publish({ agent: this.did, name: this.#agent.name })
    this.#closed = true
    anchors.get(this.node)?.hold(this, false)
    this.#offers = undefined
    this.#card = undefined
    this.#registries?.forget()
    this.#receivers?.close(closedFailure)
    this.#draining?.end()
  }

  static {
    members = {
      guard: (member, method) => (member.#closed ? undefined : member.#offered.guardFor(method)),
      handler: (member, method) => (member.#closed ? undefined : member.#offered.handlerFor(method)),
      did: (member) => member.did,
      arrived: (member) => member.#receivers?.arrived(),
      sign: ({ extras }, bytes) =>
        extras?.owned ? signWith(extras.owned, bytes, true) : extras?.provider?.sign(bytes),
      signing: (member) => member.extras?.signing,
      longest: (member) => member.longest,
      closed: (member) => member.#leave(),
      idle: (member) => member.#agent.close(),
      failed: (member, error, call) => member.journal.failed(error, call),
      warn: (member, line, error) => member.journal.warn(line, error),
      trace(member, from, kind, id, outcome) {
        if (member.extras?.verbose) member.journal.trace(from, kind, id, outcome)
      },
    }
  }
}

function orThrown<T>(result: Result<T>): T {
  if (result.ok) return result.value
  throw result.error
}
