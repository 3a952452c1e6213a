import type { Answers, Failure } from '../native/binding'
import { failure, HandlerError, isFailure, XBindError } from '../errors'
import { isAbortBy } from './abort'
import { IS_TO_BE_GIVEN_BACK, MAY_BEGIN, WAITS } from './guard'
import { handleChannel, refuseChannel } from './channels'
import { Incoming, type Answerer, type Guarded, type Refusal, type Ticket, type Ways } from './incoming'
import { native } from '../native'
import { Ending, isParts, Parts } from './parts'
import type { Members } from './port'
import { sayingThatItWaits } from './progress'
import { encode, encodeJson } from '../messages/payload'
import { NoMethod, Unreadable, WrongInput } from './schema'

/** The calls that are with the handlers of a port's agents. */
export class Handled<Agent extends object> {
  readonly #port: number
  readonly #ask: Members<Agent>
  readonly #schedule: () => void
  #running = 0
  /** Of those, the ones that somebody is asked about. */
  readonly #asked = new Map<number, Guarded<Agent>>()
  /** Watches the time of an approver, whom the native side calls. */
  readonly #watch: () => void
  /** Of those that run, the ones whose handler has looked at the signal. */
  readonly #watched = new Map<number, AbortController>()
  /** Of those that run, the ones that are answered in parts. */
  readonly #sending = new Map<number, Parts>()
  readonly #soon: () => void

  /**
   * `schedule` sees to it that the port is flushed at once, `soon` that it is when the event loop has had its turn; `watch` that
   * its next deadline is noticed.
   */
  constructor(port: number, ask: Members<Agent>, schedule: () => void, soon: () => void, watch: () => void) {
    this.#watch = watch
    this.#port = port
    this.#ask = ask
    this.#schedule = schedule
    this.#soon = soon
  }

  get areOver(): boolean {
    return this.#running === 0
  }

  /** Whether somebody is asked about a call. */
  get asks(): boolean {
    return this.#asked.size > 0
  }

  /** A call comes in; `guarded` is what is asked about it, if anything is. */
  run(
    agent: Agent,
    number: number,
    id: string,
    from: string,
    seconds: number,
    guarded: string | null,
    method: string | undefined,
    traceparent: string | undefined,
    body: string | Uint8Array,
  ): void {
    const ticket: Ticket<Agent> = { agent, number, id, from, method, traceparent, answered: false }
    this.#running += 1
    this.#ask.trace(agent, from, 'call', id)
    const call = new Incoming(this.#ways, ticket, body, seconds)
    if (guarded === null) this.#start(ticket, call, body, native.start(this.#port, number))
    else this.#judge({ ticket, call, body, guarded })
  }

  /** The caller of that call has given up, or its agent closed. */
  cancel(number: number): void {
    this.#sending.get(number)?.stop()
    this.#watched.get(number)?.abort(cancelled())
  }

  /** There is room for another part of the answer. */
  goOn(number: number): void {
    this.#sending.get(number)?.goOn()
  }

  readonly #ways: Ways = {
    signal: (ticket) => this.#signalOf(ticket),
    progress: ({ number, answered }, { progress, total, message }) => {
      const failed = answered ? null : native.progress(this.#port, number, progress, total, message)
      if (failed) throw new XBindError(failed)
      this.#schedule()
    },
  }

  #signalOf({ number, answered }: Ticket): AbortSignal {
    const watched = this.#watched.get(number)
    if (watched) return watched.signal
    const controller = new AbortController()
    if (!answered) this.#watched.set(number, controller)
    if (answered || native.isCancelled(this.#port, number)) controller.abort(cancelled())
    return controller.signal
  }

  /** Whoever was asked about that call has answered, or it has ended. */
  resumed(number: number): void {
    const asked = this.#asked.get(number)
    if (!asked) return
    this.#asked.delete(number)
    asked.stopTelling?.()
    if (asked.guarded !== null) return this.#judge(asked as Guarded<Agent> & { guarded: string })
    this.#start(asked.ticket, asked.call, asked.body, native.start(this.#port, number))
  }

  /** Says what is asked about a call; whoever has to be asked is waited for. */
  #judge(asked: Guarded<Agent> & { guarded: string }): void {
    const { ticket, call, body, guarded, told } = asked
    const { number } = ticket
    try {
      const guard = this.#ask.guard(ticket.agent, ticket.method)
      const { from, method } = ticket
      const question = { port: this.#port, ticket: number, from, method, body, guarded }
      const judged = guard ? guard.judge(question, told) : native.start(this.#port, number)
      if (typeof judged !== 'number') return this.#wait(asked, judged)
      if (judged === WAITS) {
        return this.#keep({ ticket, call, body, guarded, stopTelling: sayingThatItWaits(call.progress) })
      }
      if (judged === MAY_BEGIN) {
        const rights = guarded.indexOf('\n')
        Incoming.grant(call, rights < 0 ? native.rights(this.#port, number) : guarded.slice(rights + 1))
      }
      this.#start(ticket, call, body, judged)
    } catch (error) {
      this.#threw(ticket, error)
    }
  }

  #wait({ ticket, call, body, guarded }: Guarded<Agent>, answers: Promise<Answers>): void {
    if (!native.wait(this.#port, ticket.number)) return void this.#finish(ticket, undefined)
    const asked: Guarded<Agent> = { ticket, call, body, guarded }
    this.#keep(asked)
    const resume = (): void => {
      native.resume(this.#port, ticket.number)
      this.#schedule()
    }
    answers.then((told) => (asked.told = told), nobody).then(resume, nobody)
  }

  /** Until somebody has answered. */
  #keep(asked: Guarded<Agent>): void {
    this.#asked.set(asked.ticket.number, asked)
    this.#watch()
    this.#schedule()
  }

  /** Much may have happened since the call came; what does not hold any more does not begin. */
  #start(ticket: Ticket<Agent>, call: Incoming, body: string | Uint8Array, start: number): void {
    if (start === WAITS) return this.#keep({ ticket, call, body, guarded: null })
    if (start === IS_TO_BE_GIVEN_BACK) native.giveBack(this.#port, ticket.number, body)
    if (start !== MAY_BEGIN) return void this.#finish(ticket, undefined)
    if (!call.read()) return this.#refuse(ticket, { code: 'INVALID_PAYLOAD' })
    const handler = this.#ask.handler(ticket.agent, ticket.method)
    if (!handler) return this.#refuse(ticket, { code: 'AGENT_CLOSED' })
    try {
      const answer: unknown = handleChannel.isSeen ? this.#seen(ticket, call, handler) : handler(call)
      if (!isThenable(answer)) return this.#answer(ticket, answer)
      answer.then(
        (value) => this.#answer(ticket, value),
        (error: unknown) => this.#threw(ticket, error),
      )
    } catch (error) {
      this.#threw(ticket, error)
    }
  }

  #seen(ticket: Ticket<Agent>, call: Incoming, answer: Answerer): unknown {
    const { agent, id, from, method, traceparent } = ticket
    const seen = { agent: this.#ask.did(agent), from, id, method, traceparent }
    return handleChannel.run(
      seen,
      () => {
        const value = answer(call)
        const send = (value: unknown): unknown => (isParts(value) ? this.#send(ticket, value) : value)
        return isThenable(value) ? Promise.resolve(value).then(send) : send(value)
      },
      (value) => (value instanceof Ending && value.how === 'failed' ? unsent(value.value as Failure) : undefined),
    )
  }

  /** An answer in parts, until its end. */
  async #send(ticket: Ticket<Agent>, parts: object): Promise<Ending> {
    const { agent, number } = ticket
    const sending = new Parts(this.#port, number, this.#ask.longest(agent), {
      leave: (atOnce) => (atOnce ? this.#schedule() : this.#soon()),
      unsent: (why, wasTold) => {
        if (!wasTold) this.#ask.failed(agent, unsent(why), ticket)
        this.#refuse(ticket, { code: 'HANDLER_FAILED' })
      },
      late: (error) => this.#ask.failed(agent, error, ticket),
    })
    this.#sending.set(number, sending)
    try {
      return await sending.send(parts)
    } finally {
      this.#sending.delete(number)
    }
  }

  /** False if it was answered before. `outcome` is for the log. */
  #finish(ticket: Ticket<Agent>, outcome: string | undefined): boolean {
    if (ticket.answered) return false
    ticket.answered = true
    this.#running -= 1
    if (this.#watched.size > 0) this.#watched.delete(ticket.number)
    if (outcome !== undefined) this.#ask.trace(ticket.agent, ticket.from, 'call', ticket.id, outcome)
    this.#schedule()
    return true
  }

  #answer(ticket: Ticket<Agent>, value: unknown): void {
    if (ticket.answered || this.#sending.has(ticket.number)) return
    if (value instanceof Ending) return this.#ended(ticket, value)
    try {
      if (!isParts(value)) return this.#say(ticket, value, native.answer)
    } catch (error) {
      return this.#threw(ticket, error)
    }
    this.#send(ticket, value).then(
      (ending) => this.#answer(ticket, ending),
      (error: unknown) => this.#threw(ticket, error),
    )
  }

  #ended(ticket: Ticket<Agent>, { how, value }: Ending): void {
    if (how === 'whole') return this.#say(ticket, value, native.finish)
    // Nobody waits for it: only its place is given free.
    if (this.#finish(ticket, 'given up')) native.refuse(this.#port, ticket.number, 'AGENT_CLOSED', undefined)
  }

  #say(ticket: Ticket<Agent>, value: unknown, answer: typeof native.answer): void {
    const content = encode(value, this.#ask.longest(ticket.agent))
    if (isFailure(content)) {
      this.#ask.failed(ticket.agent, unsent(content), ticket)
      return this.#refuse(ticket, { code: 'HANDLER_FAILED' })
    }
    // Encoding runs the value's own code, which may have settled it.
    if (!this.#finish(ticket, 'answered')) return
    try {
      answer(this.#port, ticket.number, content)
    } catch {
      // Nothing may be thrown from here, where nobody waits: there is no memory for a copy.
      native.refuse(this.#port, ticket.number, 'HANDLER_FAILED', undefined)
    }
  }

  #threw(ticket: Ticket<Agent>, error: unknown): void {
    if (ticket.answered || this.#sending.has(ticket.number)) return
    const { agent } = ticket
    let [detail, chosen] = [undefined as string | undefined, undefined as string | undefined]
    try {
      if (isAbortBy(this.#watched.get(ticket.number)?.signal, error)) return this.#givenUp(ticket)
      if (error instanceof WrongInput) return this.#refuse(ticket, { code: 'INVALID_INPUT', detail: error.detail })
      if (error instanceof NoMethod) return this.#refuse(ticket, { code: 'METHOD_NOT_FOUND' })
      if (error instanceof Unreadable) return this.#refuse(ticket, { code: 'INVALID_PAYLOAD' })
      if (error instanceof HandlerError) [detail, chosen] = [this.#told(ticket, error), String(error.code)]
      else this.#ask.failed(agent, error, ticket)
    } catch {
      this.#ask.failed(agent, error, ticket)
    }
    this.#refuse(ticket, { code: 'HANDLER_FAILED', detail }, chosen)
  }

  /** The handler heeded its signal: that is no failure, and nobody waits. */
  #givenUp(ticket: Ticket<Agent>): void {
    if (this.#finish(ticket, 'given up')) native.refuse(this.#port, ticket.number, 'HANDLER_FAILED', undefined)
  }

  /** What a HandlerError tells, as JSON: as much of it as may go into a body. */
  #told({ agent }: Ticket<Agent>, error: HandlerError): string | undefined {
    const { code, message, data } = error
    const plain = `"code":${JSON.stringify(String(code))},"message":${JSON.stringify(String(message))}`
    const longest = this.#ask.longest(agent)
    const json = data === undefined ? undefined : encodeJson(data, 'data')
    const lost = isFailure(json) ? json : json === undefined ? undefined : misfit(`{${plain},"data":${json}}`, longest)
    if (json !== undefined && !lost) return `{${plain},"data":${json as string}}`
    if (lost) this.#ask.warn(agent, `the data of a HandlerError were not sent: ${lost.message}`)
    const whole = misfit(`{${plain}}`, longest)
    if (!whole) return `{${plain}}`
    this.#ask.warn(agent, `a HandlerError was not sent: ${whole.message}`)
    return undefined
  }

  #refuse(ticket: Ticket<Agent>, { code, detail }: Refusal, chosen?: string): void {
    const failed = chosen === undefined ? `failed ${code}` : `answered with the HandlerError ${labelled(chosen)}`
    const outcome = code === 'HANDLER_FAILED' ? failed : `refused ${code}`
    if (!this.#finish(ticket, outcome)) return
    native.refuse(this.#port, ticket.number, code, detail)
    const { agent, from, id } = ticket
    if (code !== 'HANDLER_FAILED' && refuseChannel.hasSubscribers) {
      refuseChannel.publish({ agent: this.#ask.did(agent), from, id, code })
    }
  }
}

/** What the owner of a handler is told whose value cannot be sent. */
export function unsent(why: Failure): XBindError {
  const error = new XBindError({ ...why, message: `the handler's value was not sent: ${why.message}` })
  error.stack = `${error.name}: ${error.message}` // where it was made tells nobody anything
  return error
}

function nobody(): void {
  // nobody waits for that
}

function cancelled(): XBindError {
  return new XBindError(failure('ABORTED', 'the caller gave up, or the agent closed'))
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}

/** A code as it may stand in a line of the log. */
function labelled(code: string): string {
  return code.slice(0, 64).replaceAll(/[^\w.:-]/g, '?')
}

/** Why the detail of a refusal may not go into a body, if it may not. */
function misfit(detail: string, longest: number): Failure | undefined {
  const body = `{"code":"HANDLER_FAILED","detail":${detail}}`
  const bytes = Buffer.byteLength(body)
  if (bytes > longest) return failure('PAYLOAD_TOO_LARGE', `the answer has ${bytes} bytes, the limit is ${longest}`)
  return native.checkJson(body) ?? undefined
}
