// Workers of one DID and a program that calls them all the time, on a cluster that something happens to.
import { fileURLToPath } from 'node:url'
import { kill, program, type Line, type Process } from './nats-members'
import type { Cluster, Place } from './nats-server'

/** How a call ended; times are in milliseconds since the epoch. */
export interface Ended {
  asked: string
  began: number
  ended: number
  code: string
  handled: string
  /** How many calls there were, when no more are made, and when all have ended. */
  all?: number
  over?: number
}

/** What happened around one event. */
export interface Outage {
  /** The longest time in which nobody was answered, and how long an answer took at most. */
  silence: number
  slowest: number
  /** How many calls began; the codes of those without an answer. */
  calls: number
  lost: string[]
}

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const EVERY_MS = 10
/** How long a call may take before it ends by itself. */
const TIMEOUT_MS = 15_000
const SEED = '9'

/** How a call may end that had to do with what was wrong. */
const ENDS = ['ok', 'AGENT_CLOSED', 'AGENT_NOT_FOUND', 'BROKER_UNAVAILABLE', 'INBOX_FULL', 'TIMEOUT']

const isCall = ({ all, over }: Ended): boolean => all === undefined && over === undefined

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until something is so, and says what is waited for if it never is. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, patienceMs = 120_000): Promise<void> {
  const end = Date.now() + patienceMs
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`it never came about: ${what}`)
    await pause(20)
  }
}

/** Three workers and a caller, each a process. */
export class Crew {
  readonly workers: Process[] = []
  /** All that ever were, the killed ones too. */
  readonly #all: Process[] = []
  readonly #hosts = new Map<Process<unknown>, string>()
  readonly #cluster: Cluster
  caller!: Process<Ended>
  /** Up to which of its lines the caller was looked at. */
  #seen = 0

  /** They reach the servers at these addresses. */
  readonly #urls: readonly string[]

  constructor(cluster: Cluster, urls: readonly string[] = cluster.urls) {
    this.#cluster = cluster
    this.#urls = urls
  }

  async begin(places: readonly (Place | undefined)[] = []): Promise<void> {
    for (let at = 0; at < 3; at++) await this.hire(at, places[at])
    const urls = this.#urls
    const first = urls[0] ?? ''
    this.caller = await this.#started<Ended>(places[3], [
      script('nats-load.mjs'),
      places.length > 0 ? first : urls.join(','),
      'writer',
      String(EVERY_MS),
      String(TIMEOUT_MS),
    ])
    await this.served(50)
  }

  /** Starts a worker, in the place of one that is gone. */
  async hire(at: number, place?: Place): Promise<void> {
    const urls = this.#urls
    // Each at a server of its own to begin with.
    const servers = place === undefined ? urls.join(',') : (urls[at] ?? '')
    const args = [script('nats-agents.mjs'), servers, 'writer', SEED, 'main', '', '4096']
    const worker = await this.#started<Line>(place, args)
    this.workers[at] = worker
    this.#all.push(worker)
  }

  async #started<Said>(place: Place | undefined, args: string[]): Promise<Process<Said>> {
    const before = new Set(await this.#connected())
    const started = await program<Said>([...(place?.inside ?? []), process.execPath, ...args])
    let host: string | undefined
    await until('the new process is connected', async () => {
      host = (await this.#connected()).find((each) => !before.has(each))
      return host !== undefined
    })
    this.#hosts.set(started, host ?? '')
    return started
  }

  async #connected(): Promise<string[]> {
    return (await Promise.all([0, 1, 2].map((at) => this.#hostsAt(at)))).flat()
  }

  async #hostsAt(at: number): Promise<string[]> {
    const said = (await this.#cluster.look(at, '/connz?subs=true')) as
      { connections?: { subscriptions_list?: string[] }[] } | undefined
    const subjects = (said?.connections ?? []).flatMap((each) => each.subscriptions_list ?? [])
    return subjects.flatMap((subject) => /^xb1\.main\.(\w+)\.c$/.exec(subject)?.[1] ?? [])
  }

  /** Which server a process is connected to. */
  async serverOf(one: Process<unknown>): Promise<number> {
    const host = this.#hosts.get(one) ?? ''
    for (;;) {
      for (const at of [0, 1, 2]) if ((await this.#hostsAt(at)).includes(host)) return at
      await pause(50)
    }
  }

  /** Which server leads what is known of who is where. */
  async leader(): Promise<number> {
    for (;;) {
      for (const at of [0, 1, 2]) {
        const said = (await this.#cluster.look(at, '/jsz?streams=true')) as
          { account_details?: { stream_detail?: { name: string; cluster?: { leader?: string } }[] }[] } | undefined
        const streams = said?.account_details?.flatMap((account) => account.stream_detail ?? []) ?? []
        const leader = streams.find(({ name }) => name === 'KV_XB1_main_AGENTS')?.cluster?.leader
        if (leader !== undefined && leader !== '') return Number(leader.at(-1))
      }
      await pause(50)
    }
  }

  /** Waits until so many calls that begin from now on were answered. */
  async served(count: number): Promise<void> {
    const from = Date.now()
    const answered = (): number => this.caller.lines.filter(({ began, code }) => began > from && code === 'ok').length
    await until(`${count} calls are answered`, () => answered() >= count)
  }

  /** Waits until every call has ended that began by then: they are numbered. */
  async ended(by: number): Promise<void> {
    const number = ({ asked }: Ended): number => Number(asked.split(' ')[1])
    const last = this.caller.lines.findLast(({ began }) => began <= by)
    const count = last === undefined ? 0 : number(last)
    const have = (): number => this.caller.lines.filter((line) => number(line) <= count).length
    await until('every call has ended', () => have() === count, 3 * TIMEOUT_MS)
  }

  /** Waits until every worker works. */
  async whole(): Promise<void> {
    const before = this.workers.map(({ lines }) => lines.length)
    await until('every worker works', () => this.workers.every(({ lines }, at) => lines.length > (before[at] ?? 0)))
  }

  /** Something happens; what became of the calls until they are served again. */
  async survive(event: () => Promise<unknown>, after: () => Promise<unknown>): Promise<Outage> {
    const from = Date.now()
    await event()
    await this.served(50)
    const to = Date.now()
    await after()
    await this.whole()
    await this.served(50)
    await this.ended(to)
    const lines = this.caller.lines.slice(this.#seen)
    this.#seen += lines.length
    const answered = lines.filter(({ code }) => code === 'ok')
    const times = answered.map(({ ended }) => ended).filter((time) => time > from && time <= to)
    const steps = [from, ...times.toSorted((a, b) => a - b)]
    return {
      silence: Math.max(...steps.slice(1).map((time, at) => time - (steps[at] ?? time))),
      slowest: Math.max(...answered.map(({ began, ended }) => ended - began)),
      calls: lines.length,
      lost: lines.filter(({ code }) => code !== 'ok').map(({ code }) => code),
    }
  }

  /** Waits until every call has ended; what is wrong: calls that were run twice, or of which something untrue was said. */
  async end(): Promise<{ calls: number; lost: number; wrong: string[] }> {
    this.caller.child.stdin?.write('over\n')
    const over = (): number | undefined => this.caller.lines.find((line) => line.over !== undefined)?.over
    await until('every call has ended', () => over() !== undefined, 3 * TIMEOUT_MS).catch((error: Error) => {
      throw new Error(`${error.message}; ${this.#missing()}`)
    })
    await pause(500) // what workers have said may still be on its way
    const ended = this.caller.lines.filter(isCall)
    const runs = this.#all.flatMap(({ lines }) => lines.map((line) => line.handled)).filter((it) => it !== undefined)
    const run = new Set<unknown>()
    const twice = runs.filter((asked) => run.size === run.add(asked).size)
    const untrue = ended.filter(({ asked, code, handled }) => (run.has(asked) ? handled === 'no' : code === 'ok'))
    return {
      calls: ended.length,
      lost: ended.filter(({ code }) => code !== 'ok').length,
      wrong: [
        ...twice.map((asked) => `${JSON.stringify(asked)} was run twice`),
        ...untrue.map(({ asked, code, handled }) => `${asked} ended with ${code}, ${handled}`),
        ...(ended.length === over() ? [] : [`${ended.length} of ${over()} calls have ended`]),
      ],
    }
  }

  /** Which calls have not ended, and whether anybody is there who could say so. */
  #missing(): string {
    const { child, lines } = this.caller
    const have = new Set(lines.filter(isCall).map(({ asked }) => Number(asked.split(' ')[1])))
    const all = lines.find((line) => line.all !== undefined)?.all
    const state = `exit code ${child.exitCode}, signal ${child.signalCode}`
    if (all === undefined) return `${have.size} have, and the caller has not heard that it is over: ${state}`
    const missing = Array.from({ length: all }, (_, at) => at + 1).filter((number) => !have.has(number))
    return `of ${all} calls ${have.size} have, not ${missing.slice(0, 20).join(', ')}; the caller: ${state}`
  }

  async close(): Promise<void> {
    const alive = [...this.#all, this.caller].filter(
      ({ child }) => child.exitCode === null && child.signalCode === null,
    )
    await Promise.all(alive.map((each) => kill(each)))
  }
}

/** Codes with which no call may end here. */
export function unforeseen(outages: readonly Outage[]): string[] {
  return outages.flatMap(({ lost }) => lost).filter((code) => !ENDS.includes(code))
}

/** A table of outages: a row for each kind of event. */
export function table(title: string, rows: ReadonlyMap<string, readonly Outage[]>): string {
  const head = ['', 'times', 'calls', 'without service: median', 'worst', 'slowest answer', 'calls without an answer']
  const ms = (value: number): string => `${Math.round(value)} ms`
  const body = [...rows].map(([what, outages]) => {
    const silences = outages.map(({ silence }) => silence).toSorted((a, b) => a - b)
    const lost = new Map<string, number>()
    for (const code of outages.flatMap((each) => each.lost)) lost.set(code, (lost.get(code) ?? 0) + 1)
    const codes = [...lost].map(([code, count]) => `${count} ${code}`).join(', ')
    const sum = outages.reduce((total, { calls }) => total + calls, 0)
    const slowest = Math.max(...outages.map((each) => each.slowest))
    return [
      what,
      String(outages.length),
      String(sum),
      ms(silences[silences.length >> 1] ?? 0),
      ms(silences.at(-1) ?? 0),
      ms(slowest),
      codes || 'none',
    ]
  })
  const lines = [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`)
  return [title, '', ...lines].join('\n')
}
