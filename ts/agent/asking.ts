import { AsyncLocalStorage } from 'node:async_hooks'
import { gaveUp } from './abort'
import { recipientIn, type Address } from './address'
import {
  heeding,
  resultOf,
  type Asking,
  type CallReceipt,
  type DeliveryReceipt,
  type Ended,
  type Hearing,
  type Receipted,
  type Settle,
} from './calls'
import { cardIn, type AgentCard } from './card'
import { callChannel, type CallSeen } from './channels'
import { checkSignal } from '../check'
import { isFailure, XBindError } from '../errors'
import { native } from '../native'
import { closedFailure, type Member } from './member'
import type { Failure } from '../native/binding'
import type { CallOptions, StreamOptions } from './config'
import { DESCRIBE } from './methods'
import { callOptionsIn, checkOptions, streamOptionsIn, type Wanted } from './options'
import { encode } from '../messages/payload'
import type { Progress } from './progress'
import { fail, type Result } from '../result'
import { streamOf, type AnswerStream } from './stream'

/** How a call or message is to be made, and by whose leave. */
type Begun = Asking & Partial<Pick<Wanted, 'signal' | 'onProgress'>>

/** Asks another agent. */
export function call(
  member: Member,
  agentName: Address,
  payload: unknown,
  options: CallOptions,
): Promise<Result<unknown>> {
  const to = recipientIn(agentName, 'agentName')
  const wanted = callOptionsIn(options, member.timeoutMs)
  if (isFailure(wanted)) return Promise.resolve(fail(wanted))
  const progress = progressFor(member, wanted)
  if (wanted.receipt) return receipted(member, to, payload, wanted, progress)
  const ended = ask(member, to, payload, wanted, false, progress && { progress })
  return Promise.resolve(ended).then(resultOf)
}

/** The parts of an answer. */
export function stream<T>(member: Member, to: Address, payload: unknown, options: StreamOptions): AnswerStream<T> {
  const at = recipientIn(to, 'to')
  const wanted = streamOptionsIn(options, member.timeoutMs)
  const progress = isFailure(wanted) ? undefined : progressFor(member, wanted)
  return streamOf(member.port.calls, progress, (hearing) =>
    isFailure(wanted) ? { ok: false, failure: wanted } : ask(member, at, payload, wanted, false, hearing),
  )
}

/** What another agent offers. */
export async function describe(member: Member, to: Address): Promise<Result<AgentCard>> {
  const at = recipientIn(to, 'to')
  const answer = await ask(member, at, null, { timeoutMs: member.timeoutMs, method: DESCRIBE })
  return answer.ok ? cardIn(answer.value, answer.from, native.knownSession(member.node, answer.from)) : resultOf(answer)
}

/** A message for an inbox. */
export async function send(
  member: Member,
  to: Address,
  payload: unknown,
  options: { signal?: AbortSignal },
): Promise<Result<DeliveryReceipt>> {
  const at = recipientIn(to, 'to')
  checkOptions(options, 'send()', ['signal'])
  const { signal } = options
  return resultOf(await ask(member, at, payload, { timeoutMs: member.timeoutMs, signal }, true))
}

/** Begins a call, or sends a message; how it ends. */
function ask(
  member: Member,
  to: string | Failure,
  payload: unknown,
  wanted: Begun,
  oneWay = false,
  hearing?: Hearing,
): Ended | Promise<Ended> {
  if (isFailure(to)) return { ok: false, failure: to }
  if (to.includes('://')) native.reachAddresses(member.node, undefined)
  if (!callChannel.isSeen) return begin(member, to, payload, wanted, oneWay, hearing)
  const { method, traceparent } = wanted
  const kind = oneWay ? 'send' : hearing?.window === undefined ? 'call' : 'stream'
  const seen: CallSeen = { agent: member.did, to, kind, method, traceparent }
  return callChannel.run(
    seen,
    () => {
      // A subscriber may set anything.
      const set = seen.traceparent === traceparent ? traceparent : traceparentIn(seen.traceparent)
      return begin(member, to, payload, { ...wanted, traceparent: set }, oneWay, hearing)
    },
    // Without what the other side chose to tell, which is a part of its answer.
    (ended) => ((ended as Ended).ok ? undefined : new XBindError((ended as { failure: Failure }).failure)),
  )
}

function begin(
  member: Member,
  to: string,
  payload: unknown,
  wanted: Begun,
  oneWay: boolean,
  hearing: Hearing | undefined,
): Ended | Promise<Ended> {
  const { signal } = wanted
  const { calls } = member.port
  checkSignal(signal, 'signal')
  const over = whyOver(member, signal)
  if (over) return { ok: false, failure: over }
  const content = encode(payload, member.longest)
  const wrong = whyOver(member, signal) ?? (isFailure(content) ? content : undefined) // encoding runs the payload's own code
  if (wrong) return { ok: false, failure: wrong }
  let settle!: Settle
  const ended = new Promise<Ended>((resolve) => (settle = resolve))
  if (member.extras?.signing) settle = member.extras.signing.explained(settle)
  if (member.extras?.verbose) settle = member.journal.traced(to, oneWay, settle)
  if (signal) settle = heeding(signal, settle, () => calls.abandon(number, gaveUp(signal)))
  const body = content as string | Uint8Array
  const number = calls.begin(member.number, to, body, oneWay, wanted, hearing, settle)
  return ended
}

/** A call and its answer themselves beside how it ended. */
async function receipted(
  member: Member,
  to: string | Failure,
  payload: unknown,
  wanted: Begun,
  progress: Hearing['progress'],
): Promise<Receipted<unknown>> {
  let receipt: CallReceipt | undefined
  const hearing: Hearing = { progress, receipt: (it) => (receipt = it) }
  const ended = await ask(member, to, payload, wanted, false, hearing)
  return Object.assign(resultOf(ended), { receipt }) as Receipted<unknown>
}

/** Why nothing begins any more. */
function whyOver(member: Member, signal: AbortSignal | undefined): Failure | undefined {
  if (member.isClosed) return closedFailure
  return signal?.aborted ? gaveUp(signal) : undefined
}

/** Where the caller hears how far his call is: in the context in which he made it. */
function progressFor(member: Member, { onProgress }: Wanted): Hearing['progress'] {
  if (!onProgress) return undefined
  const threw = (thrown: unknown): void => member.journal.warn('onProgress threw', { thrown })
  return AsyncLocalStorage.bind((progress: Progress): void => {
    try {
      const given: unknown = onProgress(progress)
      if (typeof given === 'object' && given !== null) Promise.resolve(given).catch(threw)
    } catch (thrown) {
      threw(thrown)
    }
  })
}

const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/

/** What a subscriber has set. */
function traceparentIn(value: unknown): string | undefined {
  return typeof value === 'string' && TRACEPARENT.test(value) ? value : undefined
}
